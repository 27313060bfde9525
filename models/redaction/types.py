"""What a redactor takes and gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from models.text import Entity, RawText, RedactedText, TextSource


@dataclass(frozen=True, slots=True)
class RedactionContext:
    """What helps to judge a text.

    Attributes:
        source: Where the text came from.
        language: ISO 639-1 code.
        asked_for: Entity types that the assistant just asked for; unused yet, see the roadmap.
        document_type: ``visitor_register``, ``meter``, ... or empty.
    """

    source: TextSource = TextSource.TYPED
    language: str = "en"
    asked_for: tuple[str, ...] = ()
    document_type: str = ""


@dataclass(frozen=True, slots=True)
class Redaction:
    """A text with everything personal replaced.

    Attributes:
        text: The result.
        entities: What was found, sorted, not overlapping; offsets in code points of the *input*.
    """

    text: RedactedText
    entities: tuple[Entity, ...]


class Redactor(Protocol):
    """Finds and replaces personal data. Pure, deterministic, safe to call from several threads."""

    def redact(self, text: RawText, context: RedactionContext) -> Redaction:
        """Redact one text.

        Raises:
            RedactionFailed: A recognizer broke. The text must then go nowhere.
        """
        ...

    def redact_many(self, texts: list[RawText], context: RedactionContext) -> list[Redaction]:
        """Redact a batch; same result as one by one, faster."""
        ...
