"""Redacts texts that come again and again, such as names of screens, and remembers what became of them."""

from __future__ import annotations

import hashlib
import secrets
from collections import OrderedDict
from collections.abc import Iterable
from typing import Final, NamedTuple

from models.redaction.types import RedactionContext
from models.text import RawText, RedactedText, TextSource
from ray_tasks.types import Gateway

MOST_REMEMBERED: Final = 10_000
"""Of at most 500 characters each; beyond, the one that was not needed for longest is forgotten."""
_KEY_BYTES: Final = 32
_DIGEST_BYTES: Final = 16


class SpokenIn(NamedTuple):
    """A text and the language that its numbers and names are read in, an ISO 639-1 code."""

    language: str
    text: str


class RememberedTexts:
    """Redacts typed texts under the default policy, each different one once in each language.

    One redaction serves many sessions, so hashed tags, by which persons could be followed over sessions, become plain.

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

    async def redact(self, texts: Iterable[SpokenIn]) -> dict[SpokenIn, RedactedText]:
        """The texts with what became of them.

        Raises:
            Unavailable: The redactor cannot be reached, or failed.
            DeadlineExceeded: It took too long.
        """
        keys = {text: self._hashed(text) for text in texts}
        found = {text: self._known[key] for text, key in keys.items() if key in self._known}
        for text in found:
            self._known.move_to_end(keys[text])
        new: dict[str, list[SpokenIn]] = {}
        for text in keys:
            if text not in found:
                new.setdefault(text.language, []).append(text)
        for language, of_language in new.items():
            context = RedactionContext(TextSource.TYPED, language)
            raw = [RawText(text.text) for text in of_language]
            redactions = await self._gateway.redact(raw, context, timeout_s=self._timeout_s)
            for text, redaction in zip(of_language, redactions, strict=True):
                found[text] = redaction.text.with_plain_tags()
                self._remember(keys[text], found[text])
        return found

    def _remember(self, key: bytes, text: RedactedText) -> None:
        if not text.safe_for_llm:
            return
        self._known[key] = text
        if len(self._known) > self._most:
            self._known.popitem(last=False)

    def _hashed(self, text: SpokenIn) -> bytes:
        return hashlib.blake2b("\0".join(text).encode(), key=self._key, digest_size=_DIGEST_BYTES).digest()
