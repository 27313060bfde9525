"""How many events the app of a session has stored, so that one session can be bounded.

A column of ``sessions`` has the number. Writing it with each batch would cost a quarter of the batch, so it is written
now and then (see ``app_events``), and what came since then is counted here, in memory. A server that is killed forgets
up to ``STORE_AFTER`` events of a session, and batches of one transaction do not know of each other; so a session may go
a little beyond its bound.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from server.ledger.columns import Cursor, text_literal
from server.ledger.table_schema import comment_on

STORE_AFTER: Final = 1000
"""Events of a session after which its number is stored, if nothing else is stored of it earlier."""
MOST_SESSIONS: Final = 100_000
"""Sessions that are counted in memory. Beyond them, the one that was counted first is forgotten."""

SESSION_EVENT_COUNTS: Final = [
    "ALTER TABLE sessions ADD COLUMN event_count BIGINT DEFAULT 0",
    """UPDATE sessions SET event_count = found.number
    FROM (SELECT session_id, count(device_time) AS number FROM events GROUP BY session_id) AS found
    WHERE found.session_id = sessions.id AND found.number > 0""",
    comment_on(
        "COLUMN",
        "sessions.event_count",
        "Events of its app that were stored, and the first that was refused because there were too many. Those of the "
        "last seconds may be missing.",
    ),
]
"""Statements of a migration."""


class EventCounts:
    """Of the sessions of one ledger. Used on the writer's thread alone.

    Args:
        most: Events that the app of a session may store.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._since: dict[str, int] = {}

    def since_stored(self, session_id: str) -> int:
        """Events of a session since its number was stored."""
        return self._since.get(session_id, 0)

    def committed(self, added: Mapping[str, int], stored: Iterable[str]) -> None:
        """Count what a transaction added, and forget the sessions whose numbers it stored."""
        for session_id, number in added.items():
            self._since[session_id] = self._since.get(session_id, 0) + number
        for session_id in stored:
            self._since.pop(session_id, None)
        while len(self._since) > MOST_SESSIONS:
            self._since.pop(next(iter(self._since)))


def store(cursor: Cursor, numbers: Mapping[str, int], alive_us: int | None = None) -> None:
    """Store the numbers of sessions, and when something last happened to them.

    Args:
        cursor: Within a transaction of the writer.
        numbers: By session.
        alive_us: The time of their last activity, in microseconds since 1970; None leaves it as it is.
    """
    if not numbers:
        return
    ids = ", ".join(map(text_literal, numbers))
    values = ", ".join(f"({text_literal(name)}, {number})" for name, number in numbers.items())
    alive = "" if alive_us is None else f", update_time = make_timestamp({alive_us})"
    cursor.execute(
        f"""UPDATE sessions SET event_count = number{alive} FROM (VALUES {values}) AS found (session_id, number)
        WHERE sessions.id = found.session_id AND sessions.id IN ({ids})"""  # noqa: S608 - quoted
    )
