"""Builds the events that the server itself records."""

from __future__ import annotations

import json
from datetime import datetime

from models.text import RedactedText
from server.ledger.event_ids import new_event_id
from server.ledger.event_properties import PropertyValue, TypedValue
from server.ledger.types import EventRow, SessionRow
from server.records.event_catalogue import REDACTED_PREFIX

Value = str | int | float | bool | None
"""A word that the server chose, or a number. None leaves the property out."""


def make_event(
    session: SessionRow, name: str, now: datetime, *, took_s: float | None = None, **properties: Value
) -> EventRow:
    """An event of a session.

    Args:
        session: Gives it its client and its variant.
        name: Machine word; ``event_catalogue`` lists all of them with their properties.
        now: When it happened.
        took_s: Duration of the thing, in seconds.
        properties: Identifiers and numbers chosen by the server; never anything that a person said, wrote or named.
    """
    return EventRow(
        id=new_event_id(now),
        session_id=session.id,
        client_id=session.client_id,
        name=name,
        server_time=now,
        variant=session.variant,
        took_s=took_s,
        properties={key: _property(value) for key, value in properties.items() if value is not None},
    )


def redacted_counts(text: RedactedText) -> dict[str, Value]:
    """Properties that say what was redacted in a text: all together, and each kind."""
    kinds: dict[str, Value] = {f"{REDACTED_PREFIX}{kind.lower()}": number for kind, number in text.counts.items()}
    return {"entities": sum(text.counts.values()), **kinds}


def _property(value: str | float | bool) -> PropertyValue:
    return RedactedText.literal(value) if isinstance(value, str) else TypedValue(json.dumps(value))
