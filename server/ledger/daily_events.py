"""Counts of events by day. They stay when retention deletes the events, so that trends over years can be seen.

A count names a client, a day, and machine words. It names no session and no person, and holds no property.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

from server.ledger.columns import Cursor, count, fetch_all
from server.ledger.locks import lock_deletion
from server.ledger.table_schema import SqlView, TableSchema

DAILY_EVENTS: Final = TableSchema(
    "daily_events",
    "Counts of events that retention has deleted. A day may have several rows of one event, which are added up.",
    (
        ("day", "DATE NOT NULL", "Day on which they happened, UTC."),
        ("client_id", "VARCHAR NOT NULL", "App or site of their sessions."),
        ("source", "VARCHAR NOT NULL", "app or server."),
        ("name", "VARCHAR NOT NULL", "Machine name, for example camera_opened."),
        ("stage", "VARCHAR NOT NULL", "Stage that the sessions entered; empty for other events."),
        ("events", "BIGINT NOT NULL", "How many events."),
        ("sessions", "BIGINT NOT NULL", "Of how many sessions, of which none is counted twice."),
        ("timed", "BIGINT NOT NULL", "How many of the events had took_s."),
        ("took_s", "DOUBLE NOT NULL", "Sum of their took_s, in seconds."),
    ),
)

_SOURCE: Final = "CASE WHEN device_time IS NULL THEN 'server' ELSE 'app' END"
_KEYS: Final = f"event_time::DATE AS day, client_id, {_SOURCE} AS source, name, coalesce(stage, '') AS stage"
_SUMS: Final = "sum(events)::BIGINT AS events, sum(sessions)::BIGINT AS sessions, sum(timed)::BIGINT AS timed"

V_DAILY_EVENTS: Final = SqlView(
    "v_daily_events",
    "One row for a day, a client and a kind of event, with how many there were. It counts deleted events too, so it "
    "goes back to the first day.",
    {
        "day": "Day on which they happened, UTC.",
        "client_id": "App or site of their sessions.",
        "source": "app for events that an app recorded, server for those of the server.",
        "name": "Machine name, for example camera_opened.",
        "stage": "Stage that the sessions entered; null for other events.",
        "events": "How many events.",
        "sessions": "Of how many sessions.",
        "timed": "How many of the events had a duration.",
        "mean_s": "Mean of those durations in seconds; null when there are none.",
    },
    f"""SELECT day, client_id, source, name, nullif(stage, '') AS stage, {_SUMS},
        sum(took_s) / nullif(sum(timed), 0) AS mean_s
    FROM (FROM daily_events UNION ALL
        SELECT {_KEYS}, count(*), count(DISTINCT session_id), count(took_s), coalesce(sum(took_s), 0)
        FROM events GROUP BY ALL)
    GROUP BY ALL""",  # noqa: S608 - literals of ours
)


def keep_counts(cursor: Cursor, old: str, which: Mapping[str, Any]) -> None:
    """Count the events that a condition chooses; they are to be deleted in the same transaction.

    A session is counted when its last event of a kind and a day goes. Until then ``v_daily_events`` sees it among the
    events that are left.

    Args:
        cursor: Within a transaction of the writer.
        old: The condition, SQL over the columns of ``events``; a literal of ours.
        which: The values that it names.
    """
    cursor.execute(
        f"""INSERT INTO daily_events
        SELECT day, client_id, source, name, stage,
            sum(gone), count(*) FILTER (WHERE NOT stays), sum(timed), sum(took_s)
        FROM (SELECT {_KEYS}, session_id, count(*) FILTER (WHERE old) AS gone, NOT bool_and(old) AS stays,
                count(took_s) FILTER (WHERE old) AS timed, coalesce(sum(took_s) FILTER (WHERE old), 0) AS took_s
            FROM (SELECT *, {old} AS old FROM events
                WHERE session_id IN (SELECT session_id FROM events WHERE {old})) AS all_of_them
            GROUP BY 1, 2, 3, 4, 5, 6) AS by_session
        WHERE gone > 0 GROUP BY 1, 2, 3, 4, 5""",  # noqa: S608 - literals of ours
        which,
    )


_OF_CLIENTS: Final = "client_id IN (SELECT unnest(?::VARCHAR[]))"


def number_of(cursor: Cursor, clients: Collection[str]) -> int:
    """How many rows these clients have."""
    return count(cursor, f"SELECT count(*) FROM daily_events WHERE {_OF_CLIENTS}", [sorted(clients)])  # noqa: S608


def erase(cursor: Cursor, clients: Collection[str]) -> None:
    """Delete all rows of these clients."""
    cursor.execute(f"DELETE FROM daily_events WHERE {_OF_CLIENTS}", [sorted(clients)])  # noqa: S608 - literals of ours


def names_of_apps(cursor: Cursor) -> list[tuple[str, str]]:
    """Clients and the names that their apps gave to events, each once."""
    rows = fetch_all(
        cursor, "SELECT DISTINCT client_id, name FROM daily_events WHERE source = 'app' ORDER BY client_id, name"
    )
    return [(row["client_id"], row["name"]) for row in rows]


def rename(cursor: Cursor, names: Collection[tuple[str, str]], to: str) -> None:
    """Give events of apps another name, by client and name."""
    lock_deletion(cursor)
    cursor.executemany(
        "UPDATE daily_events SET name = ? WHERE source = 'app' AND client_id = ? AND name = ?",
        [(to, client_id, name) for client_id, name in names],
    )
