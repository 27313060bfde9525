"""Texts that come again are redacted once."""

from __future__ import annotations

import pickle

from models.redaction.types import Redaction
from models.text import RedactedText
from server.records.remembered_texts import RememberedTexts, SpokenIn
from tests.fakes.gateway import FakeGateway


def remembered(gateway: FakeGateway, most: int = 3) -> RememberedTexts:
    return RememberedTexts(gateway, timeout_s=1.0, most=most)


def english(*texts: str) -> list[SpokenIn]:
    return [SpokenIn("en", text) for text in texts]


async def test_a_text_is_redacted_once() -> None:
    gateway = FakeGateway(secrets={"Maria Lopez": "NAME"})
    texts = remembered(gateway)
    for _ in range(3):
        found = await texts.redact(english("for Maria Lopez", "home", "home"))
        assert {text.text: one.value for text, one in found.items()} == {
            "for Maria Lopez": "for [REDACTED_NAME]",
            "home": "home",
        }
    assert len(gateway.calls) == 1


async def test_the_text_that_was_not_needed_for_longest_is_forgotten() -> None:
    gateway = FakeGateway()
    texts = remembered(gateway, most=2)
    for wanted in (["a"], ["b"], ["a"], ["c"], ["a"]):
        await texts.redact(english(*wanted))
    assert len(gateway.calls) == 3, "a, b and c"
    await texts.redact(english("b"))
    assert len(gateway.calls) == 4
    assert len(texts._known) == 2


async def test_a_text_that_the_redactor_does_not_vouch_for_is_read_again() -> None:
    gateway = FakeGateway()
    doubtful = RedactedText.restore("doubtful", {}, safe_for_llm=False)
    gateway.will("redact", [Redaction(doubtful, ())], [Redaction(doubtful, ())])
    texts = remembered(gateway)
    for _ in range(2):
        assert list((await texts.redact(english("doubtful"))).values()) == [doubtful]
    assert len(gateway.calls) == 2


async def test_what_is_remembered_holds_no_text_of_a_person() -> None:
    texts = remembered(FakeGateway(secrets={"Maria Lopez": "NAME"}))
    await texts.redact(english("for Maria Lopez"))
    kept = pickle.dumps((texts._known, texts._key))
    assert b"[REDACTED_NAME]" in kept
    assert b"Lopez" not in kept


async def test_no_text_asks_no_worker() -> None:
    gateway = FakeGateway()
    assert await remembered(gateway).redact([]) == {}
    assert not gateway.calls


async def test_a_text_is_read_in_its_language() -> None:
    gateway = FakeGateway()
    texts = remembered(gateway)
    for _ in range(2):
        await texts.redact([SpokenIn("es", "uno"), SpokenIn("en", "uno"), SpokenIn("es", "dos")])
    assert [len(texts) for texts in (call.argument for call in gateway.calls) if isinstance(texts, list)] == [2, 1]


async def test_a_hashed_tag_becomes_plain_because_it_would_be_the_same_in_many_sessions() -> None:
    gateway = FakeGateway()
    hashed = RedactedText.restore("[REDACTED_EMAIL_3f9a01d4] and [REDACTED_NAME]", {}, safe_for_llm=True)
    gateway.will("redact", [Redaction(hashed, ())])
    found = await remembered(gateway).redact([SpokenIn("en", "one")])
    assert [text.value for text in found.values()] == ["[REDACTED_EMAIL] and [REDACTED_NAME]"]
