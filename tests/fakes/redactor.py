"""A redactor that knows a list of phrases. The real one is ``models.redaction.redactor``, tested beside it."""

from __future__ import annotations

import re

from models.redaction.types import Redaction, RedactionContext
from models.text import Entity, RawText, RedactedText


class PhraseRedactor:
    """Finds the given phrases, case and spacing aside.

    Args:
        phrases: Regular expression to entity type.
        recognizer: The recognizer that it names.
    """

    def __init__(self, phrases: dict[str, str], recognizer: str = "phrase") -> None:
        self._recognizer = recognizer
        self._patterns = [(re.compile(p.replace(" ", r"\s+"), re.IGNORECASE), kind) for p, kind in phrases.items()]
        self.seen: list[str] = []
        self.contexts: list[RedactionContext] = []

    def redact(self, text: RawText, context: RedactionContext) -> Redaction:
        """See ``models.redaction.types.Redactor``."""
        raw = text.reveal()
        self.seen.append(raw)
        self.contexts.append(context)
        matches = [(m.start(), m.end(), kind) for pattern, kind in self._patterns for m in pattern.finditer(raw)]
        entities, parts, position = [], [], 0
        for start, end, kind in sorted(matches):
            if start < position:
                continue
            entities.append(Entity(kind, start, end, 1.0, self._recognizer))
            parts += [RedactedText.literal(raw[position:start]), RedactedText.tag(kind)]
            position = end
        parts.append(RedactedText.literal(raw[position:]))
        return Redaction(RedactedText.join(parts, ""), tuple(entities))

    def redact_many(self, texts: list[RawText], context: RedactionContext) -> list[Redaction]:
        """See ``models.redaction.types.Redactor``."""
        return [self.redact(text, context) for text in texts]
