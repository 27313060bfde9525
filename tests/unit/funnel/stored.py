"""Puts many rows into a ledger at once."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from server.ledger.columns import Cursor
from server.ledger.types import SessionState as S
from tests.unit.ledger.makers import NOW, after

STAGES = (S.STARTED, S.IN_PROGRESS, S.AWAITING_APPROVAL, S.COMPLETED)


def bulk(cursor: Cursor, table: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows that all have the same columns. JSON may be given as text, or as what it stands for."""
    if rows:
        types = {row[0]: row[1] for row in cursor.execute(f"DESCRIBE {table}").fetchall()}
        shape = json.dumps([{name: types[name] for name in rows[0]}])
        batch = f"SELECT UNNEST(r) FROM (SELECT unnest(from_json_strict(?::JSON, '{shape}')) AS r)"
        texts = {name for name in rows[0] if types[name] == "JSON"}
        parsed = [{**row, **{k: json.loads(row[k]) for k in texts if isinstance(row[k], str)}} for row in rows]
        values = json.dumps(parsed, default=_text)
        cursor.execute(f"INSERT INTO {table} ({', '.join(rows[0])}) {batch}", [values])


def _text(value: object) -> str:
    assert isinstance(value, datetime)
    return value.replace(tzinfo=None).isoformat()


def session_row(session_id: str, state: S, *, opened: datetime = NOW, ended: datetime = NOW, **others: Any) -> Any:
    row = {
        "id": session_id,
        "client_id": "app",
        "request_id": session_id,
        "state": state,
        "create_time": opened,
        "update_time": ended,
        "stage_time": ended,
        "language": "",
        "sealed_vocabulary": "",
        "variant": "",
        "turn_count": 0,
    }
    return row | others


def event_row(session_id: str, number: object, name: str, time: datetime, **others: Any) -> Any:
    row = {
        "id": f"{session_id}/{number}",
        "session_id": session_id,
        "client_id": "app",
        "name": name,
        "server_time": time,
        "stage": None,
        "sequence": 0,
        "variant": "",
        "properties": "{}",
        "properties_meta": "{}",
    }
    return row | others


def fill(cursor: Cursor, *reached: int, state: S = S.ABANDONED, name: str = "", at: float = 0.0) -> None:
    """``reached[k]`` sessions get to the k-th stage, ten seconds a step, then into a state.

    Args:
        at: Seconds after ``NOW`` at which they were opened.
    """
    sessions, events = [], []
    for depth, number in enumerate(reached, start=1):
        for place in range(number):
            key = f"{name}{depth}-{place}"
            last = S.COMPLETED if depth == len(STAGES) else state
            sessions.append(session_row(key, last, opened=after(at), ended=after(at + 10 * depth)))
            events += [
                event_row(key, k, "stage_entered", after(at + 10 * k), stage=stage)
                for k, stage in enumerate(STAGES[:depth])
            ]
    bulk(cursor, "sessions", sessions)
    bulk(cursor, "events", events)
