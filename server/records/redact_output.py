"""Redacts what a model wrote, before it is stored, shown or sent on."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from models.redaction.dialogue_context import answering, asked_for
from models.redaction.types import RedactionContext, RedactionScope
from models.text import RawText, RedactedText, TextSource
from ray_tasks.types import Gateway

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


async def redact_values(
    gateway: Gateway,
    values: Sequence[tuple[str, str]],
    language: str,
    scope: RedactionScope,
    sources: Sequence[RedactedText] = (),
) -> list[RedactedText]:
    """Redact the values of fields in order, each as the answer to a question for its name.

    A bare "04821" may be a telephone number; as the value of ``meter_reading`` it is not. The name of a site, or a
    unit, that stands in a source is kept: there it was read in its sentence.

    Args:
        gateway: Redacts.
        values: Name and value of each field.
        language: ISO 639-1.
        scope: Whose policy is used.
        sources: Redacted texts that the record was made of.

    Raises:
        Unavailable: The redactor cannot be reached, or failed; the texts must then go nowhere.
        DeadlineExceeded: It took too long.
    """
    context = RedactionContext(TextSource.ASSISTANT, language or "en", scope=scope)
    asked = [asked_by_field(name) for name, _value in values]
    redacted: dict[int, RedactedText] = {}
    for kinds, group in groupby(sorted(range(len(values)), key=asked.__getitem__), key=asked.__getitem__):
        numbers = list(group)
        texts = [RawText(values[number][1]) for number in numbers]
        redactions = await gateway.redact(texts, answering(context, kinds), timeout_s=REDACT_TIMEOUT_S)
        redacted |= {number: redaction.text for number, redaction in zip(numbers, redactions, strict=True)}
    return [
        (_quoted(value, sources) if name in QUOTED else None) or redacted[number]
        for number, (name, value) in enumerate(values)
    ]


def _quoted(value: str, sources: Sequence[RedactedText]) -> RedactedText | None:
    return next((quote for source in sources if (quote := source.quoted(value))), None)
