"""The texts of the console in each language, from ``messages/<language>.yaml``."""

from __future__ import annotations

import re
from typing import Final

from server.languages.texts import LANGUAGES, Texts, texts_of_package

_RANGE: Final = re.compile(r"\s*([A-Za-z]{1,8})(?:-[A-Za-z0-9-]*)?\s*(?:;\s*q=([0-9.]{1,5}))?\s*")


def texts_in(language: str) -> Texts:
    """The texts in a language of ``LANGUAGES``."""
    return texts_of_package("server.console", language)


def preferred(accept_language: str) -> str:
    """The language that a browser asks for most, of those that there are.

    Args:
        accept_language: The header, ``de-CH,de;q=0.9,en;q=0.5``.
    """
    wanted: list[tuple[float, str]] = []
    for part in accept_language[:200].split(","):
        found = _RANGE.fullmatch(part)
        if found and found[1].lower() in LANGUAGES:
            wanted.append((_weight(found[2]), found[1].lower()))
    best = max(wanted, key=lambda item: item[0], default=(0.0, LANGUAGES[0]))
    return best[1] if best[0] > 0 else LANGUAGES[0]


def _weight(text: str | None) -> float:
    if text is None:
        return 1.0
    try:
        return float(text)
    except ValueError:
        return 0.0
