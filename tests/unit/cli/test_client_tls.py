"""When the commands speak TLS, whom they trust, and what they say when a connection fails; with real handshakes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent import futures
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import click
import grpc
import pytest
from click.testing import CliRunner, Result
from vestibule.v1 import admin_pb2_grpc

from models.errors import InvalidInput
from server.cli.client_tls import TlsOptions, client_tls
from server.cli.main import cli
from server.setting_groups import ClientSettings, TlsSettings
from server.settings import Settings
from tests.certificates import Issued, issue
from tests.unit.cli.test_commands import Admin

CA, OTHER_CA = issue("CA"), issue("other CA")
ELSEWHERE = "192.0.2.1:50051"
Serve = Callable[..., str]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Starts servers on loopback, with a certificate or in plain text; returns their addresses."""
    with ExitStack() as stack:

        def start(leaf: Issued | None = None, client_ca: Issued | None = None) -> str:
            server = grpc.server(futures.ThreadPoolExecutor(1))
            admin_pb2_grpc.add_AdminServiceServicer_to_server(Admin(), server)
            if leaf is None:
                port = server.add_insecure_port("127.0.0.1:0")
            else:
                roots = client_ca.pem if client_ca else None
                credentials = grpc.ssl_server_credentials([(leaf.key_pem, leaf.pem)], roots, roots is not None)
                port = server.add_secure_port("127.0.0.1:0", credentials)
            server.start()
            stack.callback(lambda: server.stop(None).wait())
            return f"127.0.0.1:{port}"

        yield start


@pytest.fixture
def ca(tmp_path: Path) -> str:
    """The file of the CA that issued the servers' certificates."""
    path = tmp_path / "ca.pem"
    path.write_bytes(CA.pem)
    return str(path)


def status(address: str, *options: str, **settings: str) -> Result:
    environment = {f"VESTIBULE_{name.upper()}": value for name, value in settings.items()}
    return CliRunner(env=environment).invoke(cli, ["status", "--address", address, *options])


def failed(result: Result, reason: str) -> str:
    assert result.exit_code == 1
    assert f"[{reason}]" in result.stderr
    assert "Hint: " in result.stderr
    return result.stderr


def test_a_command_reaches_a_server_whose_ca_it_is_given(serve: Serve, ca: str) -> None:
    address = serve(issue("server", CA))
    for result in (status(address, "--tls-ca", ca), status(address, client__ca=ca)):
        assert result.exit_code == 0, result.stderr
        assert "1.2.3" in result.stdout


def test_an_option_wins_over_the_setting(serve: Serve, ca: str, tmp_path: Path) -> None:
    other = tmp_path / "other.pem"
    other.write_bytes(OTHER_CA.pem)
    assert status(serve(issue("server", CA)), "--tls-ca", ca, client__ca=str(other)).exit_code == 0
    assert status(serve(), "--plaintext", client__ca=ca).exit_code == 0


def test_a_server_of_the_same_settings_is_trusted_by_its_certificate(serve: Serve, tmp_path: Path) -> None:
    """An operator on the machine of the server needs no CA file, and no name that leads to loopback."""
    for hosts in (("vestibule.example.com",), ("*.example.com",), ("192.0.2.7",)):
        leaf = issue("server", CA, hosts=hosts)
        certificate, key = leaf.write(tmp_path)
        settings = {"tls__certificate": str(certificate), "tls__key": str(key)}
        address = serve(leaf)
        result = status(address, **settings)
        assert result.exit_code == 0, result.stderr
        impostor = status(serve(issue("impostor", CA, hosts=hosts)), **settings)
        failed(impostor, "TLS_CERTIFICATE_UNTRUSTED")


def test_the_name_in_the_certificate_may_be_given(serve: Serve, ca: str) -> None:
    address = serve(issue("server", CA, hosts=("vestibule.example.com",)))
    assert status(address, "--tls-ca", ca, client__server_name="vestibule.example.com").exit_code == 0


def test_a_client_certificate_is_shown(serve: Serve, ca: str, tmp_path: Path) -> None:
    address = serve(issue("server", CA), client_ca=OTHER_CA)
    failed(status(address, "--tls-ca", ca), "TLS_CLIENT_CERTIFICATE_REFUSED")
    for issuer, code in ((OTHER_CA, 0), (CA, 1)):
        certificate, key = issue("me", issuer).write(tmp_path)
        result = status(address, "--tls-ca", ca, client__certificate=str(certificate), client__key=str(key))
        assert result.exit_code == code
    failed(result, "TLS_CLIENT_CERTIFICATE_REFUSED")


@pytest.mark.parametrize(
    ("leaf", "reason"),
    [
        (issue("server", OTHER_CA), "TLS_CERTIFICATE_UNTRUSTED"),
        (issue("server"), "TLS_CERTIFICATE_UNTRUSTED"),
        (issue("server", CA, begins=timedelta(days=-9), ends=timedelta(days=-1)), "TLS_CERTIFICATE_EXPIRED"),
        (issue("server", CA, begins=timedelta(days=1)), "TLS_CERTIFICATE_EXPIRED"),
        (issue("server", CA, hosts=("vestibule.example.com",)), "TLS_NAME_MISMATCH"),
        (issue("server", CA, hosts=("192.0.2.7",)), "TLS_NAME_MISMATCH"),
        (None, "TLS_NOT_SPOKEN"),
    ],
    ids=["wrong CA", "signed by itself", "expired", "too early", "other name", "other address", "plain text"],
)
def test_a_failure_says_what_is_wrong(serve: Serve, ca: str, leaf: Issued | None, reason: str) -> None:
    failed(status(serve(leaf), "--tls-ca", ca), reason)


def test_plain_text_to_a_server_with_tls_says_so(serve: Serve) -> None:
    address = serve(issue("server", CA))
    assert "--tls-ca" in failed(status(address), "TLS_REQUIRED")
    assert "--plaintext" in failed(status(address, "--plaintext"), "TLS_REQUIRED")


def test_keys_are_not_looked_for_in_the_ledger_of_a_server_that_speaks_tls(serve: Serve, tmp_path: Path) -> None:
    environment = {
        "VESTIBULE_ADDRESS": serve(issue("server", CA)),
        "VESTIBULE_DATA_DIR": str(tmp_path / "data"),
        "VESTIBULE_STATE_DIR": str(tmp_path / "state"),
    }
    result = CliRunner(env=environment).invoke(cli, ["keys", "list"])
    assert "ledger" not in failed(result, "TLS_REQUIRED")


def test_where_nobody_listens_nothing_is_said_of_tls(serve: Serve, ca: str) -> None:
    assert "TLS" not in failed(status("127.0.0.1:1"), "UNAVAILABLE")
    assert "TLS" not in failed(status("127.0.0.1:1", "--tls-ca", ca), "UNAVAILABLE")


@pytest.mark.parametrize("target", ["127.0.0.1:1", "localhost:1", "[::1]:1", "127.9.9.9:1"])
def test_loopback_is_plain_text_by_default(target: str) -> None:
    assert client_tls(target, Settings(), TlsOptions()) is None


@pytest.mark.parametrize("target", [ELSEWHERE, "vestibule.example.com:443", "[2001:db8::1]:1", "localhost.example:1"])
def test_another_machine_is_reached_with_tls_unless_plain_text_is_named(target: str) -> None:
    tls = client_tls(target, Settings(), TlsOptions())
    assert tls is not None
    assert (tls.certificate, tls.key, tls.server_name) == (None, None, "")
    assert client_tls(target, Settings(), TlsOptions(plaintext=True)) is None
    assert client_tls(target, Settings(client=ClientSettings(plaintext=True)), TlsOptions()) is None


def test_an_option_for_tls_wins_over_the_setting_of_plain_text(ca: str) -> None:
    settings = Settings(client=ClientSettings(plaintext=True))
    tls = client_tls(ELSEWHERE, settings, TlsOptions(ca=Path(ca)))
    assert tls is not None
    assert tls.roots == CA.pem


def test_the_certificate_of_the_settings_is_for_the_server_of_the_settings_alone(tmp_path: Path) -> None:
    certificate, key = issue("server", CA).write(tmp_path)
    settings = Settings(tls=TlsSettings(certificate=certificate, key=key))
    own, other = (client_tls(ELSEWHERE, settings, TlsOptions(own_address=own)) for own in (True, False))
    assert own is not None
    assert other is not None
    assert own.roots == certificate.read_bytes()
    assert other.roots != own.roots


def test_the_roots_of_the_system_are_trusted_by_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    company = tmp_path / "roots.pem"
    company.write_bytes(CA.pem)
    monkeypatch.setenv("SSL_CERT_FILE", str(company))
    tls = client_tls(ELSEWHERE, Settings(), TlsOptions())
    assert tls is not None
    assert tls.roots == CA.pem


def test_options_that_contradict_each_other_are_refused(ca: str) -> None:
    with pytest.raises(click.UsageError, match="contradict"):
        client_tls(ELSEWHERE, Settings(), TlsOptions(ca=Path(ca), plaintext=True))


@pytest.mark.parametrize("content", [None, b"", b"no certificate"])
def test_a_ca_file_that_is_none_is_refused(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_bytes(content)
    failed(status(ELSEWHERE, "--tls-ca", str(path)), "TLS_FILE_INVALID")


def test_a_client_key_that_others_can_read_is_refused(ca: str, tmp_path: Path) -> None:
    certificate, key = issue("me", CA).write(tmp_path)
    key.chmod(0o644)
    settings = Settings(client=ClientSettings(ca=Path(ca), certificate=certificate, key=key))
    with pytest.raises(InvalidInput) as caught:
        client_tls(ELSEWHERE, settings, TlsOptions())
    assert caught.value.reason == "TLS_KEY_EXPOSED"
    assert "VESTIBULE_CLIENT__KEY" in caught.value.hint
