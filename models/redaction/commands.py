"""Commands to whoever asks: "skip that, please", "can we go back?". They are no answers, so they hold no value.

A text is a command only if it has nothing else but polite words.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from typing import Final, Literal

from models.redaction.lexicons.loader import word_lists
from models.redaction.normalize.words import MARKS

Command = Literal["skip", "back"]

COMMANDS: Final[tuple[Command, ...]] = ("skip", "back")
_LONGEST_CHARS: Final = 80
_HYPHENS: Final = re.compile(r"[-\u2010-\u2015_/]")
_APOSTROPHES: Final = re.compile(r"['\u2019`\u00b4]")
_MARK: Final = re.compile(r"[^\w ]")


def says(command: Command, text: str, language: str) -> bool:
    """Whether a text gives this command and says nothing else but polite words.

    Args:
        command: Which.
        text: As it was said.
        language: ISO 639-1 code; English commands are known in every language.
    """
    return len(text) <= _LONGEST_CHARS and any(
        says_only(phrases(code, command), text, code) for code in dict.fromkeys((language[:2].lower(), "en"))
    )


def is_command(text: str, language: str) -> bool:
    """Whether a text is any command."""
    return any(says(command, text, language) for command in COMMANDS)


def says_only(wanted: frozenset[str], text: str, language: str) -> bool:
    """Whether a text is one of some folded phrases, with polite words around it.

    Args:
        wanted: Folded phrases.
        text: As it was said.
        language: ISO 639-1 code of the polite words.
    """
    bare = _without_marks(text)
    if not bare or bare in wanted:
        return bool(bare)
    polite = _any_of_list(phrases(language, "polite"))
    if _collapsed(polite.sub(" ", bare)) in wanted:
        return True
    found = _any_of_list(wanted)
    return found.search(bare) is not None and not _collapsed(polite.sub(" ", found.sub(" ", bare)))


@lru_cache(maxsize=64)
def phrases(language: str, name: str) -> frozenset[str]:
    """The folded phrases of a list of commands; none if the language has no such list."""
    return frozenset(folded(phrase) for phrase in word_lists(language, "commands").get(name, ()))


def folded(text: str) -> str:
    """Lower case, without accents, hyphens and apostrophes, one space between words: for comparing words."""
    bare = text.casefold()
    if not bare.isascii():
        bare = "".join(c for c in unicodedata.normalize("NFKD", bare) if not _is_accent(c))
    return _collapsed(_HYPHENS.sub(" ", _APOSTROPHES.sub("", bare)))


def any_of(wanted: Iterable[str]) -> re.Pattern[str]:
    """A pattern of whole phrases in folded text, the longest first; one that never matches for none."""
    known = sorted({folded(phrase) for phrase in wanted} - {""}, key=len, reverse=True)
    edge = rf"[\w{MARKS}]"
    return re.compile(rf"(?<!{edge})(?:{'|'.join(map(re.escape, known))})(?!{edge})" if known else r"(?!)")


@lru_cache(maxsize=256)
def _any_of_list(wanted: frozenset[str]) -> re.Pattern[str]:
    """``any_of``, made once for each list. What was said must not be passed here, since it would be kept."""
    return any_of(wanted)


def _without_marks(text: str) -> str:
    return _collapsed(_MARK.sub(lambda mark: mark[0] if _is_sign(mark[0]) else " ", folded(text)))


def _is_accent(char: str) -> bool:
    """Vowel signs of Hindi are no accents."""
    return unicodedata.combining(char) != 0 and unicodedata.name(char, "").startswith("COMBINING")


def _is_sign(char: str) -> bool:
    """Vowel signs belong to their words."""
    return unicodedata.category(char) in ("Mn", "Mc")


def _collapsed(text: str) -> str:
    return " ".join(text.split())
