"""A certificate for development: a phone on the same network can then check that it talks to this machine.

A CA of its own signs one certificate, and its key is never written: a phone that trusts the CA trusts that certificate
alone.
"""

from __future__ import annotations

import ipaddress
import re
import secrets
import socket
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import psutil
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from models.errors import InvalidInput
from models.private_files import make_private_folder, write_atomically
from models.reasons import Reason

MOST_DAYS: Final = 825
"""iOS trusts no certificate that is valid for longer, see support.apple.com/103769."""
LOCAL: Final = ("localhost", "127.0.0.1", "::1")
_EARLIER: Final = timedelta(days=1)
"""The certificate begins so much earlier, for phones whose clock is slow."""
_DNS_NAME: Final = re.compile(r"(?=.{1,253}\Z)(?!-)[A-Za-z0-9-]{1,63}(?<!-)(\.(?!-)[A-Za-z0-9-]{1,63}(?<!-))*")


@dataclass(frozen=True, slots=True)
class DevelopmentCertificate:
    """What was made, and the files that hold it.

    Attributes:
        hosts: Names and addresses that it is for.
        ends: Until when it is valid.
        ca: File of the CA, which a phone needs.
        ca_sha256: Fingerprint of the CA's certificate.
        certificate: File of the server's certificate and the CA.
        certificate_sha256: Fingerprint of the server's certificate.
        key: File of the server's key.
    """

    hosts: tuple[str, ...]
    ends: datetime
    ca: Path
    ca_sha256: str
    certificate: Path
    certificate_sha256: str
    key: Path


def make_development_certificate(
    folder: Path, hosts: Sequence[str], days: int, now: datetime
) -> DevelopmentCertificate:
    """Make a certificate and write it, in place of an older one.

    Args:
        folder: Where the files go; made as a private one.
        hosts: DNS names and IP addresses; those of loopback are added.
        days: How long it is valid, at most ``MOST_DAYS`` in all.
        now: The time.

    Raises:
        InvalidInput: ADDRESS_INVALID, a host is neither a name nor an address.
    """
    hosts = tuple(dict.fromkeys((*(host.strip("[]") for host in hosts), *LOCAL)))
    names = x509.SubjectAlternativeName([_general_name(host) for host in hosts])
    begins, ends = now - _EARLIER, now + timedelta(days=days)
    ca_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    ca_name = _name(f"Vestibule development CA {now:%Y-%m-%d} {secrets.token_hex(3)}")
    ca = _certificate(ca_name, ca_key, ca_name, ca_key, begins, ends, names=None)
    leaf = _certificate(_name("Vestibule development"), key, ca_name, ca_key, begins, ends, names)
    make_private_folder(folder)
    made = DevelopmentCertificate(
        hosts=hosts,
        ends=ends,
        ca=folder / "ca.pem",
        ca_sha256=fingerprint(ca),
        certificate=folder / "certificate.pem",
        certificate_sha256=fingerprint(leaf),
        key=folder / "key.pem",
    )
    write_atomically(made.key, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    write_atomically(made.certificate, leaf.public_bytes(Encoding.PEM) + ca.public_bytes(Encoding.PEM))
    write_atomically(made.ca, ca.public_bytes(Encoding.PEM))
    return made


def fingerprint(certificate: x509.Certificate) -> str:
    """The SHA-256 of a certificate, as phones and browsers show it."""
    return certificate.fingerprint(hashes.SHA256()).hex(":").upper()


def addresses_of_this_machine() -> list[str]:
    """The IP addresses and names under which another machine may reach this one, the most likely first."""
    found = [address] if (address := _address_of_default_route()) else []
    for addresses in psutil.net_if_addrs().values():
        found += [each.address for each in addresses if each.family in {socket.AF_INET, socket.AF_INET6}]
    usable = [address for address in found if _reachable(address)]
    host = socket.gethostname().partition(".")[0]
    names = [host, f"{host}.local"] if _DNS_NAME.fullmatch(host) and host != "localhost" else []
    return list(dict.fromkeys([*usable, *names]))


def _reachable(address: str) -> bool:
    with suppress(ValueError):
        parsed = ipaddress.ip_address(address)  # not one with a scope, which no certificate can hold
        return not (parsed.is_loopback or parsed.is_link_local or "%" in address)
    return False


def _address_of_default_route() -> str:
    with suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # chooses a route; sends nothing
        return str(probe.getsockname()[0])
    return ""


def _certificate(
    subject: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    issuer: x509.Name,
    issuer_key: ec.EllipticCurvePrivateKey,
    begins: datetime,
    ends: datetime,
    names: x509.SubjectAlternativeName | None,
) -> x509.Certificate:
    """A certificate of a server with these names, or of a CA where there are none."""
    is_ca = names is None
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(ends)
        .add_extension(x509.BasicConstraints(ca=is_ca, path_length=0 if is_ca else None), critical=True)
        .add_extension(_usage(is_ca), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
    )
    if names is not None:
        builder = builder.add_extension(names, critical=False)
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    return builder.sign(issuer_key, hashes.SHA256())


def _usage(is_ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not is_ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=is_ca,
        crl_sign=is_ca,
        encipher_only=False,
        decipher_only=False,
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _general_name(host: str) -> x509.GeneralName:
    with suppress(ValueError):
        return x509.IPAddress(ipaddress.ip_address(host))
    if _DNS_NAME.fullmatch(host) and not host.rpartition(".")[2].isdigit():  # 1.2.3.400 is no name
        return x509.DNSName(host)
    raise InvalidInput(
        "A host must be a DNS name or an IP address, without a port.",
        reason=Reason.ADDRESS_INVALID,
        hint="laptop.local and 192.168.1.20 are two.",
    )
