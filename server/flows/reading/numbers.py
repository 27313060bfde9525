"""Reads numbers: beside their unit, beside their label, or alone as the answer to a question."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from models.redaction.commands import any_of, folded, says_only
from server.flows.extraction import meter_reading, visitor_count
from server.flows.fields import NumberField
from server.flows.reading.answer_text import AnswerText
from server.flows.reading.dates import without_dates
from server.flows.reading.spoken_marks import is_beside_point, with_spoken_marks
from server.flows.reading.units import apart, is_foreign, scaled
from server.flows.reading.words import CORRECTION, NOT, NOW, STATES, phrases
from server.flows.texts import words_in

_SPACES: Final = r" '\u2019\u00a0\u202f"
_SPOKEN_POINT: Final = "\u00b7"
"""A point that was said, and so is certainly before decimals."""
_NUMBER: Final = re.compile(
    r"(?<![\w.,:/*\u00b7-])(?P<sign>[-\u2212])?"
    rf"(?P<digits>\d(?: \d){{2,}}+(?![.,\u00b7]?\d)|\d{{1,3}}(?:[{_SPACES}]\d{{3}})++(?!\d)(?:[.,\u00b7]\d++)?+|"
    r"\d++(?:[.,\u00b7]++\d++)*+)(?![\w:/*]|[-\u2013]\d)"
)
_HALF: Final = re.compile(
    r"^\s*(?:and a half|einhalb|und ein halb|und eine halbe|y media|y medio|et demie?|e meia|e meio|½)", re.IGNORECASE
)
_IN_PAIRS: Final = re.compile(r"(?<![\d.,])(\d{2}) (\d{2})(?![\d.,\u00b7])")
"""A number that is said in pairs: "forty eight twenty one"."""

_CHANGED: Final = re.compile(r"\b(?:from|von|de)\s+\d[\d.,]*(?=(?:\s+\w+){0,2}\s+(?:to|auf|zu|a|à|para)\b[^.]*\d)")
"""What a number is changed from: "from 8 people to 7"."""

_CLAUSE: Final = re.compile(r"[,.;:!?]")
_NEAR_CHARACTERS: Final = 40
_POINT_FOR_DECIMALS: Final = frozenset({"en", "hi", "zh", "ja"})
_UNIT, _LABEL, _ALONE = 4, 2, 1


@dataclass(frozen=True, slots=True)
class _Candidate:
    value: str
    score: int
    marked: bool
    """Whether the text says that it replaces the number before, or that it is the one of now."""


def read_number(field: NumberField, material: AnswerText, *, asked: bool, corrects: bool = False) -> str | None:
    """The value of a number, or None.

    A number that was not asked for needs its unit, or its label where it has none or corrects an earlier one.

    Args:
        field: What is read.
        material: From which.
        asked: Whether it was asked for, so that a bare number is the answer.
        corrects: Whether the text says that it corrects something.
    """
    if field.rule is not None and (found := _by_rule(field, material)):
        return found if not field.problem(found) else None
    if material.way == "picture" and (field.rule is not None or (field.reader and material.picture != "meter")):
        return None
    least = _ALONE if asked else _LABEL if corrects or not _units(field, material) else _UNIT
    known = [each for each in _candidates(field, material) if not field.problem(each.value)]
    fitting = [each for each in known if each.score >= least]
    if not fitting or (material.way == "picture" and max(each.score for each in fitting) < _LABEL):
        return None
    return _only(fitting, [each for each in known if each.marked])


def read_named_number(field: NumberField, material: AnswerText) -> str | None:
    """The value of a number whose whole label is in the text and beside it, or None."""
    text = folded(material.plain)
    if not all(any_of([word]).search(text) for word in _label_words(field, material)):
        return None
    named = [each for each in _candidates(field, material) if each.score & _LABEL and not field.problem(each.value)]
    return _only(named, [each for each in named if each.marked]) if named else None


def read_lone_number(field: NumberField, material: AnswerText) -> str | None:
    """The value of a number in a text that says nothing but it with its unit ("it is 48,213 km"), or None."""
    units = any_of(_units(field, material))
    text = folded(apart(material.numbered, _units(field, material)))
    rest = re.sub(r"[^\w\s']|\d", " ", units.sub(" ", text)).strip()
    if units.search(text) is None or (
        rest and not says_only(frozenset(phrases(STATES, material.code)), rest, material.code)
    ):
        return None
    return read_number(field, material, asked=False)


def _only(fitting: list[_Candidate], marked: list[_Candidate]) -> str | None:
    """The value that fits best; where several do, the one that is marked. None in doubt."""
    top = _best(fitting)
    if not marked:
        return top.pop() if len(top) == 1 else None
    chosen = _best(marked)
    return chosen.pop() if len(chosen) == 1 and chosen <= top else None


def _best(candidates: list[_Candidate]) -> set[str]:
    most = max(each.score for each in candidates)
    return {each.value for each in candidates if each.score == most}


def _by_rule(field: NumberField, material: AnswerText) -> str:
    """What a rule of ``server.flows.extraction`` finds; empty for nothing."""
    if field.rule == "register_rows":
        rows = visitor_count(material.text.value, material.text.counts) if material.picture == "visitor_register" else 0
        return str(rows) if rows else ""
    reading = meter_reading(material.text.value) if material.picture in ("", "meter") else None
    return reading.value if reading is not None else ""


def _candidates(field: NumberField, material: AnswerText) -> Iterator[_Candidate]:
    own = _units(field, material)
    marked = with_spoken_marks(material.numbered, _SPOKEN_POINT)
    text = apart(without_dates(marked, material), own)
    if scaled(text) or scaled(material.plain):
        return
    units, labels = any_of(own), any_of(_label_words(field, material))
    negated = re.compile(rf"(?:{any_of(phrases(NOT, material.code)).pattern})\s*$")
    text = _CHANGED.sub(lambda change: " " * len(change[0]), text)
    text, last = _IN_PAIRS.sub(lambda pair: f"{pair[1]}{pair[2]} ", text), 0
    for number in _NUMBER.finditer(text):
        before = text[max(0, number.start() - _NEAR_CHARACTERS) : number.start()]
        after = text[number.end() : number.end() + _NEAR_CHARACTERS]
        half = _HALF.search(after)
        after = after[half.end() :] if half else after
        value = _value(number, field, material.code, half=half is not None)
        if not value or negated.search(folded(before)) or (after.startswith(("th", "st.", "%")) and field.unit != "%"):
            continue
        if is_foreign(after, own) or is_beside_point(before, after):
            continue
        score = _ALONE + _UNIT * _begins_with(units, after) + _LABEL * _is_beside(labels, before, after)
        yield _Candidate(value, score, _is_marked(text[last : number.start()], after, material.code, first=not last))
        last = number.end()


def _is_marked(between: str, after: str, code: str, *, first: bool) -> bool:
    """Whether a number comes after "no, sorry" and another number, or has "now" in its clause."""
    corrects = any_of(phrases(CORRECTION, code)).search(folded(between)) is not None and not first
    clause = _CLAUSE.split(between)[-1] + " " + _CLAUSE.split(re.split(r"\d", after)[0])[0]
    return corrects or any_of(phrases(NOW, code)).search(folded(clause)) is not None


def _value(number: re.Match[str], field: NumberField, code: str, *, half: bool) -> str:
    """The number in digits, decimals after a point; empty where the digits cannot be read."""
    digits = re.sub(f"[{_SPACES}]", "", number["digits"]).rstrip(".,")
    spoken, _, decimals = digits.partition(_SPOKEN_POINT)
    if decimals:
        return f"{'-' * bool(number['sign'])}{spoken}.{decimals}" if (spoken + decimals).isdecimal() else ""
    point, comma = digits.count("."), digits.count(",")
    decimal = "." if code in _POINT_FOR_DECIMALS else ","
    if point and comma:
        decimal = "." if digits.rfind(".") > digits.rfind(",") else ","
    elif point + comma == 1:
        mark = "." if point else ","
        groups = len(digits.split(mark)[1]) == 3 and (mark != decimal or field.decimals < 3)
        decimal = mark if not groups else {".": ",", ",": "."}[mark]
    elif point + comma > 1:
        decimal = "," if point else "."
    whole = digits.replace("," if decimal == "." else ".", "").replace(decimal, ".")
    if whole.count(".") > 1:
        return ""
    if half and "." not in whole:
        whole = str(Decimal(whole) + Decimal("0.5"))
    return f"-{whole}" if number["sign"] else whole


def _units(field: NumberField, material: AnswerText) -> list[str]:
    words = words_in(field.unit_words, material.language)
    return [
        *words,
        *(word[:-1] for word in words if len(word) > 3 and word.endswith("s")),
        *([field.unit] * bool(field.unit)),
    ]


def _label_words(field: NumberField, material: AnswerText) -> list[str]:
    """The words of the label that say something."""
    return [word for word in folded(field.label_in(material.language)).split() if len(word) > 3]


def _begins_with(units: re.Pattern[str], after: str) -> bool:
    """Whether a unit comes at once, or after one word ("38 working hours")."""
    bare = folded(after)
    found = units.search(bare)
    return (
        found is not None
        and len(bare[: found.start()].split()) <= 1
        and not re.search(r"[.;!?]", after[: found.start()])
    )


def _is_beside(labels: re.Pattern[str], before: str, after: str) -> bool:
    clause = re.split(r"[.;!?]\s", before)[-1]
    return bool(labels.search(folded(clause)) or labels.search(folded(re.split(r"[.,;!?]", after)[0][:20])))
