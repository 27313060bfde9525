"""TLS of the commands as clients: when it is spoken, and whom it trusts.

Plain text reaches this machine only, unless it is asked for by name.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from server.validators import host_and_port, is_loopback

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

    from server.settings import Settings

_SYSTEM_ROOTS: Final = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")
"""Where Debian, Red Hat and macOS keep the CAs that they trust."""


@dataclass(frozen=True, slots=True)
class ClientTls:
    """What a client needs for a connection with TLS, as PEM.

    Attributes:
        roots: The CAs that it trusts; None takes gRPC's own list.
        certificate: Its own certificate, for a server that wants one.
        key: The key of that certificate.
        server_name: Name that the server's certificate must have; empty takes the host of the address.
    """

    roots: bytes | None = None
    certificate: bytes | None = None
    key: bytes | None = field(default=None, repr=False)
    server_name: str = ""


@dataclass(frozen=True, slots=True)
class TlsOptions:
    """What the options of a command say.

    Attributes:
        ca: ``--tls-ca``.
        plaintext: ``--plaintext``.
        own_address: Whether the address is that of the settings, so the server is the one that they describe.
    """

    ca: Path | None = None
    plaintext: bool = False
    own_address: bool = False


def client_tls(target: str, settings: Settings, options: TlsOptions) -> ClientTls | None:
    """How to reach a server; None means in plain text.

    Raises:
        click.UsageError: The options contradict each other.
        InvalidInput: A file is missing or not usable.
    """
    if options.plaintext and options.ca is not None:
        raise click.UsageError("--tls-ca and --plaintext contradict each other.")
    client = settings.client
    if options.plaintext or (client.plaintext and options.ca is None):
        return None
    local = is_loopback(host_and_port(target)[0])
    if options.ca is not None or client.ca is not None:
        return _trusting(_given_roots(settings, options), settings)
    if settings.tls.enabled and (local or options.own_address):
        return _pinned(settings)
    return None if local else _trusting(_system_roots(), settings)


def _given_roots(settings: Settings, options: TlsOptions) -> bytes:
    from server.tls.files import certificates, read_file

    path, setting = (options.ca, "--tls-ca") if options.ca else (settings.client.ca, "VESTIBULE_CLIENT__CA")
    pem = read_file(path, setting)
    certificates(pem, setting)
    return pem


def _pinned(settings: Settings) -> ClientTls:
    """Trust the certificate in the settings of the server itself, whatever name the address has."""
    from cryptography.hazmat.primitives.serialization import Encoding

    from server.tls.files import OF_THE_GATE, certificates, read_file

    leaf = certificates(read_file(settings.tls.certificate, OF_THE_GATE.certificate), OF_THE_GATE.certificate)[0]
    return _trusting(leaf.public_bytes(Encoding.PEM), settings, _any_name(leaf))


def _trusting(roots: bytes | None, settings: Settings, server_name: str = "") -> ClientTls:
    from server.tls.files import certificates, check_pair, read_file

    client, certificate, key = settings.client, None, None
    if client.certificate is not None:
        names = "VESTIBULE_CLIENT__CERTIFICATE", "VESTIBULE_CLIENT__KEY"
        certificate = read_file(client.certificate, names[0])
        key = read_file(client.key, names[1], private=True)
        check_pair(certificates(certificate, names[0])[0], key, names[1])
    return ClientTls(roots, certificate, key, client.server_name or server_name)


def _any_name(leaf: Certificate) -> str:
    """A name that the certificate was issued for; empty if it has none."""
    from cryptography import x509

    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ""
    hosts = [*names.get_values_for_type(x509.DNSName), *map(str, names.get_values_for_type(x509.IPAddress))]
    return hosts[0].replace("*", "any") if hosts else ""


def _system_roots() -> bytes | None:
    places = filter(None, (ssl.get_default_verify_paths().cafile, *_SYSTEM_ROOTS))
    found = next((path for path in map(Path, places) if path.is_file()), None)
    return found.read_bytes() if found else None
