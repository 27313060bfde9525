"""The application: which address shows which page."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from models.errors import VestibuleError
from server.console import experiments_page, health_page, letters_page, problem_page, risk_page, sessions_page
from server.console.analyses import Analyses
from server.console.calls import Calls
from server.console.causes_page import CausesPage
from server.console.funnel_page import FunnelPage
from server.console.issuer_login import RETURN_PATH, IssuerLogin
from server.console.issuer_pages import IssuerPages
from server.console.live import LiveStreams
from server.console.login_pages import LoginPages
from server.console.logins import Logins
from server.console.page import texts_of
from server.console.place import Place
from server.console.security_middleware import SecurityMiddleware
from server.console.visit import Page, Visit
from server.rpc.interceptors.refusal_limits import RefusalLimits


class Console:
    """The pages.

    Args:
        calls: Calls the services.
        logins: Which browsers are logged in.
        place: Where browsers find the console.
        live: The streams of open pages.
        issuer: The login at the issuer, and the bounds on its failures; None without an issuer.
        analyses: Keep the analyses of funnels for a while; None makes them.
    """

    def __init__(
        self,
        calls: Calls,
        logins: Logins,
        place: Place,
        live: LiveStreams,
        issuer: tuple[IssuerLogin, RefusalLimits] | None = None,
        analyses: Analyses | None = None,
    ) -> None:
        login = LoginPages(calls, logins, place, live, issuer[0] if issuer else None)
        analyses = analyses or Analyses()

        def shown(path: str, page: Page, *, follows: bool = False) -> Route:
            return Route(path, login.required(page, follows=follows), methods=["GET"])

        def done(path: str, page: Page) -> Route:
            return Route(path, login.required(page), methods=["POST"])

        pages = Starlette(
            routes=[
                Route("/login", login.show, methods=["GET"]),
                Route("/login", login.log_in, methods=["POST"]),
                *_issuer_routes(IssuerPages(login, calls, issuer[0], place, issuer[1]) if issuer else None),
                Route("/logout", login.log_out, methods=["POST"]),
                Route("/tickets", login.make_ticket, methods=["POST"]),
                shown("/", _start),
                shown("/funnel", FunnelPage(analyses).show),
                shown("/funnel/sessions", sessions_page.show_list),
                shown("/sessions/{session_id}", sessions_page.show_one),
                shown("/causes", CausesPage(analyses).show),
                shown("/experiments", experiments_page.show_all),
                shown("/experiments/{name}", experiments_page.show_one),
                shown("/risk", risk_page.show),
                shown("/health", health_page.show, follows=True),
                shown("/letters", letters_page.show_all, follows=True),
                shown("/letters/{letter_id}", letters_page.show_one),
                done("/letters/{letter_id}/retry", letters_page.retry),
                done("/letters/{letter_id}/discard", letters_page.discard),
                Mount("/static", StaticFiles(packages=[("server.console", "static")])),
            ],
            exception_handlers={
                VestibuleError: problem_page.known,
                HTTPException: problem_page.of_http,
                Exception: problem_page.defect,
            },
        )
        self.app = SecurityMiddleware(
            pages, place
        )  # around all of it, so that the page of a defect has its headers, too


def _issuer_routes(pages: IssuerPages | None) -> list[Route]:
    if pages is None:
        return []
    return [
        Route("/login/issuer", pages.begin, methods=["GET"]),
        Route(RETURN_PATH, pages.come_back, methods=["GET"]),
    ]


async def _start(visit: Visit) -> Response:
    """Leads to the first page of the menu."""
    if visit.menu:
        return RedirectResponse(f"/{visit.menu[0]}", 303)
    return visit.page("problem.html", message=texts_of(visit.request)("problem_not_found"), reason="", hint="")
