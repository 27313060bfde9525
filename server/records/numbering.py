"""Numbers the tags of texts that are shown before they are stored: pieces of a reply, a record, a partial."""

from __future__ import annotations

from collections.abc import Sequence

from models.numbered_tags import TagIdentity
from models.text import RedactedText
from server.ledger import sessions, tag_numbers
from server.ledger.columns import Cursor, exists
from server.ledger.transactional import Ledger


async def number_tags(ledger: Ledger, session_id: str, texts: Sequence[RedactedText]) -> list[RedactedText]:
    """Give the tags of texts their numbers, and store the new ones.

    Raises:
        NotFound: SESSION_NOT_FOUND, it was erased; nothing may be shown.
        Unavailable, Overloaded: The ledger took no write; nothing may be shown.
    """
    if not any(text.identities for text in texts):
        return list(texts)

    def write(cursor: Cursor) -> list[RedactedText]:
        if not exists(cursor, "sessions", session_id):
            raise sessions.not_found()
        return tag_numbers.numbered(cursor, session_id, texts)

    return await ledger.write(write)


class KnownNumbers:
    """Numbers the tags of the partials of one utterance, without storing anything.

    A value gets its number when its text is stored. Until then its tag is plain: a number that is shown once never
    belongs to somebody else, whatever another stream of the session stores meanwhile. What a value was shown as does
    not change within an utterance, because each partial extends the one before.
    """

    def __init__(self, ledger: Ledger, session_id: str) -> None:
        self._ledger = ledger
        self._session_id = session_id
        self._shown: dict[tuple[str, str], int | None] = {}

    def begin(self) -> None:
        """Begin another utterance."""
        self._shown.clear()

    async def number(self, text: RedactedText) -> RedactedText:
        """The text with the numbers that are known.

        Raises:
            Unavailable: The ledger cannot be read.
        """
        if any(tag.value not in self._shown for tag in text.identities):
            known = await self._ledger.read(lambda cursor: tag_numbers.known(cursor, self._session_id))
            for tag in text.identities:
                self._shown.setdefault(tag.value, known.get(tag.value))
        return text.with_numbers(self._number_of)

    def _number_of(self, tag: TagIdentity) -> int | None:
        return self._shown.get(tag.value)
