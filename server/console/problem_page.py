"""The page of a problem."""

from __future__ import annotations

from typing import Any, Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from models.errors import VestibuleError
from models.reason_row import Status
from server.console.page import languages_at, render, render_part, texts_of
from server.observability.log import describe, get_logger

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
    if request.headers.get("accept", "").startswith("application/json"):  # of a script of ours
        return JSONResponse({"message": error.message, "reason": error.reason, "hint": error.hint}, status)
    back = "" if error.reason.status is Status.NOT_FOUND else _page_of_form(request)
    return _page(request, status, error.message, error.reason, error.hint, back)


def problem_part(request: Request, error: VestibuleError) -> str:
    """What stands in the place of the part of an open page that cannot be made now."""
    values = {"message": error.message, "reason": error.reason, "hint": error.hint, "back": ""}
    return render_part(request, "problem.html", "content", None, **values)


async def of_http(request: Request, error: Exception) -> Response:
    """Of an address without a page, or a request that HTTP does not allow."""
    assert isinstance(error, HTTPException)
    message = texts_of(request)("problem_not_found") if error.status_code == 404 else error.detail
    return _page(request, error.status_code, message)


async def defect(request: Request, error: Exception) -> Response:
    """Of a fault of ours."""
    log.error("unexpected_error", path=_route(request), **describe(error))
    message = texts_of(request)("problem_internal")
    return _page(request, 500, message, back=_page_of_form(request))


def _page(request: Request, code: int, message: str, reason: str = "", hint: str = "", back: str = "") -> Response:
    more: dict[str, Any] = {"languages": languages_at(back)} if back else {}  # the form's own address cannot be opened
    return render(request, "problem.html", code=code, message=message, reason=reason, hint=hint, back=back, **more)


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
