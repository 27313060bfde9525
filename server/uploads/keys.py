"""Reads the keys of the spool: from the settings, or from a file in the state folder that is made once."""

from __future__ import annotations

import base64
import binascii
import os
from pathlib import Path
from typing import Final

from models.errors import InvalidInput
from models.private_files import read_or_create
from models.reasons import Reason
from server.runtime.keyring import KEY_BYTES, Keyring

KEY_FILE: Final = "spool.key"
"""In the state folder: a key a line, the newest first."""

_HINT = (
    f"Correct VESTIBULE_SPOOL_KEY, or leave it empty; keys that were generated are in {KEY_FILE} of the state folder."
)


def load_or_create_spool_keys(setting: str, path: Path) -> Keyring:
    """Keys of the spool: from the setting when it is not empty, else from the file, which is made when missing.

    Args:
        setting: Base64 of 32 bytes, or several with commas between them, the newest first; or empty.
        path: Where generated keys are kept, mode 0600.

    Raises:
        InvalidInput: The setting or the file holds no such key (``SPOOL_KEY_INVALID``).
    """
    if setting:
        return Keyring([_decode_key(part.strip().encode()) for part in setting.split(",")])
    made = base64.b64encode(os.urandom(KEY_BYTES)) + b"\n"
    return Keyring([_decode_key(line.strip()) for line in read_or_create(path, made).splitlines()], path)


def _decode_key(text: bytes) -> bytes:
    try:
        key = base64.b64decode(text, validate=True)
    except binascii.Error as exc:
        raise InvalidInput("The spool key is not base64.", reason=Reason.SPOOL_KEY_INVALID, hint=_HINT) from exc
    if len(key) != KEY_BYTES:
        message = f"The spool key must be base64 of {KEY_BYTES} bytes."
        raise InvalidInput(message, reason=Reason.SPOOL_KEY_INVALID, hint=_HINT)
    return key
