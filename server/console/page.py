"""Renders templates, with everything escaped, in the language of the browser."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup, escape
from starlette.requests import Request
from starlette.responses import HTMLResponse

from models.errors import InvalidInput
from models.reasons import Reason
from server.access.caller import Caller
from server.console.texts import preferred, texts_in
from server.languages.formats import Formats
from server.languages.texts import LANGUAGES, Texts
from server.times import shown_time

REFRESH_S: Final = 3.0
"""How often a page that is open is compared with what it would show now."""
LIVE: Final = "live"
"""The block of a template that follows changes."""
_ONCE: Final = {"done", "lang", "seen", "ticket"}
"""Parts of an address that are for one request."""
LANGUAGE_COOKIE: Final = "vestibule_language"

_TEMPLATES = Environment(
    loader=PackageLoader("server.console"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
    lstrip_blocks=True,
)  # fmt: skip


def _names(text: str) -> Markup:
    """A text in which the machine names may break at their underscores."""
    return Markup(str(escape(text)).replace("_", "_<wbr>"))  # noqa: S704 - escaped


_TEMPLATES.filters["names"] = _names


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
    texts, found = texts_of(request), _TEMPLATES.get_template(template)
    known = _common(request, caller) | values
    if LIVE in found.blocks:
        known["stream"] = _address(request, seen=digest_of(_block(found, LIVE, known)))
    shown = found.render(known)
    headers = {"content-language": texts.language, "vary": "accept, accept-language, cookie"}
    response = HTMLResponse(shown, code, headers)
    if request.query_params.get("lang") in LANGUAGES:
        response.set_cookie(LANGUAGE_COOKIE, texts.language, max_age=31_536_000, httponly=True, samesite="strict")
    return response


def render_part(request: Request, template: str, block: str, caller: Caller | None, **values: Any) -> str:
    """One block of a template: what an open page puts in the place of what it shows.

    Raises:
        InvalidInput: INVALID_ARGUMENT, the template has no such block.
    """
    found = _TEMPLATES.get_template(template)
    if block not in found.blocks:
        raise InvalidInput("This page does not follow changes.", reason=Reason.INVALID_ARGUMENT)
    return _block(found, block, _common(request, caller) | values)


def digest_of(part: str) -> str:
    """What tells two versions of a part apart."""
    return hashlib.sha256(part.encode()).hexdigest()[:16]


def _common(request: Request, caller: Caller | None) -> dict[str, Any]:
    """What every template can show."""
    texts = texts_of(request)
    return {
        "t": texts,
        "caller": caller,
        "path": request.url.path,
        "address": _address(request),
        "languages": {code: _address(request, lang=code) for code in LANGUAGES},
        "made": shown_time(datetime.now(UTC)),
        "f": Formats(texts.language),
    }


def _block(template: Template, name: str, values: dict[str, Any]) -> str:
    return "".join(template.blocks[name](template.new_context(values)))


def languages_at(path: str) -> dict[str, str]:
    """Links to a page in each language; for an answer whose own address must not be opened, or shown, again."""
    return {code: f"{path}{'&' if '?' in path else '?'}lang={code}" for code in LANGUAGES}


def _address(request: Request, **changes: str) -> str:
    """The address of the page within the console, without what was done on it."""
    kept = [(name, value) for name, value in request.query_params.multi_items() if name not in _ONCE]
    query = urlencode([*kept, *changes.items()])
    return f"{request.url.path}?{query}" if query else request.url.path
