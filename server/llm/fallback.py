"""Replies and records without a model, from what rules find in the redacted text.

The result is deterministic and immediate. It is marked ``Origin.FALLBACK`` and states only what was found.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable

from server.flows.briefing import Briefing
from server.flows.extraction import (
    CONTACT_TAGS,
    NAME_TAGS,
    ExtractedReading,
    meter_reading,
    site_name,
    tags_of,
    visitor_count,
)
from server.flows.phrases import guide_phrases
from server.ledger.types import Origin
from server.llm.phrases import Phrases, phrases_for
from server.llm.types import (
    PICTURE_LABELS,
    Exchange,
    OnboardingRecord,
    RecordField,
    ReplyStream,
    SourceItem,
    WrittenRecord,
)

_WANTED = ("site_name", "meter_reading", "contact")
"""What a visit needs, in the order of asking."""


def fallback_reply(history: list[Exchange], *, language: str, briefing: Briefing | None = None) -> ReplyStream:
    """Acknowledge what was noted and ask for the one thing that the flow asks now."""
    return ReplyStream(_stream(reply_sentences(history, language=language, briefing=briefing)), Origin.FALLBACK)


def reply_sentences(history: list[Exchange], *, language: str, briefing: Briefing | None = None) -> tuple[str, ...]:
    """The sentences of a reply; each but the last ends in a space."""
    if briefing is None:
        return (guide_phrases(language).heard,)
    return briefing.sentences([each.answered.value for each in history if each.answered], language)


def fallback_record(items: list[SourceItem], *, language: str) -> WrittenRecord:
    """Build a record from what rules find; every field names the turn or upload it comes from."""
    words = phrases_for(language)
    items = [item for item in items if item.kind != PICTURE_LABELS]
    fields: list[RecordField] = []
    fields += _site(items)
    fields += _reading(items)
    fields += _visitors(items)
    fields += _given("contact_given", CONTACT_TAGS, items)
    fields += _given("name_given", NAME_TAGS, items)
    found = {"contact" if field.name == "contact_given" else field.name for field in fields}
    what = _listed(found, words)
    summary = words.summary.format(what=what) if what else words.empty_summary
    missing = tuple(wanted for wanted in _WANTED if wanted not in found)
    return WrittenRecord(OnboardingRecord(summary, tuple(fields), missing), Origin.FALLBACK)


async def _stream(sentences: Iterable[str]) -> AsyncGenerator[str, None]:
    for sentence in sentences:
        yield sentence


def _listed(found: set[str], words: Phrases) -> str:
    nouns = [noun for name, noun in words.nouns.items() if name in found]
    return words.conjunction.join([", ".join(nouns[:-1]), nouns[-1]] if len(nouns) > 1 else nouns)


def _spoken(items: list[SourceItem]) -> list[SourceItem]:
    """What a person said, newest first: a later statement corrects an earlier one."""
    return [item for item in reversed(items) if item.kind == "turn"]


def _site(items: list[SourceItem]) -> list[RecordField]:
    printed = [item for item in items if item.kind != "turn"]
    for item in [*_spoken(items), *printed]:
        name = site_name(item.text.value)
        if name:
            return [RecordField("site_name", name, item.id)]
    return []


def _reading(items: list[SourceItem]) -> list[RecordField]:
    """The best reading: a photographed meter beats a spoken one, then the better score wins, then the newer one."""
    best: tuple[int, ExtractedReading, SourceItem] | None = None
    for item in reversed(items):
        reading = meter_reading(item.text.value) if item.kind != "visitor_register" else None
        if reading is None:
            continue
        score = reading.score + 10 * (item.kind == "meter")
        if best is None or score > best[0]:
            best = score, reading, item
    if best is None:
        return []
    _, reading, item = best
    unit = [RecordField("meter_unit", reading.unit, item.id)] if reading.unit else []
    return [RecordField("meter_reading", reading.value, item.id), *unit]


def _visitors(items: list[SourceItem]) -> list[RecordField]:
    """The number of visitors in all registers together."""
    registers = [item for item in items if item.kind == "visitor_register"]
    counts = [(visitor_count(item.text.value, item.text.counts), item.id) for item in registers]
    total = sum(count for count, _ in counts)
    if not total:
        return []
    return [RecordField("visitor_count", str(total), counts[0][1] if len(counts) == 1 else "")]


def _given(name: str, tags: frozenset[str], items: list[SourceItem]) -> list[RecordField]:
    """A field that says whether the person gave such data. Registers do not count: other people wrote them."""
    for item in _spoken(items):
        if tags & tags_of(item.text.value, item.text.counts).keys():
            return [RecordField(name, "yes", item.id)]
    return []
