"""Renders templates, with everything escaped, in the language of the browser."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse

from server.access.caller import Caller
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
        percent=lambda rate: percent(rate, texts.language),
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


def moment(when: datetime) -> str:
    """A time in UTC, as ISO 8601 without the fraction of the second."""
    return f"{when:%Y-%m-%d %H:%M:%S}"


def percent(rate: float, language: str) -> str:
    """A share in [0, 1] as text: ``45.1 %``, with a comma in German and Spanish."""
    text = f"{100 * rate:.1f}\N{NO-BREAK SPACE}%"
    return text if language == "en" else text.replace(".", ",")


def length(seconds: float) -> str:
    """A length of time as text: ``850 ms``, ``12.3 s``, ``4 min 10 s``, ``2 h 5 min``."""
    if seconds < 1:
        return f"{1000 * seconds:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes_left = divmod(minutes, 60)
    return f"{hours} h {minutes_left} min" if hours else f"{minutes} min {rest} s"
