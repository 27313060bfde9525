"""The login: how a browser gets in and out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Final
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from models.errors import Unauthenticated, VestibuleError
from server.console.calls import Calls
from server.console.live import LiveStreams, ended, seen_by, wants_stream
from server.console.logins import Logins
from server.console.page import digest_of, render
from server.console.place import Place
from server.console.problem_page import HTTP_STATUS, problem_part
from server.console.visit import Page, Visit, form_of, peer_of

COOKIE: Final = "vestibule_login"


class LoginPages:
    """The login.

    Args:
        calls: Verifies credentials.
        logins: Which browsers are logged in.
        place: Where browsers find the console.
        live: The streams of open pages.
    """

    def __init__(self, calls: Calls, logins: Logins, place: Place, live: LiveStreams) -> None:
        self._live = live
        self._cookie = cookie_name(place)
        self._calls = calls
        self._logins = logins

    def required(self, page: Page) -> Callable[[Request], Awaitable[Response]]:
        """The page for whoever is logged in; anybody else is sent to the login."""

        async def answer(request: Request) -> Response:
            visit = await self._visit(request)
            if visit is None:
                return ended() if wants_stream(request) else _to_login(request)
            if wants_stream(request):
                return self._followed(request, page)
            return await page(visit)

        return answer

    def _followed(self, request: Request, page: Page) -> Response:
        """The stream of a page."""

        async def part() -> str | None:
            try:
                visit = await self._visit(request)
                return None if visit is None else bytes((await page(replace(visit, live=True))).body).decode()
            except VestibuleError as error:  # shown in place of the part, until it can be made again
                return problem_part(request, error)

        login = digest_of(request.cookies.get(self._cookie, ""))
        return self._live.stream(login, part, seen_by(request))

    async def _visit(self, request: Request) -> Visit | None:
        """The request of whoever is logged in; None if nobody is. What a page asks for by itself renews no login."""
        secret = request.cookies.get(self._cookie, "")
        of_a_person = "hx-request" not in request.headers and not wants_stream(request)
        credential = self._logins.credential(secret, renews=of_a_person)
        if credential is None:
            return None
        try:
            caller = await self._calls.caller(credential, peer_of(request))
        except Unauthenticated:
            self._logins.end(secret)
            return None
        return Visit(request, caller, self._calls, credential)

    async def show(self, request: Request) -> Response:
        """The page; an address with a ticket logs the browser in."""
        ticket = request.query_params.get("ticket", "")
        if request.headers.get("sec-fetch-site", "none") not in {"none", "same-origin"}:
            ticket = ""  # another site must not log a browser in
        credential = self._logins.redeem(ticket) if ticket else None
        if credential is not None:
            return self._welcome(credential, _own_path(request.query_params.get("next", "")))
        again = bool(ticket) or "next" in request.query_params
        return render(request, "login.html", again=again, next=_own_path(request.query_params.get("next", "")))

    async def log_in(self, request: Request) -> Response:
        """Take the form."""
        form = await form_of(request)
        credential = form.get("key", "").strip()
        path = _own_path(form.get("next", ""))
        try:
            await self._calls.log_in(credential, peer_of(request))
        except Unauthenticated as error:
            return render(request, "login.html", code=401, again=False, next=path, problem=error.message)
        return self._welcome(credential, path)

    def _welcome(self, credential: str, path: str) -> Response:
        response = RedirectResponse(path, 303)
        response.set_cookie(self._cookie, self._logins.begin(credential), httponly=True, samesite="strict")
        return response

    async def log_out(self, request: Request) -> Response:
        """End the login of the browser."""
        self._logins.end(request.cookies.get(self._cookie, ""))
        response = RedirectResponse("/login", 303)
        response.delete_cookie(self._cookie, httponly=True, samesite="strict")
        return response

    async def make_ticket(self, request: Request) -> Response:
        """Exchange a credential for a link; for `vestibule console`, not for browsers."""
        scheme, _, credential = request.headers.get("authorization", "").partition(" ")
        try:
            await self._calls.log_in(credential if scheme.lower() == "bearer" else "", peer_of(request))
        except VestibuleError as error:
            answer = {"reason": str(error.reason), "message": error.message, "hint": error.hint}
            return JSONResponse(answer, HTTP_STATUS.get(error.reason.status, 500))
        return JSONResponse({"ticket": self._logins.ticket(credential)})


def cookie_name(place: Place) -> str:
    """Of the cookie with the secret of a login.

    Under TLS, browsers take a cookie with this prefix only from this very host over TLS: no other host of the domain,
    and nobody on a connection without TLS, can put one there.
    """
    return f"__Host-{COOKIE}" if place.secure else COOKIE


def _to_login(request: Request) -> Response:
    path = request.url.path if request.method == "GET" else "/"
    query = f"?{request.url.query}" if request.url.query and request.method == "GET" else ""
    address = "/login" if path == "/" else f"/login?next={quote(path + query, safe='')}"
    if "hx-request" in request.headers:  # of the script, which would put the login into the page
        return Response(status_code=401, headers={"hx-redirect": address})
    return RedirectResponse(address, 303)


def _own_path(path: str) -> str:
    """A path of this console; the start page in place of anything else, such as the address of another site."""
    own = path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable()
    return path if own else "/"
