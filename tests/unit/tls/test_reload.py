"""The certificate of a real port is exchanged while connections are open, and clients show theirs."""

from __future__ import annotations

import asyncio
import socket
import ssl
import warnings
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import grpc
import grpc.aio
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from structlog.testing import capture_logs

from server.grpc_server import GrpcServer
from server.observability.metrics import Metrics
from server.runtime.lifecycle import Lifecycle
from server.services import Services
from server.setting_groups import LimitSettings, TlsSettings
from server.tls.reload import ServerCertificate
from tests.certificates import Issued, issue
from tests.fakes.access import OpenAccess

UP = health_pb2.HealthCheckResponse.SERVING
DOWN = health_pb2.HealthCheckResponse.NOT_SERVING
CA, OTHER_CA = issue("CA"), issue("other CA")


class Identity(health_pb2_grpc.HealthServicer):  # type: ignore[misc]  # the package has no types
    """A service that says what the connection tells about the client."""

    def __init__(self) -> None:
        self.seen: list[dict[str, list[bytes]]] = []

    async def Check(self, _request: object, context: Any) -> health_pb2.HealthCheckResponse:
        self.seen.append(context.auth_context())
        return health_pb2.HealthCheckResponse(status=UP)


class NoServices:
    """A port without services but health."""

    def add_to(self, server: grpc.aio.Server) -> None:
        """Nothing to add."""


class Clock:
    """Moved by hand."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.now


def files_of(folder: Path, leaf: Issued, client_ca: bytes = b"") -> TlsSettings:
    """Settings whose files hold these."""
    certificate, key = leaf.write(folder)
    clients = folder / "clients.pem"
    clients.write_bytes(client_ca)
    return TlsSettings(certificate=certificate, key=key, client_ca=clients if client_ca else None)


class Port:
    """A port with TLS and its files."""

    def __init__(self, settings: TlsSettings, limits: LimitSettings | None = None) -> None:
        self.settings = settings
        self.clock, self.metrics = Clock(), Metrics()
        self.certificate = ServerCertificate(settings, self.clock, self.metrics)
        self.server = GrpcServer(
            "127.0.0.1:0",
            cast(Services, NoServices()),
            Lifecycle(),
            self.metrics,
            OpenAccess(),
            credentials=self.certificate.credentials,
            limits=limits or LimitSettings(),
        )

    def replace(self, leaf: Issued) -> None:
        assert self.settings.certificate is not None
        leaf.write(self.settings.certificate.parent)

    @property
    def days(self) -> float | None:
        return self.metrics.registry.get_sample_value("vestibule_tls_certificate_days", {"certificate": "server"})

    def channel(self, ca: Issued, client: Issued | None = None) -> grpc.aio.Channel:
        """A connection of its own that trusts this CA."""
        identity = (client.key_pem, client.pem) if client else (None, None)
        credentials = grpc.ssl_channel_credentials(ca.pem, *identity)
        options = (("grpc.use_local_subchannel_pool", 1),)
        return grpc.aio.secure_channel(self.server.address, credentials, options=options)

    async def code(self, ca: Issued, client: Issued | None = None) -> grpc.StatusCode:
        """How a call on a new connection ends."""
        async with self.channel(ca, client) as channel:
            try:
                await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=10)
            except grpc.aio.AioRpcError as error:
                return error.code()
        return grpc.StatusCode.OK


@asynccontextmanager
async def listening(port: Port) -> AsyncIterator[Port]:
    await port.server.start()
    try:
        yield port
    finally:
        await port.server.stop(0)


async def test_a_new_certificate_is_for_new_connections_and_open_streams_go_on(tmp_path: Path) -> None:
    async with listening(Port(files_of(tmp_path, issue("old", CA)))) as port, asyncio.timeout(30):
        async with port.channel(CA) as channel:
            replies = aiter(health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest()))
            assert (await anext(replies)).status == DOWN
            port.replace(issue("new", OTHER_CA, ends=timedelta(days=60, hours=1)))
            port.certificate.refresh()
            assert await port.code(OTHER_CA) is grpc.StatusCode.OK
            assert await port.code(CA) is grpc.StatusCode.UNAVAILABLE
            await port.server.serving()
            assert (await anext(replies)).status == UP, "the stream of the old connection goes on"
            check = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())
            assert check.status == UP, "the old connection takes new calls too"
        assert port.days == 60


async def test_a_broken_pair_keeps_the_old_one_and_one_warning_says_why(tmp_path: Path) -> None:
    async with listening(Port(files_of(tmp_path, issue("old", CA)))) as port, asyncio.timeout(30):
        assert port.settings.certificate is not None
        old = port.settings.certificate.read_bytes()
        port.settings.certificate.write_bytes(issue("half", CA).pem)  # as between the writes of two files
        with capture_logs() as logs:
            for _ in range(3):
                port.certificate.refresh()
        [line] = logs
        assert (line["event"], line["log_level"]) == ("tls_files_refused", "warning")
        assert line["reason"] == "TLS_KEY_MISMATCH"
        assert "BEGIN" not in str(line)
        assert "does not belong" in port.certificate.component.detail
        assert port.certificate.component.healthy
        assert await port.code(CA) is grpc.StatusCode.OK
        port.settings.certificate.write_bytes(old)
        with capture_logs() as logs:
            port.certificate.refresh()
        assert logs == []
        assert "does not belong" not in port.certificate.component.detail


def _expire(certificate: Path) -> None:
    issue("late", CA, begins=timedelta(days=-3), ends=timedelta(days=-1)).write(certificate.parent)


def _expose(key: Path) -> None:
    key.chmod(0o644)


def _cut(key: Path) -> None:
    key.write_bytes(key.read_bytes()[:80])


def _empty(client_ca: Path) -> None:
    client_ca.write_bytes(b"")


@pytest.mark.parametrize(
    ("name", "damage", "reason"),
    [
        ("certificate", _expire, "TLS_CERTIFICATE_EXPIRED"),
        ("certificate", Path.unlink, "TLS_FILE_INVALID"),
        ("key", _expose, "TLS_KEY_EXPOSED"),
        ("key", _cut, "TLS_FILE_INVALID"),
        ("client_ca", _empty, "TLS_FILE_INVALID"),
    ],
)
async def test_no_damage_of_the_files_changes_the_port(
    tmp_path: Path, name: str, damage: Callable[[Path], None], reason: str
) -> None:
    async with listening(Port(files_of(tmp_path, issue("old", CA), OTHER_CA.pem))) as port, asyncio.timeout(30):
        damage(getattr(port.settings, name))
        with capture_logs() as logs:
            port.certificate.refresh()
        assert [line["reason"] for line in logs] == [reason]
        told = port.certificate.component.detail
        assert "VESTIBULE_TLS__" in told or "A TLS certificate" in told
        assert ("chmod 600" in told) == (reason == "TLS_KEY_EXPOSED")
        assert str(tmp_path) not in told
        assert await port.code(CA, issue("phone", OTHER_CA)) is grpc.StatusCode.OK
        assert await port.code(CA) is grpc.StatusCode.UNAVAILABLE, "no damage makes it open to everybody"


async def test_the_days_that_are_left_are_shown_and_warned_of(tmp_path: Path) -> None:
    port = Port(files_of(tmp_path, issue("server", CA, ends=timedelta(days=20, hours=1))))
    assert port.days == 20
    assert (port.certificate.component.name, port.certificate.component.healthy) == ("tls", True)
    assert port.certificate.component.detail == "The certificate expires in 20 day(s)."
    port.clock.now += timedelta(days=7)
    with capture_logs() as logs:
        port.certificate.refresh()
        port.certificate.refresh()
    assert [(line["event"], line["days_left"]) for line in logs] == [("tls_certificate_expires", 13)]
    assert port.days == 13
    assert port.certificate.component.healthy
    assert port.certificate.component.detail == "Warning: The certificate expires in 13 day(s)."
    port.clock.now += timedelta(days=1)
    with capture_logs() as logs:
        port.certificate.refresh()
    assert [line["days_left"] for line in logs] == [12], "once a day"
    port.clock.now += timedelta(days=13)
    port.certificate.refresh()
    assert port.days == -1
    assert not port.certificate.component.healthy
    assert "has expired" in port.certificate.component.detail


async def test_a_client_ca_that_expires_soon_is_warned_of(tmp_path: Path) -> None:
    client_ca = issue("client CA", ends=timedelta(days=9, hours=1))
    port = Port(files_of(tmp_path, issue("server", CA, ends=timedelta(days=20, hours=1)), client_ca.pem))
    assert port.certificate.component.detail == (
        "The certificate expires in 20 day(s). Warning: The last client CA expires in 9 day(s)."
    )


def test_without_tls_there_is_no_figure() -> None:
    labels = {"certificate": "server"}
    assert Metrics().registry.get_sample_value("vestibule_tls_certificate_days", labels) is None


async def test_the_files_are_read_again_by_themselves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.tls.reload.READ_EVERY_S", 0.01)
    port = Port(files_of(tmp_path, issue("old", CA, ends=timedelta(days=20, hours=1))))
    loop, done = asyncio.get_running_loop(), asyncio.Event()
    refresh = port.certificate.refresh

    def refresh_and_tell() -> None:
        refresh()
        loop.call_soon_threadsafe(done.set)

    monkeypatch.setattr(port.certificate, "refresh", refresh_and_tell)
    port.replace(issue("new", CA, ends=timedelta(days=80, hours=1)))
    watching = asyncio.create_task(port.certificate.watch())
    async with asyncio.timeout(60):
        await done.wait()
    watching.cancel()
    assert port.days == 80


async def test_clients_must_show_a_certificate_of_the_client_ca(tmp_path: Path) -> None:
    async with listening(Port(files_of(tmp_path, issue("server", CA), OTHER_CA.pem))) as port, asyncio.timeout(30):
        right, wrong = issue("phone-7", OTHER_CA, hosts=("phone-7.example",)), issue("phone-8", CA)
        late = issue("phone-9", OTHER_CA, begins=timedelta(days=-3), ends=timedelta(days=-1))
        assert await port.code(CA, right) is grpc.StatusCode.OK
        for refused in (None, wrong, late):
            assert await port.code(CA, refused) is grpc.StatusCode.UNAVAILABLE
        figure = port.metrics.registry.get_sample_value
        assert figure("vestibule_tls_certificate_days", {"certificate": "client_ca"}) == 29


async def test_the_client_ca_is_exchanged_too(tmp_path: Path) -> None:
    async with listening(Port(files_of(tmp_path, issue("server", CA), OTHER_CA.pem))) as port, asyncio.timeout(30):
        assert port.settings.client_ca is not None
        old, new = issue("phone-7", OTHER_CA), issue("phone-8", CA)
        port.settings.client_ca.write_bytes(CA.pem)
        port.certificate.refresh()
        assert await port.code(CA, new) is grpc.StatusCode.OK
        assert await port.code(CA, old) is grpc.StatusCode.UNAVAILABLE


async def test_the_identity_of_the_client_is_in_the_auth_context(tmp_path: Path) -> None:
    port = Port(files_of(tmp_path, issue("server", CA), OTHER_CA.pem))
    server, identity = grpc.aio.server(), Identity()
    health_pb2_grpc.add_HealthServicer_to_server(identity, server)
    number = server.add_secure_port("127.0.0.1:0", port.certificate.credentials)
    port.server.address = f"127.0.0.1:{number}"
    await server.start()
    try:
        async with asyncio.timeout(30):
            code = await port.code(CA, issue("phone-7", OTHER_CA, hosts=("phone-7.example",)))
    finally:
        await server.stop(0)
    assert code is grpc.StatusCode.OK
    [context] = identity.seen
    assert context["x509_common_name"] == [b"phone-7"]
    assert context["x509_subject_alternative_name"] == [b"phone-7.example"]


@pytest.mark.parametrize("sent", [b"", b"\x16\x03\x01\x02\x00\x01\x00"], ids=["nothing", "half a greeting"])
async def test_a_handshake_that_stalls_is_cut_and_holds_up_nobody(tmp_path: Path, sent: bytes) -> None:
    limits = LimitSettings(handshake_s=0.3)
    async with listening(Port(files_of(tmp_path, issue("server", CA)), limits)) as port, asyncio.timeout(30):
        host, _, number = port.server.address.rpartition(":")
        stalled = [await asyncio.open_connection(host, int(number)) for _ in range(20)]
        for _, writer in stalled:
            writer.write(sent)
        assert await port.code(CA) is grpc.StatusCode.OK
        assert [await reader.read() for reader, _ in stalled] == [b""] * 20, "the server hangs up"
        for _, writer in stalled:
            writer.close()


async def test_old_versions_and_weak_ciphers_are_not_spoken(tmp_path: Path) -> None:
    """By real handshakes: every cipher suite that this machine's OpenSSL can offer, and each version of TLS."""
    async with listening(Port(files_of(tmp_path, issue("server", CA)))) as port:
        _, _, number = port.server.address.rpartition(":")
        agreed = await asyncio.to_thread(_agreed, int(number))
    assert agreed["TLSv1"] == agreed["TLSv1.1"] == ""
    assert agreed["TLSv1.2"] == agreed["TLSv1.3"] == "yes"
    strong = {"ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-ECDSA-CHACHA20-POLY1305"}
    taken = {name for name, answer in agreed.items() if answer and not name.startswith("TLSv")}
    assert taken
    assert taken <= strong
    assert len(agreed) > 50, "many weak ones were tried"


def _agreed(port: int) -> dict[str, str]:
    """What a handshake of each kind ended with; "" means that the server refused it."""
    found = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of versions that nobody should speak
        for version in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            context = _context("ALL:COMPLEMENTOFALL")
            context.minimum_version = context.maximum_version = version
            found[version.name.replace("_", ".")] = "yes" if _handshake(port, context) else ""
        for name in [cipher["name"] for cipher in _context("ALL:COMPLEMENTOFALL").get_ciphers()]:
            if not name.startswith("TLS_"):  # those of 1.3, which cannot be weakened
                context = _context(name)
                context.maximum_version = ssl.TLSVersion.TLSv1_2
                found[name] = _handshake(port, context)
    return found


def _context(ciphers: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    context.set_ciphers(f"{ciphers}:@SECLEVEL=0")
    return context


def _handshake(port: int, context: ssl.SSLContext) -> str:
    try:
        with socket.create_connection(("127.0.0.1", port), 10) as plain, context.wrap_socket(plain) as secure:
            cipher = secure.cipher()
    except OSError:
        return ""
    return cipher[0] if cipher else ""
