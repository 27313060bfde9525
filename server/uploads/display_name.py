"""The name that an app shows for an upload: cleaned, then redacted, because names of files carry names of people."""

from __future__ import annotations

import re

from models.errors import VestibuleError
from models.media.file_names import clean_file_name, in_file_name, split_extension, with_spaces
from models.redaction.types import RedactionContext, RedactionScope
from models.text import RawText, RedactedText, TextSource
from ray_tasks.types import Gateway
from server.ledger.types import SessionRow
from server.observability.log import describe, get_logger

log = get_logger("uploads")

_REDACT_TIMEOUT_S = 10.0
_SEPARATORS_OUTSIDE_TAGS = re.compile(r"(\[REDACTED_\w+\])|[.-]+")


class DisplayNames:
    """Cleans and redacts names.

    Args:
        gateway: Redacts.
    """

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def redacted(self, given: str, session: SessionRow, language: str) -> RedactedText | None:
        """The name as it may be stored; None if nothing is left of it, or if it cannot be redacted now.

        An upload is not refused for its name: the name only helps a person to tell files apart.

        Args:
            given: By the client.
            session: Of the upload.
            language: ISO 639-1 code of the session; empty while it is not known.
        """
        stem, extension = split_extension(clean_file_name(given))
        if not stem:
            return None
        scope = RedactionScope(session.client_id, session.id)
        context = in_file_name(RedactionContext(TextSource.TYPED, language or "en", scope=scope))
        try:
            name = await self._redact(RawText(with_spaces(stem)), context)
            # Read first with dots and hyphens, which dates, addresses and numbers need, then without, as words.
            words = _SEPARATORS_OUTSIDE_TAGS.sub(lambda found: found[1] or " ", name.value)
            if words != name.value:
                name = (await self._redact(RawText(words), context)).after(name)
        except VestibuleError as error:
            log.warning("display_name_not_kept", **describe(error))
            return None
        return RedactedText.join([name, RedactedText.literal(extension)], "")

    async def _redact(self, text: RawText, context: RedactionContext) -> RedactedText:
        [redaction] = await self._gateway.redact([text], context, timeout_s=_REDACT_TIMEOUT_S)
        return redaction.text
