"""The application: which address shows which page."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl, quote

from google.protobuf.message import Message
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from vestibule.v1 import admin_pb2

from models.errors import Unauthenticated, VestibuleError
from models.reason_row import Status
from server.access.caller import Caller
from server.access.peer import Peer
from server.console import funnel_page
from server.console.calls import Calls
from server.console.http import SILENT_S
from server.console.logins import Logins
from server.console.page import length, moment, percent, render, texts_of
from server.console.security_middleware import LARGEST_BODY, SecurityMiddleware
from server.observability.log import describe, get_logger

COOKIE: Final = "vestibule_login"
PAGE_OF_LETTERS: Final = 50
_STATUS: Final = {
    Status.INVALID_ARGUMENT: 400,
    Status.OUT_OF_RANGE: 400,
    Status.UNAUTHENTICATED: 401,
    Status.PERMISSION_DENIED: 403,
    Status.NOT_FOUND: 404,
    Status.FAILED_PRECONDITION: 409,
    Status.RESOURCE_EXHAUSTED: 429,
    Status.UNAVAILABLE: 503,
    Status.DEADLINE_EXCEEDED: 504,
}
"""Of HTTP, for the status of gRPC that a reason has; others are 500."""

PAGES: Final = (
    ("funnel", "FunnelService", "GetReport"),
    ("health", "AdminService", "GetStatus"),
    ("letters", "AdminService", "ListDeadLetters"),
)
"""The pages of the menu, and the method that a caller needs for each."""

log = get_logger("console")

Page = Callable[["Visit"], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Visit:
    """A request of a browser that is logged in.

    Attributes:
        caller: Whoever is logged in.
    """

    request: Request
    caller: Caller
    _calls: Calls
    _credential: str

    async def call(self, service: str, method: str, request: Message) -> Any:
        """Call a service as whoever is logged in; see ``Calls.call``."""
        return await self._calls.call(self._credential, _peer(self.request), service, method, request)

    def page(self, template: str, **values: Any) -> Response:
        """A page with the menu of what the caller may see."""
        menu = [name for name, service, method in PAGES if self._calls.allowed(self.caller, service, method)]
        return render(self.request, template, self.caller, menu=menu, **values)


class Console:
    """The pages.

    Args:
        calls: Calls the services.
        logins: Which browsers are logged in.
    """

    def __init__(self, calls: Calls, logins: Logins) -> None:
        self._calls = calls
        self._logins = logins
        pages = Starlette(
            routes=[
                Route("/", self._logged_in(self._start), methods=["GET"]),
                Route("/login", self._login_page, methods=["GET"]),
                Route("/login", self._login, methods=["POST"]),
                Route("/logout", self._logout, methods=["POST"]),
                Route("/tickets", self._make_ticket, methods=["POST"]),
                Route("/funnel", self._logged_in(_funnel), methods=["GET"]),
                Route("/health", self._logged_in(_health), methods=["GET"]),
                Route("/letters", self._logged_in(_letters), methods=["GET"]),
                Route("/letters/{letter_id}", self._logged_in(_letter), methods=["GET"]),
                Route("/letters/{letter_id}/retry", self._logged_in(_retry), methods=["POST"]),
                Route("/letters/{letter_id}/discard", self._logged_in(_discard), methods=["POST"]),
                Mount("/static", StaticFiles(packages=[("server.console", "static")])),
            ],
            exception_handlers={VestibuleError: _problem, HTTPException: _http_problem, Exception: _defect},
        )
        self.app = SecurityMiddleware(pages)  # around all of it, so that the page of a defect has its headers, too

    def _logged_in(self, page: Page) -> Callable[[Request], Awaitable[Response]]:
        """The page for whoever is logged in; anybody else is sent to the login."""

        async def answer(request: Request) -> Response:
            of_a_person = "hx-request" not in request.headers
            credential = self._logins.credential(request.cookies.get(COOKIE, ""), renews=of_a_person)
            if credential is None:
                return _to_login(request)
            try:
                caller = await self._calls.caller(credential, _peer(request))
            except Unauthenticated:
                self._logins.end(request.cookies.get(COOKIE, ""))
                return _to_login(request)
            return await page(Visit(request, caller, self._calls, credential))

        return answer

    async def _start(self, visit: Visit) -> Response:
        for name, service, method in PAGES:
            if self._calls.allowed(visit.caller, service, method):
                return RedirectResponse(f"/{name}", 303)
        return visit.page("problem.html", message=texts_of(visit.request)("problem_not_found"), reason="", hint="")

    async def _login_page(self, request: Request) -> Response:
        ticket = request.query_params.get("ticket", "")
        if request.headers.get("sec-fetch-site", "none") not in {"none", "same-origin"}:
            ticket = ""  # another site must not log a browser in
        credential = self._logins.redeem(ticket) if ticket else None
        if credential is not None:
            return self._welcome(credential, _own_path(request.query_params.get("next", "")))
        again = bool(ticket) or "next" in request.query_params
        return render(request, "login.html", again=again, next=_own_path(request.query_params.get("next", "")))

    async def _login(self, request: Request) -> Response:
        form = await _form(request)
        credential = form.get("key", "").strip()
        path = _own_path(form.get("next", ""))
        try:
            await self._calls.log_in(credential, _peer(request))
        except Unauthenticated as error:
            return render(request, "login.html", code=401, again=False, next=path, problem=error.message)
        return self._welcome(credential, path)

    def _welcome(self, credential: str, path: str) -> Response:
        response = RedirectResponse(path, 303)
        response.set_cookie(COOKIE, self._logins.begin(credential), httponly=True, samesite="strict")
        return response

    async def _logout(self, request: Request) -> Response:
        self._logins.end(request.cookies.get(COOKIE, ""))
        response = RedirectResponse("/login", 303)
        response.delete_cookie(COOKIE, httponly=True, samesite="strict")
        return response

    async def _make_ticket(self, request: Request) -> Response:
        """Exchange a credential for a link; for `vestibule console`, not for browsers."""
        scheme, _, credential = request.headers.get("authorization", "").partition(" ")
        try:
            await self._calls.log_in(credential if scheme.lower() == "bearer" else "", _peer(request))
        except VestibuleError as error:
            answer = {"reason": str(error.reason), "message": error.message, "hint": error.hint}
            return JSONResponse(answer, _STATUS.get(error.reason.status, 500))
        return JSONResponse({"ticket": self._logins.ticket(credential)})


async def _funnel(visit: Visit) -> Response:
    asked, texts = visit.request.query_params, texts_of(visit.request)
    filters = {name: asked.get(name, "") for name in ("from", "to", "client")}
    reply = await visit.call("FunnelService", "GetReport", funnel_page.report_request(visit.request))
    stages = funnel_page.stages_shown(list(reply.stages))
    worst = funnel_page.worst(stages)
    rate = percent(worst.rate or 0.0, texts.language) if worst else ""
    return visit.page(
        "funnel.html",
        stages=stages,
        some=any(stage.sessions for stage in stages),
        headline=funnel_page.headline(stages, texts, rate),
        worst=worst,
        filters=filters,
        chart_width=funnel_page.CHART_WIDTH,
    )


async def _health(visit: Visit) -> Response:
    status = await visit.call("AdminService", "GetStatus", admin_pb2.GetStatusRequest())
    breakers = await visit.call("AdminService", "ListBreakers", admin_pb2.ListBreakersRequest())
    shown = [
        {
            "name": breaker.name,
            "state": admin_pb2.BreakerState.Name(breaker.state).removeprefix("BREAKER_STATE_").lower(),
            "failures": breaker.failure_count,
            "opens_at": breaker.failure_threshold,
            "open_for": length(breaker.open_for.ToTimedelta().total_seconds()) if breaker.open_for.ByteSize() else "",
            "last_reason": breaker.last_failure_reason,
        }
        for breaker in breakers.breakers
    ]
    bad = sum(not part.healthy for part in status.components)
    return visit.page(
        "health.html", status=status, started=moment(status.start_time.ToDatetime()), breakers=shown, bad=bad
    )


async def _letters(visit: Visit) -> Response:
    asked = visit.request.query_params
    closed = asked.get("closed") == "yes"
    request = admin_pb2.ListDeadLettersRequest(
        page_size=PAGE_OF_LETTERS, page_token=asked.get("page", ""), include_closed=closed
    )
    reply = await visit.call("AdminService", "ListDeadLetters", request)
    done = asked.get("done", "")
    return visit.page(
        "letters.html",
        letters=[_shown(letter) for letter in reply.dead_letters],
        next_page=quote(reply.next_page_token),
        closed=closed,
        done=done if done in {"retried", "discarded"} else "",
    )


async def _letter(visit: Visit) -> Response:
    request = admin_pb2.GetDeadLetterRequest(dead_letter_id=_id(visit))
    reply = await visit.call("AdminService", "GetDeadLetter", request)
    return visit.page("letter.html", letter=_shown(reply.dead_letter))


async def _retry(visit: Visit) -> Response:
    request = admin_pb2.RetryDeadLetterRequest(dead_letter_id=_id(visit))
    await visit.call("AdminService", "RetryDeadLetter", request)
    return RedirectResponse("/letters?done=retried", 303)


async def _discard(visit: Visit) -> Response:
    reason = (await _form(visit.request)).get("reason", "")
    request = admin_pb2.DiscardDeadLetterRequest(dead_letter_id=_id(visit), reason=reason)
    await visit.call("AdminService", "DiscardDeadLetter", request)
    return RedirectResponse("/letters?done=discarded", 303)


def _id(visit: Visit) -> str:
    return str(visit.request.path_params["letter_id"])


def _shown(letter: admin_pb2.DeadLetter) -> dict[str, object]:
    return {
        "id": letter.id,
        "kind": letter.kind,
        "reason": letter.reason,
        "message": letter.message,
        "attempts": letter.attempts,
        "policy": letter.policy,
        "session": letter.session_id,
        "build": letter.build,
        "correlation": letter.correlation_id,
        "time": moment(letter.create_time.ToDatetime()),
        "open": letter.open,
        "closed_as": letter.closed_as,
    }


async def _form(request: Request) -> dict[str, str]:
    """The fields of a form; ``SecurityMiddleware`` bounds its size."""
    body = bytearray()
    try:
        async with asyncio.timeout(SILENT_S):
            async for piece in request.stream():
                body += piece
                if len(body) > LARGEST_BODY:
                    raise HTTPException(413)
    except TimeoutError as exc:
        raise HTTPException(408) from exc
    return dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))


def _to_login(request: Request) -> Response:
    if "hx-request" in request.headers:  # of the script, which would put the login into the page
        return Response(status_code=401, headers={"hx-redirect": "/login"})
    path = request.url.path if request.method == "GET" else "/"
    query = f"?{request.url.query}" if request.url.query and request.method == "GET" else ""
    return RedirectResponse("/login" if path == "/" else f"/login?next={quote(path + query, safe='')}", 303)


def _own_path(path: str) -> str:
    """A path of this console; the start page in place of anything else, such as the address of another site."""
    own = path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable()
    return path if own else "/"


def _peer(request: Request) -> Peer:
    host = request.client.host if request.client else ""
    return Peer(host, host, local=True)  # the console listens on loopback only


async def _problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, VestibuleError)
    status = _STATUS.get(error.reason.status, 500)
    if status >= 500:
        log.warning("page_failed", path=_route(request), **describe(error))
    return render(request, "problem.html", code=status, message=error.message, reason=error.reason, hint=error.hint)


async def _http_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    message = texts_of(request)("problem_not_found") if error.status_code == 404 else error.detail
    return render(request, "problem.html", code=error.status_code, message=message, reason="", hint="")


async def _defect(request: Request, error: Exception) -> Response:
    log.error("unexpected_error", path=_route(request), **describe(error))
    message = texts_of(request)("problem_internal")
    return render(request, "problem.html", code=500, message=message, reason="", hint="")


def _route(request: Request) -> str:
    """The pattern of the address, without the ids in it."""
    route = request.scope.get("route")
    return getattr(route, "path", "other")
