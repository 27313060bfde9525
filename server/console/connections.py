"""A connection of the console: what bounds it."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from uvicorn.protocols.http.h11_impl import H11Protocol

from server.access.peer import peer_at

MOST_OF_ONE_ADDRESS: Final = 64
"""Those of one network address elsewhere; a further one is closed. A browser opens six."""
SILENT_S: Final = 10.0
"""How long a request may take to arrive; then its connection is closed."""
UNTAKEN_S: Final = 30.0
"""How long an answer may wait to be taken; then its connection is closed."""


class BoundedProtocol(H11Protocol):
    """Bounds what uvicorn does not: connections of one address, and the time to send a request or take an answer."""

    _deadline: asyncio.TimerHandle | None = None
    _untaken: asyncio.TimerHandle | None = None
    _network = ""

    def connection_made(self, transport: Any) -> None:
        """A browser connected."""
        super().connection_made(transport)
        peer = peer_at(self.client[0]) if self.client else None
        if peer is not None and not peer.local:
            self._network = peer.network
            if sum(getattr(other, "_network", "") == peer.network for other in self.connections) > MOST_OF_ONE_ADDRESS:
                self.transport.abort()
                return
        self._watch()

    def data_received(self, data: bytes) -> None:
        """A part of a request came."""
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is closed."""
        self._unwatch()
        self.resume_writing()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """The browser does not take what was sent."""
        super().pause_writing()
        if self._untaken is None:
            self._untaken = self.loop.call_later(UNTAKEN_S, self.transport.abort)

    def resume_writing(self) -> None:
        """The browser took it."""
        super().resume_writing()
        if self._untaken is not None:
            self._untaken.cancel()
            self._untaken = None

    def _watch(self) -> None:
        if self.cycle is not None and not self.cycle.response_complete:
            self._unwatch()
        elif self._deadline is None:
            self._deadline = self.loop.call_later(SILENT_S, self.transport.close)

    def _unwatch(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
