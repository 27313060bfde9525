"""The certificate for development: a client that checks takes it, under each of its names."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import grpc.aio
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID
from grpc_health.v1 import health_pb2, health_pb2_grpc

from models.errors import InvalidInput
from server.grpc_server import GrpcServer
from server.observability.metrics import Metrics
from server.setting_groups import TlsSettings
from server.tls.development import (
    MOST_DAYS,
    DevelopmentCertificate,
    addresses_of_this_machine,
    make_development_certificate,
)
from server.tls.reload import ServerCertificate
from tests.unit.tls.test_reload import Port, listening

HOSTS = ("192.0.2.7", "laptop.local", "2001:db8::7")


def made_in(folder: Path, *hosts: str, days: int = 30) -> DevelopmentCertificate:
    return make_development_certificate(folder, hosts or HOSTS, days, datetime.now(UTC))


def settings_of(made: DevelopmentCertificate) -> TlsSettings:
    return TlsSettings(certificate=made.certificate, key=made.key)


async def called(server: GrpcServer, ca: bytes, name: str) -> grpc.StatusCode:
    options = (("grpc.use_local_subchannel_pool", 1), ("grpc.ssl_target_name_override", name))
    async with grpc.aio.secure_channel(server.address, grpc.ssl_channel_credentials(ca), options) as channel:
        try:
            await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=10)
        except grpc.aio.AioRpcError as error:
            return error.code()
    return grpc.StatusCode.OK


async def test_a_client_that_trusts_the_ca_takes_every_name_and_no_other(tmp_path: Path) -> None:
    made = made_in(tmp_path / "tls")
    ca = made.ca.read_bytes()
    async with listening(Port(settings_of(made))) as port:
        for name in (*HOSTS, "localhost", "127.0.0.1", "::1"):
            assert await called(port.server, ca, name) is grpc.StatusCode.OK, name
        assert await called(port.server, ca, "other.local") is grpc.StatusCode.UNAVAILABLE
        made_in(tmp_path / "tls")
        port.certificate.refresh()
        assert await called(port.server, made.ca.read_bytes(), "localhost") is grpc.StatusCode.OK
        assert await called(port.server, ca, "localhost") is grpc.StatusCode.UNAVAILABLE, "the old CA signs no more"


def test_the_files_are_private_and_no_key_of_the_ca_is_kept(tmp_path: Path) -> None:
    made = made_in(tmp_path / "state" / "tls")
    files = sorted(path.name for path in made.key.parent.iterdir())
    assert files == ["ca.pem", "certificate.pem", "key.pem"]
    assert {path.stat().st_mode & 0o777 for path in made.key.parent.iterdir()} == {0o600}
    assert made.key.parent.stat().st_mode & 0o777 == 0o700
    assert made.key.read_bytes().count(b"PRIVATE KEY") == 2, "one key, with its two lines"
    assert b"PRIVATE" not in made.ca.read_bytes() + made.certificate.read_bytes()


def test_phones_find_what_they_demand(tmp_path: Path) -> None:
    leaf, ca = x509.load_pem_x509_certificates(made_in(tmp_path, days=824).certificate.read_bytes())
    assert leaf.not_valid_after_utc - leaf.not_valid_before_utc <= timedelta(days=MOST_DAYS)
    assert leaf.not_valid_before_utc < datetime.now(UTC) - timedelta(hours=12), "the phone's clock may be slow"
    usage = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.SERVER_AUTH]
    assert ca.extensions.get_extension_for_class(x509.BasicConstraints).value == x509.BasicConstraints(True, 0)
    leaf.verify_directly_issued_by(ca)


def test_the_fingerprints_are_those_of_the_files(tmp_path: Path) -> None:
    made = made_in(tmp_path)
    leaf, ca = x509.load_pem_x509_certificates(made.certificate.read_bytes())
    assert made.ca.read_bytes().strip() in made.certificate.read_bytes()
    for shown, certificate in ((made.certificate_sha256, leaf), (made.ca_sha256, ca)):
        assert shown.replace(":", "").lower() == hashlib.sha256(certificate.public_bytes(Encoding.DER)).hexdigest()


@pytest.mark.parametrize("host", ["laptop:50051", "", "a b", "192.0.2.400", "-a", "*.example.com", "a..b", "x" * 64])
def test_what_is_no_host_is_refused(host: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput) as caught:
        made_in(tmp_path, host)
    assert caught.value.reason == "ADDRESS_INVALID"
    assert list(tmp_path.iterdir()) == []


def test_addresses_of_this_machine_are_no_loopback_and_fit_a_certificate(tmp_path: Path) -> None:
    found = addresses_of_this_machine()
    assert not set(found) & {"127.0.0.1", "::1", "localhost"}
    assert not [host for host in found if "%" in host]
    made = made_in(tmp_path, *found)
    ServerCertificate(settings_of(made), lambda: datetime.now(UTC), Metrics())
