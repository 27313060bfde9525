"""What connections and networks owe the port: bytes that belong to no call, and costs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from server.access.peer import Network
from server.rpc.call_accounts import NOTHING, Sums
from server.rpc.endpoints import Endpoint

OPEN_CALL_BYTES: Final = 8 * 1024 * 1024
"""What gRPC may have received for an open call and not yet given to it. 4.8 MiB were measured with a slow handler."""
CONNECTION_COST_BYTES: Final = 8 * 1024
"""What a new connection adds to the debt: 2,000 at once and 32 a second are no flood."""
CONNECTION_BYTES: Final = 64 * 1024
"""What a connection may owe without a call and go on, once its network address has sent too much."""
WITHOUT_CALLS: Final = 4.0
"""What a byte counts on a connection that has made no call: it needs a few thousand, and TLS is most of them. With the
first call the byte counts once, since its request may have waited for a busy server."""


@dataclass(slots=True)
class Debt:
    """Of a connection or a network: bytes that calls may yet account for, and costs that nothing accounts for."""

    owed: float = 0.0
    cost: float = 0.0

    def add(self, more: Debt) -> None:
        """Owe more or, if it is negative, less."""
        self.owed = max(0.0, self.owed + more.owed)
        self.cost += more.cost

    def decay(self, by: float) -> None:
        """Forget as much of either."""
        self.owed = max(0.0, self.owed - by)
        self.cost = max(0.0, self.cost - by)

    @property
    def total(self) -> float:
        """All of it."""
        return self.owed + self.cost


@dataclass(slots=True)
class Connection:
    """An open connection.

    Attributes:
        received: Bytes that it had brought at the last look.
        weighed: The same as they counted.
        sums: What its calls had accounted for.
        open: Bytes for which no call has accounted, however long ago they came.
        debt: Its part of what its network owes.
    """

    received: int = 0
    weighed: float = 0.0
    sums: Sums = NOTHING
    open: float = 0.0
    debt: Debt = field(default_factory=Debt)

    @property
    def owes_too_much(self) -> bool:
        """Whether it has to end once its network is refused."""
        return self.debt.total > CONNECTION_BYTES + OPEN_CALL_BYTES * self.sums.open_calls

    def add(self, weighed: float, sums: Sums) -> Debt:
        """Add what is new, and return what its network owes more or, if it is negative, less."""
        before = self.open
        # A call accounts for bytes of its own connection only, or one could pay for a flood on another.
        self.open = max(0.0, before + weighed - self.weighed - (sums.bytes - self.sums.bytes))
        more = Debt(self.open - before, sums.cost - self.sums.cost)
        self.weighed, self.sums = weighed, sums
        self.debt.add(more)
        return more


@dataclass(slots=True)
class Share:
    """What one network has added since the last look."""

    more: Debt = field(default_factory=Debt)
    open_calls: int = 0
    peers: list[Endpoint] = field(default_factory=list)

    def add(self, more: Debt) -> None:
        """Add what one of its connections owes more."""
        self.more = Debt(self.more.owed + more.owed, self.more.cost + more.cost)


class Connections:
    """The connections of the port at the last look."""

    def __init__(self) -> None:
        self._open: dict[Endpoint, Connection] = {}

    def __len__(self) -> int:
        return len(self._open)

    def look(
        self,
        sums: Mapping[Endpoint, Sums],
        ended: Sequence[tuple[Endpoint, int]],
        received: Mapping[Endpoint, int],
        decay: float,
    ) -> Mapping[Network, Share]:
        """What each network has added since the last look.

        Args:
            sums: What the calls of each connection account for; connections without a call are missing.
            ended: Connections that have ended since, with the bytes that they brought.
            received: Those that are open, with the bytes that they have brought.
            decay: What each debt becomes less by.
        """
        for connection in self._open.values():
            connection.debt.decay(decay)
        shares: defaultdict[Network, Share] = defaultdict(Share)
        for peer, total in ended:
            if peer not in self._open or peer not in sums:  # else its last bytes may be of a call that was broken off
                self._weigh(shares[peer.network], peer, total, sums.get(peer))
                del self._open[peer]
        for peer, total in received.items():
            self._weigh(shares[peer.network], peer, total, sums.get(peer))
        for peer in self._open.keys() - received.keys():
            connection = self._open.pop(peer)
            shares[peer.network].add(connection.add(connection.weighed, sums.get(peer, connection.sums)))
        return shares

    def _weigh(self, share: Share, peer: Endpoint, received: int, sums: Sums | None) -> None:
        """Add one connection to what its network has added."""
        connection = self._open.get(peer)
        if connection is None or received < connection.received:  # from the same port as one that has ended
            connection = self._open[peer] = Connection()
            share.add(Debt(cost=CONNECTION_COST_BYTES))
        connection.received = received
        weight = WITHOUT_CALLS if sums is None else 1.0
        share.add(connection.add(weight * received, sums or NOTHING))
        share.open_calls += connection.sums.open_calls
        share.peers.append(peer)

    def owing(self, peers: Collection[Endpoint]) -> set[Endpoint]:
        """Those of them that owe more than they may."""
        return {peer for peer in peers if peer in self._open and self._open[peer].owes_too_much}
