"""Renders templates, with everything escaped, in the language of the browser."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse

from server.access.caller import Caller
from server.console.formats import Formats, moment
from server.console.texts import LANGUAGES, Texts, preferred, texts_in

REFRESH_S: Final = 5
"""How often a page that shows what happens now is read again, where the browser runs scripts."""
_ONCE: Final = {"done", "lang", "ticket"}
"""Parts of an address that are for one request."""
LANGUAGE_COOKIE: Final = "vestibule_language"

_TEMPLATES = Environment(
    loader=PackageLoader("server.console"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
    lstrip_blocks=True,
)  # fmt: skip


def language_of(request: Request) -> str:
    """The language that was chosen on a page, or else the one that the browser prefers."""
    chosen = request.query_params.get("lang") or request.cookies.get(LANGUAGE_COOKIE, "")
    return chosen if chosen in LANGUAGES else preferred(request.headers.get("accept-language", ""))


def texts_of(request: Request) -> Texts:
    """The texts for this request."""
    return texts_in(language_of(request))


def render(
    request: Request, template: str, caller: Caller | None = None, code: int = 200, **values: Any
) -> HTMLResponse:
    """A page.

    Args:
        request: What is answered.
        template: Name of a file in ``templates``.
        caller: Whoever is logged in; None for a page that everybody may see.
        code: Of HTTP.
        values: What the template shows, beside what every page has.
    """
    texts = texts_of(request)
    shown = _TEMPLATES.get_template(template).render(
        t=texts,
        caller=caller,
        path=request.url.path,
        address=_address(request),
        refresh_s=REFRESH_S,
        languages={code: _address(request, lang=code) for code in LANGUAGES},
        made=moment(datetime.now(UTC)),
        f=Formats(texts.language),
        **values,
    )
    response = HTMLResponse(shown, code, {"content-language": texts.language, "vary": "accept-language, cookie"})
    if request.query_params.get("lang") in LANGUAGES:
        response.set_cookie(LANGUAGE_COOKIE, texts.language, max_age=31_536_000, httponly=True, samesite="strict")
    return response


def _address(request: Request, **changes: str) -> str:
    """The address of the page within the console, without what was done on it."""
    kept = [(name, value) for name, value in request.query_params.multi_items() if name not in _ONCE]
    query = urlencode([*kept, *changes.items()])
    return f"{request.url.path}?{query}" if query else request.url.path
