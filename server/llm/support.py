"""Tests in code whether a source supports a value of a record, and which values sources state.

No model is asked. What code cannot tell, such as whether a description is right, is left to the checker.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from enum import Enum, auto
from typing import Final

from models.text import RedactedText
from server.flows.conditions import as_number
from server.flows.definition import FlowDefinition, Way
from server.flows.extraction import meter_reading, tags_of, visitor_count
from server.flows.fields import (
    ChoiceField,
    CodeField,
    DateField,
    FieldDefinition,
    NumberField,
    PersonalField,
    TextField,
    TimeField,
)
from server.flows.personal_values import only_others
from server.flows.reading.answer_text import AnswerText
from server.flows.reading.choices import options_in
from server.flows.reading.dates import days_in
from server.flows.reading.reader import Request, read_value
from server.flows.texts import base_language
from server.llm.instructions import instructions_in
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

_NO_DAY: Final = date(2000, 1, 1)
"""From where the days of a text count whose day is not known. None of them is taken."""

_YEAR: Final = re.compile(r"(?<!\d)\d{4}(?!\d)")


@dataclass(frozen=True, slots=True)
class Source:
    """A turn, an upload or an answer of the app as values are looked for in it.

    Attributes:
        text: Redacted, and looked at here only: it goes nowhere else.
        language: ISO 639-1 code.
        field: The one field that it is about; empty for all.
        day: On which it came; None where that is not known.
    """

    id: str
    kind: str
    text: RedactedText
    language: str
    field: str = ""
    day: date | None = None

    @staticmethod
    def of(item: SourceItem, language: str) -> Source:
        """The whole text of an item, in its own language or else in that of the session."""
        return Source(item.id, item.kind, item.text, item.language or language, item.field, item.day)

    @property
    def material(self) -> AnswerText:
        """The same as the readers of the flow take it."""
        told = self.kind in SPOKEN or self.kind == ANSWER
        way: Way = "text" if told else "picture"
        return AnswerText(self.text, way, self.language, self.day or _NO_DAY, "" if told else self.kind)

    @property
    def has_instructions(self) -> bool:
        """Whether a sentence of it speaks to a machine."""
        return bool(instructions_in(self.text.value))

    def without_instructions(self) -> Source:
        """The source without sentences that speak to a machine."""
        return replace(self, text=self.text.without(instructions_in(self.text.value)))


class Support(Enum):
    """What code can tell about a value and a source."""

    YES = auto()
    NO = auto()
    UNKNOWN = auto()


def admits(flow: FlowDefinition, field: FieldDefinition, item: Source | SourceItem) -> bool:
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


def support(field: FieldDefinition, value: str, item: Source) -> Support:  # noqa: PLR0911 - one line for each kind
    """Whether a source has a value: what its flow reads in it, or whatever else it may mean.

    Args:
        field: Of the flow.
        value: As the record has it.
        item: A source that may give it.
    """
    text, language = item.text.value, item.language
    match field:
        case NumberField():
            return _known(_has_number(field, value, item))
        case ChoiceField():
            return _known(value in options_in(field, item.material))
        case DateField():
            return _known(_names_day(value, item))
        case TimeField():
            return _known(_reads(field, value, item) or value in times_in(text, language))
        case CodeField():
            return _known(re.sub(r"[\W_]", "", value).casefold() in with_codes(text, language))
        case PersonalField():
            found = set(field.accepted) & tags_of(text, item.text.counts).keys()
            return _known(bool(found) and not (item.kind in SPOKEN and only_others(text, language, found)))
        case TextField():
            return _has_text(field, value, text, language)
        case _:
            return Support.UNKNOWN


def tells(field: FieldDefinition | None, value: str, text: RedactedText, language: str) -> bool:
    """Whether a text that a program wrote, such as a summary, has a value in a form that code knows.

    Args:
        field: Of the flow; None for one that it does not have.
        value: As the record has it.
        text: Redacted.
        language: ISO 639-1 code.
    """
    if field is None or isinstance(field, TextField):
        return words_of(value) in words_of(text.value)
    return support(field, value, Source("", "turn", text, language)) is Support.YES


def stated(flow: FlowDefinition, field: FieldDefinition, items: Sequence[Source]) -> Iterator[tuple[str, Source]]:
    """The values that sources plainly give for a field, the newest first. What was said before words of correction
    does not count any more: "sorry, it is 4822". The rows of all registers count together.
    """
    corrected = False
    for item in reversed(items):
        spoken = item.kind in SPOKEN
        if (spoken and corrected) or not may_contradict(flow, field, item):
            continue
        value = _rows(items) if _counts_rows(field, item) else plain_value(flow, field, item)
        if value:
            corrected = corrected or (spoken and _CORRECTION.search(item.text.value) is not None)
            yield value, item


def _counts_rows(field: FieldDefinition, item: Source) -> bool:
    return isinstance(field, NumberField) and field.reader == "register_rows" and item.kind == REGISTER


def _rows(items: Sequence[Source]) -> str:
    registers = (item.text for item in items if item.kind == REGISTER)
    rows = sum(visitor_count(text.value, text.counts) for text in registers)
    return str(rows) if rows else ""


def plain_value(flow: FlowDefinition, field: FieldDefinition, item: Source) -> str:
    """The one value that the flow reads in a text without the question before it; empty if there is none.

    A date needs the label of its field, or a year in a flow that asks for one date only.
    """
    alone = sum(isinstance(each, DateField) for each in flow.fields.values()) == 1
    named = isinstance(field, DateField) and alone and _YEAR.search(item.text.value) is not None
    return read_value(field, item.material, Request(asked=named)) or ""


def _reads(field: FieldDefinition, value: str, item: Source) -> bool:
    """Whether the flow reads this value in a text as the answer to its question."""
    found = read_value(field, item.material, Request(asked=True))
    return found is not None and field.equal(found, value)


def _names_day(value: str, item: Source) -> bool:
    """Whether a text names a day, also by words that count from its own day, such as "yesterday"."""
    text = item.text.value
    written = any(each.fits(value) for each in dates_in(text, item.language))
    if written or item.day is None:
        return written
    codes = dict.fromkeys((base_language(item.language), "en"))
    return any(value == day.isoformat() for code in codes for day in days_in(with_digits(text, code), code, item.day))


def _known(supported: bool) -> Support:
    return Support.YES if supported else Support.NO


def _has_number(field: NumberField, value: str, item: Source) -> bool:
    if _reads(field, value, item):
        return True
    if _counts_rows(field, item):
        return False
    if field.rule == "meter" and item.kind == METER and meter_reading(item.text.value) is not None:
        return False  # another number on the plate, such as its serial number, is no reading
    return as_number(value) in numbers_in(item.text.value, item.language)


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
