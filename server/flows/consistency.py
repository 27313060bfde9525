"""What does not fit together in a flow although each part is well formed, with its place in the file."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date, time
from typing import TYPE_CHECKING, Final

from models.redaction.commands import folded
from server.flows.code_format import may_have_letter
from server.flows.conditions import Condition, OtherField, as_number, written
from server.flows.fact_values import Fact
from server.flows.fields import (
    ChoiceField,
    CodeField,
    FieldDefinition,
    NumberField,
    PersonalField,
    PhotoField,
    TextField,
    YesNoField,
    fits,
)
from server.flows.texts import text_in, words_in

if TYPE_CHECKING:
    from server.flows.definition import FlowDefinition

STEP_PREFIX: Final = "step_"
"""Of the event that says that a person came to a step."""
MAX_STAGES: Final = 12
"""As many as a funnel may have."""
_OF_ALL_FLOWS: Final = "step_skipped"
"""An event of the server that begins as those of steps do."""

Problem = tuple[str, str]
"""A place in the file, such as ``steps.1.when``, and a clause that says what is wrong there."""

_COMPARED_AS: Final = {
    "number": "number",
    "photo": "number",
    "yes_no": "yes or no",
    "choice": "word",
    "word": "word",
    "date": "date",
    "time": "time",
}
"""What values of a kind are in a comparison. The other kinds may hold any text."""

_WITHOUT_ORDER: Final = ("yes_no", "choice", "word", "personal")


class InconsistentFlow(ValueError):
    """Parts of a flow do not fit together."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("; ".join(f"{place}: {what}" for place, what in problems))
        self.problems = tuple(problems)


def problems_of(flow: FlowDefinition) -> list[Problem]:
    """Everything that does not fit together, in the order of its kinds."""
    return [
        *_names_that_repeat(flow),
        *_unknown_names(flow),
        *_names_too_early(flow),
        *_impossible_comparisons(flow),
        *_shared_words(flow),
        *_never_in_pictures(flow),
        *_texts_without_language(flow),
    ]


def _conditions(flow: FlowDefinition) -> Iterator[tuple[str, Condition]]:
    """Each condition with its place in the file."""
    for at, step in enumerate(flow.steps):
        if step.when:
            yield f"steps.{at}.when", step.when
        for number, field in enumerate(step.fields):
            if field.when:
                yield f"steps.{at}.fields.{number}.when", field.when
    for at, check in enumerate(flow.checks):
        yield f"checks.{at}.require", check.require
        if check.when:
            yield f"checks.{at}.when", check.when
    if flow.approval.none_when:
        yield "approval.none_when", flow.approval.none_when


def _names_that_repeat(flow: FlowDefinition) -> Iterator[Problem]:
    fields = [field.name for step in flow.steps for field in step.fields]
    names = {
        ("steps", "steps"): [step.name for step in flow.steps],
        ("steps", "fields and facts"): [*fields, *(fact.name for fact in flow.facts)],
        ("checks", "checks"): [check.name for check in flow.checks],
    }
    for (place, what), found in names.items():
        for name in sorted({name for name in found if found.count(name) > 1}):
            yield place, f"two {what} are called {name}"


def stages_never_counted(flow: FlowDefinition) -> Iterator[Problem]:
    """Stages of the funnel that no session reaches, or that no funnel may have."""
    stages = flow.funnel.stages
    if len(stages) > MAX_STAGES:
        yield "funnel.stages", f"a funnel has at most {MAX_STAGES} stages"
    if len(stages) == 1:
        yield "funnel.stages", "one stage is no funnel: give two or more, or none"
    known = {*(step.event for step in flow.steps), *flow.events, _OF_ALL_FLOWS}
    for at, stage in enumerate(stages):
        if stage in stages[:at]:
            yield f"funnel.stages.{at}", f"{stage} is a stage before"
        elif stage.startswith(STEP_PREFIX) and stage not in known:
            yield f"funnel.stages.{at}", f"the flow has no step {stage.removeprefix(STEP_PREFIX)}"


def _unknown_names(flow: FlowDefinition) -> Iterator[Problem]:
    known = {*flow.fields, *(fact.name for fact in flow.facts)}
    for place, condition in _conditions(flow):
        for name in sorted(condition.names() - known):
            yield place, f"it names {name}, which is no field and no fact"


def _names_too_early(flow: FlowDefinition) -> Iterator[Problem]:
    """Conditions of steps and fields on what is asked only after them: they never change."""
    later = list(flow.fields)
    for at, step in enumerate(flow.steps):
        if step.when is not None:
            for name in sorted(step.when.names() & set(later)):
                yield f"steps.{at}.when", f"{name} is not asked in an earlier step, so it is never known here"
        for number, field in enumerate(step.fields):
            if field.when is not None:
                for name in sorted(field.when.names() & set(later)):
                    yield f"steps.{at}.fields.{number}.when", f"{name} is not asked earlier, so it is never known here"
            later = [name for name in later if name != field.name]


def _impossible_comparisons(flow: FlowDefinition) -> Iterator[Problem]:
    """Comparisons that would never hold, whatever a person answers."""
    known: dict[str, FieldDefinition | Fact] = {**flow.fields, **{fact.name: fact for fact in flow.facts}}
    for place, condition in _conditions(flow):
        for part in condition.parts():
            if (own := known.get(part.field or "")) is None:
                continue
            if part.orders and own.kind in _WITHOUT_ORDER:
                yield place, f"{own.name} is of the kind {own.kind}, which has no order: use is, in or given"
                continue
            for operand in part.operands():
                if isinstance(operand, OtherField):
                    told = _mismatch(own, operand, known)
                else:
                    told = _never(own, written(operand))
                if told:
                    yield place, f"it compares {own.name} with {told}"


def _never(own: FieldDefinition | Fact, value: str) -> str:
    """What a value is that a field or fact never has, as an object; empty where it may have it."""
    options = own.values if isinstance(own, ChoiceField) else own.options if isinstance(own, Fact) else ()
    if options:
        return "" if value in options else "a value that is none of its options"
    match own.kind:
        case "yes_no":
            return "" if value in ("yes", "no") else "a value that is neither yes nor no"
        case "number" | "photo":
            return "" if as_number(value) is not None else "a value that is no number"
        case "date":
            return "" if fits(date.fromisoformat, value, 10) else "a value that is no date such as 2026-11-28"
        case "time":
            return "" if fits(time.fromisoformat, value, 5) else "a value that is no time such as 14:30"
    return ""


def _mismatch(own: FieldDefinition | Fact, operand: OtherField, known: Mapping[str, FieldDefinition | Fact]) -> str:
    """Why another field or fact is never as this one, as an object; empty where it may be."""
    if (other := known.get(operand.field)) is None:
        return ""
    one, two = _COMPARED_AS.get(own.kind), _COMPARED_AS.get(other.kind)
    if operand.plus and two not in ("number", None):
        return f"{other.name} and a number, but {other.name} is no number"
    return f"{other.name}, which is of the kind {other.kind}" if one and two and one != two else ""


def _shared_words(flow: FlowDefinition) -> Iterator[Problem]:
    """Words that mean two options of one choice, so that an answer with one of them is never understood."""
    for at, step in enumerate(flow.steps):
        for number, field in enumerate(step.fields):
            if isinstance(field, ChoiceField):
                for word, one, two in dict.fromkeys(_meanings_twice(field, flow.languages)):
                    yield f"steps.{at}.fields.{number}.options", f"{word!r} means both {one} and {two}"


def _meanings_twice(field: ChoiceField, languages: Sequence[str]) -> Iterator[tuple[str, str, str]]:
    """Words of two options of a choice, each with the values of both."""
    for language in languages:
        means: dict[str, str] = {}
        for option in field.options:
            label = [text_in(option.label, language)] if option.label is not None else []
            for word in (option.value, *label, *words_in(option.words, language)):
                first = means.setdefault(folded(word), option.value)
                if first != option.value:
                    yield word, first, option.value


def _never_in_pictures(flow: FlowDefinition) -> Iterator[Problem]:
    """Fields of steps that pictures alone answer, and that no picture ever answers."""
    for at, step in enumerate(flow.steps):
        if set(step.ways) == {"picture"}:
            for number, field in enumerate(step.fields):
                if told := why_never_in_picture(field, step.pictures):
                    yield f"steps.{at}.fields.{number}", f"{told}: add speech or text to the ways of its step"


def why_never_in_picture(field: FieldDefinition, pictures: Collection[str]) -> str:
    """Why no picture answers a field, as a clause; empty where one may.

    Args:
        field: Of a step.
        pictures: Their kinds, as the step has them.
    """
    match field:
        case PhotoField() | NumberField(reader="register_rows"):
            return ""
        case YesNoField() | TextField(reader=None):
            return f"a field of the kind {field.kind} is never read in a picture"
        case PersonalField(from_pictures=False):
            return "without from_pictures it is never read in a picture"
        case CodeField() if not may_have_letter(field.format):
            return "a code without letters is never read in a picture"
        case NumberField(reader="meter") if "meter" not in pictures:
            return "a meter is read in pictures of the kind meter alone, which its step does not name"
    return "" if pictures else "its step names no pictures"


def _texts_without_language(flow: FlowDefinition) -> Iterator[Problem]:
    for place, text in _texts(flow.model_dump(exclude_defaults=True, exclude={"events"})):
        if missing := [language for language in flow.languages if language not in text]:
            yield place, f"it has no text in {', '.join(missing)}"


def _texts(part: object, place: str = "") -> Iterator[tuple[str, dict[str, object]]]:
    """Texts that are given by language, with their places."""
    if isinstance(part, dict):
        if part and all(isinstance(key, str) and len(key) == 2 for key in part):
            yield place, part
            return
        for key, value in part.items():
            yield from _texts(value, f"{place}.{key}" if place else str(key))
    elif isinstance(part, list | tuple):
        for at, value in enumerate(part):
            yield from _texts(value, f"{place}.{at}")
