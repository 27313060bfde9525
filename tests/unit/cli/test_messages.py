"""What scripts read: numbers are numbers."""

from __future__ import annotations

from vestibule.v1.admin_pb2 import Component, GetStatusResponse
from vestibule.v1.common_pb2 import FindingKind, ProposedRecord, RecordField, RedactedText
from vestibule.v1.media_pb2 import Upload
from vestibule.v1.session_pb2 import Session

from server.cli.messages import as_dict, contradiction


def test_64_bit_counts_are_numbers() -> None:
    status = GetStatusResponse(open_job_count=3, components=[Component(name="speech", healthy=True)])
    shown = as_dict(status)
    assert shown["open_job_count"] == 3
    assert shown["dead_letter_count"] == 0
    assert shown["components"] == [{"name": "speech", "healthy": True, "detail": "", "reason": ""}]


def test_numbers_in_nested_messages_and_maps_are_numbers_too() -> None:
    text = RedactedText(value="[REDACTED_NAME]", entity_counts={"NAME": 1})
    shown = as_dict(Session(uploads=[Upload(size_bytes=2**40, text=text)]))
    [upload] = shown["uploads"]
    assert upload["size_bytes"] == 2**40
    assert upload["text"]["entity_counts"] == {"NAME": 1}


def test_a_record_of_one_reading_needs_no_warning() -> None:
    fields = [RecordField(name="meter_reading", value="04821"), RecordField(name="visitor_count", value="4")]
    assert contradiction(ProposedRecord(fields=fields)) == ""
    assert contradiction(ProposedRecord()) == ""
    fields[0].findings.add(kind=FindingKind.FINDING_KIND_CONTRADICTED, against=True, other_value="4831")
    assert "meter reading 04821 or 4831" in contradiction(ProposedRecord(fields=fields))
