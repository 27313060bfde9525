"""Meter readings that contradict the one of a proposed record, as fields of their own.

A person may say another reading than the photographed meter shows. The record names one of them. Whoever approves it
has to see the other one beside it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import Final

from server.flows.extraction import ExtractedReading, meter_reading
from server.llm.types import OnboardingRecord, RecordField, SourceItem

READING: Final = "meter_reading"
OTHER_READINGS: Final = ("other_meter_reading", "other_meter_reading_2", "other_meter_reading_3")
"""Names of the fields, in order."""

_SAID_SCORE: Final = 2
"""Least score of a reading that was said. A word for a meter alone gives 1."""


def with_other_readings(record: OnboardingRecord, items: Sequence[SourceItem]) -> OnboardingRecord:
    """The record with each reading that another source gives, right after its own; unchanged where none differs.

    Args:
        record: As the model or the fallback wrote it.
        items: What it was built from, oldest first.
    """
    value = {field.name: field for field in record.fields}
    own = value.get(READING)
    if own is None or value.keys() & set(OTHER_READINGS):
        return record
    unit = value["meter_unit"].value if "meter_unit" in value else ""
    seen, others = {_number(own.value)}, list[tuple[ExtractedReading, SourceItem]]()
    for reading, item in _readings(items):
        if _number(reading.value) not in seen and (not unit or reading.unit in ("", unit)):
            seen.add(_number(reading.value))
            others.append((reading, item))
    added = [RecordField(name, r.value, item.id) for name, (r, item) in zip(OTHER_READINGS, others, strict=False)]
    at = record.fields.index(own) + 1
    return replace(record, fields=(*record.fields[:at], *added, *record.fields[at:]))


def _readings(items: Sequence[SourceItem]) -> Iterator[tuple[ExtractedReading, SourceItem]]:
    """What each photographed meter shows, newest first, and what was said last: it corrects what was said before."""
    said = (item for item in reversed(items) if item.kind == "turn")
    spoken = ((reading, item) for item in said if (reading := meter_reading(item.text.value)))
    yield from islice((found for found in spoken if found[0].score >= _SAID_SCORE), 1)
    for item in reversed(items):
        if item.kind == "meter" and (reading := meter_reading(item.text.value)):
            yield reading, item


def _number(value: str) -> float:
    return float(value.replace(",", "."))
