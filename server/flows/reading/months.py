"""The numbers of months by their names."""

from __future__ import annotations

import unicodedata
from functools import lru_cache

from models.redaction.lexicons.loader import languages, word_lists


@lru_cache
def month_numbers(language: str) -> dict[str, int]:
    """Names of months in a language and in English, in small letters, with their numbers from 1 to 12.

    Args:
        language: ISO 639-1 code; one without names of months gives the English ones.
    """
    names: dict[str, int] = {}
    for code in dict.fromkeys(("en", language)):
        if code in languages("months"):
            lists = word_lists(code, "months")
            places = {spelled: at for at, spelled in enumerate(dict.fromkeys(map(_spelled, lists["all"])), 1)}
            names |= {name: places[_spelled(name)] for name in lists["all"]}
            shorts = ((short, name) for short in lists.get("short", ()) for name in places)
            names |= {short: places[name] for short, name in shorts if name.startswith(_spelled(short))}
    return names


def _spelled(name: str) -> str:
    """A name without the dots below letters that Hindi may leave out."""
    return unicodedata.normalize("NFD", name.casefold()).replace("\u093c", "")
