"""Labels of pictures are read alone and within a sentence."""

from __future__ import annotations

import pytest

from models.redaction.types import Redaction, RedactionScope
from models.text import Entity, RedactedText
from server.records.label_texts import redact_labels
from tests.fakes.gateway import FakeGateway, redacted

SCOPE = RedactionScope("app", "s")
SENTENCE = "Seen in the picture: a "


def name(start: int, end: int, recognizer: str = "ner:rampart") -> Entity:
    return Entity("NAME", start, end, 0.9, recognizer)


async def redact(label: str, alone: Redaction, within: Redaction, language: str = "en") -> RedactedText:
    gateway = FakeGateway()
    gateway.will("redact", [alone, within] if language == "en" else [alone])
    [text] = await redact_labels(gateway, [label], language, SCOPE)
    return text


HIDDEN = Redaction(redacted("[REDACTED_NAME]"), (name(0, 11),))
PARTLY = Redaction(redacted("[REDACTED_NAME] car"), (name(0, 3),))


@pytest.mark.parametrize(
    ("label", "alone", "within", "expected"),
    [
        ("red car", PARTLY, f"{SENTENCE}red car", "red car"),
        ("Maria Lopez", HIDDEN, f"{SENTENCE}Maria Lopez", "[REDACTED_NAME]"),
        ("badge of Ana", Redaction(redacted("badge of Ana"), ()), f"{SENTENCE}badge of [REDACTED_NAME]", None),
        ("Ana Day", Redaction(redacted("[REDACTED_NAME] Day"), (name(0, 3, "name"),)), f"{SENTENCE}Ana Day", None),
        ("Ana car", PARTLY, "Seen in the [REDACTED_NAME]", "[REDACTED_NAME] car"),
    ],
)
async def test_the_sentence_counts_unless_the_label_alone_says_enough(
    label: str, alone: Redaction, within: str, expected: str | None
) -> None:
    text = await redact(label, alone, Redaction(redacted(within), ()))
    assert text.value == expected if expected else "[REDACTED_NAME]" in text.value


async def test_what_is_not_safe_alone_stays_unsafe() -> None:
    unsafe = Redaction(RedactedText.restore("red car", {}, safe_for_llm=False), ())
    assert not (await redact("red car", unsafe, Redaction(redacted(f"{SENTENCE}red car"), ()))).safe_for_llm


async def test_other_languages_are_read_alone() -> None:
    assert (await redact("rotes Auto", Redaction(redacted("rotes Auto"), ()), HIDDEN, "de")).value == "rotes Auto"


async def test_no_labels_ask_nobody() -> None:
    gateway = FakeGateway()
    assert await redact_labels(gateway, [], "en", SCOPE) == []
    assert gateway.calls == []
