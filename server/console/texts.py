"""The texts of the console in each language, from ``messages/<language>.yaml``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

import yaml

LANGUAGES: Final = ("en", "de", "es")
"""The first is taken when a browser asks for none of them."""

_PLACE = re.compile(r"\{(\w+)\}")
_RANGE = re.compile(r"\s*([A-Za-z]{1,8})(?:-[A-Za-z0-9-]*)?\s*(?:;\s*q=([0-9.]{1,5}))?\s*")


@dataclass(frozen=True, slots=True)
class Texts:
    """The texts in one language.

    Attributes:
        language: ISO 639-1 code.
    """

    language: str
    _by_key: Mapping[str, str]

    def __call__(self, key: str, **values: object) -> str:
        """The text of a key, with its places filled in.

        Raises:
            KeyError: There is no such text.
        """
        return self._by_key[key].format(**values)

    def or_word(self, key: str, word: str) -> str:
        """The text of a key; the machine word itself where there is none, as for a reason of a later version."""
        return self._by_key.get(key, word)

    def places(self) -> dict[str, frozenset[str]]:
        """The places of each text, to compare languages."""
        return {key: frozenset(_PLACE.findall(text)) for key, text in self._by_key.items()}


@cache
def texts_in(language: str) -> Texts:
    """The texts in a language of ``LANGUAGES``."""
    content = files("server.console").joinpath("messages", f"{language}.yaml").read_text(encoding="utf-8")
    return Texts(language, yaml.safe_load(content))


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
