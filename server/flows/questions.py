"""What is said and shown of the progress of a session, in a language."""

from __future__ import annotations

from collections.abc import Iterable

from models.text import RedactedText
from server.flows.fields import (
    ChoiceField,
    FieldDefinition,
    NumberField,
    PersonalField,
    PhotoField,
    YesNoField,
)
from server.flows.phrases import guide_phrases
from server.flows.progress import FieldProgress, FieldState, Progress
from server.flows.texts import text_in


def question(one: FieldProgress, language: str) -> RedactedText:
    """The question for a field; where two values differ, the question which is right. It says how many photographs have
    come where more are needed.

    It quotes no value for which the redactor does not vouch.
    """
    vouched = one.said.safe_for_llm and one.pictured.safe_for_llm
    if one.state is not FieldState.DISPUTED or not vouched:
        return RedactedText.literal(text_in(one.field.ask, language) + _so_far(one, language))
    before, rest = guide_phrases(language).disagree.split("{said}")
    between, after = rest.split("{shown}")
    said, shown = (shown_value(one.field, value, language) for value in (one.said, one.pictured))
    literal = RedactedText.literal
    return RedactedText.join([literal(before), said, literal(between), shown, literal(after)], separator="")


def _so_far(one: FieldProgress, language: str) -> str:
    if not isinstance(one.field, PhotoField) or not one.photographs:
        return ""
    return f" ({guide_phrases(language).so_far.format(count=len(one.photographs), least=one.field.least)})"


def shown_value(field: FieldDefinition, value: RedactedText, language: str) -> RedactedText:
    """A value as people read it: the label of an option, a number with its unit, "given" for a personal one."""
    words = guide_phrases(language)
    match field:
        case ChoiceField():
            labels = {option.value: option.label_in(language) for option in field.options}
            return RedactedText.literal(labels[value.value]) if value.value in labels else value
        case YesNoField():
            return RedactedText.literal(words.yes if value.value == "yes" else words.no)
        case PersonalField() if "[" not in value.value:
            return RedactedText.literal(words.given)
        case NumberField() if field.unit and value.value:
            return RedactedText.join([value, RedactedText.literal(field.unit)])
    return value


def listed_values(values: Iterable[tuple[FieldDefinition, RedactedText]], language: str) -> RedactedText:
    """Fields with their values as people read them, and a full stop. Of an empty value only the label is told."""
    parts = [
        RedactedText.join([RedactedText.literal(field.label_in(language)), shown_value(field, value, language)])
        for field, value in values
    ]
    listed = RedactedText.join(parts, separator="; ")
    stop = "" if listed.value.endswith((".", "!", "?")) else "."
    return RedactedText.join([listed, RedactedText.literal(stop)], separator="")


def labels_of(fields: list[FieldProgress], language: str) -> list[str]:
    """What people call these fields."""
    return [one.field.label_in(language) for one in fields]


def newly_noted(progress: Progress, source_id: str) -> list[FieldProgress]:
    """The fields that a turn answered."""
    return [one for one in progress.fields if one.source_id == source_id and one.state is FieldState.ANSWERED]
