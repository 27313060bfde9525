"""The operator ``number``: what a redactor reports of a value, and how texts get their numbers."""

from __future__ import annotations

import io
import json
import pickle
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.numbered_tags import MOST_NUMBERED, TagIdentity, TagNumbers
from models.redaction.policy.loader import parse_policies
from models.redaction.redactor import LocalRedactor
from models.redaction.streaming.partials import PartialState
from models.redaction.types import RedactionContext, RedactionScope
from models.text import Entity, RawText, RedactedText
from server.cli.offline_redact import redact_lines
from server.cli.offline_transcribe import transcribe_lines
from server.cli.scoped_redactor import ScopedRedactor
from server.flows.extraction import tags_of
from tests.fakes.classifier import WordListClassifier
from tests.fakes.speech import ScriptedSpeech

NAMES = {
    "ada": "GIVEN_NAME",
    "adá": "GIVEN_NAME",
    "okafor": "SURNAME",
    "nils": "GIVEN_NAME",
    "mr": "SURNAME",
    "mrs": "SURNAME",
}
POLICY = "default: {operators: {NAME: number, PHONE: number, EMAIL: hash, CC: mask}}"
SCOPE = RedactionScope("app", "s1")


@pytest.fixture(scope="module")
def redactor() -> LocalRedactor:
    return LocalRedactor(WordListClassifier(NAMES), policies=parse_policies(POLICY), worker_key=bytes(32))


def written(redactor: LocalRedactor, *texts: str) -> list[str]:
    """Texts of one session, numbered in their order."""
    numbers = TagNumbers()
    redactions = [redactor.redact(RawText(text), RedactionContext(scope=SCOPE)) for text in texts]
    return [redaction.text.with_numbers(numbers).value for redaction in redactions]


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (("Ada Okafor", "ADA OKAFOR", "ada okafor", "Adá  Okafor"), ["_1", "_1", "_1", "_1"]),
        # part of a name may be another person
        (("Ada Okafor", "Okafor", "Ada"), ["_1", "_2", "_3"]),
        (("Mr. Okafor", "Mrs. Okafor", "Mr Okafor"), ["_1", "_2", "_1"]),
        (("Mrs. Ada Okafor", "Ada Okafor"), ["_1", "_1"]),
    ],
)
def test_equal_words_have_equal_numbers(redactor: LocalRedactor, texts: tuple[str, ...], expected: list[str]) -> None:
    shown = written(redactor, *texts)
    assert [re.findall(r"\[REDACTED_NAME(\w*)\]", text) for text in shown] == [[number] for number in expected]


def test_types_are_numbered_apart_and_other_operators_stay(redactor: LocalRedactor) -> None:
    [text] = written(redactor, "Ada: 415-555-0132, a@okafor.com. Nils: 415-555-0187, card 4111 1111 1111 1111.")
    assert re.sub("[0-9a-f]{8}", "#", text.replace("REDACTED_", "")) == (
        "[NAME_1]: [PHONE_1], [EMAIL_#]. [NAME_2]: [PHONE_2], card ***1111."
    )


def test_a_text_that_nobody_numbers_has_plain_tags(redactor: LocalRedactor) -> None:
    text = redactor.redact(RawText("Ada and Nils"), RedactionContext(scope=SCOPE)).text
    assert text.value == "[REDACTED_NAME] and [REDACTED_NAME]"
    keys = [tag.key for tag in text.identities]
    assert len(set(keys)) == 2
    assert not any(key in f"{text!r} {text} {text.value}" for key in keys)


def test_written_numbers_are_left_alone_and_counted(redactor: LocalRedactor) -> None:
    text = "Tell [REDACTED_NAME_1] and [REDACTED_NAME_12] to come"
    assert written(redactor, text) == [text]
    assert tags_of(text, {}) == {"NAME": 2}


@pytest.mark.parametrize("smuggled", ["4155550132", "01234", "x1"])
def test_a_tag_with_a_longer_number_is_ordinary_text(redactor: LocalRedactor, smuggled: str) -> None:
    protected = redactor.policy_of("").policy.protected
    assert not protected.fullmatch(f"[REDACTED_NAME_{smuggled}]")


def test_without_a_session_hashes_agree_in_a_batch_only(redactor: LocalRedactor) -> None:
    one, two = (redactor.redact(RawText("Ada"), RedactionContext()).text.identities[0].key for _ in range(2))
    assert one != two


def test_the_last_numbers_are_not_given_twice() -> None:
    numbers = TagNumbers({("NAME", "k"): MOST_NUMBERED, ("PHONE", "k"): 4})
    given_numbers = [numbers(TagIdentity(0, 1, *value)) for value in [("NAME", "new"), ("NAME", "k"), ("PHONE", "new")]]
    assert given_numbers == [None, MOST_NUMBERED, 5]
    assert numbers.new == {("PHONE", "new"): 5}


PIECES = st.lists(st.one_of(st.just(""), st.text("ab ", max_size=3), st.integers(0, 5)), max_size=6)


@given(st.lists(PIECES, max_size=4), st.sampled_from(["", " ", "\n"]))
def test_joined_and_moved_texts_keep_their_identities(parts: list[list[str | int]], separator: str) -> None:
    """Whatever is joined, pickled or sealed: numbers stand where they would in the pieces."""

    def text(piece: str | int) -> RedactedText:
        if isinstance(piece, str):
            return RedactedText.literal(piece)
        return RedactedText.in_place_of(Entity("NAME", 0, 1, 1.0, identity=f"key {piece}"))

    texts = [RedactedText.join(map(text, pieces), "") for pieces in parts]
    whole = RedactedText.join(texts, separator)
    numbers = TagNumbers()
    expected = separator.join(v for t in texts if (v := t.with_numbers(numbers).value))
    assert whole.with_numbers(TagNumbers()).value == expected
    assert pickle.loads(pickle.dumps(whole)).identities == whole.identities
    sealed = json.loads(json.dumps(PartialState(shown=whole).to_payload()))
    assert PartialState.from_payload(sealed).shown.identities == whole.identities


def test_a_prefix_is_cut_off_unless_a_tag_touches_it() -> None:
    tag = RedactedText.in_place_of(Entity("NAME", 0, 1, 1.0, identity="key"))
    text = RedactedText.join([RedactedText.literal("asked by:"), tag])
    cut = text.without_prefix("asked by: ")
    assert cut is not None
    assert (cut.value, cut.counts, cut.with_numbers(TagNumbers()).value) == (
        "[REDACTED_NAME]",
        {"NAME": 1},
        "[REDACTED_NAME_1]",
    )
    assert text.without_prefix("asked of: ") is None
    assert tag.without_prefix("[REDACTED_") is None
    assert text.without_prefix("asked by: [") is None


def test_redact_numbers_each_line_from_one(redactor: LocalRedactor) -> None:
    lines = [{"id": 1, "text": "Nils, Ada, nils"}, {"id": 2, "text": "Ada came"}]
    out = io.StringIO()
    redact_lines([json.dumps(line) + "\n" for line in lines], out, redactor, scope=RedactionScope("", "offline"))
    assert [json.loads(row)["text"] for row in out.getvalue().splitlines()] == [
        "[REDACTED_NAME_1], [REDACTED_NAME_2], [REDACTED_NAME_1]",
        "[REDACTED_NAME_1] came",
    ]


def test_transcribe_numbers_text_and_segments_alike(redactor: LocalRedactor, data: Path) -> None:
    out = io.StringIO()
    scoped = ScopedRedactor(redactor, RedactionScope("", "offline"))
    line = json.dumps({"id": 1, "audio": str(data / "visit.webm")})
    transcribe_lines([line], out, ScriptedSpeech(["this is Nils with Ada and Nils"]), scoped)
    row = json.loads(out.getvalue())
    assert row["text"] == row["segments"][0]["text"]
    assert row["text"] == "this is [REDACTED_NAME_1] with [REDACTED_NAME_2] and [REDACTED_NAME_1]"
