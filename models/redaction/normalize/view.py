"""Normalized forms of a text (views), each with a map back to the original characters.

Recognizers search the views. Each match is mapped back to the original, so that a span never cuts a stretch of it.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise

from models.redaction.lexicons.loader import languages, word_tables
from models.redaction.normalize.invisible import all_visible, visible_form

Spans = tuple[tuple[int, int], ...]
"""(start, end) of stretches of a text."""


_DIGIT = re.compile(r"\d")
_FIRST_DIGIT = re.compile(r"(?<![^\W_])\d")


_EXTRA_CASES = str.maketrans({"\u017f": "s", "\u0131": "i", "\u0130": "i"})
"""Characters that ``re.IGNORECASE`` equates with s and i, but ``str.lower`` does not change."""


def keyed(lower: str) -> str:
    """A lower-case text in the form in which the prefilter searches for required literals."""
    return lower if lower.isascii() else lower.translate(_EXTRA_CASES)


@dataclass(frozen=True, slots=True)
class TextView:
    """A text as recognizers see it.

    Attributes:
        kind: ``original``, ``visible``, ``folded``, ``spaced``, ``spoken``, ``numerals`` or ``print``.
        text: What to search in.
        starts: For every character of ``text`` the first code point in the original that it stands for.
        ends: One past the last one.
        spelled: Stretches of ``text`` that were spelled letter by letter.
        dictated: Stretches of ``text`` that were said digit by digit. Quantities are not said like that.
        counted: Stretches of ``text`` that were said as one number, with hundreds or thousands.
        lower: ``text`` in lower case with the same length, for context words.
        keyed: ``lower`` for the prefilter: characters that case-insensitive expressions equate with s and i are
            replaced by them.
        digits: How many digits of any script are in it.
        digit_starts: Offsets of digits that have no letter and no digit before them.
    """

    kind: str
    text: str
    starts: Sequence[int]
    ends: Sequence[int]
    spelled: Spans = ()
    dictated: Spans = ()
    counted: Spans = ()
    lower: str = field(default="", compare=False)
    keyed: str = field(default="", compare=False)
    digits: int = field(default=0, compare=False)
    digit_starts: Sequence[int] = field(default=(), compare=False)

    def __post_init__(self) -> None:
        lower = self.text.lower()
        if len(lower) != len(self.text):  # a few capitals grow in lower case; offsets must not move
            lower = "".join(c.lower() if len(c.lower()) == 1 else c for c in self.text)
        object.__setattr__(self, "lower", lower)
        object.__setattr__(self, "keyed", keyed(lower))
        if digits := len(_DIGIT.findall(self.text)):
            object.__setattr__(self, "digits", digits)
            object.__setattr__(self, "digit_starts", [m.start() for m in _FIRST_DIGIT.finditer(self.text)])

    def has_any(self, pieces: Sequence[str]) -> bool:
        """Whether the text contains one of these lower-case strings."""
        return any(map(self.keyed.__contains__, pieces))

    def original_span(self, start: int, end: int) -> tuple[int, int]:
        """Map a non-empty span of this view to the original."""
        return self.starts[start], self.ends[end - 1]

    def span_of(self, start: int, end: int) -> tuple[int, int]:
        """Map a span of the original to this view; an empty span if nothing of it shows."""
        return bisect_right(self.ends, start), bisect_left(self.starts, end)


def original(text: str) -> TextView:
    """The text itself."""
    return TextView("original", text, range(len(text)), range(1, len(text) + 1))


class TextViewBuilder:
    """Collects pieces of text with the stretch of the original that each stands for."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._starts: list[int] = []
        self._ends: list[int] = []

    def copy(self, text: str, start: int, end: int) -> None:
        """Copy characters unchanged."""
        self._pieces.append(text[start:end])
        self._starts.extend(range(start, end))
        self._ends.extend(range(start + 1, end + 1))

    def put(self, piece: str, start: int, end: int) -> None:
        """Append ``piece``; each of its characters maps to the whole of [start, end)."""
        self._pieces.append(piece)
        self._starts.extend([start] * len(piece))
        self._ends.extend([end] * len(piece))

    def stretch_to(self, end: int) -> None:
        """Extend the map of the last character up to ``end``, over invisible characters."""
        if self._ends:
            self._ends[-1] = end

    @property
    def length(self) -> int:
        """Number of characters so far."""
        return len(self._starts)

    def build(self, kind: str, spelled: Spans = (), dictated: Spans = (), counted: Spans = ()) -> TextView:
        """The view of everything collected."""
        return TextView(kind, "".join(self._pieces), self._starts, self._ends, spelled, dictated, counted)


def visible(text: str) -> TextView:
    """The text as a reader sees it: without its control and format characters.

    "Jo\u200bhn" is one word to a reader and to the classifier's tokenizer. Recognizers that look for words must see one
    word too.
    """
    if all_visible(text):
        return original(text)
    builder = TextViewBuilder()
    for index, char in enumerate(text):
        if seen := visible_form(char):
            builder.put(seen, index, index + 1)
        else:
            builder.stretch_to(index + 1)
    return builder.build("visible")


_LOOKS_LATIN = dict(
    zip(
        "АВЕЗКМНОРСТХУІЈЅԌавекмнорстхуіјѕԁԛԝһΑΒΕΖΗΙΚΜΝΟΡΤΥΧοανρι‐‑‒–—−․。．＠﹫∂",
        "ABE3KMHOPCTXYIJSGabekmhopctxyijsdqwhABEZHIKMNOPTYXoavpi------...@@d",
        strict=True,
    )
)
"""Letters of other alphabets, and signs, that look like a Latin one: keyboards mix them up, people slip past filters.

Unicode's own confusables are not used: they fold m to rn, 0 to O and 1 to l, see ``look-alikes`` in
docs/evaluation/constants/recognizers.md.
"""


@lru_cache(maxsize=4096)
def _fold(char: str) -> str:
    """The ASCII character that it looks like, or itself if there is none."""
    if char in _LOOKS_LATIN:
        return _LOOKS_LATIN[char]
    digit = unicodedata.digit(char, None)
    if digit is not None:
        return str(digit)
    if unicodedata.category(char) == "Zs":
        return " "
    return unicodedata.normalize("NFKC", char)


def folded(text: str) -> TextView | None:
    """The text with look-alikes and full-width forms as ASCII; None if nothing changes."""
    if text.isascii():
        return None
    changed = False
    builder = TextViewBuilder()
    for index, char in enumerate(text):
        plain = char if char < "\x80" else _fold(char)
        changed = changed or plain != char
        builder.put(plain, index, index + 1)
    return builder.build("folded") if changed else None


# What OCR makes of digits, by shape.
_MISREAD_DIGITS = str.maketrans("OoQDIl|!SsBZzGg", "000011115582266"[:15])
_DIGIT_LIKE = re.compile(
    r"(?<![^\W\d_])(?=[^\W_]{0,40}\d|[OoIlSB]{2,}[-. ]{1,3}\d)[0-9OoQDIl|!SsBZzGg]{2,40}(?![^\W\d_])"
    r"|(?<=\d[ .-])[OoIlSB](?=[ .-]\d)"
)
_SPLIT = re.compile(r"(?P<at>\(@|\s?@\s|\s@|\(a\))|(?<=\w)\s?(?P<dot>\.)\s?(?=\w)|(?<=\w)\s?(?P<dash>[-–—])\s?(?=\w)")


def ocr_corrected(text: str) -> TextView | None:
    """The text with OCR errors in identifiers corrected; None if there are none.

    Only for matching: ``S5S-O132`` becomes ``555-0132``, ``jo (@ example . com`` becomes ``jo @example.com``.
    The space around a sentence's full stop is removed too. No pattern takes the result for an address, because host
    names end in a known form.
    """
    edits: list[tuple[int, int, str]] = []
    for match in _SPLIT.finditer(text):
        char = "@" if match["at"] else "." if match["dot"] else "-"
        if match.group() != char:
            edits.append((match.start(), match.end(), char))
    edits += [(m.start(), m.end(), m.group().translate(_MISREAD_DIGITS)) for m in _DIGIT_LIKE.finditer(text)]
    return _edited(text, edits)


def _names(sign: str) -> str:
    """The names of a sign in all languages, as alternatives of an expression."""
    tables = (word_tables(language, "spoken").get("signs", {}) for language in languages("spoken"))
    return "|".join(re.escape(name) for table in tables for name in (sign, *table.get(sign, ())))


_BRACKETED = re.compile(rf"\s?[\[({{<]\s?(?:(?P<at>{_names('@')})|(?P<dot>{_names('.')}))\s?[\])}}>]\s?", re.IGNORECASE)
"""Obfuscated signs of an e-mail address: "jo (at) acme [dot] org"."""

_BRACKETS = "[({<"
_LETTERED = re.compile(r"(?<![\w+(])[+(]{0,2}[\dOoIl](?:[ ().-]{0,2}[\dOoIl]){6,18}(?![\w])")
_LEAST_LETTERED = 5
"""Least digits of such a number: seven characters of which at most a third are letters."""

_DOTS, _ELLIPSIS = "..", "\u2026"
_DOTTED = re.compile(r"(?<=\d)\s{0,2}(?:\.{2,8}|\u2026)\s{0,2}(?=\d)")
"""A pause between two groups of digits: "0161 ... 496 ... 0733"."""

_GROUP = re.compile(r"[\dOoIl]+")
_LETTER = re.compile("[OoIl]")


def disguised(text: str) -> TextView | None:
    """The text without signs in brackets, letters for digits and dots between groups of digits; None without any."""
    bracketed = _BRACKETED.finditer(text) if any(map(text.__contains__, _BRACKETS)) else ()
    edits = [(m.start(), m.end(), "@" if m["at"] else ".") for m in bracketed]
    for match in _LETTERED.finditer(text) if _has_digits(text, _LEAST_LETTERED) else ():
        groups = _GROUP.findall(match.group())
        letters, digits = len(_LETTER.findall(match.group())), len(_DIGIT.findall(match.group()))
        if letters and digits >= 2 * letters and all(_DIGIT.search(group) for group in groups):
            edits.append((match.start(), match.end(), match.group().translate(_MISREAD_DIGITS)))
    if _DOTS in text or _ELLIPSIS in text:
        edits += [(match.start(), match.end(), " ") for match in _DOTTED.finditer(text)]
    return _edited(text, edits)


_GLUED = re.compile(
    r"(?<![\w@/.-])(?P<before>[^\W\d_]{3,20})?(?P<value>\d(?:[./-]?\d){5,18})(?P<after>[^\W\d_]{3,20})?(?![\w@/-])"
)
"""A number of at least six digits with a word before or after it and no space between."""
_LEAST_GLUED = 6


def _has_digits(text: str, least: int) -> bool:
    return len(_DIGIT.findall(text)) >= least


def unglued(text: str) -> TextView | None:
    """The text with a space between a long number and the word that it is glued to ("tel0655014217"); None if there
    is no such number.
    """
    edits = []
    for match in _GLUED.finditer(text) if _has_digits(text, _LEAST_GLUED) else ():
        start, end = match.span("value")
        edits += [(at, at, " ") for at, word in ((start, match["before"]), (end, match["after"])) if word]
    return _edited(text, edits)


_PIECE = re.compile(r"[^\W_]+")
_MOST_CAPITALS = 3
"""Of a piece of a code without a digit: AB and C in ``AB_12_34_56_C``."""


def _of_a_code(piece: str) -> bool:
    return _DIGIT.search(piece) is not None or (len(piece) <= _MOST_CAPITALS and piece.isupper())


def spaced(text: str) -> TextView | None:
    """The text with common separators for its underscores, folded; None if it has no underscore or no digit.

    Expressions count an underscore as a letter, so without this no value would begin or end beside one. It becomes a
    dash within a code and a space elsewhere: ``maria_lopez_555_123_4567`` reads ``maria lopez 555-123-4567``.
    """
    if "_" not in text or not _has_digits(text, 1):
        return None
    dashes = {
        left.end()
        for left, right in pairwise(_PIECE.finditer(text))
        if right.start() - left.end() == 1 and _of_a_code(left.group()) and _of_a_code(right.group())
    }
    builder = TextViewBuilder()
    for index, char in enumerate(text):
        if char == "_":
            builder.put("-" if index in dashes else " ", index, index + 1)
        else:
            builder.put(char if char < "\x80" else _fold(char), index, index + 1)
    return builder.build("spaced")


def _edited(text: str, edits: list[tuple[int, int, str]]) -> TextView | None:
    """The text with these stretches replaced; None if there are none. Of two that overlap, the first is used."""
    if not edits:
        return None
    builder, at = TextViewBuilder(), 0
    for start, end, piece in sorted(edits):
        if start < at:
            continue
        builder.copy(text, at, start)
        if len(piece) == end - start:
            for offset, char in enumerate(piece):
                builder.put(char, start + offset, start + offset + 1)
        else:
            builder.put(piece, start, end)
        at = end
    builder.copy(text, at, len(text))
    return builder.build("print")
