"""A request of a browser that is logged in, and the pages of the menu."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl

from google.protobuf.message import Message
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from server.access.caller import Caller
from server.access.peer import Peer
from server.console.calls import DEADLINE_S, Calls
from server.console.connections import SILENT_S
from server.console.page import LIVE, render, render_part
from server.console.place import browser_at
from server.console.security_middleware import LARGEST_BODY

TRY: Final = "try"
"""The page for newcomers. It is for the key of this machine, so it alone lets nobody in from an issuer."""
PAGES: Final = (
    ("reviews", "ReviewService", "ListReviews"),
    ("funnel", "FunnelService", "GetReport"),
    ("causes", "FunnelService", "GetReport"),
    ("experiments", "ExperimentService", "ListExperiments"),
    ("flows", "SessionService", "ListSessions"),
    ("risk", "RiskService", "GetRiskModel"),
    ("live", "SessionService", "ListSessions"),
    ("health", "AdminService", "GetStatus"),
    ("letters", "AdminService", "ListDeadLetters"),
    (TRY, "SessionService", "StartSession"),
)
"""The pages of the menu, and the method that a caller needs for each."""
OF_ALL_CLIENTS: Final = frozenset({"risk"})
"""Pages that rest on sessions of every client, so that a caller of one client may not see them."""


@dataclass(frozen=True, slots=True)
class Visit:
    """A request of a browser that is logged in.

    Attributes:
        caller: Whoever is logged in.
        live: Whether only the part of the page is wanted that follows changes.
    """

    request: Request
    caller: Caller
    _calls: Calls
    _credential: str
    live: bool = False

    async def call(
        self,
        service: str,
        method: str,
        request: Message | AsyncIterator[Message],
        *,
        deadline_s: float = DEADLINE_S,
    ) -> Any:
        """Call a service as whoever is logged in; see ``Calls.call``."""
        peer = peer_of(self.request)
        return await self._calls.call(self._credential, peer, service, method, request, deadline_s=deadline_s)

    async def all(self, service: str, method: str, request: Message, *, deadline_s: float = DEADLINE_S) -> list[Any]:
        """All replies of a method that has a stream of them; see ``Calls.all``."""
        peer = peer_of(self.request)
        return await self._calls.all(self._credential, peer, service, method, request, deadline_s=deadline_s)

    def follow(self, service: str, method: str, request: Message | AsyncIterator[Message]) -> AsyncGenerator[Any, None]:
        """The replies of a method that has a stream of them, as they come; see ``Calls.follow``."""
        return self._calls.follow(self._credential, peer_of(self.request), service, method, request)

    def allowed(self, service: str, method: str) -> bool:
        """Whether the scopes of whoever is logged in open a method."""
        return self._calls.allowed(self.caller, service, method)

    @property
    def menu(self) -> list[str]:
        """The pages that the caller may see."""
        return [
            name
            for name, service, method in PAGES
            if self.allowed(service, method) and not (self.caller.client_id and name in OF_ALL_CLIENTS)
        ]

    def page(self, template: str, code: int = 200, **values: Any) -> Response:
        """A page with the menu of what the caller may see; its part that follows changes if only that is wanted.

        Args:
            template: Name of a file in ``templates``.
            code: Of HTTP.
            values: What the template shows.
        """
        if self.live:
            return Response(render_part(self.request, template, LIVE, self.caller, menu=self.menu, **values))
        return render(self.request, template, self.caller, code, menu=self.menu, **values)


Page = Callable[[Visit], Awaitable[Response]]
Changes = Callable[[Visit], AsyncGenerator[object, None]]
"""Yields whenever what a page shows may have changed; what it yields does not matter."""


async def form_of(request: Request) -> dict[str, str]:
    """The fields of a form."""
    body = await body_of(request, LARGEST_BODY)
    return dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))


async def body_of(request: Request, most: int) -> bytes:
    """The body of a request, of which ``SecurityMiddleware`` has compared the length that it says.

    Args:
        request: Whose.
        most: Bytes.

    Raises:
        HTTPException: It is longer, or does not come in time.
    """
    body = bytearray()
    try:
        async with asyncio.timeout(SILENT_S):
            async for piece in request.stream():
                body += piece
                if len(body) > most:
                    raise HTTPException(413)
    except TimeoutError as exc:
        raise HTTPException(408) from exc
    return bytes(body)


def peer_of(request: Request) -> Peer:
    """Where the browser is."""
    return browser_at(request.client.host if request.client else "", request.headers.get("host", ""))
