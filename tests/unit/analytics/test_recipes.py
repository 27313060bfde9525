"""Every query of docs/operating/ledger-and-sql.md runs as an analyst would run it, over Quack."""

from __future__ import annotations

import re
from pathlib import Path

from server.analytics.client import connect
from server.analytics.quack import free_port
from server.ledger.writer import Ledger
from tests.unit.analytics.endpoints import endpoint_of
from tests.unit.analytics.funnel_rows import store
from tests.unit.analytics.naive_funnel import Happened
from tests.unit.analytics.test_quack import TOKEN

PAGE = Path(__file__).resolve().parents[3] / "docs" / "operating" / "ledger-and-sql.md"


def recipes() -> list[str]:
    blocks = re.findall(r"```sql\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    queries = [query.strip() for block in blocks if "ATTACH" not in block for query in block.split(";")]
    return [query for query in queries if query]


def test_every_recipe_runs(ledger: Ledger) -> None:
    names = ("camera_opened", "photo_taken", "photo_sent")
    ledger.write_now(lambda cursor: store(cursor, {"s1": [Happened(name, at) for at, name in enumerate(names)]}))
    assert len(recipes()) >= 13
    port = free_port()
    endpoint = endpoint_of(ledger, port, TOKEN)
    endpoint.start()
    try:
        with connect(port, TOKEN) as analyst:
            answers = {query: analyst.execute(query).fetchall() for query in recipes()}
    finally:
        endpoint.stop()
    [funnel] = [rows for query, rows in answers.items() if query.startswith("FROM funnel(")]
    assert funnel == [
        (1, "camera_opened", 1, 1.0, None),
        (2, "photo_taken", 1, 1.0, 1.0),
        (3, "photo_sent", 1, 1.0, 1.0),
    ]
