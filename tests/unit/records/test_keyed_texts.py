"""A value is read with its key, too."""

from __future__ import annotations

import pytest

from models.redaction.types import Redaction
from models.text import Entity, RedactedText
from server.records.keyed_texts import LONGEST_WITH_KEY, key_prefix, told_by_key
from server.records.remembered_texts import RememberedTexts, SpokenIn
from tests.fakes.gateway import FakeGateway, redacted


def redaction(value: str, *entities: Entity) -> Redaction:
    return Redaction(redacted(value), entities)


def found(kind: str, start: int, end: int, recognizer: str = "rule") -> Entity:
    return Entity(kind, start, end, 1.0, recognizer)


@pytest.mark.parametrize(
    ("key", "prefix"),
    [("dob", "dob: "), ("date_of_birth", "date of birth: "), ("phone__no_", "phone no: "), ("", "")],
)
def test_a_key_becomes_words(key: str, prefix: str) -> None:
    assert key_prefix(key, "1987") == prefix


def test_a_long_value_is_read_alone() -> None:
    assert key_prefix("note", "a" * LONGEST_WITH_KEY)
    assert not key_prefix("note", "a" * (LONGEST_WITH_KEY + 1))


def told(alone: Redaction, keyed: Redaction) -> str:
    return told_by_key(alone, keyed, "dob: ").text.value


def test_what_the_key_tells_is_hidden() -> None:
    assert told(redaction("1987"), redaction("dob: [REDACTED_DOB]", found("DOB", 5, 9))) == "[REDACTED_DOB]"


def test_what_is_hidden_in_the_value_alone_stays_hidden() -> None:
    alone = redaction("[REDACTED_ID] x", found("ID", 0, 4))
    assert told(alone, redaction("dob: 1987 x")) == "[REDACTED_ID] x"
    assert told(alone, redaction("dob: [REDACTED_DOB] x", found("DOB", 5, 9))) == "[REDACTED_ID] x"
    assert told(alone, redaction("dob: [REDACTED_DOB]", found("DOB", 5, 11))) == "[REDACTED_DOB]", "hides more"


def test_two_readings_that_hide_different_parts_hide_the_whole_value() -> None:
    alone = redaction("[REDACTED_NAME] 1987", found("NAME", 0, 3))
    assert told(alone, redaction("dob: Ana [REDACTED_DOB]", found("DOB", 9, 13))) == "[REDACTED_DOB]"


def test_a_tag_that_touches_the_key_hides_the_whole_value() -> None:
    crossing = redaction("[REDACTED_DOB] x", found("DOB", 0, 9))
    assert told(redaction("1987 x"), crossing) == "[REDACTED_DOB]"
    key_too = redaction("[REDACTED_NAME]: [REDACTED_DOB] x", found("NAME", 0, 3), found("DOB", 5, 9))
    assert told(redaction("1987 x"), key_too) == "[REDACTED_DOB]"


def test_a_personal_key_leaves_the_value_as_it_is_read_alone() -> None:
    assert told(redaction("home"), redaction("[REDACTED_NAME]: home", found("NAME", 0, 3))) == "home"


def test_a_name_that_the_classifier_guesses_from_the_key_is_none() -> None:
    guessed = redaction("dob: [REDACTED_NAME]", found("NAME", 5, 12, "ner:given_name"))
    assert told(redaction("timeout"), guessed) == "timeout"
    by_rule = redaction("dob: [REDACTED_NAME]", found("NAME", 5, 12, "introduced-name"))
    assert told(redaction("timeout"), by_rule) == "[REDACTED_NAME]"


async def test_a_value_is_remembered_with_its_key() -> None:
    gateway = FakeGateway(secrets={"dob: 1987": "DOB"})
    texts = RememberedTexts(gateway, timeout_s=1.0)
    wanted = [SpokenIn("en", "1987", "dob"), SpokenIn("en", "1987", "year"), SpokenIn("en", "1987")]
    for _ in range(2):
        hidden = await texts.redact(wanted)
        assert [hidden[text].value for text in wanted] == ["[REDACTED_DOB]", "1987", "1987"]
    (call,) = gateway.calls
    assert isinstance(call.argument, list)
    assert [text.reveal() for text in call.argument] == ["1987", "dob: 1987", "year: 1987"]


async def test_a_value_is_not_remembered_when_the_reading_with_its_key_is_doubtful() -> None:
    gateway = FakeGateway()
    doubtful = Redaction(RedactedText.restore("dob: 1987", {}, safe_for_llm=False), ())
    gateway.will("redact", [redaction("1987"), doubtful], [redaction("1987"), doubtful])
    texts = RememberedTexts(gateway, timeout_s=1.0)
    for _ in range(2):
        await texts.redact([SpokenIn("en", "1987", "dob")])
    assert len(gateway.calls) == 2
