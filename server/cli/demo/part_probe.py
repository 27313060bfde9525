"""Finds readable parts of personal values in texts: three digits of a number, one word of a name, address or mailbox.

The parts are too short to be looked for in arbitrary bytes, where they occur by chance. So only sentences are searched:
what the app received, what the LLM read, and the strings of the ledger that hold a space.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from server.cli.demo.alignment import ALIKE, Token, likeness, tokens_of
from server.cli.demo.planted import Medium, Planted
from server.cli.demo.probe import Hit
from server.cli.demo.replacements import FILLER

WINDOW: Final = 3
"""Digits of a number in a row that count as readable."""
LEAST_DIGITS: Final = 5
LEAST_LETTERS: Final = 4
STREET_WORDS: Final = frozenset({"street", "avenue", "lane", "road", "court", "drive", "close", "square"})
FORM: Final = "a readable part"

_LONGEST_GAP: Final = 3
"""Characters between two digits of one number, "1555-a-132"."""
_VERY_ALIKE: Final = 0.8
"""A word this like to one of a value counts anywhere; after the words that announce the value, ``ALIKE`` suffices."""
_ANNOUNCING: Final = 2
"""Words before a value that announce it, "name is"."""
_ANNOUNCED: Final = 6
"""Words and digits after these that may be parts of the value."""
_IDENTIFIER: Final = re.compile(
    r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|\d{4}-\d\d-\d\d[T ]\d\d:\d\d:[\d.]+(?:Z|\+[\d:]+)?|\b[0-9a-f]{16,}\b"
)
_CONTENT: Final = re.compile(rb'"content":\s*("(?:[^"\\]|\\.)*")')


@dataclass(frozen=True, slots=True)
class _Parts:
    """What of one value is looked for.

    Attributes:
        windows: Three digits in a row.
        words: Its telling words.
        announcement: The words before it, where it is spoken.
    """

    windows: frozenset[str]
    words: frozenset[str]
    announcement: tuple[str, ...]


class PartProbe:
    """Looks for the readable parts of all values of these media.

    Number words count as digits, and words count that are like one of a value. A part that the harmless text of a
    medium holds is not looked for.
    """

    def __init__(self, media: Sequence[Medium]) -> None:
        harmless = [tokens_of(text) for medium in media for text in medium.harmless]
        self._harmless = frozenset(token.text for tokens in harmless for token in tokens)
        rows = [row for medium in media for text in medium.harmless for row in _rows(text, tokens_of(text))]
        windows = frozenset(window for row in rows for window in _windows(row))
        self._parts = [
            (value, _Parts(_number(value) - windows, _words(value) - self._harmless, announcement))
            for medium in media
            for value, announcement in zip(medium.values, _announcements(medium), strict=True)
        ]

    def search(self, texts: Iterable[str]) -> list[Hit]:
        """Every value that has a part in one of the texts, once for each value."""
        found: dict[Planted, str] = {}
        for text in dict.fromkeys(texts):
            plain = _IDENTIFIER.sub(" ", text)
            tokens = tokens_of(plain)
            windows = frozenset(window for row in _rows(plain, tokens) for window in _windows(row))
            for value, parts in self._parts:
                part = min(windows & parts.windows, default="") or self._word(parts, tokens)
                if part:
                    found.setdefault(value, part)
        return [Hit(value, f"{FORM}, {text!r}") for value, text in found.items()]

    def _word(self, parts: _Parts, tokens: Sequence[Token]) -> str:
        announced = set(_announced(tokens, parts.announcement)) if parts.announcement else set()
        for index, token in enumerate(tokens):
            follower = tokens[index + 1].text if index + 1 < len(tokens) else ""
            for text in (token.text, token.text + follower):
                if text in self._harmless or not text.isalpha() or len(text) < LEAST_LETTERS - 1:
                    continue
                best = max((likeness(word, text) for word in parts.words), default=0.0)
                if best > _VERY_ALIKE or (index in announced and best >= ALIKE):
                    return text
        return ""


def _number(value: Planted) -> frozenset[str]:
    """Windows of the digits of a number that is long enough to identify a person."""
    digits = re.sub(r"\D", "", value.value)
    return frozenset(_windows(digits)) if len(digits) >= LEAST_DIGITS else frozenset()


def _words(value: Planted) -> frozenset[str]:
    """The telling words of a value, in small letters."""
    text = value.value.partition("@")[0] if value.type == "EMAIL" else value.value
    words = re.findall(r"[^\W\d_]+", text.lower())
    return frozenset(word for word in words if len(word) >= LEAST_LETTERS and word not in STREET_WORDS)


def _windows(digits: str) -> list[str]:
    return [digits[start : start + WINDOW] for start in range(len(digits) - WINDOW + 1)]


def _rows(text: str, tokens: Sequence[Token]) -> Iterator[str]:
    """Digits that stand so close together that they are read as one number."""
    row, end = "", 0
    for token in tokens:
        if not token.is_digit:
            continue
        gap = text[end : token.start]
        if row and (len(gap) > _LONGEST_GAP or "\n" in gap):
            yield row
            row = ""
        row, end = row + token.text, token.end
    if row:
        yield row


def _announcements(medium: Medium) -> Iterator[tuple[str, ...]]:
    """For each value the words before it, where it is spoken; an empty tuple where it is written."""
    at = 0
    for value in medium.values:
        form = value.spoken or value.value
        begin = medium.said.index(form, at)
        words = tuple(token.text for token in tokens_of(medium.said[at:begin])[-_ANNOUNCING:])
        yield words if value.spoken and len(words) == _ANNOUNCING else ()
        at = begin + len(form)


def _announced(tokens: Sequence[Token], announcement: tuple[str, ...]) -> Iterator[int]:
    """Indices of the words after each announcement, up to the next tag."""
    for start in range(len(tokens) - _ANNOUNCING):
        if tuple(token.text for token in tokens[start : start + _ANNOUNCING]) != announcement:
            continue
        begin = start + _ANNOUNCING
        for index in range(begin, min(begin + _ANNOUNCED, len(tokens))):
            if tokens[index].tag:
                break
            if tokens[index].text not in FILLER:
                yield index


def sentences_in(value: Any) -> Iterator[str]:
    """The strings with a space in a JSON value, and in JSON within its strings."""
    if isinstance(value, dict):
        for item in value.values():
            yield from sentences_in(item)
    elif isinstance(value, list):
        for item in value:
            yield from sentences_in(item)
    elif isinstance(value, str):
        if value[:1] in {"{", "["}:
            try:
                yield from sentences_in(json.loads(value))
                return
            except ValueError:
                pass  # not JSON after all: a text that begins with a tag
        if " " in value.strip():
            yield value


def sentences_of_requests(received: bytes) -> Iterator[str]:
    """The messages to the LLM, extracted from the bytes of its HTTP requests."""
    for content in _CONTENT.findall(received):
        text = json.loads(content)
        for line in text.splitlines():
            yield from sentences_in(line)
