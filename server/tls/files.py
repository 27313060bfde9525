"""The certificates and keys that the settings name: read and checked before they are used.

The server and our own clients share this. Messages name the setting, not the path, and never the content.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from models.errors import InvalidInput
from models.reasons import Reason
from server.setting_groups import ConsoleSettings, TlsSettings

LEAST_RSA_BITS: Final = 2048
MOST_BYTES: Final = 1024 * 1024
_CURVES: Final = ("secp256r1", "secp384r1")
"""The curves that gRPC's TLS signs with; with another one, or Ed25519, every handshake would fail."""


@dataclass(frozen=True, slots=True)
class SettingNames:
    """The variables that name the files, for messages."""

    certificate: str
    key: str
    client_ca: str = ""


OF_THE_GATE: Final = SettingNames("VESTIBULE_TLS__CERTIFICATE", "VESTIBULE_TLS__KEY", "VESTIBULE_TLS__CLIENT_CA")
OF_THE_CONSOLE: Final = SettingNames("VESTIBULE_CONSOLE__TLS_CERTIFICATE", "VESTIBULE_CONSOLE__TLS_KEY")


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """The content of the files, as PEM.

    Attributes:
        client_ca: None where clients need no certificate.
    """

    certificate: bytes
    key: bytes
    client_ca: bytes | None

    def __repr__(self) -> str:
        """Nothing of the key."""
        return "TlsFiles(...)"


@dataclass(frozen=True, slots=True)
class Expiry:
    """Until when the files can be used.

    Attributes:
        certificate: The earliest end in the chain of the server.
        client_ca: The latest end of a client CA; None without one.
    """

    certificate: datetime
    client_ca: datetime | None


def files_of_console(settings: ConsoleSettings, gate: TlsSettings) -> tuple[TlsSettings, SettingNames] | None:
    """The files of the console's TLS and the variables that name them; None for plain text.

    Args:
        settings: Of the console.
        gate: Of the gRPC port. The console takes its files where it has none of its own and is not on loopback.
    """
    if settings.tls_certificate is not None:
        return TlsSettings(certificate=settings.tls_certificate, key=settings.tls_key), OF_THE_CONSOLE
    if gate.enabled and not settings.on_loopback:
        return TlsSettings(certificate=gate.certificate, key=gate.key), OF_THE_GATE
    return None


def read_files(settings: TlsSettings, names: SettingNames = OF_THE_GATE) -> TlsFiles:
    """Read the files of settings that turn TLS on.

    Raises:
        InvalidInput: TLS_FILE_INVALID or TLS_KEY_EXPOSED.
    """
    return TlsFiles(
        read_file(settings.certificate, names.certificate),
        read_file(settings.key, names.key, private=True),
        None if settings.client_ca is None else read_file(settings.client_ca, names.client_ca),
    )


def check_files(files: TlsFiles, now: datetime, names: SettingNames = OF_THE_GATE) -> Expiry:
    """Check that a server can use the files now.

    Raises:
        InvalidInput: TLS_FILE_INVALID, TLS_KEY_MISMATCH or TLS_CERTIFICATE_EXPIRED.
    """
    chain = certificates(files.certificate, names.certificate)
    check_pair(chain[0], files.key, names.key)
    for certificate in chain:
        _check_dates(certificate, now)
    end = min(c.not_valid_after_utc for c in chain)
    if files.client_ca is None:
        return Expiry(end, None)
    last = max(certificates(files.client_ca, names.client_ca), key=lambda ca: ca.not_valid_after_utc)
    _check_dates(last, now)
    return Expiry(end, last.not_valid_after_utc)


def read_file(path: Path | None, setting: str, *, private: bool = False) -> bytes:
    """The content of a file that a setting or an option names.

    Args:
        path: The file; None is refused.
        setting: Its variable or option, for messages.
        private: Refuse it if other users can read it.

    Raises:
        InvalidInput: TLS_FILE_INVALID or TLS_KEY_EXPOSED.
    """
    try:
        if path is None or not path.is_file():  # opening a pipe would wait
            raise _invalid(setting, "does not exist, or is no file")
        with path.open("rb") as file:
            if private:
                _check_private(os.fstat(file.fileno()), setting)  # of the open file, which nobody can exchange
            content = file.read(MOST_BYTES + 1)
    except OSError as exc:
        raise _invalid(setting, f"cannot be read ({exc.strerror})") from exc
    if len(content) > MOST_BYTES:
        raise _invalid(setting, f"has more than {MOST_BYTES} bytes")
    return content


def certificates(pem: bytes, setting: str) -> list[x509.Certificate]:
    """The certificates of a file, at least one.

    Raises:
        InvalidInput: TLS_FILE_INVALID.
    """
    try:
        return x509.load_pem_x509_certificates(pem)
    except (ValueError, UnsupportedAlgorithm) as exc:
        raise _invalid(setting, "holds no certificate as PEM") from exc


def check_pair(certificate: x509.Certificate, key_pem: bytes, setting: str) -> None:
    """Check that a key is one that gRPC can use, and belongs to the certificate.

    Raises:
        InvalidInput: TLS_FILE_INVALID or TLS_KEY_MISMATCH.
    """
    key = _private_key(key_pem, setting)
    try:
        same = key.public_key() == certificate.public_key()
    except (ValueError, UnsupportedAlgorithm):  # the certificate's key is of a kind that nobody knows
        same = False
    if not same:
        raise InvalidInput(
            "The TLS key does not belong to the certificate.",
            reason=Reason.TLS_KEY_MISMATCH,
            hint=f"{setting} must be the key of the first certificate in the file of the certificate.",
        )


def _check_private(status: os.stat_result, setting: str) -> None:
    """Refuse a key that others can read. The group may read a key of root, as of a secret that Kubernetes mounts."""
    allowed = 0o640 if status.st_uid == 0 else 0o600
    if stat.S_IMODE(status.st_mode) & 0o777 & ~allowed:
        raise InvalidInput(
            f"Other users can read the file of {setting}.",
            reason=Reason.TLS_KEY_EXPOSED,
            hint=f"Run chmod 600 on the file that {setting} names; give a secret of Kubernetes defaultMode 0440.",
        )


def _private_key(pem: bytes, setting: str) -> rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey:
    try:
        key = load_pem_private_key(pem, password=None)
    except TypeError as exc:
        raise _invalid(setting, "is locked with a password") from exc
    except (ValueError, UnsupportedAlgorithm) as exc:
        raise _invalid(setting, "holds no private key as PEM") from exc
    if isinstance(key, rsa.RSAPrivateKey) and key.key_size >= LEAST_RSA_BITS:
        return key
    if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name in _CURVES:
        return key
    raise _invalid(setting, f"must be RSA of at least {LEAST_RSA_BITS} bits, or ECDSA on P-256 or P-384")


def _check_dates(certificate: x509.Certificate, now: datetime) -> None:
    if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
        when = "has expired" if now > certificate.not_valid_after_utc else "is not valid yet"
        raise InvalidInput(
            f"A TLS certificate of the server, or all of its client CAs, {when}.",
            reason=Reason.TLS_CERTIFICATE_EXPIRED,
            hint="Renew it, and check the clock of this machine.",
        )


def _invalid(setting: str, what: str) -> InvalidInput:
    return InvalidInput(
        f"The file of {setting} {what}.",
        reason=Reason.TLS_FILE_INVALID,
        hint="Give the path of a PEM file that the user of this process can read.",
    )
