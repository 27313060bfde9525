"""Short secrets: security codes of cards, one-time codes, codes of doors and alarms, ends of numbers.

The names of codes are data (``lexicons/<lang>/codes.yaml``). A code has digits, or letters and digits. Must NOT match:
codes of things (error, product, article, area, discount), readings, quantities ("a combination of 123 valves"), the
door itself ("the code for gate B12"). Codes that machines have too ("alarm code 12") need four characters.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from models.redaction.lexicons.loader import across, alternatives
from models.redaction.normalize.view import TextView
from models.redaction.patterns.pattern_recognizer import Pattern, PatternRecognizer
from models.redaction.patterns.required_literals import required_pieces
from models.redaction.recognizers.filters.quantity_context import is_amount
from models.redaction.types import RedactionContext
from models.text import Entity

_SUBJECT: Final = "codes"
_COPULAS: Final = alternatives("function_words", "copulas")
_IS: Final = rf"(?:(?:will be|{_COPULAS})(?=[\s#])|:|=)"
_NOT_OF_THINGS, _NOT_OF_FAULTS = (
    "".join(rf"(?<!{word} )" for entry in across(_SUBJECT, name) for word in entry.split("|"))
    for name in ("of_things", "of_faults")
)
_NUMBER: Final = rf"(?:{alternatives('identifiers', 'number')})\.?"


def _compiled(expression: str) -> re.Pattern[str]:
    return re.compile(expression, re.IGNORECASE)


_PAUSE: Final = r"(?:,(?: [^\n.!?;:=,\d]{1,24},|(?: (?:it|which|that)(?= ))?|(?= c['\u2019]))\s?)?"
"""A comma and directly the verb, or two commas around another name of the code. A single comma begins a new clause."""
_VERB: Final = (
    rf"(?<![^\W_]){_IS}(?:\s(?:{alternatives('announcements', 'articles')})(?=\s))?[\s#(\"'\u201c\u201e\u00ab]{{0,3}}"
)
_DIRECTLY: Final = _compiled(rf"(?:['\u2019]s\s|[\s:=#(-]{{1,3}}(?:{_NUMBER}[\s:=#]{{1,3}})?)")
_BLANK: Final = _compiled(r"\s{1,2}")
_MARKED: Final = _compiled(rf"(?:['\u2019]s\s|\s?[:=#(-][\s:=#(-]{{0,2}}|\s{{1,3}}{_NUMBER}[\s:=#]{{1,3}})")
_TOLD: Final = _compiled(rf"[^\n.!?;:=,\d]{{0,25}}{_PAUSE}{_VERB}")
_TOLD_OF_ONE: Final = _compiled(rf"[^\n.!?;:=,\d]{{0,24}}\s[A-Z]?\d{{1,3}}[A-Z]?\s{_VERB}")
"""After the number of a door: "the code for gate 12 is"."""

_LEAST: Final = 3
_LEAST_LONG: Final = 4
"""Characters of a code that machines have too, and of one right after its name: "door code E40" is a fault."""
_AFTER_DIGITS: Final = r"(?![\d%]|[.,:]\d)[#*]?"
_AFTER_MIXED: Final = r"(?![\w%]|[.,:]\d)[#*]?"


def _digits(least: int) -> str:
    return rf"\d(?:[ -]?\d){{{least - 1},9}}{_AFTER_DIGITS}"


def _mixed(least: int) -> str:
    """A code of letters and digits in one word or in groups: "47B12", "C-4891", "63 M 90".

    A group without a digit has three capitals at most, so no word goes with a code: "4-digit".
    """
    capitals = r"(?-i:[A-Z]{1,3})"
    part = rf"(?:(?=[A-Z]{{0,12}}\d)[A-Z0-9]{{1,24}}|{capitals})"
    ordinal = r"\d{1,4}(?:st|nd|rd|th|am|pm|h|x)(?![^\W_])"
    joined = (
        rf"(?!{ordinal})(?=[\d-]{{0,24}}[A-Z])(?=[A-Z-]{{0,24}}\d)(?=(?:-?[A-Z0-9]){{{least}}}){part}(?:-{part}){{0,5}}"
    )
    spaced = rf"{capitals} \d[A-Z0-9]{{{least - 2},12}}|\d{{1,8}} {capitals} \d{{1,8}}"
    return rf"(?:{spaced}|{joined}){_AFTER_MIXED}"


_DIGITS, _LONG_DIGITS = _compiled(_digits(_LEAST)), _compiled(_digits(_LEAST_LONG))
_MIXED, _LONG_MIXED = _compiled(_mixed(_LEAST)), _compiled(_mixed(_LEAST_LONG))
_NO_FAULT: Final = _compiled(rf"(?=[A-Z-]{{0,8}}\d{{1,8}}-?[A-Z]){_mixed(_LEAST_LONG)}")
"""The number of a fault is a letter and digits: "alarm code E104"."""
_AT_A_DOOR: Final = _compiled(
    rf"(?:{_digits(_LEAST_LONG)}|{_mixed(_LEAST_LONG)})(?=(?:{alternatives(_SUBJECT, 'at_a_door')})(?![^\W_]))"
)

_QUANTITY_AFTER: Final = _compiled(
    rf"\s(?:(?:{alternatives(_SUBJECT, 'and')})\s\d{{1,6}}\s[^\W\d_]{{3,20}}|{alternatives(_SUBJECT, 'counted')})"
    r"(?![^\W_])"
)
_FAULT: Final = rf"(?:{alternatives(_SUBJECT, 'faults')})"
_FAULT_BEFORE: Final = re.compile(rf"(?<![^\W_]){_FAULT}\s?{_IS}?[\s#]{{0,3}}$")
_FAULT_AFTER: Final = _compiled(rf"\s{_FAULT}(?![^\W_])")
_BUILDING_YEAR: Final = re.compile(
    rf"(?<![^\W_])(?:{alternatives(_SUBJECT, 'named_after_years')})[\s:]{{1,2}}(?:19|20)\d\d$"
)
"""Building codes, the regulations, are named after their year."""
_REACH: Final = 40
_MEASURED: Final = re.compile(r"(\d{1,12})[^\W\d_]{1,12}")


def _is_no_code(view: TextView, start: int, end: int) -> bool:
    """Whether the value is an amount, a quantity, a fault code or the year of a building code."""
    low = max(0, start - _REACH)
    measured = _MEASURED.fullmatch(view.text, start, end)
    return bool(
        is_amount(view, start, measured.end(1) if measured else end)
        or _QUANTITY_AFTER.match(view.text, end)
        or _FAULT_BEFORE.search(view.lower, low, start)
        or _BUILDING_YEAR.search(view.lower, low, end)
    )


_OWNED: Final = rf"(?:{alternatives('announcements', 'articles')}|{alternatives('announcements', 'owners')}|your)\s"
_POINTS_BACK: Final = (
    rf"[\s,]{{1,2}}(?:[^\W\d_]{{1,6}}['\u2019]s|(?:[^\W\d_]{{1,6}}['\u2019 ])?(?:{_COPULAS}))\s{_OWNED}"
)
_EITHER: Final = rf"(?<![\w-])(?P<value>{_digits(_LEAST)}|{_mixed(_LEAST_LONG)})"
_BEFORE: Final = _compiled(rf"{_EITHER}{_POINTS_BACK}$")
_RIGHT_BEFORE: Final = _compiled(rf"{_EITHER}\s$")
_LAST_VERB: Final = _compiled(rf"\s(?:{alternatives('passwords', 'last_verbs')})(?![^\W_])")

_Following = tuple[str, re.Pattern[str], re.Pattern[str]]
"""A name for ``--why``, what stands after the name of the code, and the code that stands after that."""


@dataclass(frozen=True, slots=True)
class _Codes:
    """Names of codes, and where the code stands.

    Attributes:
        names: Matches the name.
        hints: A text without one of these pieces has no name.
        following: Each way in which the code follows the name.
        may_follow: Whether the name may also stand after its code: "47B12 is the door code".
    """

    names: re.Pattern[str]
    hints: tuple[str, ...]
    following: tuple[_Following, ...]
    may_follow: bool

    def find(self, view: TextView) -> Iterator[tuple[str, int, int]]:
        """The codes in a view, each with the name of the way in which it was found."""
        if self.hints and not view.has_any(self.hints):
            return
        for name in self.names.finditer(view.text):
            for label, between, value in self.following:
                gap = between.match(view.text, name.end())
                if gap and (code := value.match(view.text, gap.end())):
                    yield label, *code.span()
            if self.may_follow and (before := _code_before(view, *name.span())):
                yield "before", *before.span("value")


def _code_before(view: TextView, start: int, end: int) -> re.Match[str] | None:
    """The code before the name at [start, end)."""
    if _FAULT_AFTER.match(view.text, end):
        return None
    pattern = _RIGHT_BEFORE if _LAST_VERB.match(view.text, end) else _BEFORE
    return pattern.search(view.text, max(0, start - _REACH), start)


def _codes(names: str, *following: _Following, may_follow: bool = True) -> _Codes:
    regex = _compiled(rf"(?<![^\W_])(?:{names})(?![^\W_])")
    return _Codes(regex, required_pieces(regex), following, may_follow)


_WORDS: Final = rf"(?:{alternatives(_SUBJECT, 'codes')})"
_BETWEEN: Final = rf"(?:[ -]?|{alternatives(_SUBJECT, 'between')})"
_OF: Final = rf"(?:{alternatives(_SUBJECT, 'of')})"
_OPENED, _GUARDED = (f"(?:{alternatives(_SUBJECT, name)})" for name in ("opened", "guarded"))
_LETTERS_FIRST: Final = _compiled(r"[A-Z]{1,3}-?\d{4,8}(?!\w)")

_OF_ONE: Final = (("of-one", _TOLD_OF_ONE, _LONG_DIGITS), ("of-one", _TOLD_OF_ONE, _MIXED))
_NAMED_SHORT: Final = (
    *_OF_ONE,
    ("short-told", _TOLD, _DIGITS),
    ("short-told", _TOLD, _MIXED),
    ("short", _MARKED, _MIXED),
    ("short", _BLANK, _LONG_MIXED),
)
_NAMED_LONG: Final = (
    *_OF_ONE,
    ("long", _DIRECTLY, _LONG_DIGITS),
    ("long-told", _TOLD, _LONG_DIGITS),
    ("long-told", _TOLD, _LONG_MIXED),
    ("long", _MARKED, _LONG_MIXED),
    ("long", _BLANK, _NO_FAULT),
)
_ALL: Final = (
    _codes(
        rf"{_NOT_OF_FAULTS}(?:{alternatives(_SUBJECT, 'of_digits')})",
        ("digits", _DIRECTLY, _DIGITS),
        ("digits-told", _TOLD, _DIGITS),
    ),
    _codes(
        rf"{_NOT_OF_FAULTS}(?:{alternatives(_SUBJECT, 'short')}|{_OPENED}{_BETWEEN}{_WORDS})",
        ("short", _DIRECTLY, _DIGITS),
        ("short", _DIRECTLY, _LETTERS_FIRST),
        *_NAMED_SHORT,
    ),
    _codes(rf"{_NOT_OF_THINGS}{_WORDS}{_OF}{_OPENED}", ("short", _DIRECTLY, _LONG_DIGITS), *_NAMED_SHORT),
    _codes(
        rf"{_NOT_OF_FAULTS}(?:{alternatives(_SUBJECT, 'long')}|{_GUARDED}{_BETWEEN}{_WORDS})",
        *_NAMED_LONG,
    ),
    _codes(rf"{_NOT_OF_THINGS}{_WORDS}{_OF}{_GUARDED}", *_NAMED_LONG),
    _codes(alternatives(_SUBJECT, "typed"), ("at-a-door", _BLANK, _AT_A_DOOR), may_follow=False),
    _codes(
        rf"{_NOT_OF_THINGS}{_WORDS}(?! (?:{alternatives(_SUBJECT, 'of_things')})(?![^\W_]))"
        rf" [^\n.!?;:=,\d]{{0,24}}(?<![^\W_])(?:{alternatives(_SUBJECT, 'sent')})",
        ("sent", _TOLD, _LONG_DIGITS),
        ("sent", _TOLD, _LONG_MIXED),
        may_follow=False,
    ),
    _codes(
        rf"(?:{alternatives(_SUBJECT, 'pins')}) (?:\w{{1,12}} )?(?:pin|पिन)(?: code| number)?",
        ("pin", _compiled(rf"[\s:=#]{{1,3}}(?:{_IS}\s)?"), _LONG_DIGITS),
        may_follow=False,
    ),
)


class CodeRecognizer:
    """The name of a code, and the code after it or before it."""

    name = "code"
    least_digits = 1

    def find(self, view: TextView, context: RedactionContext) -> Iterator[Entity]:
        """See ``Recognizer``."""
        if not view.digits:
            return
        for codes in _ALL:
            for label, start, end in codes.find(view):
                if not _is_no_code(view, start, end):
                    yield Entity("SECRET", start, end, 1.0, f"{self.name}:{label}")


CODE = CodeRecognizer()

LAST_DIGITS = PatternRecognizer(
    entity="ID",
    name="last-digits",
    needs="0",
    patterns=(
        Pattern(
            _compiled(
                rf"(?<![^\W_])(?:{alternatives(_SUBJECT, 'ends')})(?![^\W_])(?: number)?[\s:]{{1,2}}(?:{_IS}\s)?"
                rf"(?P<value>{_digits(_LEAST_LONG)})"
            ),
            1.0,
            group="value",
            name="ends",
        ),
    ),
)
