"""A redactor for the texts of one session, for engines that know of none."""

from __future__ import annotations

from dataclasses import replace

from models.redaction.types import Redaction, RedactionContext, RedactionScope, Redactor
from models.text import RawText


class ScopedRedactor:
    """Writes client and session into every context; see ``Redactor``.

    Args:
        redactor: Does the work.
        scope: Client and session.
    """

    def __init__(self, redactor: Redactor, scope: RedactionScope) -> None:
        self._redactor = redactor
        self._scope = scope

    def redact(self, text: RawText, context: RedactionContext) -> Redaction:
        """Redact one text."""
        return self._redactor.redact(text, replace(context, scope=self._scope))

    def redact_many(self, texts: list[RawText], context: RedactionContext) -> list[Redaction]:
        """Redact a batch."""
        return self._redactor.redact_many(texts, replace(context, scope=self._scope))
