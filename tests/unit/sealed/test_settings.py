"""Public keys and sealed fields in the settings are checked at the start."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from pydantic import ValidationError

from models.errors import InvalidInput
from models.sealed_values import SealTarget, written_public_key
from server.sealed.keys import SealKeys
from server.setting_groups.sealed import SealedSettings
from tests.unit.ledger.makers import session

PRIVATE = X25519PrivateKey.generate()
PUBLIC, KEY = PRIVATE.public_key().public_bytes_raw(), written_public_key(PRIVATE)


def test_nothing_is_sealed_by_default() -> None:
    assert SealedSettings().seals.request(session()) is None
    assert SealedSettings().public_keys.ids == ()
    assert SealedSettings(keys={"crm": KEY}).seals.request(session()) is None


def test_fields_are_sealed_to_the_only_key_or_the_named_one() -> None:
    request = SealedSettings(keys={"crm": KEY}, fields={"contact_phone": "PHONE ID"}).seals.request(session())
    assert request is not None
    assert request.targets == tuple(SealTarget(kind, "contact_phone", "crm", PUBLIC) for kind in ("PHONE", "ID"))
    other = written_public_key(X25519PrivateKey.generate())
    named = SealedSettings(keys={"a": other, "crm": KEY}, key="crm", fields={"visitor": "NAME"}).seals.request(
        session()
    )
    assert named is not None
    assert named.targets_of("NAME") == (SealTarget("NAME", "visitor", "crm", PUBLIC),)
    assert named.targets_of("PHONE") == ()


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"keys": {"crm": "x"}}, "SEALED_KEY_INVALID"),
        ({"keys": {"crm": KEY[:-4]}}, "SEALED_KEY_INVALID"),
        ({"keys": {"crm": "A" * 43 + "="}}, "SEALED_KEY_INVALID"),
        ({"keys": {"crm": KEY}, "key": "other"}, "SEALED_KEY_UNKNOWN"),
        ({"fields": {"phone": "PHONE"}}, "SEALED_KEY_UNKNOWN"),
        ({"keys": {"a": KEY, "b": KEY}, "fields": {"phone": "PHONE"}}, "SEALED_KEY_UNKNOWN"),
        ({"keys": {"crm": KEY}, "fields": {"phone": "PHNE"}}, "INVALID_ARGUMENT"),
        ({"keys": {"crm": KEY}, "fields": {"a": "PHONE", "b": "PHONE"}}, "INVALID_ARGUMENT"),
    ],
)
def test_what_cannot_work_is_refused(settings: dict[str, object], reason: str) -> None:
    with pytest.raises(ValidationError) as caught:
        SealedSettings.model_validate(settings)
    assert [error["type"] for error in caught.value.errors()] == [reason]


@pytest.mark.parametrize(
    "settings", [{"keys": {"CRM 1": KEY}}, {"keys": {"": KEY}}, {"keys": {"crm": KEY}, "fields": {"Phone": "PHONE"}}]
)
def test_ids_and_fields_are_machine_words(settings: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        SealedSettings.model_validate(settings)


def test_a_target_for_a_flow_names_a_key_or_takes_the_usual_one() -> None:
    keys = SealKeys({"a": KEY, "b": KEY})
    assert keys.ids == ("a", "b")
    assert keys.target("PHONE", "contact_phone", "b").key_id == "b"
    for wrong in (("PHONE", "contact_phone", ""), ("PHONE", "contact_phone", "c")):
        with pytest.raises(InvalidInput) as caught:
            keys.target(*wrong)
        assert caught.value.reason == "SEALED_KEY_UNKNOWN"
    for wrong in (("phone", "contact_phone", "a"), ("PHONE", "contact\0phone", "a"), ("PHONE", "", "a")):
        with pytest.raises(InvalidInput):
            keys.target(*wrong)
