"""Every query of docs/operating/funnels.md gives the right answer to an analyst, over Quack."""

from __future__ import annotations

import json
import re
from datetime import datetime
from pathlib import Path

from server.analytics.client import connect
from server.cli.demo.processes import free_ports
from server.flows.definition import FlowDefinition
from server.ledger import flows
from server.ledger.columns import Cursor
from server.ledger.embedded import EmbeddedLedger
from tests.unit.analytics.endpoints import endpoint_of
from tests.unit.analytics.funnel_rows import store
from tests.unit.analytics.naive_funnel import Happened
from tests.unit.analytics.test_quack import TOKEN
from tests.unit.ledger.makers import NOW

PAGE = Path(__file__).resolve().parents[3] / "docs" / "operating" / "funnels.md"
S = 1_000_000


def _event(name: str, at_s: int, **properties: object) -> Happened:
    return Happened(name, at_s * S, properties=json.dumps(properties))


SESSIONS = {
    "s1": [_event("camera_opened", 0, amount=5), Happened("step_meter", S, of_app=False),
           _event("photo_taken", 1, lens="wide"),
           _event("photo_sent", 2, lens="wide")],
    "s2": [_event("camera_opened", 0, amount=7), _event("photo_sent", 10, lens="tele")],
    "s3": [_event("camera_opened", 0, amount=8), _event("help_opened", 1), _event("camera_opened", 2),
           _event("photo_sent", 3, lens="wide")],
    "s4": [_event("camera_opened", 0, amount=20)],
}  # fmt: skip
WEEK = datetime(2026, 2, 23)
ANSWERS: list[list[tuple[object, ...]]] = [
    [
        (1, "camera_opened", False, 4, 0, 0, 1.0),
        (2, "photo_taken", True, 1, 0, 0, 0.25),
        (3, "photo_sent", False, 1, 3, 0, 0.25),
    ],
    [("s4",)],
    [("s3", 2, 2)],
    [(None, 3, 0), ("wide", 1, 1)],
    [("false", WEEK, 3, 2), ("true", WEEK, 1, 1)],
    [([2.5, 3.0, 6.5, 8.6],)],  # of 2, 3 and 10 seconds: the deepest attempt of s3 that begins first began at 0
    [(40.0, 20.0, 20.0)],
    [("tele", 1, 1), ("wide", 2, 2), (None, 1, 0)],
    [(1, "camera_opened", 3), (2, "step_meter", 1), (3, "photo_sent", 3)],  # s4 is of another flow
]
FLOW = FlowDefinition.model_validate(
    {
        "name": "site_visit",
        "version": 2,
        "title": "Visit",
        "steps": [
            {"name": name, "fields": [{"name": f"{name}_seen", "kind": "yes_no", "ask": "Is it?", **more}]}
            for name, more in {"site": {}, "meter": {"when": {"field": "site_seen", "is": True}}}.items()
        ],
        "funnel": {"stages": ["camera_opened", "step_meter", "photo_sent"]},
    }
)


def keep(cursor: Cursor) -> None:
    store(cursor, SESSIONS)
    cursor.execute("UPDATE sessions SET flow = 'another' WHERE id = 's4'")
    flows.keep(cursor, [FLOW], NOW)


def test_every_recipe_gives_its_answer(ledger: EmbeddedLedger) -> None:
    [block] = re.findall(r"```sql\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    queries = [query.strip() for query in block.split(";") if query.strip()]
    ledger.write_now(keep)
    [port] = free_ports(1)
    endpoint = endpoint_of(ledger, port, TOKEN)
    endpoint.start()
    try:
        with connect(port, TOKEN) as analyst:
            answers = [analyst.execute(query).fetchall() for query in queries]
    finally:
        endpoint.stop()
    assert len(answers) == len(ANSWERS)
    for query, answer, expected in zip(queries, answers, ANSWERS, strict=True):
        assert answer == expected, query
