"""Texts in each language, from ``messages/<language>.yaml`` of a package."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

import yaml

LANGUAGES: Final = ("en", "de", "es")
"""The first is taken where none of them is asked for."""
PLACE: Final = re.compile(r"\{(\w+)(?::[^{}|]*\|[^{}|]*)?\}")
"""The place of a value in a text, or of a word that depends on a count: ``{n}``, ``{n:session|sessions}``."""


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

    def listed(self, words: Sequence[str]) -> str:
        """Words as a list in a sentence: ``A``, ``A and B``, ``A, B and C``. It needs the text ``and``."""
        if len(words) < 2:
            return "".join(words)
        return self("and", all=", ".join(words[:-1]), last=words[-1])

    def places(self) -> dict[str, frozenset[str]]:
        """The places of each text, to compare languages."""
        return {key: frozenset(PLACE.findall(text)) for key, text in self._by_key.items()}


@cache
def texts_of_package(package: str, language: str) -> Texts:
    """The texts of a package in a language of ``LANGUAGES``."""
    content = files(package).joinpath("messages", f"{language}.yaml").read_text(encoding="utf-8")
    return Texts(language, yaml.safe_load(content))
