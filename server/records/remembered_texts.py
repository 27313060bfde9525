"""Redacts texts that come again and again, such as names of screens, and remembers what became of them."""

from __future__ import annotations

import hashlib
import secrets
from collections import OrderedDict
from collections.abc import Iterable
from typing import Final

from models.redaction.types import RedactionContext
from models.text import RawText, RedactedText, TextSource
from ray_tasks.types import Gateway

MOST_REMEMBERED: Final = 10_000
"""Of at most 500 characters each; beyond, the one that was not needed for longest is forgotten."""
_KEY_BYTES: Final = 32
_DIGEST_BYTES: Final = 16


class RememberedTexts:
    """Redacts typed texts under the default policy, each different one once.

    It keeps redacted texts alone, in memory. Their keys are hashes with a key that ends with the process, so no text
    can be read or guessed from them. A text that the redactor does not vouch for is not remembered.

    Args:
        gateway: Redacts.
        timeout_s: Of one call.
        most: Texts that are remembered.
    """

    def __init__(self, gateway: Gateway, timeout_s: float, most: int = MOST_REMEMBERED) -> None:
        self._gateway = gateway
        self._timeout_s = timeout_s
        self._most = most
        self._key = secrets.token_bytes(_KEY_BYTES)
        self._known: OrderedDict[bytes, RedactedText] = OrderedDict()

    async def redact(self, texts: Iterable[str]) -> dict[str, RedactedText]:
        """The texts with what became of them.

        Raises:
            Unavailable: The redactor cannot be reached, or failed.
            DeadlineExceeded: It took too long.
        """
        keys = {text: self._hashed(text) for text in texts}
        found = {text: self._known[key] for text, key in keys.items() if key in self._known}
        for text in found:
            self._known.move_to_end(keys[text])
        new = [text for text in keys if text not in found]
        if new:
            context = RedactionContext(TextSource.TYPED)
            redactions = await self._gateway.redact(list(map(RawText, new)), context, timeout_s=self._timeout_s)
            for text, redaction in zip(new, redactions, strict=True):
                found[text] = redaction.text
                self._remember(keys[text], redaction.text)
        return found

    def _remember(self, key: bytes, text: RedactedText) -> None:
        if not text.safe_for_llm:
            return
        self._known[key] = text
        if len(self._known) > self._most:
            self._known.popitem(last=False)

    def _hashed(self, text: str) -> bytes:
        return hashlib.blake2b(text.encode(), key=self._key, digest_size=_DIGEST_BYTES).digest()
