"""The page of a problem."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from models.errors import VestibuleError
from models.reason_row import Status
from server.console.page import languages_at, render, render_part, texts_of
from server.console.problem_texts import Told, told_of
from server.observability.log import describe, get_logger

if TYPE_CHECKING:
    from server.console.visit import Visit

HTTP_STATUS: Final = {
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

log = get_logger("console")


async def known(request: Request, error: Exception) -> Response:
    """Of a ``VestibuleError``."""
    assert isinstance(error, VestibuleError)
    status = HTTP_STATUS.get(error.reason.status, 500)
    if status >= 500:
        log.warning("page_failed", path=_route(request), **describe(error))
    told = told_of(error, texts_of(request), of_form=request.method == "POST")
    if is_script(request):
        return JSONResponse({"message": told.message, "reason": error.reason, "hint": told.detail}, status)
    back = "" if error.reason.status is Status.NOT_FOUND else _page_of_form(request)
    return _page(request, status, told, error.reason, back)


def problem_part(request: Request, error: VestibuleError) -> str:
    """What stands in the place of the part of an open page that cannot be made now."""
    values = {"told": told_of(error, texts_of(request)), "reason": error.reason, "back": ""}
    return render_part(request, "problem.html", "content", None, **values)


async def of_http(request: Request, error: Exception) -> Response:
    """Of an address without a page, or a request that HTTP does not allow."""
    assert isinstance(error, HTTPException)
    texts, code = texts_of(request), error.status_code
    own = {404: "problem_not_found", 413: "problem_too_large"}.get(code)
    told = Told(texts(own)) if own else Told(error.detail, own=False)
    if is_script(request):
        return JSONResponse({"message": told.message, "reason": "", "hint": ""}, code)
    return _page(request, code, told, back=_page_of_form(request))


async def defect(request: Request, error: Exception) -> Response:
    """Of a fault of ours."""
    log.error("unexpected_error", path=_route(request), **describe(error))
    told = Told(texts_of(request)("problem_internal"))
    return _page(request, 500, told, back=_page_of_form(request))


def is_script(request: Request) -> bool:
    """Whether a script of ours asks, which shows a message on its own page."""
    return request.headers.get("accept", "").startswith("application/json")


def _page(request: Request, code: int, told: Told, reason: str = "", back: str = "") -> Response:
    # The address of a form itself cannot be opened.
    more: dict[str, Any] = {"languages": languages_at(back or "/")} if request.method == "POST" else {}
    more |= {"told": told, "reason": reason, "back": back}
    visit: Visit | None = getattr(request.state, "visit", None)
    if visit is not None:  # whoever is logged in keeps the menu
        return visit.page("problem.html", code=code, **more)
    return render(request, "problem.html", code=code, **more)


def _page_of_form(request: Request) -> str:
    """Address of the page whose form was sent: that of the record, letter or session; empty where it is about none."""
    if request.method != "POST" or not request.path_params:
        return ""
    shown = str(list(request.path_params.values())[-1])
    before, found, _ = request.url.path.partition(f"/{shown}/")
    return f"{before}/{shown}" if found else ""


def _route(request: Request) -> str:
    """The pattern of the address, without the ids in it."""
    route = request.scope.get("route")
    return getattr(route, "path", "other")
