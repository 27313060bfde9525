"""Has the assistant write a record from what a session holds, and redacts it."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import datetime

from models.errors import Conflict
from models.reasons import Reason
from models.redaction.types import RedactionScope
from ray_tasks.types import Gateway
from server.ledger.record_text import record_text
from server.ledger.types import Clock, RecommendationRow, RecommendationState
from server.ledger.writer import Ledger
from server.llm.field_names import FieldNames
from server.llm.other_readings import with_other_readings
from server.llm.record_schema import canonical_json, content_hash, values_of, with_strings
from server.llm.types import PICTURE_LABELS, Assistant
from server.records.material import material
from server.records.numbering import number_tags
from server.records.redact_output import redact_all, redact_values


class RecordBuilder:
    """Writes records; it stores nothing.

    Args:
        ledger: Holds turns and uploads.
        gateway: Redacts what the model wrote.
        assistant: Writes the record.
        fields: Names that the fields of a record may have.
        clock: The time now.
        expire_time: From when on a record that is proposed at a time cannot be approved any more.
    """

    def __init__(
        self,
        ledger: Ledger,
        gateway: Gateway,
        assistant: Assistant,
        fields: FieldNames,
        clock: Clock,
        expire_time: Callable[[datetime], datetime],
    ) -> None:
        self._ledger = ledger
        self._gateway = gateway
        self._assistant = assistant
        self._fields = fields
        self._clock = clock
        self._expire_time = expire_time

    async def build(
        self, session_id: str, *, fallback: bool, retry: bool = False, again: bool = False
    ) -> tuple[RecommendationRow, set[str]]:
        """A record, and the ids of what it was built from.

        Args:
            session_id: UUID of the session.
            fallback: Whether a person waits, see ``Assistant``.
            retry: Whether it repeats a failed attempt.
            again: Whether the model has just written a record that was sent back.

        Raises:
            NotFound: SESSION_NOT_FOUND.
            Conflict: SESSION_ENDED, NO_MATERIAL.
            Unavailable: Redaction or the ledger is gone; with ``fallback=False`` the upstream too.
        """
        held = await self._ledger.read(lambda cursor: material(cursor, session_id))
        session, items = held.session, held.items
        if not items:
            raise Conflict(
                "There is nothing yet to propose a record from.",
                reason=Reason.NO_MATERIAL,
                hint="Say or upload something.",
            )
        language, scope = session.language or "en", RedactionScope(session.client_id, session_id)
        proposed = await self._assistant.propose(
            items, language=language, fallback=fallback, retry=retry, rejected=held.for_prompt, again=again
        )
        whole = with_other_readings(proposed.record, items)
        named = self._fields.apply(whole)
        parts = await redact_all(self._gateway, [named.summary], language, scope)
        sources = [item.text for item in items if item.kind != PICTURE_LABELS]
        parts += await redact_values(self._gateway, values_of(named), language, scope, sources)
        # The hash of the record is that of what is shown, so its tags get their numbers first.
        parts = await number_tags(self._ledger, session_id, parts)
        record = with_strings(named, [part.value for part in parts])
        now = self._clock()
        row = RecommendationRow(
            id=str(uuid.uuid4()),
            session_id=session_id,
            state=RecommendationState.PENDING,
            record=record_text(canonical_json(record), parts),
            content_hash=content_hash(record),
            origin=proposed.origin,
            create_time=now,
            expire_time=self._expire_time(now),
        )
        return row, {item.id for item in items}
