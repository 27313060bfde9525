"""The application: the login, the table of pages, and what every request passes."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from models.errors import VestibuleError
from server.console import problem_page
from server.console.analyses import Analyses
from server.console.calls import Calls
from server.console.issuer_login import RETURN_PATH, IssuerLogin
from server.console.issuer_pages import IssuerPages
from server.console.live import LiveStreams
from server.console.login_pages import LoginPages
from server.console.logins import Logins
from server.console.place import Place
from server.console.routes import PageRoute, largest_body, page_routes
from server.console.security_middleware import SecurityMiddleware
from server.console.try_page import TryPages
from server.rpc.interceptors.refusal_limits import RefusalLimits
from server.setting_groups import LimitSettings


class Console:
    """The pages.

    Args:
        calls: Calls the services.
        logins: Which browsers are logged in.
        place: Where browsers find the console.
        live: The streams of open pages.
        issuer: The login at the issuer, and the bounds on its failures; None without an issuer.
        analyses: Keep the analyses of funnels for a while; None makes them.
        tried: The page for newcomers; None takes files of the usual largest size.
    """

    def __init__(
        self,
        calls: Calls,
        logins: Logins,
        place: Place,
        live: LiveStreams,
        issuer: tuple[IssuerLogin, RefusalLimits] | None = None,
        analyses: Analyses | None = None,
        tried: TryPages | None = None,
    ) -> None:
        routes = page_routes(analyses or Analyses(), tried or TryPages(LimitSettings().upload_bytes))
        login = LoginPages(calls, logins, place, live, issuer[0] if issuer else None)
        pages = Starlette(
            routes=[
                Route("/login", login.show, methods=["GET"]),
                Route("/login", login.log_in, methods=["POST"]),
                *_issuer_routes(IssuerPages(login, calls, issuer[0], place, issuer[1]) if issuer else None),
                Route("/logout", login.log_out, methods=["POST"]),
                Route("/tickets", login.make_ticket, methods=["POST"]),
                *(_route(found, login) for found in routes),
                Mount("/static", StaticFiles(packages=[("server.console", "static")])),
            ],
            exception_handlers={
                VestibuleError: problem_page.known,
                HTTPException: login.of_http,
                Exception: problem_page.defect,
            },
        )
        # Around all of it, so that the page of a defect has its headers, too.
        self.app = SecurityMiddleware(pages, place, largest_body(routes))


def _route(found: PageRoute, login: LoginPages) -> Route:
    return Route(
        found.path, login.required(found.page, follows=found.follows, changes=found.changes), methods=[found.method]
    )


def _issuer_routes(pages: IssuerPages | None) -> list[Route]:
    if pages is None:
        return []
    return [
        Route("/login/issuer", pages.begin, methods=["GET"]),
        Route(RETURN_PATH, pages.come_back, methods=["GET"]),
    ]
