"""The queries of the page about reviewing count what reviewers did, by flow."""

from __future__ import annotations

import re
from datetime import date
from typing import Any
from uuid import uuid4

import pytest

from server.ledger import sessions
from server.ledger.types import SessionRow, SessionState
from server.records.approval import ApprovalRules
from server.records.reviews_values import FieldChoice
from tests.source_tree import ROOT
from tests.unit.reviews.conftest import ANN, BEN, ReviewWorld, accept, correct, reject

PAGE = (ROOT / "docs" / "operating" / "reviewing.md").read_text(encoding="utf-8")


def recipe(about: str) -> str:
    [block] = re.findall(r"```sql\n(.*?)```", PAGE, re.DOTALL)
    [query] = [query for query in block.split(";") if f"-- {about}" in query]
    return str(query)


async def counted(world: ReviewWorld, about: str) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in await world.rows(recipe(about))]


async def visit(world: ReviewWorld, version: int, wait_s: float, *decisions: FieldChoice) -> None:
    """A session of a version of a flow, of whose record the second of two people decides the fields.

    Args:
        world: The server.
        version: Of the flow.
        wait_s: Seconds before anybody looks at the record.
        decisions: Those of the second person, before both approve what is then there.
    """
    now = world.clock()
    row = SessionRow(str(uuid4()), "app", str(uuid4()), SessionState.STARTED, now, now, language="en")
    await world.ledger.write(lambda cursor: sessions.insert_or_get(cursor, row))
    world.session_id = row.id
    proposed = await world.proposed(needed=2)
    world.clock.advance(wait_s)
    await world.approve(ANN, proposed)
    made = await world.decide(BEN, proposed, *decisions)
    await world.approve(BEN, made)
    await world.approve(ANN, made)
    await world.ledger.write(
        lambda cursor: cursor.execute("UPDATE sessions SET flow_version = ? WHERE id = ?", [version, row.id])
    )


async def test_each_recipe_gives_the_numbers_of_what_was_done(
    world: ReviewWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ApprovalRules, "needed", lambda rules, session, record: 2)
    await visit(world, 1, 10.0, accept("meter_reading"))
    await visit(world, 1, 30.0, accept("meter_reading"))
    await visit(world, 2, 20.0, correct("meter_reading", "4812"), reject("site_name"))
    assert await counted(world, "corrections by field") == [
        ("site_visit", 2, "meter_reading", 1, 1, 0, "misread"),
        ("site_visit", 1, "meter_reading", 2, 0, 0, None),
        ("site_visit", 2, "site_name", 1, 0, 1, "not_there"),
    ]
    [(flow, week, decided, median_s, slow_s)] = await counted(world, "time to decision")
    assert (flow, isinstance(week, date), decided) == ("site_visit", True, 3)
    # The third record was decided as soon as it was corrected.
    assert (median_s, slow_s) == (10.0, pytest.approx(10.0 + 0.8 * 20.0))
    [(flow, number, agreed, changed, rejected)] = await counted(world, "agreement of reviewers")
    assert (flow, number) == ("site_visit", 4)
    assert (agreed, changed, rejected) == (0.75, 0.25, 0.0)
