"""Encrypts the words that an app expects, because they may be names of people, before they are stored."""

from __future__ import annotations

import base64
import json
import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from models.errors import InternalError
from models.reasons import Reason

_KEY_BYTES = 32
_NONCE_BYTES = 12


class VocabularySealer:
    """Encrypts and decrypts vocabularies under a key of its own, derived from the spool's.

    Args:
        spool_key: 32 bytes.
    """

    def __init__(self, spool_key: bytes) -> None:
        derive = HKDF(SHA256(), _KEY_BYTES, salt=None, info=b"vestibule session vocabulary")
        self._cipher = AESGCM(derive.derive(spool_key))

    def seal(self, words: tuple[str, ...]) -> str:
        """Encrypt words to Base64; empty for none."""
        if not words:
            return ""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = self._cipher.encrypt(nonce, json.dumps(words).encode(), None)
        return base64.b64encode(nonce + sealed).decode("ascii")

    def open(self, sealed: str) -> tuple[str, ...]:
        """Decrypt words.

        Raises:
            InternalError: SPOOL_CORRUPT, they were changed, or encrypted with another key.
        """
        if not sealed:
            return ()
        try:
            data = base64.b64decode(sealed, validate=True)
            words = json.loads(self._cipher.decrypt(data[:_NONCE_BYTES], data[_NONCE_BYTES:], None))
        except (InvalidTag, ValueError) as exc:
            raise InternalError("The vocabulary of the session cannot be opened.", reason=Reason.SPOOL_CORRUPT) from exc
        return tuple(words)
