"""Whether the server can listen where its settings say, or listens there already."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import psutil

from models.errors import VestibuleError
from models.reasons import Reason
from server.doctor.ledger_user import LedgerUser
from server.doctor.results import Finding, Situation, ok, problem, refused, warning
from server.preflight import ListenAddress, bound, listen_addresses


@dataclass(frozen=True, slots=True)
class ListeningSocket:
    """A socket on which some process listens.

    Attributes:
        pid: The process; None if this user may not see it.
    """

    ip: str
    port: int
    pid: int | None

    def takes(self, wanted: ListenAddress) -> bool:
        """Whether it stands in the way of an address."""
        own, others = _address(self.ip), _addresses(wanted.host)
        return self.port == wanted.port and (own in others or any(one.is_unspecified for one in {own, *others}))

    @property
    def owner(self) -> str:
        """The process, for a sentence."""
        if self.pid is None:
            return "a process of another user"
        try:
            return f"process {self.pid} ({psutil.Process(self.pid).name()})"
        except psutil.Error:
            return f"process {self.pid}"


def check_ports(situation: Situation) -> Iterator[Finding]:
    """Look at each address. While no server runs, it is taken for a moment to see whether that is possible."""
    listeners = listening_sockets()
    family = situation.server.family() if situation.server else set()
    with ExitStack() as held:
        for wanted in listen_addresses(situation.settings):
            subject = f"port {wanted.port} ({wanted.name})" if wanted.port else f"port ({wanted.name})"
            if not wanted.port:
                off = wanted.name == "metrics"
                yield ok(subject, "It is turned off." if off else "A free one is picked at the start.")
            elif situation.server:
                there = [one for one in listeners if one.takes(wanted)]
                yield _beside_server(subject, wanted, there, family, situation.server)
            else:
                yield _without_server(subject, wanted, listeners, held)


def listening_sockets() -> list[ListeningSocket]:
    """Every listening TCP socket of this machine that can be seen."""
    try:
        connections = psutil.net_connections("tcp")
    except psutil.Error:  # macOS tells root alone
        return []
    return [
        ListeningSocket(c.laddr.ip, c.laddr.port, c.pid)
        for c in connections
        if c.laddr and c.status == psutil.CONN_LISTEN
    ]


def _beside_server(
    subject: str, wanted: ListenAddress, there: list[ListeningSocket], family: set[int], server: LedgerUser
) -> Finding:
    if any(one.pid in family for one in there):
        return ok(subject, f"The running server listens there: {server}.")
    if not there:
        hint = "Wait a minute if it was just started. Else compare these settings with those of the server."
        return warning(subject, f"The running server, {server}, does not listen there.", hint)
    if all(one.pid is None for one in there):
        hint = "Run this command as root or as the user of the server to see which one."
        return warning(subject, "It is in use by a process of another user, perhaps the server.", hint)
    return problem(subject, f"It is in use by {there[0].owner}, and not by the running server.", wanted.hint)


def _without_server(subject: str, wanted: ListenAddress, listeners: list[ListeningSocket], held: ExitStack) -> Finding:
    try:
        held.enter_context(bound(wanted))
    except VestibuleError as error:
        owner = next((one.owner for one in listeners if one.takes(wanted)), "")
        finding = refused(subject, error)
        if error.reason is Reason.ADDRESS_IN_USE and owner:
            return Finding(finding.level, subject, f"It is in use by {owner}.", finding.hint, finding.reason)
        return finding
    return ok(subject, "It is free.")


Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def _address(ip: str) -> Address:
    """An address. gRPC listens on those of IPv4 by a socket of IPv6, where they have a longer form."""
    address = ipaddress.ip_address(ip)
    return getattr(address, "ipv4_mapped", None) or address


def _addresses(host: str) -> set[Address]:
    """What a host to listen on stands for; nothing for a name that is not known."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError:
        return set()
    return {_address(str(address[0])) for *_more, address in found}
