"""Numbering for streams whose policy numbers no tags. The real one is ``server.records.numbering.KnownNumbers``."""

from __future__ import annotations

from models.text import RedactedText


class PlainTags:
    """See ``server.streaming.partials.PartialNumbers``."""

    def begin(self) -> None:
        """Nothing to forget."""

    async def number(self, text: RedactedText) -> RedactedText:
        """The text as it is."""
        return text
