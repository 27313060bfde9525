"""The key of the spool: from the settings, or generated once into the state folder."""

from __future__ import annotations

import base64
import binascii
import os
from pathlib import Path

from models.errors import InvalidInput
from models.private_files import read_or_create
from models.reasons import Reason
from server.uploads.encrypted_frames import KEY_BYTES


def load_or_create_spool_key(setting: str, path: Path) -> bytes:
    """Key of the spool: from the setting when it is not empty, else from the file, which is made when missing.

    Args:
        setting: Base64 of 32 bytes, or empty.
        path: Where a generated key is kept, mode 0600.

    Raises:
        InvalidInput: The setting or the file holds no such key (``SPOOL_KEY_INVALID``).
    """
    if setting:
        return _decode_key(setting.encode())
    return _decode_key(read_or_create(path, base64.b64encode(os.urandom(KEY_BYTES)) + b"\n").strip())


_HINT = "Correct VESTIBULE_SPOOL_KEY, or leave it empty; a key that was generated is in spool.key of the state folder."


def _decode_key(text: bytes) -> bytes:
    try:
        key = base64.b64decode(text, validate=True)
    except binascii.Error as exc:
        raise InvalidInput("The spool key is not base64.", reason=Reason.SPOOL_KEY_INVALID, hint=_HINT) from exc
    if len(key) != KEY_BYTES:
        message = f"The spool key must be base64 of {KEY_BYTES} bytes."
        raise InvalidInput(message, reason=Reason.SPOOL_KEY_INVALID, hint=_HINT)
    return key
