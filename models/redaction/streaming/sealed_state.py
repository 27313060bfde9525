"""Sealed state: what a stream needs between two calls, encrypted so that only workers can read it.

The server stores these bytes and returns them with the next call. It has no key, so whoever steals the memory or the
database of the server learns nothing that was said. Format: one version byte, twelve bytes of nonce, AES-256-GCM over
JSON; the version is authenticated too.
"""

from __future__ import annotations

import base64
import binascii
import json
import secrets
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from models.errors import InvalidInput
from models.private_files import read_or_create
from models.reasons import Reason

KEY_BYTES = 32
_NONCE_BYTES = 12
_VERSION = b"\x01"
_BYTES_MARK = "$bytes"


class StateSealer:
    """Seals and opens states with one key; safe to call from several threads."""

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise ValueError(f"the key must have {KEY_BYTES} bytes")
        self._cipher = AESGCM(key)

    def seal(self, state: dict[str, Any]) -> bytes:
        """Encrypt a state of JSON values and bytes."""
        plain = json.dumps(state, default=_bytes_as_json, ensure_ascii=False, separators=(",", ":")).encode()
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return _VERSION + nonce + self._cipher.encrypt(nonce, plain, _VERSION)

    def open(self, sealed: bytes) -> dict[str, Any]:
        """Decrypt a state.

        Raises:
            InvalidInput: Reason ``CARRY_INVALID``: cut, changed, of another version, or sealed with another key.
        """
        if sealed[:1] != _VERSION or len(sealed) <= 1 + _NONCE_BYTES:
            raise _invalid()
        nonce, body = sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
        try:
            plain = self._cipher.decrypt(nonce, body, _VERSION)
            state = json.loads(plain, object_hook=_bytes_from_json)
        except (InvalidTag, ValueError, binascii.Error):
            raise _invalid() from None
        if not isinstance(state, dict):
            raise _invalid()
        return state


def _invalid() -> InvalidInput:
    return InvalidInput(
        "The sealed state of this stream does not fit.",
        reason=Reason.CARRY_INVALID,
        hint="Start the utterance again without it.",
    )


def _bytes_as_json(value: object) -> dict[str, str]:
    if isinstance(value, bytes | bytearray | memoryview):
        return {_BYTES_MARK: base64.b64encode(bytes(value)).decode("ascii")}
    raise TypeError(f"{type(value).__name__} cannot be carried")


def _bytes_from_json(value: dict[str, Any]) -> Any:
    if set(value) == {_BYTES_MARK} and isinstance(value[_BYTES_MARK], str):
        return base64.b64decode(value[_BYTES_MARK], validate=True)
    return value


def load_or_create_key(path: Path) -> bytes:
    """Read the key, or make one that only the owner can read. Several processes may call this at once.

    Raises:
        ValueError: The file is there and holds no key.
    """
    key = read_or_create(path, secrets.token_bytes(KEY_BYTES))
    if len(key) != KEY_BYTES:
        raise ValueError(f"the key file has {len(key)} bytes instead of {KEY_BYTES}")
    return key
