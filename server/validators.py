"""Bounds that the settings and the command line share; without heavy imports, so that `--help` stays fast."""

from __future__ import annotations

import ipaddress
import re
from typing import Final
from urllib.parse import urlsplit

from models.errors import InvalidInput
from models.reasons import Reason

MOST_THREADS: Final = 256
"""Most threads of one engine: more than a machine can use. With some thousands the engines abort the whole process."""

MOST_PORT: Final = 65_535

_HOST = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_.])?|\[[0-9A-Fa-f:.%A-Za-z]+\]")


def host_and_port(address: str, *, least_port: int = 0) -> tuple[str, int]:
    """The two halves of an address such as ``127.0.0.1:50051`` or ``[::1]:50051``.

    gRPC itself takes any number for a port and keeps its last 16 bits.

    Args:
        address: Host and port; an IPv6 address stands in brackets.
        least_port: 0 for an address to listen on, where it means any free one; 1 for one to connect to.

    Raises:
        InvalidInput: ADDRESS_INVALID.
    """
    host, _, port = address.rpartition(":")
    if _HOST.fullmatch(host) and port.isascii() and port.isdigit() and len(port) <= 5:
        number = int(port)
        if least_port <= number <= MOST_PORT:
            return host, number
    raise InvalidInput(
        f"The address must be HOST:PORT, with a port from {least_port} to {MOST_PORT}.",
        reason=Reason.ADDRESS_INVALID,
        hint="127.0.0.1:50051 is one; an IPv6 address stands in brackets, [::1]:50051.",
    )


def is_loopback(host: str) -> bool:
    """Whether a host, as ``host_and_port`` returns it, is this machine alone. No name is looked up."""
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)  # as the peer of a server that listens on [::]
    return bool((mapped or address).is_loopback)


def check_http_url(url: str) -> None:
    """Refuse what cannot be the base of HTTP requests. The message does not repeat it: it may hold a password.

    Raises:
        InvalidInput: URL_INVALID.
    """
    try:
        parts = urlsplit(url)
        good = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0  # .port raises on most others
    except ValueError:
        good = False
    if not good or not url.isprintable() or " " in url:
        raise InvalidInput(
            "The URL must begin with http:// or https:// and a host.",
            reason=Reason.URL_INVALID,
            hint="https://llm.example.com/v1 is one.",
        )


def is_private_url(url: str) -> bool:
    """Whether nobody on the way can read or change what comes from an address; an empty one is private too."""
    parts = urlsplit(url)
    return not url or parts.scheme == "https" or is_loopback(parts.hostname or "")
