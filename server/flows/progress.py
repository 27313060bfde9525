"""How far a session is in its flow: what is answered, what is asked now, and where two answers disagree.

Everything follows from the answers in their order, the facts and the flow. Nothing here is stored.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from typing import Final, Literal, get_args

from models.text import RedactedText
from server.flows.definition import FlowDefinition, Step
from server.flows.fields import FieldDefinition, PhotoField

AnswerWay = Literal["speech", "text", "picture", "app", "review"]
"""How an answer came: said, typed, read in a picture, or given by the app as a value. A review only opens a field."""
ANSWER_WAYS: Final = frozenset(get_args(AnswerWay))


class AnswerStatus(StrEnum):
    """What happened to a field, or to a step."""

    ANSWERED = "answered"
    SKIPPED = "skipped"
    REOPENED = "reopened"
    ENTERED = "entered"
    """The step was asked for the first time; such a row has no field."""


class FieldState(StrEnum):
    """How a field is now."""

    MISSING = "missing"
    ANSWERED = "answered"
    SKIPPED = "skipped"
    DISPUTED = "disputed"
    """What was said and what a picture shows differ, and nobody has said which is right."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One row of what happened, oldest first.

    Attributes:
        step: Name of the step.
        field: Name of the field; empty where a step was entered.
        value: As the record has it; empty unless it was answered.
        source_id: UUID of the turn or upload; of the record that was sent back; of what the app did one of its own.
        corrects: Whether it was meant as a correction.
        create_time: When it came; None before it is stored.
    """

    step: str
    field: str
    status: AnswerStatus
    value: RedactedText
    way: AnswerWay
    source_id: str = ""
    corrects: bool = False
    create_time: datetime | None = None


NO_VALUE = RedactedText.literal("")


@dataclass(frozen=True, slots=True)
class FieldProgress:
    """A field of the flow that comes up in this session.

    Attributes:
        said: Newest value that the person gave.
        pictured: Newest value that a picture gave.
        value: Which of them counts; of a disputed one, what was said.
        taken_back: Values that the person gave, and gave up when asked whether they or a picture are right.
        asked_again: Whether it was asked a second time because the first answer, a bare "no", was none.
        photographs: UUIDs of the uploads that belong to it, of a field that asks for photographs. Their number
            is its value.
        reopen_time: When it was last opened again; None if it never was.
    """

    field: FieldDefinition
    step: Step
    state: FieldState = FieldState.MISSING
    value: RedactedText = NO_VALUE
    way: AnswerWay = "app"
    source_id: str = ""
    said: RedactedText = NO_VALUE
    pictured: RedactedText = NO_VALUE
    taken_back: tuple[str, ...] = ()
    asked_again: bool = False
    photographs: tuple[str, ...] = ()
    reopen_time: datetime | None = None

    @property
    def open(self) -> bool:
        """Whether the person is still to be asked."""
        return self.state in (FieldState.MISSING, FieldState.DISPUTED)

    @property
    def can_reopen(self) -> bool:
        """Whether opening it again changes anything: nobody is asked now, or some of its photographs have come."""
        return not self.open or bool(self.photographs)

    def after(self, answer: Answer) -> FieldProgress:
        """The field after one more answer."""
        match answer.status:
            case AnswerStatus.SKIPPED:
                return replace(self, state=FieldState.SKIPPED, source_id=answer.source_id, way=answer.way)
            case AnswerStatus.REOPENED:
                again = self.state is FieldState.MISSING
                forgotten = replace(
                    self, said=NO_VALUE, pictured=NO_VALUE, photographs=(), reopen_time=answer.create_time
                )
                return replace(forgotten, state=FieldState.MISSING, asked_again=again)
            case AnswerStatus.ANSWERED if answer.way == "picture":
                return self._pictured(answer)
            case AnswerStatus.ANSWERED:
                return self._said(answer)
        return self

    def without(self, photograph: str) -> FieldProgress:
        """The field after a photograph was counted for another one."""
        return replace(self, photographs=tuple(each for each in self.photographs if each != photograph))._counted()

    def _counted(self) -> FieldProgress:
        number = RedactedText.literal(str(len(self.photographs))) if self.photographs else NO_VALUE
        return replace(self, value=number, pictured=number)

    def _answered(self, answer: Answer) -> FieldProgress:
        return replace(self, state=FieldState.ANSWERED, value=answer.value, way=answer.way, source_id=answer.source_id)

    def _pictured(self, answer: Answer) -> FieldProgress:
        if isinstance(self.field, PhotoField):
            taken = tuple(dict.fromkeys((*self.photographs, answer.source_id)))
            return replace(self._answered(answer), photographs=taken)._counted()
        again = bool(self.pictured) and self.field.equal(self.pictured.value, answer.value.value)
        seen = replace(self, pictured=answer.value)
        if not self.said:
            return seen._answered(answer)
        if self.field.equal(self.said.value, answer.value.value) or (again and self.state is FieldState.ANSWERED):
            return replace(seen, state=FieldState.ANSWERED)
        return replace(seen, state=FieldState.DISPUTED)

    def _said(self, answer: Answer) -> FieldProgress:
        disputed = self.state is FieldState.DISPUTED
        gives_up = disputed and not self.field.equal(self.said.value, answer.value.value)
        taken_back = (*self.taken_back, *([self.said.value] if gives_up else []))
        told = replace(self, said=answer.value, taken_back=taken_back)._answered(answer)
        settled = answer.corrects or answer.way == "app" or disputed or not self.pictured
        if settled or self.field.equal(self.pictured.value, answer.value.value):
            return told
        return replace(told, state=FieldState.DISPUTED)


@dataclass(frozen=True)
class Progress:
    """A session in its flow.

    Attributes:
        fields: Those that come up, in the order of the steps.
        entered: Steps that were asked before.
        last: The field that was answered last; empty for none.
    """

    flow: FlowDefinition
    fields: tuple[FieldProgress, ...]
    entered: frozenset[str] = frozenset()
    last: str = ""

    @cached_property
    def current(self) -> FieldProgress | None:
        """The one field that is asked now; None when nothing is left to ask."""
        return next((each for each in self.fields if each.open), None)

    @property
    def step(self) -> Step | None:
        """The step that is asked now."""
        return None if self.current is None else self.current.step

    @property
    def done(self) -> int:
        """Fields that need no question any more."""
        return sum(not each.open for each in self.fields)

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps that come up, in order."""
        return tuple({each.step.name: each.step for each in self.fields}.values())

    @property
    def summary(self) -> tuple[tuple[str, ...], ...]:
        """What changes when a person comes further: fields, their states and their values."""
        return tuple((one.field.name, one.state, one.value.value, one.pictured.value) for one in self.fields)

    @property
    def missing(self) -> tuple[FieldProgress, ...]:
        """Required fields that have no value, or two."""
        return tuple(each for each in self.fields if each.field.required and each.state is not FieldState.ANSWERED)

    def find(self, field: str) -> FieldProgress | None:
        """A field that comes up."""
        return next((each for each in self.fields if each.field.name == field), None)

    def before_current(self) -> FieldProgress | None:
        """The field to which "go back" leads: the nearest earlier one that is not a photograph."""
        at = self.fields.index(self.current) if self.current is not None else len(self.fields)
        earlier = [each for each in self.fields[:at] if not isinstance(each.field, PhotoField)]
        return earlier[-1] if earlier else None


def progress_of(flow: FlowDefinition, facts: Mapping[str, str], answers: Iterable[Answer]) -> Progress:
    """How far a session is.

    Args:
        flow: The flow of the session.
        facts: What the app knew before.
        answers: Oldest first.
    """
    known = {
        field.name: FieldProgress(field, step) for step in flow.steps for field in step.fields
    }  # what comes up is decided below, because a later answer may bring an earlier step up
    entered, last = set[str](), ""
    for answer in answers:
        if answer.status is AnswerStatus.ENTERED:
            entered.add(answer.step)
        elif answer.field in known:
            if answer.way == "picture":
                _take_photograph(known, answer)
            known[answer.field] = known[answer.field].after(answer)
            last = answer.field if answer.status is AnswerStatus.ANSWERED else last
    values = dict(facts)
    shown: list[FieldProgress] = []
    for step in flow.steps:
        if step.when is not None and not step.when.holds(values):
            continue
        for field in step.fields:
            if field.when is not None and not field.when.holds(values):
                continue
            one = _enough(known[field.name])
            shown.append(one)
            if one.state is FieldState.ANSWERED:
                values[field.name] = one.value.value
    return Progress(flow, tuple(shown), frozenset(entered), last)


def made_by_app(answers: Iterable[Answer]) -> list[Answer]:
    """What an app did to fields: values that it gave, what it skipped, and what it opened again, oldest first."""
    return [each for each in answers if each.way == "app" and each.status is not AnswerStatus.ENTERED]


def given_by_app(answers: Sequence[Answer]) -> list[Answer]:
    """The values of an app that still count, oldest first: nobody has answered, skipped or opened the field since.

    A picture takes no such value away; see ``FieldState.DISPUTED``.
    """
    newest = {each.field: each for each in answers if each.field and each.way != "picture"}
    given = {each.source_id for each in newest.values() if each.status is AnswerStatus.ANSWERED}
    return [each for each in made_by_app(answers) if each.source_id in given]


def _take_photograph(known: dict[str, FieldProgress], answer: Answer) -> None:
    """Take a photograph from the field that had it before: the field of its newest answer has it."""
    for name, one in known.items():
        if name != answer.field and isinstance(known[answer.field].field, PhotoField) and one.photographs:
            known[name] = one.without(answer.source_id)


def _enough(one: FieldProgress) -> FieldProgress:
    """The field as it is; photographs are missing until there are enough."""
    few = isinstance(one.field, PhotoField) and one.state is FieldState.ANSWERED and one.field.problem(one.value.value)
    return replace(one, state=FieldState.MISSING) if few else one
