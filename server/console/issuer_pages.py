"""The pages of the login at the issuer: to it, back from it, and out again."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from models.errors import PermissionDenied, Unauthenticated, Unavailable, VestibuleError
from server.access.caller import Caller
from server.access.peer import Peer
from server.console.calls import Calls
from server.console.issuer_login import UNDER_WAY_S, Issued, IssuerLogin
from server.console.login_pages import LoginPages, login_address, own_path
from server.console.page import texts_of
from server.console.place import Place, name_in
from server.console.problem_page import HTTP_STATUS
from server.console.problem_texts import told_of
from server.console.visit import PAGES, TRY, peer_of
from server.rpc.interceptors.refusal_limits import RefusalLimits

COOKIE: Final = "vestibule_under_way"


class IssuerPages:
    """The pages.

    Args:
        login: The other way in, which shows what goes wrong.
        calls: Verifies credentials.
        issuer: Asks the issuer.
        place: Where browsers find the console.
        limits: Bounds on logins that fail after the issuer was asked.
    """

    def __init__(
        self, login: LoginPages, calls: Calls, issuer: IssuerLogin, place: Place, limits: RefusalLimits
    ) -> None:
        self._login = login
        self._calls = calls
        self._issuer = issuer
        self._place = place
        self._limits = limits
        self._cookie = place.cookie(COOKIE)

    async def begin(self, request: Request) -> Response:
        """Lead to the issuer."""
        path = own_path(request.query_params.get("next", ""))
        if request.headers.get("sec-fetch-site", "none") not in {"none", "same-origin"}:
            return RedirectResponse(login_address(path), 303)  # another site must not log anybody in
        if name_in(f"//{request.headers.get('host', '')}") != name_in(self._place.url):
            # The issuer sends the browser back to the one address that it knows, and cookies are for one host.
            return RedirectResponse(self._place.url + login_address(path), 303)
        try:
            address, sealed = await self._issuer.begin(path)
        except Unavailable as error:
            return self._failed(request, error, path)
        response = RedirectResponse(address, 303)
        # The issuer's page leads back, so the cookie must come along from another site.
        response.set_cookie(self._cookie, sealed, max_age=UNDER_WAY_S, httponly=True, samesite="lax")
        return response

    async def come_back(self, request: Request) -> Response:
        """Take what the issuer gave to the browser."""
        peer, path = peer_of(request), "/"
        try:
            begun = self._issuer.under_way(request.cookies.get(self._cookie, ""))
            path = begun.path
            returned = dict(request.query_params.multi_items())
            with self._limits.checking(peer.network, []):
                issued = await self._issuer.finish(begun, returned)
            await self._welcome(issued, peer)
        except VestibuleError as error:
            if isinstance(error, Unauthenticated):
                self._calls.refused(peer, error.reason)
            response = self._failed(request, error, path)
        else:
            response = self._login.welcome(request, issued.access, path, issued)
        response.delete_cookie(self._cookie, httponly=True, samesite="lax")
        return response

    async def _welcome(self, issued: Issued, peer: Peer) -> Caller:
        """Whoever has the tokens, if a page is open to them."""
        caller = await self._calls.log_in(issued.access, peer, from_issuer=True)
        if not any(self._calls.allowed(caller, service, method) for name, service, method in PAGES if name != TRY):
            raise PermissionDenied(
                "Your account may see no page of the console.",
                hint="Ask whoever runs the issuer for the scope analyst or operator.",
            )
        return caller

    def _failed(self, request: Request, error: VestibuleError, path: str) -> Response:
        code = HTTP_STATUS.get(error.reason.status, 500)
        return self._login.page(request, path, code, problem=told_of(error, texts_of(request)))
