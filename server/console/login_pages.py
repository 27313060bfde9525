"""The login: how a browser gets in and out."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing, suppress
from dataclasses import replace
from typing import Final
from urllib.parse import quote

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from models.errors import Unauthenticated, Unavailable, VestibuleError
from server.console import problem_page
from server.console.calls import Calls
from server.console.issuer_login import Issued, IssuerLogin
from server.console.live import LiveStreams, ended, seen_by, wants_stream
from server.console.logins import Login, Logins
from server.console.page import digest_of, languages_at, render, texts_of
from server.console.place import Place
from server.console.problem_page import HTTP_STATUS, problem_part
from server.console.problem_texts import Told, told_of
from server.console.visit import Changes, Page, Visit, form_of, peer_of

COOKIE: Final = "vestibule_login"


class LoginPages:
    """The login.

    Args:
        calls: Verifies credentials.
        logins: Which browsers are logged in.
        place: Where browsers find the console.
        live: The streams of open pages.
        issuer: Where people can log in, too; None without one.
    """

    def __init__(
        self, calls: Calls, logins: Logins, place: Place, live: LiveStreams, issuer: IssuerLogin | None = None
    ) -> None:
        self._live = live
        self._issuer = issuer
        self._cookie = place.cookie(COOKIE)
        self._calls = calls
        self._logins = logins

    def required(
        self, page: Page, *, follows: bool = False, changes: Changes | None = None
    ) -> Callable[[Request], Awaitable[Response]]:
        """The page for whoever is logged in; anybody else is sent to the login.

        Args:
            page: Makes it.
            follows: Whether it follows changes. The stream of any other page is refused before the page is made.
            changes: Tells of them at once; None looks from time to time.
        """

        async def answer(request: Request) -> Response:
            visit = await self._visit(request)
            if visit is None:
                return ended() if wants_stream(request) else _to_login(request)
            if wants_stream(request):
                if not follows:
                    raise HTTPException(406, "This page does not follow changes.")
                return self._followed(request, page, changes)
            request.state.visit = visit  # for the page of a problem
            return await page(visit)

        return answer

    async def of_http(self, request: Request, error: Exception) -> Response:
        """The page of an address without a page, or of what HTTP does not allow, with the menu of whoever is logged in.

        Such an address has no page that ``required`` could make, so nobody has looked yet who asks.
        """
        if not hasattr(request.state, "visit"):
            with suppress(VestibuleError):  # who asks cannot be known now, so the page has no menu
                request.state.visit = await self._visit(request)
        return await problem_page.of_http(request, error)

    def _followed(self, request: Request, page: Page, changes: Changes | None) -> Response:
        """The stream of a page."""

        async def part() -> str | None:
            try:
                visit = await self._visit(request)
                return None if visit is None else bytes((await page(replace(visit, live=True))).body).decode()
            except VestibuleError as error:  # shown in place of the part, until it can be made again
                return problem_part(request, error)

        async def listen(changed: asyncio.Event) -> None:
            visit = await self._visit(request)
            if visit is not None and changes is not None:
                async with aclosing(changes(visit)) as told:
                    async for _ in told:
                        changed.set()

        login = digest_of(request.cookies.get(self._cookie, ""))
        return self._live.stream(login, part, seen_by(request), listen if changes else None)

    async def _visit(self, request: Request) -> Visit | None:
        """The request of whoever is logged in; None if nobody is. What a page asks for by itself renews no login."""
        secret = request.cookies.get(self._cookie, "")
        of_a_person = "hx-request" not in request.headers and not wants_stream(request)
        login = self._logins.find(secret, renews=of_a_person)
        if login is None:
            return None
        try:
            await self._renew(login)
            caller = await self._calls.caller(login.credential, peer_of(request))
        except Unauthenticated:
            self._logins.end(secret)
            return None
        return Visit(request, caller, self._calls, login.credential)

    async def _renew(self, login: Login) -> None:
        """Renew the tokens of a login at the issuer when they are about to end.

        Raises:
            Unauthenticated: The issuer has ended the login.
            Unavailable: ISSUER_UNAVAILABLE, and the token has ended.
        """
        if login.issued is None or self._issuer is None or not self._issuer.due(login.issued):
            return
        if login.renewal is None or login.renewal.done():
            login.renewal = asyncio.create_task(self._renewed(login, login.issued, self._issuer))
            login.renewal.add_done_callback(_retrieve)
        try:
            await asyncio.shield(login.renewal)
        except Unavailable:
            if not self._issuer.valid(login.issued):
                raise

    async def _renewed(self, login: Login, issued: Issued, issuer: IssuerLogin) -> None:
        login.issued = await issuer.renewed(issued)
        login.credential = login.issued.access
        self._calls.keep(login.credential)

    async def show(self, request: Request) -> Response:
        """The page; an address with a ticket logs the browser in."""
        ticket = request.query_params.get("ticket", "")
        if request.headers.get("sec-fetch-site", "none") not in {"none", "same-origin"}:
            ticket = ""  # another site must not log a browser in
        credential, path = (
            self._logins.redeem(ticket) if ticket else None,
            own_path(request.query_params.get("next", "")),
        )
        if credential is not None:
            return self._welcome(request, credential, path)
        note = "login_link_used" if ticket else "login_again" if self._cookie in request.cookies else ""
        return self.page(request, path, note=note)

    async def log_in(self, request: Request) -> Response:
        """Take the form."""
        form = await form_of(request)
        credential = form.get("key", "").strip()
        path = own_path(form.get("next", ""))
        try:
            await self._calls.log_in(credential, peer_of(request))
        except Unauthenticated as error:
            return self.page(request, path, 401, problem=told_of(error, texts_of(request)))
        return self._welcome(request, credential, path)

    def page(
        self, request: Request, path: str, code: int = 200, *, note: str = "", problem: Told | None = None
    ) -> Response:
        """The page of the login.

        Args:
            request: What is answered.
            path: The page to return to.
            code: Of HTTP.
            note: Key of a text that says why the browser is not logged in; empty for none.
            problem: Why a login did not work; None if nobody tried.
        """
        return render(
            request,
            "login.html",
            code=code,
            next=path,
            note=note,
            problem=problem,
            issuer=self._issuer.name if self._issuer else "",
            languages=languages_at(login_address(path)),
        )

    def welcome(self, request: Request, credential: str, path: str, issued: Issued) -> Response:
        """Log in a browser that comes from the issuer.

        A browser that is led on from another site would not send the cookie yet, so a page of ours leads on.
        """
        response = render(request, "onward.html", address=path, leaving=False, languages=languages_at(path))
        return self._with_cookie(request, response, self._logins.begin(credential, issued))

    def _welcome(self, request: Request, credential: str, path: str) -> Response:
        return self._with_cookie(request, RedirectResponse(path, 303), self._logins.begin(credential))

    def _with_cookie(self, request: Request, response: Response, secret: str) -> Response:
        self._logins.end(request.cookies.get(self._cookie, ""))  # of whoever used the browser before
        response.set_cookie(self._cookie, secret, httponly=True, samesite="strict")
        return response

    async def log_out(self, request: Request) -> Response:
        """End the login of the browser, also at the issuer if that has a page for it."""
        secret = request.cookies.get(self._cookie, "")
        login = self._logins.find(secret)
        self._logins.end(secret)
        address = ""
        if login is not None and login.issued is not None and self._issuer is not None:
            address = await self._issuer.log_out_address(login.issued)
        # A form may lead to pages of ours only (form-action), so a page of ours leads on.
        response = (
            render(request, "onward.html", address=address, leaving=True, languages=languages_at("/login"))
            if address
            else RedirectResponse("/login", 303)
        )
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


def _to_login(request: Request) -> Response:
    path = request.url.path if request.method == "GET" else "/"
    query = f"?{request.url.query}" if request.url.query and request.method == "GET" else ""
    address = login_address(path + query)
    if "hx-request" in request.headers:  # of the script, which would put the login into the page
        return Response(status_code=401, headers={"hx-redirect": address})
    return RedirectResponse(address, 303)


def _retrieve(task: asyncio.Task[None]) -> None:
    """Look at the error of a task that nobody may wait for any more; asyncio would report it."""
    if not task.cancelled():
        task.exception()


def login_address(path: str) -> str:
    """The login that leads to a page."""
    return "/login" if path == "/" else f"/login?next={quote(path, safe='')}"


def own_path(path: str) -> str:
    """A path of this console; the start page in place of anything else, such as the address of another site."""
    own = path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable()
    return path if own else "/"
