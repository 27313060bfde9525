"""Texts that come in pieces."""

from __future__ import annotations

import re

import pytest

from models.redaction.streaming.segments import redact_segments
from models.redaction.types import Redaction, RedactionContext
from models.text import Entity, RawText
from tests.fakes.gateway import redacted

PHONE = re.compile(r"\d{3} \d{3} \d{4}|\d{7}")


class PhoneRedactor:
    """Finds a telephone number only when it sees all of it."""

    def redact(self, text: RawText, context: RedactionContext) -> Redaction:
        value = text.reveal()
        entities = tuple(Entity("PHONE", m.start(), m.end(), 1.0) for m in PHONE.finditer(value))
        return Redaction(redacted(PHONE.sub("[REDACTED_PHONE]", value)), entities)

    def redact_many(self, texts: list[RawText], context: RedactionContext) -> list[Redaction]:
        return [self.redact(text, context) for text in texts]


@pytest.mark.parametrize(
    ("pieces", "whole", "written"),
    [
        ([], "", ()),
        (["Hello"], "Hello", ("Hello",)),
        (["Hello", "", "there"], "Hello  there", ("Hello", "", "there")),
        (["Call 415 555 0132 now"], "Call [REDACTED_PHONE] now", ("Call [REDACTED_PHONE] now",)),
        (
            ["Call 415 555", "0132 now"],
            "Call [REDACTED_PHONE] now",
            ("Call [REDACTED_PHONE]", "[REDACTED_PHONE] now"),
        ),
        (["415", "555", "0132"], "[REDACTED_PHONE]", ("[REDACTED_PHONE]",) * 3),
        (["a 415 555 0132 b 415 555 0133"], "a [REDACTED_PHONE] b [REDACTED_PHONE]", None),
    ],
)
def test_a_split_value_is_redacted_in_every_segment(
    pieces: list[str], whole: str, written: tuple[str, ...] | None
) -> None:
    found, parts = redact_segments([RawText(piece) for piece in pieces], PhoneRedactor(), RedactionContext())
    assert found.text.value == whole
    assert tuple(part.value for part in parts) == (written if written is not None else (whole,))


def test_tags_are_counted_in_each_segment() -> None:
    pieces = [RawText("Call 415 555"), RawText("0132 now")]
    whole, parts = redact_segments(pieces, PhoneRedactor(), RedactionContext())
    assert whole.text.counts == {"PHONE": 1}
    assert [part.counts for part in parts] == [{"PHONE": 1}, {"PHONE": 1}]
