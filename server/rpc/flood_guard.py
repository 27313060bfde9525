"""Refuses network addresses that send the port what belongs to no call.

gRPC's core answers SETTINGS, PING, calls that are reset at once and headers without an end by itself. None of them
reaches Python, and the core bounds none of them by time. So the kernel is asked how many bytes each connection has
brought. Calls whose credential is good account for most of them; of other calls only the messages do. What is left is
the debt of the network address, which decays at a rate. An address that owes too much may not connect for a while. Each
of its connections that owes more than ``CONNECTION_BYTES`` is ended; its other connections go on. The address owes
nothing once the refusal is over.

Two kinds of calls add to the debt, because Python has had the work of them: those that are refused without a good
credential, and those that their client leaves at once.
"""

from __future__ import annotations

import math
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final, Protocol

from ray_tasks.freed_memory import give_back_freed_memory
from server.access.peer import Network
from server.observability.log import get_logger
from server.observability.metrics import Metrics
from server.rpc.call_accounts import Account, OpenCall
from server.rpc.endpoints import Endpoint, endpoint_of_peer
from server.setting_groups import LimitSettings

EVERY_S: Final = 0.1
"""Between two looks. A connection that opens and ends between them is not seen."""
SHARE_OF_TIME: Final = 0.05
"""Most of a thread's time that looking takes, whatever the number of connections is."""

OPEN_CALL_BYTES: Final = 8 * 1024 * 1024
"""What gRPC may have received for an open call and not yet given to it. 4.8 MiB were measured with a slow handler."""
TIDY_AFTER_S: Final = 2.0
"""By then gRPC has freed what it held of a flood. The C library keeps it, hundreds of megabytes, until it is asked."""
CONNECTION_BYTES: Final = 64 * 1024
"""What a connection may owe without a call and go on, once its network address has sent too much."""
WITHOUT_CALLS: Final = 4.0
"""What a byte counts on a connection that has made no call: it needs a few thousand, and TLS is most of them. With the
first call the byte counts once, since its request may have waited for a busy server."""
log = get_logger("floods")


class Sockets(Protocol):
    """The connections of the port: ``PortSockets``, or those of a test."""

    def received(self) -> dict[Endpoint, int]:
        """See ``PortSockets``."""
        ...

    def cut(self, peers: Collection[Endpoint]) -> None:
        """See ``PortSockets``."""
        ...

    def refuse(self, networks: Collection[Network]) -> None:
        """See ``PortSockets``."""
        ...


@dataclass(slots=True)
class _Connection:
    received: int = 0
    weighed: float = 0.0
    accounted: float = 0.0
    debt: float = 0.0
    allowed: float = 0.0

    def owes(self, received: int, accounted: float, weight: float) -> float:
        """Add to the debt, and return, what has come since the last time and is not accounted for."""
        if received < self.received:  # it is another connection, from the same port
            self.weighed = 0.0
        owed = weight * received - self.weighed - (accounted - self.accounted)
        self.received, self.weighed, self.accounted = received, weight * received, accounted
        self.debt = max(0.0, self.debt + owed)
        return owed


@dataclass(slots=True)
class _Share:
    """What one network has added since the last look."""

    owed: float = 0.0
    open_calls: int = 0
    peers: list[Endpoint] = field(default_factory=list)

    def add(self, peer: Endpoint, owed: float, open_calls: int) -> None:
        """Add one of its connections."""
        self.owed += owed
        self.open_calls += open_calls
        self.peers.append(peer)


class FloodGuard:
    """Watches the connections of one port, in a thread of its own, because a flood may keep the event loop busy.

    Args:
        monotonic: Clock of the rates.
        tidy: Called some seconds after the last connection of a flood was ended.
        observe: Called with each address that is refused, for the audit; any thread may call it.
    """

    def __init__(
        self,
        limits: LimitSettings,
        metrics: Metrics,
        monotonic: Callable[[], float] = time.monotonic,
        tidy: Callable[[], object] = give_back_freed_memory,
        observe: Callable[[str], None] = lambda network: None,
    ) -> None:
        self._limits = limits
        self._tidy = tidy
        self._observe = observe
        self._metrics = metrics
        self._monotonic = monotonic
        self._sockets: Sockets | None = None
        self._accounts: dict[str, Account] = {}
        self._connections: dict[Endpoint, _Connection] = {}
        self._debts: dict[Network, float] = {}
        self._refused_until: dict[Network, float] = {}
        self._looked_at = monotonic()
        self._tidy_at = math.inf
        self._stopped = threading.Event()

    def call(self, peer: str) -> OpenCall:
        """A call of this connection, named as gRPC does, begins."""
        found = self._accounts.get(peer)
        if found is None:
            found = Account()
            if endpoint_of_peer(peer) is not None:  # a Unix socket has no address to refuse
                self._accounts[peer] = found
        return OpenCall(found, self._monotonic())

    def start(self, sockets: Sockets) -> None:
        """Watch these connections until ``stop``."""
        self.watch(sockets)
        threading.Thread(target=self._run, name="flood-guard", daemon=True).start()

    def watch(self, sockets: Sockets) -> None:
        """Keep accounts; the caller looks."""
        self._sockets = sockets
        self._looked_at = self._monotonic()

    def stop(self) -> None:
        """End the thread."""
        self._stopped.set()

    def _run(self) -> None:
        wait_s = EVERY_S
        while not self._stopped.wait(wait_s):
            began = time.thread_time()
            with suppress(OSError):  # no descriptor is free
                self.look()
            wait_s = max(EVERY_S, (time.thread_time() - began) / SHARE_OF_TIME)

    def look(self) -> None:
        """Look at all connections once."""
        assert self._sockets is not None
        # The order matters: what a message accounts for was received before.
        now = self._monotonic()
        accounts = {name: (a.bytes, a.owing(now)) for name, a in self._accounts.copy().items()}
        received = self._sockets.received()
        decay = self._limits.flood_bytes_per_s * (now - self._looked_at)
        self._looked_at = now
        names = {peer: name for name in accounts if (peer := endpoint_of_peer(name))}
        shares: defaultdict[Network, _Share] = defaultdict(_Share)
        for peer, total in received.items():
            accounted, open_calls = accounts.get(names.get(peer, ""), (0.0, 0))
            weight = 1.0 if peer in names else WITHOUT_CALLS
            connection = self._connections.setdefault(peer, _Connection())
            connection.debt = max(0.0, connection.debt - decay)
            connection.allowed = CONNECTION_BYTES + OPEN_CALL_BYTES * open_calls
            shares[peer.network].add(peer, connection.owes(total, accounted, weight), open_calls)
        for peer in [peer for peer in self._connections if peer not in received]:  # it has ended
            connection = self._connections.pop(peer)
            accounted, _ = accounts.get(names.get(peer, ""), (connection.accounted, 0))
            shares[peer.network].owed -= accounted - connection.accounted
        for peer, name in names.items():
            if peer not in received:
                self._accounts.pop(name, None)
        self._settle(shares, decay)
        self._end_refusals(now)
        if now >= self._tidy_at:
            self._tidy_at = math.inf
            self._tidy()

    def _settle(self, shares: Mapping[Network, _Share], decay: float) -> None:
        """Add what networks owe to their debts, and refuse those that owe too much."""
        debts = {address: debt - decay for address, debt in self._debts.items()}
        for address, share in shares.items():
            debt = max(0.0, debts.get(address, 0.0)) + share.owed
            over = debt > self._limits.flood_bytes + OPEN_CALL_BYTES * share.open_calls
            if over:
                self._refuse(address)
            if address in self._refused_until:  # else it would stay refused long after its flood
                debt = min(debt - self._cut(share.peers), self._limits.flood_bytes)
            debts[address] = debt
        self._debts = {address: debt for address, debt in debts.items() if debt > 0}

    def _refuse(self, address: Network) -> None:
        """Do not let the network connect for a while, or for longer than was meant before."""
        known = self._refused_until.pop(address, None)
        self._refused_until[address] = self._monotonic() + self._limits.flood_refused_s
        if known is None:
            self._filter()
            self._metrics.floods.inc()
            log.warning("flood_refused", seconds=self._limits.flood_refused_s)
            self._observe(str(address))

    def _cut(self, peers: Sequence[Endpoint]) -> float:
        """End those connections that owe more than one may; returns what they owed."""
        assert self._sockets is not None
        connections = {peer: self._connections[peer] for peer in peers}
        worst = {peer: connection for peer, connection in connections.items() if connection.debt > connection.allowed}
        if worst:
            self._sockets.cut(worst)
            self._tidy_at = self._monotonic() + TIDY_AFTER_S
        owed = sum(connection.debt for connection in worst.values())
        for connection in worst.values():
            connection.debt = 0.0
        return owed

    def _end_refusals(self, now: float) -> None:
        over = [address for address, until in self._refused_until.items() if until <= now]
        for address in over:
            del self._refused_until[address]
            self._debts.pop(address, None)
        if over:
            self._filter()

    def _filter(self) -> None:
        assert self._sockets is not None
        try:
            self._sockets.refuse(self._refused_until)
        except OSError:
            log.warning("flood_filter_unavailable")
