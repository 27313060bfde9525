"""Refuses network addresses that send the port what belongs to no call.

gRPC's core answers SETTINGS, PING, calls that are reset at once and headers without an end by itself. None of them
reaches Python, and the core bounds none of them by time. So the kernel is asked how many bytes each connection has
brought, also those that have ended since. Calls whose credential is good account for most of them; of other calls only
the messages do. What is left is the debt of the network address, which decays at a rate. An address that owes too much
may not connect for a while. Each of its connections that owes more than ``CONNECTION_BYTES`` is ended; its other
connections go on. The address owes nothing once the refusal is over.

Each connection adds to the debt, because it takes work to set up. So do three kinds of calls: those that are refused
without a good credential, those that their client leaves at once, and uploads that are refused.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final, Protocol

from ray_tasks.freed_memory import give_back_freed_memory
from server.access.peer import Network
from server.observability.log import describe, get_logger
from server.observability.metrics import Metrics
from server.rpc.call_accounts import CALLERS_OF_A_PROXY, Account, OpenCall
from server.rpc.endpoints import Endpoint, endpoint_of_peer
from server.rpc.flood_debts import OPEN_CALL_BYTES, Connections, Debt, Share
from server.setting_groups import LimitSettings

EVERY_S: Final = 0.1
"""Between two looks."""
SHARE_OF_TIME: Final = 0.05
"""Most of a thread's time that looking takes, whatever the number of connections is."""

TIDY_AFTER_S: Final = 2.0
"""By then gRPC has freed what it held of a flood. The C library keeps it, hundreds of megabytes, until it is asked."""
log = get_logger("floods")


class Sockets(Protocol):
    """The connections of the port: ``PortSockets``, or those of a test."""

    def ended(self) -> Sequence[tuple[Endpoint, int]]:
        """See ``PortSockets``."""
        ...

    def received(self) -> dict[Endpoint, int]:
        """See ``PortSockets``."""
        ...

    def cut(self, peers: Collection[Endpoint]) -> None:
        """See ``PortSockets``."""
        ...

    def refuse(self, networks: Collection[Network]) -> None:
        """See ``PortSockets``."""
        ...

    def close(self) -> None:
        """See ``PortSockets``."""
        ...


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
        self._accounts: dict[Endpoint, Account] = {}
        self._connections = Connections()
        self._debts: dict[Network, Debt] = {}
        self._refused_until: dict[Network, float] = {}
        self._looked_at = monotonic()
        self._tidy_at = math.inf
        self._proxy_seen = False
        self._stopped = threading.Event()

    def call(self, peer: str, *, streams: bool = False) -> OpenCall:
        """A call of this connection, named as gRPC does, begins. Some stream their messages."""
        endpoint = endpoint_of_peer(peer)  # a Unix socket has no address to refuse
        account = Account() if endpoint is None else self._accounts.setdefault(endpoint, Account())
        return OpenCall(account, self._monotonic(), streams=streams)

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
        assert self._sockets is not None
        wait_s, fails = EVERY_S, False
        while not self._stopped.wait(wait_s):
            began = time.thread_time()
            fails = self._fails(fails)
            wait_s = max(EVERY_S, (time.thread_time() - began) / SHARE_OF_TIME)
        self._sockets.close()

    def _fails(self, before: bool) -> bool:
        """Look, whatever happens; returns whether it failed, for example because no descriptor is free."""
        try:
            self.look()
        except Exception as error:  # noqa: BLE001 - nobody waits for this thread, and without it a flood goes on
            if not before:  # else it would be a line for each look
                log.error("flood_look_failed", **describe(error))
            return True
        return False

    def look(self) -> None:
        """Look at all connections once."""
        assert self._sockets is not None
        # The order matters: what a message accounts for was received before.
        now, accounts = self._monotonic(), self._accounts.copy()
        sums = {peer: account.sums(now) for peer, account in accounts.items()}
        ended, received = self._sockets.ended(), self._sockets.received()
        decay = self._limits.flood_bytes_per_s * (now - self._looked_at)
        self._looked_at = now
        self._settle(self._connections.look(sums, ended, received, decay), decay)
        for peer in accounts.keys() - received.keys():
            self._accounts.pop(peer, None)
        self._end_refusals(now)
        self._warn_of_proxies(accounts.values())
        if now >= self._tidy_at:
            self._tidy_at = math.inf
            self._tidy()

    def _warn_of_proxies(self, accounts: Collection[Account]) -> None:
        """Say once that clients seem to come through a proxy, all of which one of them could have refused."""
        if not self._proxy_seen and any(len(account.callers) >= CALLERS_OF_A_PROXY for account in accounts):
            self._proxy_seen = True
            log.warning("proxy_seen", setting="VESTIBULE_LIMITS__FLOOD_REFUSED_S")

    def _settle(self, shares: Mapping[Network, Share], decay: float) -> None:
        """Add what networks owe to their debts, and refuse those that owe too much."""
        for debt in self._debts.values():
            debt.decay(decay)
        for address, share in shares.items():
            debt = self._debts.setdefault(address, Debt())
            debt.add(share.more)
            if debt.total > self._limits.flood_bytes + OPEN_CALL_BYTES * share.open_calls:
                self._refuse(address)
                del self._debts[address]  # else it would be refused for longer, although its flood is over
            if address in self._refused_until:
                self._cut(share.peers)
        self._debts = {address: debt for address, debt in self._debts.items() if debt.total > 0}

    def _refuse(self, address: Network) -> None:
        """Do not let the network connect for a while, or for longer than was meant before."""
        known = self._refused_until.pop(address, None)
        self._refused_until[address] = self._monotonic() + self._limits.flood_refused_s
        if known is None:
            self._filter()
            self._metrics.floods.inc()
            log.warning("flood_refused", seconds=self._limits.flood_refused_s)
            self._observe(str(address))

    def _cut(self, peers: Sequence[Endpoint]) -> None:
        """End those connections that owe more than one may."""
        assert self._sockets is not None
        worst = self._connections.owing(peers)
        if worst:
            self._sockets.cut(worst)
            self._tidy_at = self._monotonic() + TIDY_AFTER_S

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
