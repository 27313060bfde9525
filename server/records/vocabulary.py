"""Encrypts the words that an app expects, because they may be names of people, before they are stored."""

from __future__ import annotations

import base64
import json
import secrets
from contextlib import suppress
from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from models.errors import InternalError
from models.reasons import Reason
from server.runtime.keyring import KEY_BYTES, Keyring

_NONCE_BYTES = 12


class VocabularySealer:
    """Encrypts and decrypts vocabularies under keys of its own, derived from those of the spool.

    Args:
        keys: A key of 32 bytes, or several.
    """

    def __init__(self, keys: Keyring | bytes) -> None:
        self._keys = Keyring([keys]) if isinstance(keys, bytes) else keys

    def seal(self, words: tuple[str, ...]) -> str:
        """Encrypt words with the newest key to Base64; empty for none.

        Called within the transaction that stores the result, so that a change of keys misses none.
        """
        if not words:
            return ""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = _cipher(self._keys.current).encrypt(nonce, json.dumps(words).encode(), None)
        return base64.b64encode(nonce + sealed).decode("ascii")

    def open(self, sealed: str) -> tuple[str, ...]:
        """Decrypt words.

        Raises:
            InternalError: SPOOL_CORRUPT, they were changed, or encrypted with another key.
        """
        return self._opened(sealed)[0] if sealed else ()

    def outdated(self, sealed: str) -> bool:
        """Whether they are sealed with an earlier key. Those that no key opens are not: nothing can help them."""
        try:
            return bool(sealed) and self._opened(sealed)[1] != self._keys.current
        except InternalError:
            return False

    def _opened(self, sealed: str) -> tuple[tuple[str, ...], bytes]:
        """The words, and the key that opened them."""
        with suppress(ValueError):
            data = base64.b64decode(sealed, validate=True)
            for key in self._keys.known:
                with suppress(InvalidTag):
                    return tuple(json.loads(_cipher(key).decrypt(data[:_NONCE_BYTES], data[_NONCE_BYTES:], None))), key
        raise InternalError("The vocabulary of the session cannot be opened.", reason=Reason.SPOOL_CORRUPT)


@lru_cache(maxsize=16)
def _cipher(spool_key: bytes) -> AESGCM:
    derive = HKDF(SHA256(), KEY_BYTES, salt=None, info=b"vestibule session vocabulary")
    return AESGCM(derive.derive(spool_key))
