"""Tests in code whether a source supports a value of a record, and which values sources state.

No model is asked. What code cannot tell, such as whether a description is right, is left to the checker.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from enum import Enum, auto
from functools import lru_cache
from typing import Final

from server.flows.conditions import as_number
from server.flows.definition import FlowDefinition
from server.flows.extraction import meter_reading, tags_of, unit_in, visitor_count
from server.flows.fields import (
    ChoiceField,
    CodeField,
    DateField,
    FieldDefinition,
    NumberField,
    Option,
    PersonalField,
    TextField,
    TimeField,
)
from server.flows.reading.dates import days_in
from server.flows.texts import Text, Words, base_language
from server.llm.instructions import without_instructions
from server.llm.plain_text import with_codes, with_digits, words_of
from server.llm.types import ANSWER, SourceItem
from server.llm.written_values import dates_in, numbers_in, times_in

REGISTER: Final = "visitor_register"
METER: Final = "meter"
SPOKEN: Final = frozenset({"turn", "upload"})
"""Kinds of sources that a person spoke or typed; an upload without a kind is a recording."""

_CORRECTION: Final = re.compile(
    r"\b(?:sorry|correction|i meant?|actually|rather|wrong|i misspoke|entschuldigung|verzeihung|ich meint?e|korrektur|"
    r"vielmehr|falsch|perd[oó]n|quise decir|corrección|corrijo|me equivoqué|pardon|désolée?|je voulais dire|correction|"
    r"plutôt|desculpe|quis dizer|correção|na verdade)\b|\A\s*(?:no|nein|não|non)\b|माफ़|माफ|मतलब|गलत",
    re.IGNORECASE,
)
"""What announces that a person corrects what was said before."""

_LEAST_COMMON: Final = 1 / 3
"""Share of the longer words of a description that the sources have at least, by how the words begin."""

_SAID_SCORE: Final = 2
"""Least score of a reading that was said. A word for a meter alone gives 1."""


@dataclass(frozen=True, slots=True)
class Source:
    """A turn, an upload or an answer of the app as values are looked for in it.

    Attributes:
        text: Redacted, and looked at here only: it goes nowhere else.
        counts: How many of which entity were replaced in it.
        field: The one field that it is about; empty for all.
        day: On which it came; None where that is not known.
    """

    id: str
    kind: str
    text: str
    counts: Mapping[str, int]
    field: str = ""
    day: date | None = None

    @staticmethod
    def of(item: SourceItem) -> Source:
        """The whole text of an item."""
        return Source(item.id, item.kind, item.text.value, item.text.counts, item.field, item.day)

    def without_instructions(self) -> Source:
        """The source without sentences that speak to a machine."""
        return replace(self, text=without_instructions(self.text))


class Support(Enum):
    """What code can tell about a value and a source."""

    YES = auto()
    NO = auto()
    UNKNOWN = auto()


def admits(flow: FlowDefinition, field: FieldDefinition, item: Source) -> bool:
    """Whether a source may give a value of a field: the ways and the kinds of pictures of its step.

    What stands in another picture gives no value, whoever has written it there; see ``may_contradict``. An answer of
    the app gives a value of its own field, and of no other.
    """
    if item.kind == ANSWER:
        return item.field == field.name
    step = flow.step_of(field.name)
    if isinstance(field, PersonalField):
        return item.kind in SPOKEN or (field.from_pictures and item.kind != REGISTER)
    if item.kind in SPOKEN:
        return bool({"speech", "text"} & set(step.ways))
    return "picture" in step.ways and item.kind in step.pictures


def may_contradict(flow: FlowDefinition, field: FieldDefinition, item: Source) -> bool:
    """Whether a source may cast doubt on a value: those that may give it, and, where its step names no kinds of
    pictures, all but registers. Doubt can only lower a confidence.
    """
    step = flow.step_of(field.name)
    loose = not isinstance(field, PersonalField) and "picture" in step.ways and not step.pictures
    return admits(flow, field, item) or (loose and item.kind not in (*SPOKEN, REGISTER, ANSWER))


def support(  # noqa: PLR0911 - one line for each kind
    field: FieldDefinition, value: str, item: Source, language: str
) -> Support:
    """Whether a source has a value.

    Args:
        field: Of the flow.
        value: As the record has it.
        item: A source that may give it.
        language: ISO 639-1 code of the session.
    """
    text = item.text
    match field:
        case NumberField():
            return _known(_has_number(field, value, item, language))
        case ChoiceField():
            return _known(value in _options_in(field, text))
        case DateField():
            return _known(_names_day(value, item, language))
        case TimeField():
            return _known(value in times_in(text, language))
        case CodeField():
            return _known(re.sub(r"[\W_]", "", value).casefold() in with_codes(text, language))
        case PersonalField():
            return _known(bool(set(field.accepted) & tags_of(text, item.counts).keys()))
        case TextField():
            return _has_text(field, value, text, language)
        case _:
            return Support.UNKNOWN


def stated(
    flow: FlowDefinition, field: FieldDefinition, items: Sequence[Source], language: str
) -> Iterator[tuple[str, Source]]:
    """The values that sources plainly give for a field, the newest first. What was said before words of correction
    does not count any more: "sorry, it is 4822".
    """
    corrected = False
    for item in reversed(items):
        spoken = item.kind in SPOKEN
        if (spoken and corrected) or not may_contradict(flow, field, item):
            continue
        if value := plain_value(flow, field, item, language):
            corrected = corrected or (spoken and _CORRECTION.search(item.text) is not None)
            yield value, item


def plain_value(  # noqa: PLR0911 - one line for each kind
    flow: FlowDefinition, field: FieldDefinition, item: Source, language: str
) -> str:
    """The one value that a text gives for a field by itself, without the question before it; empty if there is none.

    A number needs its unit or a rule that reads it, and a date a flow that asks for one date only.
    """
    text = item.text
    match field:
        case NumberField(reader="meter"):
            reading = meter_reading(text)
            enough = reading is not None and (item.kind == METER or reading.score >= _SAID_SCORE)
            return reading.value if reading is not None and enough else ""
        case NumberField(reader="register_rows"):
            count = visitor_count(text, item.counts) if item.kind == REGISTER else 0
            return str(count) if count else ""
        case NumberField():
            return _only(_written(number) for number in _numbers_with_unit(field, text, language))
        case ChoiceField():
            return _only(_options_by_label(field, text))
        case DateField():
            alone = sum(isinstance(each, DateField) for each in flow.fields.values()) == 1
            dates = {date for date in dates_in(text, language) if date.year}
            return _only(f"{d.year:04d}-{d.month:02d}-{d.day:02d}" for d in dates) if alone else ""
        case CodeField():
            found = re.finditer(rf"(?<![\w-])(?:{field.format})(?![\w-])", text.upper())
            return _only(each.group() for each in found)
        case _:
            return ""


def _names_day(value: str, item: Source, language: str) -> bool:
    """Whether a text names a day, also by words that count from its own day, such as "yesterday"."""
    written = any(each.fits(value) for each in dates_in(item.text, language))
    if written or item.day is None:
        return written
    codes = dict.fromkeys((base_language(language), "en"))
    return any(
        value == day.isoformat() for code in codes for day in days_in(with_digits(item.text, code), code, item.day)
    )


def _known(supported: bool) -> Support:
    return Support.YES if supported else Support.NO


def _only(values: Iterator[str]) -> str:
    found = set(values)
    return found.pop() if len(found) == 1 else ""


def _has_number(field: NumberField, value: str, item: Source, language: str) -> bool:
    number, text = as_number(value), item.text
    if field.reader == "meter":
        reading = meter_reading(text)
        if reading is not None and as_number(reading.value) == number:
            return True
        if item.kind == METER and reading is not None:
            return False  # another number on the plate, such as its serial number, is no reading
    if field.reader == "register_rows" and item.kind == REGISTER:
        return visitor_count(text, item.counts) == number
    return number in numbers_in(text, language)


def _has_text(field: TextField, value: str, text: str, language: str) -> Support:
    """A quotation is supported. Other words may be right, if the source has some of them and every number in them."""
    if words_of(value) in words_of(text):
        return Support.YES
    if field.reader == "site_name":
        return Support.NO  # a name is quoted or wrong
    if not numbers_in(value, language) <= numbers_in(text, language):
        return Support.NO
    own, others = _beginnings(value), _beginnings(text)
    return Support.UNKNOWN if len(own & others) >= _LEAST_COMMON * len(own) else Support.NO


def _beginnings(text: str) -> set[str]:
    """How the longer words of a text begin, so that "damaged" and "damage" are the same."""
    return {word[:5] for word in words_of(text).split() if len(word) > 3}


def _numbers_with_unit(field: NumberField, text: str, language: str) -> Iterator[Decimal]:
    units = [re.escape(word) for word in (field.unit, *_in_all(field.unit_words)) if word]
    if not units:
        return
    unit = "|".join(sorted(units, key=len, reverse=True))
    beside = rf"(?<![\w.,-])(-?\d{{1,3}}(?: \d{{3}})+(?:[.,]\d+)?|-?\d[\d.,']*)\s?(?:{unit})(?!\w)"
    for found in re.finditer(beside, with_digits(text, language), re.IGNORECASE):
        meant = numbers_in(found[1].rstrip(".,'"), language)
        if len(meant) == 1:
            yield from meant


def _written(number: Decimal) -> str:
    return f"{number.normalize():f}"


def _options_in(field: ChoiceField, text: str) -> set[str]:
    words = words_of(text)
    return {option.value for option in field.options if any(_there(w, words) for w in _words_for(option))} | _unit(
        field, text
    )


def _options_by_label(field: ChoiceField, text: str) -> Iterator[str]:
    words = words_of(text)
    yield from (option.value for option in field.options if any(_there(w, words) for w in _names_of(option)))
    yield from _unit(field, text)


def _unit(field: ChoiceField, text: str) -> set[str]:
    """The unit of a meter, for a choice among units: people have many words for it."""
    return {unit_in(text)} & set(field.values)


def _there(word: str, words: str) -> bool:
    return words_of(word) in words


@lru_cache(maxsize=1024)
def _names(value: str, label: str) -> tuple[str, ...]:
    return (value.replace("_", " "), *(label.split("\n") if label else ()))


def _names_of(option: Option) -> tuple[str, ...]:
    return _names(option.value, "\n".join(_texts(option.label)))


def _words_for(option: Option) -> tuple[str, ...]:
    return (*_names_of(option), *_in_all(option.words))


def _texts(text: Text | None) -> tuple[str, ...]:
    return () if text is None else (text,) if isinstance(text, str) else tuple(text.values())


def _in_all(words: Words) -> tuple[str, ...]:
    return tuple(words) if isinstance(words, list) else tuple(word for each in words.values() for word in each)
