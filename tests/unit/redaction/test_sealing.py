"""Values that are sealed: what is encrypted, to whom, and what it is bound to."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
from hypothesis import given, settings
from hypothesis import strategies as st

from models.errors import InvalidInput, RedactionFailed
from models.redaction.policy.loader import parse_policies
from models.redaction.redactor import LocalRedactor
from models.redaction.streaming.open_tail import NO_TAIL, texts_with_tail, values_with_tail
from models.redaction.types import NO_SCOPE, Redaction, RedactionContext, RedactionScope
from models.sealed_values import (
    Binding,
    OpenedValue,
    SealedValue,
    SealRequest,
    SealTarget,
    open_value,
    read_public_key,
    seal_value,
    written_public_key,
)
from models.text import RawText, TextSource
from tests.fakes.classifier import WordListClassifier

PRIVATE = X25519PrivateKey.generate()
PUBLIC = PRIVATE.public_key().public_bytes_raw()
SESSION = "3c2f7a34-7f0f-4b43-9c1e-2f2a1c9d1b11"
REDACTOR = LocalRedactor(WordListClassifier({"tarn": "GIVEN_NAME", "quist": "SURNAME"}), worker_key=b"w" * 32)
REQUEST = SealRequest(
    (
        SealTarget("PHONE", "contact_phone", "crm", PUBLIC),
        SealTarget("EMAIL", "contact_email", "crm", PUBLIC),
        SealTarget("NAME", "visitor", "crm", PUBLIC),
    )
)
SCOPE = RedactionScope("app", SESSION, REQUEST)


def redacted(text: str, source: TextSource = TextSource.TYPED, scope: RedactionScope = SCOPE) -> Redaction:
    return REDACTOR.redact(RawText(text), RedactionContext(source, scope=scope))


def opened(value: SealedValue) -> OpenedValue:
    return open_value(value.ciphertext, PRIVATE, Binding(SESSION, value.field, value.type, value.key_id))


PHONES = st.from_regex(r"(?:415|628|510)-555-01[0-9]{2}", fullmatch=True)
WORDS = st.sampled_from(["the", "pump", "is", "loud", "and", "we", "wait", "outside", "now"])


@settings(max_examples=40, deadline=None)
@given(st.lists(PHONES, min_size=1, max_size=4), st.lists(WORDS, max_size=6))
def test_every_value_is_sealed_once_and_opens_to_itself(phones: list[str], words: list[str]) -> None:
    text = " ".join([*words, "call", " or call ".join(phones)])
    redaction = redacted(text)
    assert [opened(value).written for value in redaction.sealed] == list(dict.fromkeys(phones))
    assert all(value.ciphertext not in text.encode() for value in redaction.sealed)
    assert not any(phone in redaction.text.value for phone in phones)


@pytest.mark.parametrize(
    ("said", "source", "field", "expected"),
    [
        ("my number is four one five five five five oh one three two", TextSource.SPEECH, "contact_phone",
         OpenedValue("four one five five five five oh one three two", "4155550132")),
        ("write to tarn dot quist at example dot com", TextSource.SPEECH, "contact_email",
         OpenedValue("tarn dot quist at example dot com", "tarn.quist@example.com")),
        ("Tel. 415-555-0132", TextSource.OCR, "contact_phone", OpenedValue("415-555-0132", "415-555-0132")),
        ("I am Ta\u200brn Quist", TextSource.TYPED, "visitor", OpenedValue("Tarn Quist", "Tarn Quist")),
    ],
)  # fmt: skip
def test_a_value_is_kept_as_said_and_as_written(
    said: str, source: TextSource, field: str, expected: OpenedValue
) -> None:
    asked = ("PHONE",) if source is TextSource.SPEECH and field == "contact_phone" else ()
    context = RedactionContext(source, scope=SCOPE, asked_for=asked)
    values = REDACTOR.redact(RawText(said), context).sealed
    assert [(value.field, opened(value)) for value in values] == [(field, expected)]


def test_the_same_value_has_the_same_hash_in_a_session_however_it_came() -> None:
    spoken = redacted("write to tarn dot quist at example dot com", TextSource.SPEECH).sealed
    typed = redacted("tarn.quist@example.com").sealed
    elsewhere = redacted("tarn.quist@example.com", scope=replace(SCOPE, session_id="other")).sealed
    assert spoken[0].hash == typed[0].hash != elsewhere[0].hash
    assert spoken[0].ciphertext != typed[0].ciphertext


def test_only_the_types_that_are_asked_for_are_sealed() -> None:
    only = SealRequest((SealTarget("EMAIL", "contact_email", "crm", PUBLIC),))
    text = "Tarn Quist, 415-555-0132, tarn.quist@example.com"
    assert [v.type for v in redacted(text, scope=replace(SCOPE, seal=only)).sealed] == ["EMAIL"]
    plain = redacted(text, scope=replace(SCOPE, seal=None))
    assert plain == replace(redacted(text), sealed=())


def test_without_a_public_key_only_the_hash_is_given() -> None:
    scope = replace(SCOPE, seal=SealRequest((SealTarget("PHONE", "contact_phone"),)))
    [value] = redacted("call 415-555-0132", scope=scope).sealed
    assert value == SealedValue("PHONE", "contact_phone", "", b"", value.hash)
    assert value.hash == redacted("call 415-555-0132").sealed[0].hash


def test_a_hash_begins_like_the_tag_of_the_policy() -> None:
    policies = parse_policies("default: {operators: {PHONE: hash}}")
    redactor = LocalRedactor(WordListClassifier(), policies=policies, worker_key=b"w" * 32)
    done = redactor.redact(RawText("call 415-555-0132"), RedactionContext(scope=SCOPE))
    assert done.text.value == f"call [REDACTED_PHONE_{done.sealed[0].hash[:8]}]"


@pytest.mark.parametrize(
    "other",
    [
        Binding("another", "contact_phone", "PHONE", "crm"),
        Binding(SESSION, "other_phone", "PHONE", "crm"),
        Binding(SESSION, "contact_phone", "ID", "crm"),
        Binding(SESSION, "contact_phone", "PHONE", "crm2"),
    ],
)
def test_a_value_opens_only_where_it_belongs(other: Binding) -> None:
    [value] = redacted("call 415-555-0132").sealed
    with pytest.raises(InvalidInput, match="does not open"):
        open_value(value.ciphertext, PRIVATE, other)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_changed_or_foreign_ciphertext_is_refused_without_a_word_of_it(data: st.DataObject) -> None:
    [value] = redacted("call 415-555-0132").sealed
    at = data.draw(st.integers(0, len(value.ciphertext) - 1))
    changed = bytearray(value.ciphertext)
    changed[at] ^= data.draw(st.integers(1, 255))
    for tried in (bytes(changed), value.ciphertext[:at], data.draw(st.binary(max_size=300))):
        with pytest.raises(InvalidInput) as caught:
            open_value(tried, PRIVATE, Binding(SESSION, "contact_phone", "PHONE", "crm"))
        assert "415" not in str(caught.value)
    with pytest.raises(InvalidInput):
        open_value(value.ciphertext, X25519PrivateKey.generate(), Binding(SESSION, "contact_phone", "PHONE", "crm"))


@given(st.text(max_size=40), st.text(max_size=40))
def test_the_length_tells_nothing_of_short_values(said: str, written: str) -> None:
    binding = Binding(SESSION, "f", "NAME", "crm")
    sealed = seal_value(OpenedValue(said, written), PUBLIC, binding)
    assert len(sealed) % 128 == (32 + 16) % 128
    assert open_value(sealed, PRIVATE, binding) == OpenedValue(said, written)


def test_what_is_printed_and_pickled_of_a_value() -> None:
    [value] = redacted("call 415-555-0132").sealed
    assert value.hash not in repr(value)
    assert "415" not in repr(opened(value))
    assert pickle.loads(pickle.dumps(value)) == value
    assert b"415-555-0132" not in pickle.dumps(value)


def test_a_value_that_goes_on_in_the_next_utterance_is_sealed_whole() -> None:
    tail, text = RawText("My number is four one five"), RawText("five five five oh one three two is it")
    context = RedactionContext(TextSource.SPEECH, scope=SCOPE.without_seal())
    redactions = REDACTOR.redact_many(texts_with_tail(tail, text), context)
    whole, entities = values_with_tail(tail, text, redactions)
    assert [whole.reveal()[e.start : e.end] for e in entities] == ["four one five five five five oh one three two"]
    alone = REDACTOR.redact_many([text], context)
    assert values_with_tail(NO_TAIL, text, alone) == (text, alone[0].entities)


def test_public_keys_are_read_as_they_are_written() -> None:
    assert read_public_key(written_public_key(PRIVATE)) == PUBLIC
    for wrong in ("", "crm", "é", written_public_key(PRIVATE)[:-4], "A" * 43 + "="):
        with pytest.raises(ValueError, match=r"public key|shared key"):
            read_public_key(wrong)


def test_a_value_is_sealed_once_for_each_field_that_may_have_it() -> None:
    targets = (SealTarget("PHONE", "a", "k", PUBLIC), SealTarget("PHONE", "b", "k", PUBLIC))
    values = redacted("415-555-0132", scope=replace(SCOPE, seal=SealRequest(targets))).sealed
    assert [(value.field, opened(value).written) for value in values] == [("a", "415-555-0132"), ("b", "415-555-0132")]
    with pytest.raises(ValueError, match="one field"):
        SealRequest((*targets, targets[0]))


def test_nothing_can_be_sealed_without_a_session() -> None:
    with pytest.raises(RedactionFailed):
        redacted("call 415-555-0132", scope=replace(NO_SCOPE, seal=REQUEST))


def test_the_content_is_json_with_spaces_after_it() -> None:
    binding = Binding(SESSION, "f", "NAME", "crm")
    suite = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)
    plain = suite.decrypt(seal_value(OpenedValue("a", "b"), PUBLIC, binding), PRIVATE, binding.info)
    assert json.loads(plain) == {"said": "a", "written": "b"}
