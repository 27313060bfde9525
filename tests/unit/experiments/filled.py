"""A ledger with sessions of an experiment, made in bulk."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from server.experiments.types import Experiment, Variant
from server.ledger.columns import DuckDb, stored_time
from tests.unit.ledger.makers import NOW

START = NOW - timedelta(days=30)
FLOW = Experiment("flow", (Variant("old"), Variant("new")), START, planned_sessions=2000)


@dataclass(frozen=True)
class Sessions:
    """Sessions of one kind.

    Attributes:
        mark: Their variant.
        number: How many.
        completed: How many of them are completed, ``after`` they were opened.
        subject: Hash of the person of all of them; empty gives each its own.
        unsafe: Texts of each that are not safe, beside one that is safe.
        final_delay_s: Of each of its texts, and a hundredth more for each session.
        failed: How many of them have an upload that failed; all others have one that was read.
        refused: How many of them have one that was refused besides.
    """

    mark: str
    number: int
    completed: int = 0
    opened: datetime = NOW - timedelta(days=20)
    after: timedelta = timedelta(hours=1)
    client: str = "app"
    subject: str = ""
    unsafe: int = 0
    final_delay_s: float = 0.0
    failed: int = 0
    refused: int = 0
    name: str = ""
    flow: str = "site_visit"
    flow_version: int = 1


def fill(cursor: DuckDb, *kinds: Sessions) -> None:
    for at, kind in enumerate(kinds):
        _fill(cursor, f"{at}-{kind.name or kind.mark}-{kind.opened:%j%H}", kind)


def _fill(cursor: DuckDb, key: str, kind: Sessions) -> None:
    opened, done = stored_time(kind.opened), stored_time(kind.opened + kind.after)
    cursor.execute(
        """INSERT INTO sessions (id, client_id, request_id, state, create_time, update_time, stage_time, language,
            sealed_vocabulary, variant, turn_count, subject_hash,
            flow, flow_version)
        SELECT concat($key, '-', i), $client, concat($key, '-', i), if(i < $completed, 'COMPLETED', 'ABANDONED'),
            $opened, $done, $done, 'en', '', $mark, 0, $subject,
            $flow, $flow_version FROM range($number) AS r(i)""",
        {"key": key, "client": kind.client, "completed": kind.completed, "opened": opened, "done": done}
        | {"mark": kind.mark, "subject": kind.subject, "number": kind.number}
        | {"flow": kind.flow, "flow_version": kind.flow_version},
    )
    for text in range(kind.unsafe + 1):
        cursor.execute(
            """INSERT INTO turns (id, session_id, stream_id, utterance, source, text, text_counts, text_safe,
                create_time, confidence, language, start_s, end_s, compute_s)
            SELECT concat($key, '-', i, '-', $text), concat($key, '-', i), 's', $text, 'speech', 'x', '{}', $text = 0,
                $opened, 1, 'en', 0, 1, 0 FROM range($number) AS r(i)""",
            {"key": key, "text": text, "opened": opened, "number": kind.number},
        )
    cursor.execute(
        """INSERT INTO uploads BY NAME SELECT concat($key, '-', i) AS id, concat($key, '-', i) AS session_id,
            'meter' AS kind, if(i < $failed, 'FAILED', 'DONE') AS state, 1 AS size_bytes, '' AS sha256,
            '' AS media_type, $opened AS create_time, $opened AS update_time, 1 AS progress, 1 AS attempts,
            '' AS failure_reason, '' AS artifact_path, '' AS artifact_mime, 0 AS artifact_bytes, 0 AS artifact_width,
            0 AS artifact_height, 0 AS painted, '{}' AS text_counts FROM range($number) AS r(i)""",
        {"key": key, "failed": kind.failed, "opened": opened, "number": kind.number},
    )
    for name, number, delay in (("turn_finished", kind.number, True), ("upload_refused", kind.refused, False)):
        cursor.execute(
            """INSERT INTO events BY NAME
            SELECT concat($key, '-', $name, '-', i) AS id, concat($key, '-', i) AS session_id, $client AS client_id,
                $name AS name, $opened AS server_time, $opened AS event_time, 0 AS sequence,
                $mark AS variant, '{}' AS properties_meta,
                if($delay, json_object('delay_ms', 1000 * $took + 10 * i), '{}') AS properties
            FROM range($number) AS r(i)""",
            {"key": key, "name": name, "client": kind.client, "opened": opened, "mark": kind.mark, "delay": delay}
            | {"took": kind.final_delay_s, "number": number},
        )
