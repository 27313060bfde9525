"""Texts that come again are redacted once."""

from __future__ import annotations

import pickle

from models.redaction.types import Redaction
from models.text import RedactedText
from server.records.remembered_texts import RememberedTexts
from tests.fakes.gateway import FakeGateway


def remembered(gateway: FakeGateway, most: int = 3) -> RememberedTexts:
    return RememberedTexts(gateway, timeout_s=1.0, most=most)


async def test_a_text_is_redacted_once() -> None:
    gateway = FakeGateway(secrets={"Maria Lopez": "NAME"})
    texts = remembered(gateway)
    for _ in range(3):
        found = await texts.redact(["for Maria Lopez", "home", "home"])
        assert {text: one.value for text, one in found.items()} == {
            "for Maria Lopez": "for [REDACTED_NAME]",
            "home": "home",
        }
    assert len(gateway.calls) == 1


async def test_the_text_that_was_not_needed_for_longest_is_forgotten() -> None:
    gateway = FakeGateway()
    texts = remembered(gateway, most=2)
    for wanted in (["a"], ["b"], ["a"], ["c"], ["a"]):
        await texts.redact(wanted)
    assert len(gateway.calls) == 3, "a, b and c"
    await texts.redact(["b"])
    assert len(gateway.calls) == 4
    assert len(texts._known) == 2


async def test_a_text_that_the_redactor_does_not_vouch_for_is_read_again() -> None:
    gateway = FakeGateway()
    doubtful = RedactedText.restore("doubtful", {}, safe_for_llm=False)
    gateway.will("redact", [Redaction(doubtful, ())], [Redaction(doubtful, ())])
    texts = remembered(gateway)
    for _ in range(2):
        assert (await texts.redact(["doubtful"]))["doubtful"] == doubtful
    assert len(gateway.calls) == 2


async def test_what_is_remembered_holds_no_text_of_a_person() -> None:
    texts = remembered(FakeGateway(secrets={"Maria Lopez": "NAME"}))
    await texts.redact(["for Maria Lopez"])
    kept = pickle.dumps((texts._known, texts._key))
    assert b"[REDACTED_NAME]" in kept
    assert b"Lopez" not in kept


async def test_no_text_asks_no_worker() -> None:
    gateway = FakeGateway()
    assert await remembered(gateway).redact([]) == {}
    assert not gateway.calls
