"""The console with TLS: real sockets, real certificates, and `vestibule console` as its client."""

from __future__ import annotations

import asyncio
import errno
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest
from click.testing import CliRunner
from structlog.testing import capture_logs

from server.access.caller import Scope
from server.access.operator_key import load_or_create_operator_key
from server.access.peer import Peer
from server.cli.console import console
from server.console import connections
from server.console.http import ConsoleServer
from server.console.running import ADDRESS_FILE, RunningConsole, running_console, write_running_console
from server.observability.metrics import Metrics
from server.rpc.flood_guard import FloodGuard
from server.rpc.port_sockets import SUPPORTED
from server.setting_groups import ConsoleSettings, LimitSettings, TlsSettings
from server.tls.files import OF_THE_CONSOLE
from server.tls.reload import ConsoleCertificate
from tests.certificates import issue
from tests.unit.console.harness import Harness

CA = issue("CA")


class Running:
    """A console with TLS on loopback."""

    def __init__(self, folder: Path, *, guarded: bool) -> None:
        self.folder = folder
        self.harness = Harness(folder, settings=ConsoleSettings(url="https://localhost:1"))
        issue("one", CA).write(folder)
        files = TlsSettings(certificate=folder / "server.pem", key=folder / "server.key")
        self.certificate = ConsoleCertificate(files, lambda: datetime.now(UTC), Metrics(), OF_THE_CONSOLE)
        self.metrics = Metrics()
        limits = LimitSettings(flood_bytes=256 * 1024, flood_bytes_per_s=1, flood_refused_s=1.0)
        guard = FloodGuard(limits, self.metrics) if guarded else None
        self.server = ConsoleServer(self.harness.app, ConsoleSettings(port=0), folder, self.certificate, guard)
        self.trust = ssl.create_default_context(cadata=CA.pem.decode())

    @property
    def port(self) -> int:
        return urlsplit(self.server.address).port or 0

    async def shown(self) -> str:
        """The name in the certificate that a new connection sees."""
        _, writer = await asyncio.open_connection("127.0.0.1", self.port, ssl=self.trust)
        subject = writer.get_extra_info("peercert")["subject"]
        writer.close()
        return str(subject[0][0][1])


@asynccontextmanager
async def running(folder: Path, *, guarded: bool = False) -> AsyncIterator[Running]:
    made = Running(folder, guarded=guarded)
    await made.server.start()
    try:
        yield made
    finally:
        await made.server.stop()
        made.harness.close()


async def test_it_speaks_tls_and_nothing_else(tmp_path: Path) -> None:
    async with running(tmp_path) as made:
        assert made.server.address == f"https://127.0.0.1:{made.port}"
        async with httpx2.AsyncClient(verify=made.trust, trust_env=False) as browser:
            answer = await browser.post(
                f"{made.server.address}/login", data={"key": await made.harness.key(Scope.OPERATOR)}
            )
            assert answer.status_code == 303
            assert answer.headers["set-cookie"].startswith("__Host-")
            assert (await browser.get(f"{made.server.address}/health")).status_code == 200
        reader, writer = await asyncio.open_connection("127.0.0.1", made.port)
        writer.write(b"GET /login HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b"HTTP/" not in await reader.read()
        writer.close()
        old = ssl.create_default_context(cadata=CA.pem.decode())
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_2
        _, writer = await asyncio.open_connection("127.0.0.1", made.port, ssl=old)
        writer.close()


async def test_a_new_certificate_is_shown_to_new_connections_and_a_broken_one_is_not(tmp_path: Path) -> None:
    async with running(tmp_path) as made:
        assert await made.shown() == "one"
        first = made.certificate.fingerprint
        issue("two", CA).write(tmp_path)
        made.certificate.refresh()
        assert await made.shown() == "two"
        assert made.certificate.fingerprint != first
        issue("three", CA).write(tmp_path, "other")
        (tmp_path / "server.key").write_bytes((tmp_path / "other.key").read_bytes())
        with capture_logs() as logs:
            made.certificate.refresh()
        assert [(line["event"], line["reason"]) for line in logs] == [("tls_files_refused", "TLS_KEY_MISMATCH")]
        assert await made.shown() == "two"
        component = made.certificate.component
        assert (component.name, component.healthy) == ("console_tls", True)
        assert "VESTIBULE_CONSOLE__TLS_KEY" in component.detail


async def test_the_command_sends_a_key_only_to_the_certificate_that_the_server_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("VESTIBULE_API_KEY", raising=False)
    async with running(tmp_path) as made:
        made.harness.keys.accept_operator_key(load_or_create_operator_key(tmp_path))

        async def command() -> str:
            arguments = ["--state-dir", str(tmp_path)]
            return (await asyncio.to_thread(CliRunner().invoke, console, arguments)).output

        assert (await command()).startswith(f"{made.server.address}/login?ticket=")
        told = running_console(tmp_path)
        assert told is not None
        assert told.fingerprint == made.certificate.fingerprint
        file = tmp_path / ADDRESS_FILE
        told_text = file.read_text()
        file.write_text(json.dumps(json.loads(told_text) | {"fingerprint": "0" * 64}))
        seen = len(made.harness.decisions)
        assert "Another program answered" in await command()
        assert len(made.harness.decisions) == seen, "the key was not sent"
        file.write_text(json.dumps(json.loads(told_text) | {"url": "https://console.example"}))
        assert "There is no key to log in with." in await command(), "the generated key is for this machine"


async def test_a_renewal_whose_address_cannot_be_written_is_told_later_and_the_next_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.console.http.READ_EVERY_S", 0.01)
    full, refused = [True], asyncio.Event()
    loop = asyncio.get_running_loop()

    def write(state_dir: Path, console: RunningConsole) -> None:
        if full[0]:
            loop.call_soon_threadsafe(refused.set)
            raise OSError(errno.ENOSPC, "No space left on device")
        write_running_console(state_dir, console)

    async with running(tmp_path) as made, asyncio.timeout(60):
        monkeypatch.setattr("server.console.http.write_running_console", write)
        issue("two", CA).write(tmp_path)
        await refused.wait()
        issue("three", CA).write(tmp_path)
        while await made.shown() != "three":  # noqa: ASYNC110 - the server tells nobody
            await asyncio.sleep(0.01)
        full[0] = False
        while (told := running_console(tmp_path)) is None or told.fingerprint != made.certificate.fingerprint:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("sent", [b"", b"\x16\x03\x01\x02\x00\x01"])
async def test_a_connection_that_does_not_finish_its_handshake_is_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    monkeypatch.setattr("server.console.http.SILENT_S", 0.2)
    async with running(tmp_path) as made:
        reader, writer = await asyncio.open_connection("127.0.0.1", made.port)
        writer.write(sent)
        async with asyncio.timeout(60):
            assert not await reader.read()
        writer.close()


async def test_one_address_elsewhere_has_only_so_many_connections(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "MOST_OF_ONE_ADDRESS", 3)
    monkeypatch.setattr(connections, "peer_at", lambda host: Peer(host, host, local=False))
    async with running(tmp_path) as made:
        streams = [await asyncio.open_connection("127.0.0.1", made.port, ssl=made.trust) for _ in range(3)]
        async with asyncio.timeout(60):
            try:
                reader, _ = await asyncio.open_connection("127.0.0.1", made.port, ssl=made.trust)
                assert not await reader.read()
            except (ConnectionError, ssl.SSLError):
                pass  # it was closed within the handshake
            reader, writer = streams[0]
            writer.write(b"GET /login HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert (await reader.readline()).startswith(b"HTTP/1.1 200")
        for _, writer in streams:
            writer.close()


async def test_a_browser_that_takes_no_answer_is_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "UNTAKEN_S", 0.2)
    async with running(tmp_path) as made:
        reader, writer = await asyncio.open_connection("127.0.0.1", made.port, ssl=made.trust, limit=1024)
        async with asyncio.timeout(60):
            with pytest.raises((ConnectionError, ssl.SSLError)):
                while True:
                    writer.write(b"GET /static/htmx.min.js HTTP/1.1\r\nHost: localhost\r\n\r\n" * 50)
                    await writer.drain()
                    await asyncio.sleep(0.01)
        reader.feed_eof()
        writer.close()


@pytest.mark.skipif(not SUPPORTED, reason="the kernel is asked on Linux only")
async def test_an_address_that_floods_the_port_is_refused_for_a_while(tmp_path: Path) -> None:
    async with running(tmp_path, guarded=True) as made:
        async with asyncio.timeout(60):
            while not made.metrics.floods._value.get():
                with suppress(OSError):
                    _, writer = await asyncio.open_connection("127.0.0.1", made.port)
                    writer.write(b"x")
                    writer.close()
        async with asyncio.timeout(60):
            while True:
                with suppress(OSError, TimeoutError):
                    async with asyncio.timeout(1):
                        assert await made.shown() == "one"
                        break
