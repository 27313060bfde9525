"""Finds whole personal values in any bytes, in every form in which one could have been written.

A value is looked for as it is written, as it is said and as it is known to be misheard, whole and in telling parts, in
any case, with other separators or none, as digits alone, in UTF-16, and in Base64 at each of its three alignments.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable
from dataclasses import dataclass

from server.cli.demo.planted import Planted

LEAST_DIGITS = 7
LONGEST_NUMBER = 10
"""Digits of a phone number without its country code."""
LEAST_PART = 5
"""Least letters of one word of a name that is searched for by itself; shorter ones occur in random bytes."""
LEAST_BASE64_BYTES = 8

# Between two words: nothing, up to three other characters, or one that was escaped for a URL or for JSON.
_GAP = rb"(?:[^a-z0-9]{0,3}|%[0-9a-f]{2}|\\u[0-9a-f]{4})"
_GAP_UTF16 = rb"(?:[^a-z0-9]\x00){0,3}"
_NO_DIGIT_GAP = rb"[^a-z0-9]{0,3}"
# A word begins after something else, or after a line break that was escaped for JSON.
_WORD_BEGINS = rb"(?:(?<![a-z0-9])|(?<=\\[nrt]))"
_WORD_ENDS = rb"(?![a-z0-9])"


@dataclass(frozen=True, slots=True)
class Form:
    """One way in which a value may appear.

    Attributes:
        name: Shown in the report.
        anchor: Bytes that must be there before the pattern is worth trying; empty when there are none.
        pattern: What to look for.
        lowered: Whether both are compared with the lower-cased bytes.
    """

    name: str
    anchor: bytes
    pattern: re.Pattern[bytes]
    lowered: bool = True


@dataclass(frozen=True, slots=True)
class Hit:
    """A value that was found, and its form."""

    planted: Planted
    form: str


class Probe:
    """Looks for all planted values at once.

    Args:
        values: What must not be there.
    """

    def __init__(self, values: Iterable[Planted]) -> None:
        self._forms = [(value, tuple(_forms(value))) for value in values]

    def search(self, data: bytes) -> list[Hit]:
        """Every value that is in the bytes, once for each form."""
        lowered = data.lower()
        return [
            Hit(value, form.name)
            for value, forms in self._forms
            for form in forms
            if _appears(form, lowered if form.lowered else data)
        ]


def _appears(form: Form, data: bytes) -> bool:
    return form.anchor in data and form.pattern.search(data) is not None


def _forms(value: Planted) -> Iterable[Form]:
    for term in dict.fromkeys(_terms(value)):
        words = re.findall(r"[a-z0-9]+", term.lower())
        yield _as_words(words)
        yield _as_utf16(words)
    digits = re.sub(r"\D", "", value.value)[-LONGEST_NUMBER:]
    if len(digits) >= LEAST_DIGITS:
        spread = _NO_DIGIT_GAP.join(d.encode() for d in digits)
        yield Form("digits", b"", re.compile(spread))
    for text in dict.fromkeys((value.value, value.value.lower(), value.value.upper())):
        yield from _as_base64(text)


def _terms(value: Planted) -> Iterable[str]:
    """The whole value, as it is misheard, and those parts of it that identify a person."""
    yield value.value
    if value.spoken:
        yield value.spoken
    yield from value.heard
    if value.type == "NAME":
        yield from (part for part in re.findall(r"[A-Za-z]+", value.value) if len(part) >= LEAST_PART)
    elif value.type == "EMAIL":
        yield value.value.partition("@")[0]
        if value.spoken:
            yield value.spoken.partition(" at ")[0]
    elif value.type == "ADDRESS":
        yield re.sub(r"^\d+\s+", "", value.value)


def _as_words(words: list[str]) -> Form:
    body = _GAP.join(re.escape(w.encode()) for w in words)
    if len(words) == 1:
        body = _WORD_BEGINS + body + _WORD_ENDS
    return Form("text", max(words, key=len).encode(), re.compile(body))


def _as_utf16(words: list[str]) -> Form:
    # Without the last zero byte it fits both byte orders.
    def spread(word: str) -> bytes:
        return b"".join(c.encode() + b"\x00" for c in word)

    body = _GAP_UTF16.join(re.escape(spread(w)) for w in words).removesuffix(re.escape(b"\x00"))
    return Form("UTF-16", spread(max(words, key=len))[:-1], re.compile(body, re.DOTALL))


def _as_base64(text: str) -> Iterable[Form]:
    data = text.encode()
    if len(data) < LEAST_BASE64_BYTES:
        return
    for shift in range(3):
        # Cut off the characters that also encode bits of the neighbours: the first after a shift, and the last ones.
        encoded = base64.b64encode(b"\x00" * shift + data)
        first = (0, 2, 3)[shift]
        whole = len(b"\x00" * shift + data) * 8 // 6
        core = encoded[first:whole]
        yield Form("Base64", core, re.compile(re.escape(core)), lowered=False)
        web = core.replace(b"+", b"-").replace(b"/", b"_")
        if web != core:
            yield Form("Base64", web, re.compile(re.escape(web)), lowered=False)
