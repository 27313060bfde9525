"""Replies and records without a model, from what rules find in the redacted text.

The result is deterministic and immediate. It is marked ``Origin.FALLBACK`` and states only what was found.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Sequence

from server.flows.briefing import Briefing
from server.flows.definition import FlowDefinition
from server.flows.extraction import site_name, visitor_count
from server.flows.fields import FieldDefinition, NumberField, PersonalField, TextField, YesNoField
from server.flows.phrases import guide_phrases
from server.flows.texts import text_in
from server.ledger.types import Origin
from server.llm.record_rules import YES, fields_of_model
from server.llm.support import REGISTER, SPOKEN, Source, Support, admits, stated, support
from server.llm.types import (
    PICTURE_LABELS,
    Exchange,
    OnboardingRecord,
    RecordField,
    ReplyStream,
    SourceItem,
    WrittenRecord,
)


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
    sources = [Source.of(item) for item in items if item.kind != PICTURE_LABELS]
    found = (_found(flow, field, sources, language) for field in fields_of_model(flow))
    fields = tuple(field for field in found if field is not None)
    summary = plain_summary(flow, [field.name for field in fields], language)
    return WrittenRecord(OnboardingRecord(summary, fields), Origin.FALLBACK)


def plain_summary(flow: FlowDefinition, names: Iterable[str], language: str) -> str:
    """A summary without any values: the title of the flow, and what people call those of its fields that are there."""
    labels = ", ".join(flow.fields[name].label_in(language) for name in names if name in flow.fields)
    title = text_in(flow.title, language)
    return f"{title}: {labels}." if labels else f"{title}."


async def _stream(sentences: Iterable[str]) -> AsyncGenerator[str, None]:
    for sentence in sentences:
        yield sentence


def _found(
    flow: FlowDefinition, field: FieldDefinition, sources: Sequence[Source], language: str
) -> RecordField | None:
    """The value of a field by rules: a picture of it beats what was said, then the newer one wins."""
    may = [source for source in sources if admits(flow, field, source)]
    match field:
        case PersonalField():
            given = (source for source in reversed(may) if support(field, YES, source, language) is Support.YES)
            return next((RecordField(field.name, YES, source.id) for source in given), None)
        case TextField(reader="site_name"):
            newest = list(reversed(may))
            named = ((site_name(source.text), source) for source in sorted(newest, key=_is_picture))
            return next((RecordField(field.name, name, source.id) for name, source in named if name), None)
        case NumberField(reader="register_rows"):
            return _rows(field, may)
        case TextField() | YesNoField():
            return None
    said = sorted(stated(flow, field, may, language), key=lambda found: not _is_picture(found[1]))
    return next((RecordField(field.name, value, source.id) for value, source in said), None)


def _is_picture(source: Source) -> bool:
    return source.kind not in SPOKEN


def _rows(field: NumberField, sources: Sequence[Source]) -> RecordField | None:
    """The rows of all registers together."""
    registers = [source for source in sources if source.kind == REGISTER]
    total = sum(visitor_count(source.text, source.counts) for source in registers)
    return RecordField(field.name, str(total), registers[0].id if len(registers) == 1 else "") if total else None
