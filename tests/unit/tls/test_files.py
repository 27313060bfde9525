"""What the files of the TLS settings must be, with real certificates."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat
from pydantic import ValidationError

from models.errors import InvalidInput
from server.setting_groups import ClientSettings, TlsSettings
from server.tls.files import Expiry, check_files, read_files
from tests.certificates import PrivateKey, issue

CA = issue("CA")


def checked(settings: TlsSettings) -> Expiry:
    return check_files(read_files(settings), datetime.now(UTC))


def refusal(settings: TlsSettings) -> InvalidInput:
    with pytest.raises(InvalidInput) as caught:
        checked(settings)
    return caught.value


@pytest.fixture
def settings(tmp_path: Path) -> TlsSettings:
    certificate, key = issue("server", CA).write(tmp_path)
    return TlsSettings(certificate=certificate, key=key)


@pytest.mark.parametrize(
    "key",
    [
        ec.generate_private_key(ec.SECP256R1()),
        ec.generate_private_key(ec.SECP384R1()),
        rsa.generate_private_key(65537, 2048),
    ],
    ids=["P-256", "P-384", "RSA"],
)
def test_a_pair_and_its_chain_are_taken(key: PrivateKey, tmp_path: Path) -> None:
    leaf = issue("server", CA, key=key, ends=timedelta(days=40))
    certificate, key_file = leaf.write(tmp_path)
    certificate.write_bytes(leaf.pem + CA.pem)
    expiry = checked(TlsSettings(certificate=certificate, key=key_file))
    assert expiry == Expiry(CA.certificate.not_valid_after_utc, None), "the chain ends with its first certificate"


@pytest.mark.parametrize(
    ("key", "why"),
    [
        (rsa.generate_private_key(65537, 1024), "at least 2048 bits"),
        (ec.generate_private_key(ec.SECP521R1()), "P-256 or P-384"),
        (ed25519.Ed25519PrivateKey.generate(), "P-256 or P-384"),
    ],
    ids=["short RSA", "P-521", "Ed25519"],
)
def test_a_key_that_grpc_cannot_use_or_that_is_short_is_refused(key: PrivateKey, why: str, tmp_path: Path) -> None:
    certificate, key_file = issue("server", CA, key=key).write(tmp_path)
    error = refusal(TlsSettings(certificate=certificate, key=key_file))
    assert error.reason == "TLS_FILE_INVALID"
    assert why in error.message


def test_a_key_of_another_certificate_is_refused(settings: TlsSettings, tmp_path: Path) -> None:
    _, other = issue("server", CA).write(tmp_path, "other")
    error = refusal(TlsSettings(certificate=settings.certificate, key=other))
    assert error.reason == "TLS_KEY_MISMATCH"
    assert "VESTIBULE_TLS__KEY" in error.hint


def test_the_servers_own_certificate_must_come_first(settings: TlsSettings) -> None:
    assert settings.certificate is not None
    settings.certificate.write_bytes(CA.pem + settings.certificate.read_bytes())
    assert refusal(settings).reason == "TLS_KEY_MISMATCH"


@pytest.mark.parametrize(
    ("begins", "ends", "what"), [(-9, -1, "has expired"), (1, 9, "is not valid yet")], ids=["expired", "too early"]
)
def test_a_certificate_outside_its_time_is_refused(begins: int, ends: int, what: str, tmp_path: Path) -> None:
    leaf = issue("server", CA, begins=timedelta(days=begins), ends=timedelta(days=ends))
    certificate, key = leaf.write(tmp_path)
    error = refusal(TlsSettings(certificate=certificate, key=key))
    assert error.reason == "TLS_CERTIFICATE_EXPIRED"
    assert what in error.message


def test_an_expired_issuer_in_the_chain_is_refused(settings: TlsSettings) -> None:
    assert settings.certificate is not None
    old = issue("old", begins=timedelta(days=-9), ends=timedelta(days=-1))
    settings.certificate.write_bytes(settings.certificate.read_bytes() + old.pem)
    assert refusal(settings).reason == "TLS_CERTIFICATE_EXPIRED"


def test_client_cas_may_expire_one_by_one(settings: TlsSettings, tmp_path: Path) -> None:
    old = issue("old", begins=timedelta(days=-9), ends=timedelta(days=-1))
    client_ca = tmp_path / "clients.pem"
    client_ca.write_bytes(old.pem + CA.pem)
    with_ca = settings.model_copy(update={"client_ca": client_ca})
    assert checked(with_ca).client_ca == CA.certificate.not_valid_after_utc
    client_ca.write_bytes(old.pem)
    assert refusal(with_ca).reason == "TLS_CERTIFICATE_EXPIRED"


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660, 0o602])
def test_a_key_that_others_can_read_is_refused(
    mode: int, settings: TlsSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert settings.key is not None
    settings.key.chmod(mode)
    owned_by(monkeypatch, 1000)
    assert refusal(settings).reason == "TLS_KEY_EXPOSED"


@pytest.mark.parametrize(("mode", "taken"), [(0o440, True), (0o640, True), (0o444, False), (0o660, False)])
def test_the_group_may_read_a_key_of_root(
    mode: int, taken: bool, settings: TlsSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert settings.key is not None
    settings.key.chmod(mode)
    owned_by(monkeypatch, 0)
    if taken:
        checked(settings)
    else:
        assert refusal(settings).reason == "TLS_KEY_EXPOSED"


def owned_by(monkeypatch: pytest.MonkeyPatch, user: int) -> None:
    """Let every open file belong to this user; only root could really change it."""
    real = os.fstat

    def fstat(fd: int) -> os.stat_result:
        found = list(real(fd))
        found[4] = user
        return os.stat_result(found)

    monkeypatch.setattr("server.tls.files.os.fstat", fstat)


def _remove(path: Path) -> None:
    path.unlink()


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _garbage(path: Path) -> None:
    path.write_bytes(b"-----BEGIN CERTIFICATE-----\nsecret words\n-----END CERTIFICATE-----\n")


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _huge(path: Path) -> None:
    path.write_bytes(b"x" * (1024 * 1024 + 1))


@pytest.mark.parametrize("damage", [_remove, _folder, _pipe, _garbage, _empty, _huge])
@pytest.mark.parametrize("which", ["certificate", "key", "client_ca"])
def test_a_file_that_is_none_or_holds_something_else_is_refused(
    which: str, damage: Callable[[Path], None], settings: TlsSettings, tmp_path: Path
) -> None:
    client_ca = tmp_path / "clients.pem"
    client_ca.write_bytes(CA.pem)
    whole = settings.model_copy(update={"client_ca": client_ca})
    damage(getattr(whole, which))
    error = refusal(whole)
    assert error.reason == "TLS_FILE_INVALID"
    assert f"VESTIBULE_TLS__{which.upper()}" in error.message
    assert "secret" not in error.message + error.hint
    assert str(tmp_path) not in error.message + error.hint


def test_a_locked_key_is_refused(settings: TlsSettings) -> None:
    assert settings.key is not None
    key = ec.generate_private_key(ec.SECP256R1())
    settings.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"pass")))
    error = refusal(settings)
    assert error.reason == "TLS_FILE_INVALID"
    assert "password" in error.message


def test_the_key_is_not_in_a_representation(settings: TlsSettings) -> None:
    assert repr(read_files(settings)) == "TlsFiles(...)"


@pytest.mark.parametrize("name", ["certificate", "key", "client_ca"])
def test_a_certificate_goes_with_its_key(name: str) -> None:
    with pytest.raises(ValidationError) as caught:
        TlsSettings.model_validate({name: "a"})
    assert caught.value.errors()[0]["type"] == "TLS_INCOMPLETE"


@pytest.mark.parametrize("name", ["certificate", "key"])
def test_a_client_certificate_goes_with_its_key(name: str) -> None:
    with pytest.raises(ValidationError) as caught:
        ClientSettings.model_validate({name: "a"})
    assert caught.value.errors()[0]["type"] == "TLS_INCOMPLETE"


def test_an_empty_variable_turns_tls_off() -> None:
    settings = TlsSettings.model_validate({"certificate": "", "key": "", "client_ca": ""})
    assert not settings.enabled
