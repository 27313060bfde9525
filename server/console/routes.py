"""The table of pages: which address shows which page, and what a form there does. The login has its own in ``app``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from starlette.responses import RedirectResponse, Response
from starlette.routing import compile_path

from server.console import (
    experiments_page,
    flows_page,
    health_page,
    letters_page,
    live_page,
    review_page,
    reviews_page,
    risk_page,
    session_page,
    sessions_page,
)
from server.console.analyses import Analyses
from server.console.causes_page import CausesPage
from server.console.funnel_page import FunnelPage
from server.console.page import texts_of
from server.console.problem_texts import Told
from server.console.security_middleware import LARGEST_BODY
from server.console.try_page import LARGEST_AUDIO, OVERHEAD, TryPages
from server.console.visit import Changes, Page, Visit


@dataclass(frozen=True, slots=True)
class PageRoute:
    """A page for whoever is logged in.

    Attributes:
        path: Of its address, as Starlette writes it.
        page: Makes it.
        method: POST for what a form does.
        follows: Whether it follows changes: its template has a block ``live``.
        changes: Tells such a page of changes at once; None looks every few seconds.
        largest_body: Bytes that a form may have.
    """

    path: str
    page: Page
    method: Literal["GET", "POST"] = "GET"
    follows: bool = False
    changes: Changes | None = None
    largest_body: int = LARGEST_BODY


_REVIEW_FORMS: Final = (
    ("claim", review_page.claim),
    ("release", review_page.release),
    ("decide", review_page.decide),
    ("approve", review_page.approve),
    ("reject", review_page.reject),
    ("comment", review_page.comment),
)
"""What a reviewer does with a record."""


def page_routes(analyses: Analyses, tried: TryPages) -> tuple[PageRoute, ...]:
    """The pages. One of the menu is in ``visit.PAGES``, too.

    Args:
        analyses: Keep the analyses of funnels for a while.
        tried: The page for newcomers.
    """
    return (
        PageRoute("/", _start),
        PageRoute("/funnel", FunnelPage(analyses).show),
        PageRoute("/funnel/sessions", sessions_page.show_list),
        PageRoute("/sessions/{session_id}", session_page.show),
        PageRoute("/sessions/{session_id}/uploads/{upload_id}", session_page.show_file),
        PageRoute("/reviews", reviews_page.show_all, follows=True),
        PageRoute("/reviews/{recommendation_id}", review_page.show),
        *(PageRoute(f"/reviews/{{recommendation_id}}/{name}", page, "POST") for name, page in _REVIEW_FORMS),
        PageRoute("/causes", CausesPage(analyses).show),
        PageRoute("/experiments", experiments_page.show_all),
        PageRoute("/experiments/{name}", experiments_page.show_one),
        PageRoute("/flows", flows_page.show_all),
        PageRoute("/flows/{name}", flows_page.show_one),
        PageRoute("/risk", risk_page.show),
        PageRoute("/live", live_page.show_all, follows=True),
        PageRoute("/live/{session_id}", live_page.show_one, follows=True, changes=live_page.changes),
        PageRoute("/health", health_page.show, follows=True),
        PageRoute("/letters", letters_page.show_all, follows=True),
        PageRoute("/letters/redrive", letters_page.ask_redrive),
        PageRoute("/letters/redrive", letters_page.redrive, "POST"),
        PageRoute("/letters/{letter_id}", letters_page.show_one),
        PageRoute("/letters/{letter_id}/retry", letters_page.retry, "POST"),
        PageRoute("/letters/{letter_id}/discard", letters_page.discard, "POST"),
        *_try_routes(tried),
    )


def largest_body(routes: Sequence[PageRoute]) -> Callable[[str], int]:
    """Says for a path how many bytes a form may have there."""
    larger = [(compile_path(r.path)[0], r.largest_body) for r in routes if r.largest_body > LARGEST_BODY]
    return lambda path: next((most for pattern, most in larger if pattern.match(path)), LARGEST_BODY)


def _try_routes(tried: TryPages) -> tuple[PageRoute, ...]:
    one = "/try/{session_id}"
    return (
        PageRoute("/try", tried.show_start),
        PageRoute("/try", tried.start, "POST"),
        PageRoute(one, tried.show, follows=True, changes=tried.changes),
        PageRoute(f"{one}/audio", tried.audio, "POST", largest_body=LARGEST_AUDIO),
        PageRoute(f"{one}/audio/end", tried.end_audio, "POST"),
        PageRoute(f"{one}/text", tried.text, "POST"),
        PageRoute(f"{one}/files", tried.file, "POST", largest_body=tried.upload_bytes + OVERHEAD),
        PageRoute(f"{one}/propose", tried.propose, "POST"),
        PageRoute(f"{one}/end", tried.end, "POST"),
    )


async def _start(visit: Visit) -> Response:
    """Leads to the first page of the menu."""
    if visit.menu:
        return RedirectResponse(f"/{visit.menu[0]}", 303)
    return visit.page("problem.html", told=Told(texts_of(visit.request)("problem_not_found")), reason="", back="")
