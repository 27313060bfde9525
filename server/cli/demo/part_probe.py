"""Finds readable parts of personal values in texts: three digits of a number, one word of a name, address or mailbox.

The parts are too short to be looked for in arbitrary bytes, where they occur by chance. So only sentences are searched:
what the app received, what the LLM read, and the strings of the ledger that hold a space.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, Final

from server.cli.demo.alignment import TAG
from server.cli.demo.planted import Planted
from server.cli.demo.probe import Hit

WINDOW: Final = 3
"""Digits of a number in a row that count as readable."""
LEAST_DIGITS: Final = 5
LEAST_LETTERS: Final = 4
STREET_WORDS: Final = frozenset({"street", "avenue", "lane", "road", "court", "drive", "close", "square"})
FORM: Final = "a readable part"

_GAP: Final = r"[^\d\n]{0,3}"
_IDENTIFIER: Final = re.compile(
    r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|\d{4}-\d\d-\d\d[T ]\d\d:\d\d:[\d.]+(?:Z|\+[\d:]+)?|\b[0-9a-f]{16,}\b"
)
_CONTENT: Final = re.compile(rb'"content":\s*("(?:[^"\\]|\\.)*")')


class PartProbe:
    """Looks for the readable parts of all values.

    Args:
        values: The planted values.
        harmless: Texts without personal values; a part that occurs in one of them is not looked for.
    """

    def __init__(self, values: Iterable[Planted], harmless: Iterable[str] = ()) -> None:
        others = [text.lower() for text in harmless]
        self._parts = [
            (value, part)
            for value in values
            for part in map(re.compile, dict.fromkeys(_parts(value)))
            if not any(part.search(text) for text in others)
        ]

    def search(self, texts: Iterable[str]) -> list[Hit]:
        """Every value of which a part is in one of the texts, once for each value."""
        whole = "\n".join(TAG.sub(" ", _IDENTIFIER.sub(" ", text)) for text in texts).lower()
        found: dict[Planted, str] = {}
        for value, part in self._parts:
            match = part.search(whole)
            if match and value not in found:
                found[value] = match.group()
        return [Hit(value, f"{FORM}, {text!r}") for value, text in found.items()]


def _parts(value: Planted) -> Iterator[str]:
    """Patterns of the parts, in small letters."""
    digits = re.sub(r"\D", "", value.value)
    if len(digits) >= LEAST_DIGITS:
        for start in range(len(digits) - WINDOW + 1):
            yield _GAP.join(digits[start : start + WINDOW])
    text = value.value.partition("@")[0] if value.type == "EMAIL" else value.value
    for word in re.findall(r"[^\W\d_]+", text.lower()):
        if len(word) >= LEAST_LETTERS and word not in STREET_WORDS:
            yield rf"\b{word}\b"


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
    """What the messages to the LLM say, out of the bytes of its HTTP requests."""
    for content in _CONTENT.findall(received):
        text = json.loads(content)
        for line in text.splitlines():
            yield from sentences_in(line)
