"""What a record keeps of a personal value never shows a part of it."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.kept_values import GIVEN, SEALED, Keep, kept
from models.redaction.policy.loader import parse_policies
from models.redaction.redactor import LocalRedactor
from models.redaction.types import Redaction, RedactionContext, RedactionScope
from models.sealed_values import SealedValue, SealRequest
from models.text import RawText
from server.sealed.keys import hash_target
from tests.fakes.classifier import WordListClassifier

HASH = SealedValue("PHONE", "contact_phone", "", b"", "1a2b3c4d" + "0" * 24)
CIPHER = SealedValue("PHONE", "contact_phone", "crm", b"sealed", "1a2b3c4d" + "0" * 24)
OTHER = SealedValue("PHONE", "other_phone", "crm", b"sealed", "5e6f7a8b" + "0" * 24)
SCOPE = RedactionScope("app", "session", SealRequest((hash_target("PHONE", "contact_phone"),)))


def redaction_of(text: str, policy: str = "") -> Redaction:
    redactor = LocalRedactor(WordListClassifier(), policies=parse_policies(policy), worker_key=b"w" * 32)
    return redactor.redact(RawText(text), RedactionContext(scope=SCOPE))


TEXT = redaction_of("call 415-555-0132 or 628-555-0144").text
"""Two telephone numbers, as plain tags."""


@pytest.mark.parametrize(
    ("mode", "values", "field", "expected"),
    [
        (Keep.GIVEN, (), "", GIVEN),
        (Keep.GIVEN, (CIPHER,), "contact_phone", GIVEN),
        (Keep.TAG, (CIPHER,), "", "[REDACTED_PHONE]"),
        (Keep.HASH, (HASH,), "contact_phone", "[REDACTED_PHONE_1a2b3c4d]"),
        (Keep.HASH, (HASH, OTHER, HASH), "", "[REDACTED_PHONE_1a2b3c4d], [REDACTED_PHONE_5e6f7a8b]"),
        (Keep.HASH, (OTHER,), "contact_phone", None),
        (Keep.HASH, (), "contact_phone", None),
        (Keep.SEALED, (CIPHER,), "contact_phone", SEALED),
        (Keep.SEALED, (OTHER,), "contact_phone", None),
        (Keep.SEALED, (HASH,), "contact_phone", None),
    ],
)
def test_each_mode_has_its_form(mode: Keep, values: tuple[SealedValue, ...], field: str, expected: str | None) -> None:
    assert kept("PHONE", mode, TEXT, values, field) == expected


@pytest.mark.parametrize("mode", Keep)
def test_what_was_not_given_is_none(mode: Keep) -> None:
    assert kept("EMAIL", mode, TEXT, (CIPHER,)) is None


POLICIES = ["", "default: {operators: {PHONE: hash}}", "default: {operators: {PHONE: number}}"]


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(POLICIES), st.sampled_from(Keep), st.from_regex(r"415-555-01[0-9]{2}", fullmatch=True))
def test_no_mode_shows_a_part_of_the_value(policy: str, mode: Keep, phone: str) -> None:
    done = redaction_of(f"call {phone} now", policy)
    value = kept("PHONE", mode, done.text, done.sealed)
    if mode is Keep.SEALED:
        assert value is None, "only its hash is there"
        return
    assert value is not None
    assert re.fullmatch(r"yes|\[REDACTED_PHONE(_[0-9a-f]{8}|_\d+)?\]", value)
    if mode is Keep.HASH and "hash" in policy:
        assert value in done.text.value


def test_a_mask_of_the_policy_is_kept_as_a_tag() -> None:
    done = redaction_of("call 415-555-0132 now", "default: {operators: {PHONE: {mask: 4}}}")
    assert done.text.value == "call ***0132 now"
    assert kept("PHONE", Keep.TAG, done.text) == "[REDACTED_PHONE]"
