"""Builds the events that the server itself records."""

from __future__ import annotations

import uuid
from datetime import datetime

from models.text import RedactedText
from server.ledger.types import EventRow, SessionRow


def make_event(
    session: SessionRow, name: str, now: datetime, *, took_s: float | None = None, **properties: str | int
) -> EventRow:
    """An event of a session.

    Args:
        session: Gives it its client and its variant.
        name: Machine word.
        now: When it happened.
        took_s: Duration of the thing, in seconds.
        properties: Identifiers and numbers chosen by the server; never anything that a person said, wrote or named.
    """
    return EventRow(
        id=str(uuid.uuid4()),
        session_id=session.id,
        client_id=session.client_id,
        name=name,
        server_time=now,
        variant=session.variant,
        took_s=took_s,
        properties={key: RedactedText.literal(str(value)) for key, value in properties.items()},
    )
