"""Redacts texts that come again and again, such as names of screens, and remembers what became of them."""

from __future__ import annotations

import hashlib
import secrets
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from models.redaction.types import RedactionContext
from models.text import RawText, RedactedText, TextSource
from ray_tasks.types import Gateway
from server.records.keyed_texts import key_prefix, told_by_key

MOST_REMEMBERED: Final = 10_000
"""Of at most 500 characters each; beyond, the one that was not needed for longest is forgotten."""
_KEY_BYTES: Final = 32
_DIGEST_BYTES: Final = 16


class SpokenIn(NamedTuple):
    """A text and the language that its numbers and names are read in, an ISO 639-1 code.

    Attributes:
        key: Of the property that it is a value of; empty for a text without one.
    """

    language: str
    text: str
    key: str = ""

    @property
    def prefix(self) -> str:
        """See ``key_prefix``."""
        return key_prefix(self.key, self.text)

    @property
    def characters(self) -> int:
        """How many the redactor reads for it."""
        prefix = self.prefix
        return len(self.text) + (len(prefix) + len(self.text) if prefix else 0)


class RememberedTexts:
    """Redacts typed texts under the default policy, each different one once in each language and with each key.

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
            for text, (redacted, vouched) in (await self._read(language, of_language)).items():
                found[text] = redacted
                if vouched:
                    self._remember(keys[text], redacted)
        return found

    async def _read(self, language: str, texts: Sequence[SpokenIn]) -> dict[SpokenIn, tuple[RedactedText, bool]]:
        """The texts of one language with what became of each, and whether the redactor vouches for it."""
        with_key = [text for text in texts if text.prefix]
        values = list(dict.fromkeys(text.text for text in texts))
        raw = [RawText(value) for value in values] + [RawText(f"{text.prefix}{text.text}") for text in with_key]
        redactions = await self._gateway.redact(
            raw, RedactionContext(TextSource.TYPED, language), timeout_s=self._timeout_s
        )
        alone = dict(zip(values, redactions[: len(values)], strict=True))
        keyed = dict(zip(with_key, redactions[len(values) :], strict=True))
        read: dict[SpokenIn, tuple[RedactedText, bool]] = {}
        for text in texts:
            by_key, by_value = keyed.get(text), alone[text.text]
            redaction = told_by_key(by_value, by_key, text.prefix) if by_key else by_value
            vouched = by_value.text.safe_for_llm and (by_key is None or by_key.text.safe_for_llm)
            read[text] = (redaction.text.with_plain_tags(), vouched)
        return read

    def _remember(self, key: bytes, text: RedactedText) -> None:
        self._known[key] = text
        if len(self._known) > self._most:
            self._known.popitem(last=False)

    def _hashed(self, text: SpokenIn) -> bytes:
        return hashlib.blake2b("\0".join(text).encode(), key=self._key, digest_size=_DIGEST_BYTES).digest()
