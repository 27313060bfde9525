"""What a page of the funnel shows where its filter cannot be used: what is wrong, and the form to mend it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.responses import Response

from models.errors import InvalidInput, NotFound
from server.console.filters import Filter
from server.console.flows_page import flow_choices
from server.console.page import texts_of
from server.console.problem_page import HTTP_STATUS
from server.console.problem_texts import told_of
from server.console.visit import Visit


async def with_form(
    visit: Visit, page: Callable[[Visit], Awaitable[Response]], title: str, *, groups: bool
) -> Response:
    """A page; where its filter is refused, the form as it was filled in, with what is wrong.

    Args:
        visit: Who asks for what.
        page: Makes the page.
        title: Key of its title.
        groups: Whether its form has groups.
    """
    try:
        return await page(visit)
    except (InvalidInput, NotFound) as error:
        texts, chosen = texts_of(visit.request), Filter.of(visit.request)
        return visit.page(
            "filter_problem.html",
            HTTP_STATUS[error.reason.status],
            title_key=title,
            told=told_of(error, texts, of_form=False),
            reason=error.reason,
            action=visit.request.url.path,
            chosen=chosen,
            groups=groups,
            flows=await flow_choices(visit, chosen, texts),
        )
