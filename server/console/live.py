"""Server-sent events: a page that is open is told when what it shows has changed.

The stream has the page's own address. Every few seconds, and when a page that can tell says so, the server makes the
part of the page that changes, the block ``live`` of its template, as whoever is logged in, and sends it if it is not
what was sent last. A browser without scripts never asks for the stream, and has the whole page.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from contextvars import Context
from typing import Final

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from models.errors import Overloaded, VestibuleError
from models.reasons import Reason
from server.console.page import REFRESH_S, digest_of

MOST_OF_A_LOGIN: Final = 4
"""Open streams of one login. A browser has six connections to a server, and pages need some of them."""
MOST: Final = 64
"""Open streams of all logins."""
HEARTBEAT_S: Final = 15.0
"""Longest time without a byte, so that a proxy does not take a silent stream for a dead one."""
RETRY_S: Final = 3
"""How long a browser waits before it connects again."""
MEDIA_TYPE: Final = "text/event-stream"

GATHER_S: Final = 0.02
"""How long changes that come together are gathered."""

Part = Callable[[], Awaitable[str | None]]
"""Makes the part of the page that changes; None once nobody is logged in any more."""
Listen = Callable[[asyncio.Event], Awaitable[None]]
"""Sets the event whenever the part may have changed, until there is no more to tell."""


class LiveStreams:
    """The open streams.

    Args:
        every_s: How often the part of a page is made.
    """

    def __init__(self, every_s: float = REFRESH_S) -> None:
        self._every_s = every_s
        self._open: Counter[str] = Counter()
        self._closing = asyncio.Event()

    def __len__(self) -> int:
        """How many streams are open."""
        return self._open.total()

    def close(self) -> None:
        """End all streams, because the server stops."""
        self._closing.set()

    def stream(self, login: str, part: Part, seen: str, listen: Listen | None = None) -> StreamingResponse:
        """The answer to a browser that asks for the stream of a page.

        Args:
            login: Whose it is, for the bound.
            part: Makes what is sent.
            seen: Digest of the part that the browser shows.
            listen: Tells of changes at once; without it the part is only made from time to time.

        Raises:
            Overloaded: TOO_MANY_CLIENT_CALLS, TOO_MANY_CALLS.
        """
        if self._open[login] >= MOST_OF_A_LOGIN:
            raise _too_many("This login has too many pages open that follow changes.", Reason.TOO_MANY_CLIENT_CALLS)
        if len(self) >= MOST:
            raise _too_many("Too many pages are open that follow changes.", Reason.TOO_MANY_CALLS)
        return _Stream(self, login, self._events(part, seen, listen))

    def taken(self, login: str) -> None:
        """A stream of this login begins."""
        self._open[login] += 1

    def left(self, login: str) -> None:
        """It has ended."""
        self._open[login] -= 1
        self._open += Counter()  # without those of which none is open

    async def _events(self, part: Part, seen: str, listen: Listen | None) -> AsyncIterator[str]:
        yield f"retry: {1000 * RETRY_S}\n\n"
        changed = asyncio.Event()
        # In a context of its own: the caller and the deadline of the calls for the part are not those of this one.
        listening = asyncio.create_task(self._listen(listen, changed), context=Context()) if listen else None
        try:
            async for sent in self._parts(part, seen, changed):
                yield sent
        finally:
            if listening is not None:
                listening.cancel()
                await asyncio.gather(listening, return_exceptions=True)

    async def _listen(self, listen: Listen, changed: asyncio.Event) -> None:
        """Listen, and again when that ended; meanwhile the part is made from time to time."""
        while True:
            with suppress(VestibuleError):
                await listen(changed)
            await asyncio.sleep(self._every_s)

    async def _parts(self, part: Part, seen: str, changed: asyncio.Event) -> AsyncIterator[str]:
        silent_s = 0.0
        while not self._closing.is_set():
            changed.clear()
            now = await part()
            if now is None:
                yield event("end", ".")  # a browser passes over an event without data
                return
            if digest_of(now) != seen:
                seen, silent_s = digest_of(now), 0.0
                yield event("live", now, seen)
            elif silent_s >= HEARTBEAT_S:
                silent_s = 0.0
                yield ":\n\n"
            began = time.monotonic()
            await self._wait(changed)
            silent_s += time.monotonic() - began

    async def _wait(self, changed: asyncio.Event) -> None:
        """Wait for a change, the end of the server, or until it is time to look."""
        waiting = [asyncio.create_task(event.wait()) for event in (changed, self._closing)]
        try:
            await asyncio.wait(waiting, timeout=self._every_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)
        if changed.is_set():
            await asyncio.sleep(GATHER_S)


class _Stream(StreamingResponse):
    """A stream that counts while it is open."""

    def __init__(self, streams: LiveStreams, login: str, events: AsyncIterator[str]) -> None:
        super().__init__(events, media_type=MEDIA_TYPE, headers={"x-accel-buffering": "no", "vary": "accept, cookie"})
        self._streams = streams
        self._login = login

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer until the browser leaves, the login ends or the server stops."""
        self._streams.taken(self._login)
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._streams.left(self._login)


def event(name: str, data: str, digest: str = "") -> str:
    """An event as it is sent; the browser tells the digest of the last one when it connects again."""
    lines = "".join(f"data: {line}\n" for line in data.splitlines())
    number = f"id: {digest}\n" if digest else ""
    return f"event: {name}\n{number}{lines}\n"


def ended() -> Response:
    """The stream for a browser that is not logged in; its page then asks for itself, and is led to the login."""
    return Response(event("end", "."), media_type=MEDIA_TYPE, headers={"vary": "accept, cookie"})


def wants_stream(request: Request) -> bool:
    """Whether a browser asks for the stream of a page, not for the page."""
    return request.method == "GET" and request.headers.get("accept", "").startswith(MEDIA_TYPE)


def seen_by(request: Request) -> str:
    """Digest of the part that the browser shows."""
    return request.headers.get("last-event-id", "") or request.query_params.get("seen", "")


def _too_many(message: str, reason: Reason) -> Overloaded:
    return Overloaded(message, reason=reason, hint="Close some of them.", retry_after_s=RETRY_S)
