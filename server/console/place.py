"""Where browsers find the console: its address, the host names that it answers to, and whether TLS is spoken."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import urlsplit

from server.access.peer import UNKNOWN_PEER, Peer, peer_at
from server.observability.metrics_endpoint import OWN_NAMES
from server.setting_groups import ConsoleSettings
from server.validators import is_loopback

HTTPS: Final = "https"


@dataclass(frozen=True, slots=True)
class Place:
    """Where browsers find the console.

    Attributes:
        url: Address that people open, without a slash at its end.
        names: Host names that are answered to.
        secure: Whether browsers speak TLS, to the console or to a proxy before it.
    """

    url: str
    names: frozenset[str]
    secure: bool

    @classmethod
    def of_settings(cls, settings: ConsoleSettings, *, tls: bool) -> Place:
        """The place that the settings describe.

        Args:
            settings: Of the console.
            tls: Whether the console itself speaks TLS.
        """
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        url = settings.url.rstrip("/") or f"{HTTPS if tls else 'http'}://{host}:{settings.port}"
        given = {name_in(url), *(name.lower() for name in settings.names.split())}
        return cls(url, OWN_NAMES | given, urlsplit(url).scheme == HTTPS)

    def cookie(self, name: str) -> str:
        """The name of a cookie.

        Under TLS, browsers take a cookie with this prefix only from this very host over TLS: no other host of the
        domain, and nobody on a connection without TLS, can put one there.
        """
        return f"__Host-{name}" if self.secure else name

    def answers_to(self, host: str) -> bool:
        """Whether requests for a host may pass, given by the header of that name.

        A web page can give its own host name our address (DNS rebinding); the browser still names that host.
        """
        return name_in(f"//{host}") in self.names


def browser_at(address: str, host: str) -> Peer:
    """Where a browser is.

    Args:
        address: Of the other end of the connection.
        host: The header of that name. A browser on this machine, or one whose port is forwarded with SSH, names
            loopback. One behind a proxy of this machine does not, and counts as elsewhere.
    """
    peer = peer_at(address) or UNKNOWN_PEER
    return peer if is_loopback(name_in(f"//{host}")) else replace(peer, local=False)


def name_in(url: str) -> str:
    """The host name in an address; empty if there is none."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""
