"""Redacts what a model wrote, before it is stored, shown or sent on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from models.redaction.dialogue_context import NO_HINTS, AnswerHints, answering, asked_for
from models.redaction.types import RedactionContext, RedactionScope
from models.text import RawText, RedactedText, TextSource
from ray_tasks.types import Gateway
from server.flows.asking import answer_hints
from server.flows.asking import asked_for as asked_of_field
from server.flows.definition import FlowDefinition
from server.flows.fields import PersonalField

REDACT_TIMEOUT_S = 10.0


async def redact_all(gateway: Gateway, texts: list[str], language: str, scope: RedactionScope) -> list[RedactedText]:
    """Redact texts of the assistant, in order.

    Raises:
        Unavailable: The redactor cannot be reached, or failed; the texts must then go nowhere.
        DeadlineExceeded: It took too long.
    """
    context = RedactionContext(TextSource.ASSISTANT, language or "en", scope=scope)
    redactions = await gateway.redact([RawText(text) for text in texts], context, timeout_s=REDACT_TIMEOUT_S)
    return [redaction.text for redaction in redactions]


_A_NAME = "NAME"
QUOTED = frozenset({"site_name", "meter_unit"})
"""Fields whose value is kept where a source has it: alone, the name of a site or "kWh" looks like a person."""


def asked_by_field(name: str) -> tuple[str, ...]:
    """Entity types that a field's name asks for. Never NAME: sites have names, and names of people are found anyway."""
    return tuple(kind for kind in asked_for(name.replace("_", " ") + "?") if kind != _A_NAME)


@dataclass(frozen=True, slots=True)
class ValueQuestion:
    """What the field of a value asks for, as a question of its flow does."""

    kinds: tuple[str, ...] = ()
    hints: AnswerHints = NO_HINTS


def question_for(name: str, flow: FlowDefinition, language: str) -> ValueQuestion:
    """What a field of a flow asks for; by its name alone where the flow has no such field, or it is free text.

    Args:
        name: Of the field.
        flow: Of the session.
        language: ISO 639-1 code of the session.
    """
    field = flow.fields.get(name)
    if field is None or isinstance(field, PersonalField):
        return ValueQuestion(asked_by_field(name))
    hints = answer_hints(field, flow, language)
    return ValueQuestion(asked_of_field(field) or asked_by_field(name), hints)


def alike(names: Sequence[str], flow: FlowDefinition, language: str) -> dict[ValueQuestion, list[int]]:
    """The places of fields that ask for the same, so that their values are redacted in one call.

    Args:
        names: Of fields.
        flow: Of the session.
        language: ISO 639-1 code of the session.
    """
    places: dict[ValueQuestion, list[int]] = {}
    for place, name in enumerate(names):
        places.setdefault(question_for(name, flow, language), []).append(place)
    return places


async def redact_values(
    gateway: Gateway,
    values: Sequence[tuple[str, str]],
    language: str,
    scope: RedactionScope,
    flow: FlowDefinition,
    sources: Sequence[RedactedText] = (),
) -> list[RedactedText]:
    """Redact the values of fields in order, each as the answer to the question for its field.

    A bare "04821" may be a telephone number; as the value of a number of the flow it is not. The name of a site, or a
    unit, that stands in a source is kept: there it was read in its sentence.

    Args:
        gateway: Redacts.
        values: Name and value of each field.
        language: ISO 639-1.
        scope: Whose policy is used.
        flow: Of the session; it knows what its fields ask for.
        sources: Redacted texts that the record was made of.

    Raises:
        Unavailable: The redactor cannot be reached, or failed; the texts must then go nowhere.
        DeadlineExceeded: It took too long.
    """
    context = RedactionContext(TextSource.ASSISTANT, language or "en", scope=scope)
    redacted: dict[int, RedactedText] = {}
    for asked, numbers in alike([name for name, _value in values], flow, language or "en").items():
        texts = [RawText(values[number][1]) for number in numbers]
        answer = answering(context, asked.kinds, asked.hints)
        redactions = await gateway.redact(texts, answer, timeout_s=REDACT_TIMEOUT_S)
        redacted |= {number: redaction.text for number, redaction in zip(numbers, redactions, strict=True)}
    return [
        (_quoted(value, sources) if name in QUOTED else None) or redacted[number]
        for number, (name, value) in enumerate(values)
    ]


def _quoted(value: str, sources: Sequence[RedactedText]) -> RedactedText | None:
    return next((quote for source in sources if (quote := source.quoted(value))), None)
