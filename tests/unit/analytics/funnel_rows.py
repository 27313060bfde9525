"""Sessions with given events, stored in bulk for tests of funnels."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import timedelta

from server.analytics.funnel import FunnelChoice
from server.analytics.funnel_cohorts import UNTIL_NOW, Watched
from server.analytics.funnel_details import Details
from server.analytics.funnel_groups import grouped_report
from server.ledger.columns import Cursor, stored_time
from server.ledger.stage_report import StageReport
from tests.unit.analytics.naive_funnel import Happened
from tests.unit.ledger.makers import NOW

START = stored_time(NOW)


def store(cursor: Cursor, sessions: Mapping[str, Sequence[Happened]], *, state: str = "ABANDONED") -> None:
    """Store sessions of client ``app`` with these events; a name in capitals is a stage."""
    cursor.execute(
        """INSERT INTO sessions (id, client_id, request_id, state, create_time, update_time, stage_time, language,
            sealed_vocabulary, variant, turn_count)
        SELECT id, 'app', id, $state, $at, $at, $at, 'en', '', '', 0 FROM (SELECT unnest($ids) AS id)""",
        {"ids": list(sessions), "state": state, "at": START},
    )
    rows = [
        {
            "id": f"{session}-{number}",
            "session_id": session,
            "name": "stage_entered" if event.name.isupper() else event.name,
            "stage": event.name if event.name.isupper() else None,
            "event_time": (START + timedelta(microseconds=event.at)).isoformat(),
            "of_app": event.of_app,
            "sequence": event.sequence,
            "properties": event.properties,
        }
        for session, events in sessions.items()
        for number, event in enumerate(events)
    ]
    if not rows:
        return
    shape = json.dumps([dict.fromkeys(rows[0], "VARCHAR") | {"of_app": "BOOLEAN", "sequence": "BIGINT"}])
    cursor.execute(
        f"""INSERT INTO events (id, session_id, client_id, name, server_time, stage, device_time, sequence, variant,
            properties, properties_meta, event_time, clock)
        SELECT r.id, r.session_id, 'app', r.name, r.event_time::TIMESTAMP, r.stage,
            CASE WHEN r.of_app THEN r.event_time::TIMESTAMP END, r.sequence, '', r.properties, '{{}}',
            r.event_time::TIMESTAMP, 'device'
        FROM (SELECT unnest(from_json_strict(?::JSON, '{shape}')) AS r)""",
        [json.dumps(rows)],
    )


def funnel_report(
    cursor: Cursor, choice: FunnelChoice | None = None, watched: Watched = UNTIL_NOW
) -> list[StageReport]:
    """The stages of all sessions together."""
    [whole] = grouped_report(cursor, choice or FunnelChoice(), Details(), watched=watched)
    return [stage.report for stage in whole.stages]
