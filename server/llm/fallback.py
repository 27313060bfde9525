"""Replies and records without a model, from what rules find in the redacted text.

The result is deterministic and immediate. It is marked ``Origin.FALLBACK`` and states only what was found.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Sequence
from typing import Final

from models.text import RedactedText
from server.flows.briefing import Briefing
from server.flows.definition import FlowDefinition
from server.flows.extraction import site_name
from server.flows.fields import FieldDefinition, PersonalField, TextField, YesNoField
from server.flows.personal_values import gives_own
from server.flows.phrases import guide_phrases
from server.flows.progress import NO_VALUE
from server.flows.questions import listed_values
from server.flows.texts import text_in
from server.ledger.types import Origin
from server.llm.record_rules import YES, fields_of_model
from server.llm.support import SPOKEN, Source, Support, admits, stated, support
from server.llm.types import (
    PICTURE_LABELS,
    Exchange,
    OnboardingRecord,
    RecordField,
    ReplyStream,
    SourceItem,
    WrittenRecord,
)

_LONGEST_TOLD_CHARS: Final = 80
"""Longest value in a summary."""


def fallback_reply(history: list[Exchange], *, language: str, briefing: Briefing | None = None) -> ReplyStream:
    """Acknowledge what was noted and ask for the one thing that the flow asks now."""
    return ReplyStream(_stream(reply_sentences(history, language=language, briefing=briefing)), Origin.FALLBACK)


def reply_sentences(history: list[Exchange], *, language: str, briefing: Briefing | None = None) -> tuple[str, ...]:
    """The sentences of a reply; each but the last ends in a space."""
    if briefing is None:
        return (guide_phrases(language).heard,)
    return briefing.sentences([each.answered.value for each in history if each.answered], language)


def fallback_record(items: list[SourceItem], *, flow: FlowDefinition, language: str) -> WrittenRecord:
    """Build a record of a flow from what rules find; every field names the turn or upload it comes from."""
    sources = [Source.of(item, language) for item in items if item.kind != PICTURE_LABELS]
    found = (_found(flow, field, sources) for field in fields_of_model(flow))
    fields = tuple(field for field in found if field is not None)
    summary = summary_of(flow, [(field.name, RedactedText.literal(field.value)) for field in fields], language)
    return WrittenRecord(OnboardingRecord(summary.value, fields), Origin.FALLBACK)


def summary_of(flow: FlowDefinition, values: Iterable[tuple[str, RedactedText]], language: str) -> RedactedText:
    """A summary without a model: the title of the flow, and its fields with their values. Of a long text only the label
    is told.

    Args:
        flow: Of the session.
        values: Names of fields and their values, redacted. Fields that the flow does not have are left out.
        language: ISO 639-1 code; the first one of the flow is taken if it lacks this one.
    """
    language = flow.language(language)
    known = [
        (flow.fields[name], value if len(value.value) <= _LONGEST_TOLD_CHARS else NO_VALUE)
        for name, value in values
        if name in flow.fields
    ]
    title = text_in(flow.title, language)
    if not known:
        return RedactedText.literal(f"{title}.")
    return RedactedText.join([RedactedText.literal(f"{title}:"), listed_values(known, language)])


async def _stream(sentences: Iterable[str]) -> AsyncGenerator[str, None]:
    for sentence in sentences:
        yield sentence


def _found(flow: FlowDefinition, field: FieldDefinition, sources: Sequence[Source]) -> RecordField | None:
    """The value of a field by rules: a picture of it beats what was said, then the newer one wins."""
    may = [source for source in sources if admits(flow, field, source)]
    match field:
        case PersonalField():
            # What was asked for is an answer of the session already; nothing else is the person's own for certain.
            own = (each for each in reversed(may) if _is_picture(each) or gives_own(each.material, field.entities))
            given = (source for source in own if support(field, YES, source) is Support.YES)
            return next((RecordField(field.name, YES, source.id) for source in given), None)
        case TextField(reader="site_name"):
            newest = list(reversed(may))
            named = ((site_name(source.text.value), source) for source in sorted(newest, key=_is_picture))
            return next((RecordField(field.name, name, source.id) for name, source in named if name), None)
        case TextField() | YesNoField():
            return None
    said = sorted(stated(flow, field, may), key=lambda found: not _is_picture(found[1]))
    return next((RecordField(field.name, value, source.id) for value, source in said), None)


def _is_picture(source: Source) -> bool:
    return source.kind not in SPOKEN
