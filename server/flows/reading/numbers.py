"""Reads numbers: beside their unit, beside their label, or alone as the answer to a question."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

from models.redaction.commands import any_of, folded, says_only
from models.redaction.itn.number_words import ARTICLES
from server.flows.extraction import meter_reading, visitor_count
from server.flows.fields import NumberField
from server.flows.reading.answer_text import AnswerText
from server.flows.reading.dates import without_dates
from server.flows.reading.fractions import part_words
from server.flows.reading.modifiers import (
    ABOUT,
    BOUNDS,
    MISSING,
    MORE,
    alternatives,
    clause_end,
    ends_with,
    is_denied,
    joins,
)
from server.flows.reading.spoken_marks import is_beside_point, with_spoken_marks
from server.flows.reading.units import apart, is_foreign, is_money, scaled, spellings
from server.flows.reading.words import CORRECTION, NOW, PLAIN_NO, STATES, phrases
from server.flows.reading.written_numbers import SPACES, SPOKEN_POINT, written_value
from server.flows.texts import words_in

_NUMBER: Final = re.compile(
    r"(?<![\w.,:/*\u00b7\u2012-\u2015\u2212-])(?P<sign>[-\u2212\u2013])?"
    rf"(?P<digits>\d(?: \d){{2,}}+(?![.,\u00b7]?\d)|\d{{1,3}}(?:[{SPACES}]\d{{3}})++(?!\d)(?:[.,\u00b7]\d++)?+|"
    r"\d++(?:[.,\u00b7]++\d++)*+)(?![\w:/*]|[-\u2013]\d)"
)
_SPACED_DASH: Final = re.compile(r"[-\u2012-\u2015\u2212]\s+\Z")
_HALF: Final = re.compile(
    r"^\s*(?:and a half|einhalb|und ein halb|und eine halbe|y media|y medio|et demie?|e meia|e meio|½)", re.IGNORECASE
)
_IN_PAIRS: Final = re.compile(r"(?<![\d.,])(\d{2}) (\d{2})(?![\d.,\u00b7])")
"""A number that is said in pairs: "forty eight twenty one"."""

_CHANGED: Final = re.compile(r"\b(?:from|von|de)\s+\d[\d.,]*(?=(?:\s+\w+){0,2}\s+(?:to|auf|zu|a|à|para)\b[^.]*\d)")
"""What a number is changed from: "from 8 people to 7"."""

_CLAUSE: Final = re.compile(r"[,.;:!?]")
_NEAR_CHARACTERS: Final = 40
_ORDINAL: Final = r"\d+(?:st|nd|rd|th)s?(?!\w)"
_NO_ANSWERS_ONLY: Final = frozenset({"en", "fr"})
"""Languages whose plain no denies no verb: "no it's 38"."""

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
    least = _ALONE if asked else _LABEL if corrects or not units_of(field, material) else _UNIT
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
    units = any_of(units_of(field, material))
    text = folded(apart(material.numbered, units_of(field, material)))
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


def _candidates(field: NumberField, material: AnswerText) -> list[_Candidate]:
    """Every number of the field that a text states; none where a part of one may be said apart."""
    own = units_of(field, material)
    marked = with_spoken_marks(material.numbered, SPOKEN_POINT)
    text = apart(without_dates(marked, material), own)
    if scaled(text) or scaled(material.plain) or (is_money(own) and _IN_PAIRS.search(text)):
        return []
    text = _CHANGED.sub(lambda change: " " * len(change[0]), text)
    text, last = _IN_PAIRS.sub(lambda pair: f"{pair[1]}{pair[2]} ", text), 0
    around, found = _Around(field, material, own), list[_Candidate]()
    for number in _NUMBER.finditer(text):
        between, after = text[last : number.start()], text[number.end() : number.end() + _NEAR_CHARACTERS]
        before = text[max(0, number.start() - _NEAR_CHARACTERS) : number.start()]
        value, after, more = around.value(number, after)
        if more or around.continues(before) or (_SPACED_DASH.search(before) and not field.problem(f"-{value}")):
            return []
        if not value or around.is_other(before, after):
            continue
        candidate = _Candidate(
            value, around.score(before, after), _is_marked(between, after, material.code, first=not last)
        )
        if found and around.joins(between):
            both = max(candidate.score, found[-1].score)
            found[-1], candidate = replace(found[-1], score=both), replace(candidate, score=both)
        found.append(candidate)
        last = number.end()
    return found


class _Around:
    """What stands around the numbers of one text, for one field."""

    def __init__(self, field: NumberField, material: AnswerText, own: list[str]) -> None:
        self._field, self._code, self._own = field, material.code, own
        self._units, self._labels = any_of(own), any_of(_label_words(field, material))
        self._bounds, self._joins = any_of(phrases(BOUNDS, self._code)), joins(self._code).pattern
        self._one = any_of((*ARTICLES, "a", "an")).pattern
        self._unit = re.compile(rf"\s*(?:{'|'.join(map(re.escape, own)) or '(?!)'})(?!\w)", re.IGNORECASE)

    def value(self, number: re.Match[str], after: str) -> tuple[str, str, bool]:
        """The number, what comes after it and its half, and whether more of it follows: "12 euros 50"."""
        half, unit = _HALF.search(after), self._unit.match(after)
        rest = after[unit.end() :] if unit else ""
        if unit and not half and (half := _HALF.search(rest)):
            after = unit[0] + rest[half.end() :]
        elif half:
            after = after[half.end() :]
        value = written_value(number["digits"], self._field, self._code, sign="-" * bool(number["sign"]))
        if half and value:
            value = str(Decimal(value) + Decimal("0.5").copy_sign(Decimal(value))) if "." not in value else ""
        more = not half and re.match(rf"[ \u00a0]+(?:{self._joins})?\s*\d", rest) is not None
        return value, after, more

    def continues(self, before: str) -> bool:
        """Whether the number goes on after one unit: "a kilo 500"."""
        unit = any_of(self._own).pattern
        return re.search(rf"(?:{self._one})\s(?:{unit})(?:\s(?:{self._joins}))?\Z", folded(before)) is not None

    def is_other(self, before: str, after: str) -> bool:
        """Whether the number is denied, is the bound of another one, or is a part of something else."""
        clause, rest = folded(clause_end(self._code).split(before)[-1]), folded(clause_end(self._code).split(after)[0])
        if self._code in _NO_ANSWERS_ONLY:
            clause = re.sub(rf"\A(?:{any_of(phrases(PLAIN_NO, self._code)).pattern})\s(?=\S)", "", f"{clause} ")
        about = any_of(phrases(ABOUT, self._code))
        clause, rest = about.sub(" ", clause), about.sub(" ", rest)
        return (
            is_denied(clause, rest, self._code)
            or ends_with(self._bounds, clause)
            or re.fullmatch(rf"(?:\S+\s)?(?:{self._bounds.pattern})", rest) is not None
            or re.match(rf"(?:\S+\s)?(?:(?:{self._joins})\s)?(?:{self._more_or_less()})(?!\s\d)", rest) is not None
            or re.match(rf"(?:(?:{self._joins})\s)?(?:(?:\d+|{self._one})\s)?(?:{self._parts()})", rest) is not None
            or (after.startswith(("th", "st.", "%")) and self._field.unit != "%")
            or is_foreign(after, self._own)
            or is_beside_point(before, after)
        )

    def score(self, before: str, after: str) -> int:
        """How well the number fits: by its unit, by the label of the field, or as a number alone."""
        score = _ALONE + _UNIT * _begins_with(self._units, after) + _LABEL * _is_beside(self._labels, before, after)
        adds = rf"(?:\S+\s){{1,2}}(?:{self._joins}|plus|{any_of(phrases(MORE, self._code)).pattern})\s(?:{self._one})\s"
        return 0 if score == _ALONE and re.match(adds, folded(after)) else score

    def joins(self, between: str) -> bool:
        """Whether a number and the one before it are alternatives, the ends of a range, or parts of one number that a
        pause cut: "four or five kilos", "52.000, 107 km".
        """
        form = rf"\s*(?:{self._joins}|{alternatives(self._code).pattern}|,)\s*"
        return re.fullmatch(form, self._unit.sub("", between, count=1).casefold()) is not None

    def _more_or_less(self) -> str:
        return any_of((*phrases(MORE, self._code), *phrases(MISSING, self._code))).pattern

    def _parts(self) -> str:
        return f"{part_words(self._code).pattern}|{_ORDINAL}"


def _is_marked(between: str, after: str, code: str, *, first: bool) -> bool:
    """Whether a number comes after "no, sorry" and another number, or has "now" in its clause."""
    corrects = any_of(phrases(CORRECTION, code)).search(folded(between)) is not None and not first
    clause = _CLAUSE.split(between)[-1] + " " + _CLAUSE.split(re.split(r"\d", after)[0])[0]
    return corrects or any_of(phrases(NOW, code)).search(folded(clause)) is not None


def units_of(field: NumberField, material: AnswerText) -> list[str]:
    """The unit of a field, and the words for it."""
    words = [each for word in words_in(field.unit_words, material.language) for each in spellings(word)]
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
