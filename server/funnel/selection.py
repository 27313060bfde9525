"""Which sessions a report is about, and until when they were watched."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from server.ledger.columns import stored_time_or_none


@dataclass(frozen=True, slots=True)
class Selection:
    """Sessions of a report.

    Attributes:
        start: Sessions opened at or after this time; None for no bound.
        end: Sessions opened before this time; None for no bound.
        client_id: Only sessions of this client; empty means all.
        pseudonym: Under which the client's sessions are stored, if not under its id.
        visible_to: The client of the caller, whose sessions alone are counted; empty means every client.
        flow: Only sessions of this flow; empty means all.
        flow_version: Only those of this version of it; 0 means all.
    """

    start: datetime | None = None
    end: datetime | None = None
    client_id: str = ""
    pseudonym: str = ""
    visible_to: str = ""
    flow: str = ""
    flow_version: int = 0

    @property
    def parameters(self) -> dict[str, Any]:
        """The named parameters of ``CHOSEN``."""
        return {
            "start": stored_time_or_none(self.start),
            "end": stored_time_or_none(self.end),
            "client_id": self.client_id,
            "stored_as": self.pseudonym or self.client_id,
            "visible_to": self.visible_to,
            "flow": self.flow,
            "flow_version": self.flow_version,
        }


CHOSEN = """($start::TIMESTAMP IS NULL OR s.create_time >= $start) AND ($end::TIMESTAMP IS NULL OR s.create_time < $end)
    AND ($client_id = '' OR s.client_id IN ($client_id, $stored_as))
    AND ($visible_to = '' OR s.client_id = $visible_to)
    AND ($flow = '' OR (s.flow = $flow AND ($flow_version = 0 OR s.flow_version = $flow_version)))"""
"""The condition in SQL on the table sessions, as ``s``."""
