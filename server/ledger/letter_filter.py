"""Which dead letters are meant: conditions that must all hold."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from server.ledger.columns import stored_time_or_none


@dataclass(frozen=True, slots=True)
class LetterFilter:
    """Conditions. One that is empty holds for every letter.

    Attributes:
        client_ids: Only those of sessions of one of these clients.
        before: Letters that were written earlier.
        visible_to: Client of the caller, who sees no letters of others; empty sees all.
    """

    ids: tuple[str, ...] = ()
    kind: str = ""
    reason: str = ""
    session_id: str = ""
    client_ids: tuple[str, ...] = ()
    before: datetime | None = None
    visible_to: str = ""

    @property
    def parameters(self) -> dict[str, Any]:
        """The parameters of ``MATCHES``."""
        return {
            "ids": list(self.ids),
            "kind": self.kind,
            "reason": self.reason,
            "session": self.session_id,
            "clients": list(self.client_ids),
            "before": stored_time_or_none(self.before),
            "visible_to": self.visible_to,
        }


EVERY_LETTER: Final = LetterFilter()

MATCHES: Final = """(len($ids::VARCHAR[]) = 0 OR list_contains($ids::VARCHAR[], id))
    AND $kind IN ('', kind) AND $reason IN ('', reason) AND $session IN ('', session_id)
    AND ($before::TIMESTAMP IS NULL OR create_time < $before)
    AND (len($clients::VARCHAR[]) = 0
        OR session_id IN (SELECT id FROM sessions WHERE list_contains($clients::VARCHAR[], client_id)))
    AND ($visible_to = '' OR session_id IN (SELECT id FROM sessions WHERE client_id = $visible_to))"""
"""The condition of SQL over ``dead_letters``, with the names of ``LetterFilter.parameters``."""
