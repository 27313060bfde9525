"""What went wrong in a week, from the rows of the ledger."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

from server.ledger.columns import Cursor
from server.reports.incidents import Incident, read_incidents
from tests.unit.funnel.stored import bulk, event_row
from tests.unit.ledger.conftest import cursor
from tests.unit.ledger.makers import new_id
from tests.unit.reports.two_weeks import BERLIN, WEEK

__all__ = ["cursor"]

BEGIN, END = WEEK.bounds(BERLIN)
FIRST = BEGIN.replace(tzinfo=None)
LAST = END.replace(tzinfo=None) - timedelta(seconds=1)


def server_event(name: str, subject: str, time: datetime, **properties: str) -> dict[str, Any]:
    return {"id": new_id(), "time": time, "name": name, "subject": subject, "properties": json.dumps(properties)}


def changes(subject: str, *states: tuple[str, datetime]) -> list[dict[str, Any]]:
    return [server_event("breaker_changed", subject, time, old="x", new=state) for state, time in states]


def found(cursor: Cursor) -> list[Incident]:
    return list(read_incidents(cursor, BEGIN, END))


def test_a_breaker_counts_for_the_part_of_its_time_that_is_in_the_week(cursor: Cursor) -> None:
    hour = timedelta(hours=1)
    bulk(cursor, "server_events", [
        *changes("llm_api", ("open", FIRST - hour), ("half-open", FIRST + hour), ("closed", FIRST + 2 * hour)),
        *changes("speech_worker", ("open", LAST - hour)),
        *changes("vision_worker", ("open", FIRST - 2 * hour), ("closed", FIRST - hour), ("open", LAST + 2 * hour)),
        *changes("scan_api", ("open", FIRST), ("half-open", FIRST + hour), ("open", FIRST + hour),
                 ("closed", FIRST + 4 * hour)),
    ])  # fmt: skip
    assert found(cursor) == [
        Incident("breaker", "scan_api", 2, 4 * 3600.0),
        Incident("breaker", "speech_worker", 1, 3601.0),
        Incident("breaker", "llm_api", 1, 3600.0),
    ]


def test_refusals_count_sessions_by_reason_and_only_those_of_the_week(cursor: Cursor) -> None:
    def refused(session: str, number: int, time: datetime, reason: str = "too_large") -> Any:
        properties = {"properties": json.dumps({"reason": reason}), "device_time": None, "event_time": None}
        return event_row(session, number, "upload_refused", time) | properties

    bulk(cursor, "events", [
        refused("a", 1, FIRST), refused("a", 2, FIRST), refused("b", 1, LAST), refused("c", 1, FIRST, "bad_media"),
        refused("d", 1, FIRST - timedelta(seconds=1)), refused("e", 1, LAST + timedelta(seconds=1)),
    ])  # fmt: skip
    assert found(cursor) == [
        Incident("upload_refused", "too_large", 2),
        Incident("upload_refused", "bad_media", 1),
    ]


def test_an_event_of_an_app_with_the_same_name_is_none_of_the_server(cursor: Cursor) -> None:
    bulk(cursor, "events", [event_row("a", 1, "no_speech", FIRST) | {"device_time": FIRST, "event_time": FIRST}])
    assert found(cursor) == []


def test_workers_and_dead_letters_are_counted_by_kind(cursor: Cursor) -> None:
    bulk(cursor, "server_events", [server_event("worker_ended", "vision", FIRST, reason="killed")] * 1)
    letter = {
        "id": new_id(), "job_id": "j", "kind": "read_picture", "session_id": "s", "reason": "WORKER_LOST",
        "message": "It was lost.", "attempts": 6, "policy": "network", "create_time": LAST, "closed_time": None,
        "closed_as": "", "closed_reason": "",
    }  # fmt: skip
    bulk(cursor, "dead_letters", [letter])
    assert found(cursor) == [Incident("worker_ended", "vision", 1), Incident("dead_letter", "read_picture", 1)]
