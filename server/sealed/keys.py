"""The public keys that values are sealed to, by the ids that the operator gave them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from models.errors import InvalidInput
from models.reasons import Reason
from models.sealed_values import SealTarget, read_public_key

_ID: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_WORD: Final = re.compile(r"[a-z][a-z0-9_]{0,63}")
_TYPE: Final = re.compile(r"[A-Z][A-Z_]{0,63}")


class SealKeys:
    """The keys of ``VESTIBULE_SEALED__KEYS``.

    Args:
        keys: Public keys in base64, by id.
        usual: Id of the key that is meant where none is named; empty takes the only one.

    Raises:
        InvalidInput: SEALED_KEY_INVALID, SEALED_KEY_UNKNOWN.
    """

    def __init__(self, keys: Mapping[str, str], usual: str = "") -> None:
        self._keys = {key_id: _read(key_id, text) for key_id, text in keys.items()}
        if usual and usual not in self._keys:
            raise _unknown(f"There is no public key with the id {usual}.")
        self._usual = usual or (next(iter(self._keys)) if len(self._keys) == 1 else "")

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids, sorted."""
        return tuple(sorted(self._keys))

    def target(self, entity_type: str, field: str, key_id: str = "") -> SealTarget:
        """Values of a type, sealed for a field.

        Args:
            entity_type: Such as ``PHONE``.
            field: Of the record, in lower snake case.
            key_id: Empty takes the usual key.

        Raises:
            InvalidInput: SEALED_KEY_UNKNOWN; INVALID_ARGUMENT where the type or the field is no such word.
        """
        if not _TYPE.fullmatch(entity_type) or not _WORD.fullmatch(field):
            raise InvalidInput("A sealed field is a word and an entity type.", reason=Reason.INVALID_ARGUMENT)
        named = key_id or self._usual
        if not named:
            raise _unknown("It is not clear which public key is meant.")
        if named not in self._keys:
            raise _unknown(f"There is no public key with the id {named}.")
        return SealTarget(entity_type, field, named, self._keys[named])


def hash_target(entity_type: str, field: str) -> SealTarget:
    """Values of a type of which only the keyed hash is kept, for a field."""
    return SealTarget(entity_type, field)


def _read(key_id: str, text: str) -> bytes:
    if not _ID.fullmatch(key_id):
        raise InvalidInput(
            "The id of a public key has up to 64 small letters, digits, dots, dashes and underscores.",
            reason=Reason.SEALED_KEY_INVALID,
        )
    try:
        return read_public_key(text)
    except ValueError:
        raise InvalidInput(
            f"The public key {key_id} is none: it must be base64 of 32 bytes.",
            reason=Reason.SEALED_KEY_INVALID,
            hint="`vestibule sealed keygen` makes one, and prints what goes into the settings.",
        ) from None


def _unknown(message: str) -> InvalidInput:
    return InvalidInput(message, reason=Reason.SEALED_KEY_UNKNOWN, hint="VESTIBULE_SEALED__KEYS has the keys.")
