"""What is done to records and dead letters is in the audit, in the transaction of the change."""

from __future__ import annotations

import pytest

from models.errors import Conflict, InternalError
from server.access.caller import Caller, Scope, acting_as
from server.access.peer import parse_peer
from server.ledger import audit, dead_letters
from server.ledger.audit import AuditRow
from tests.unit.jobs.conftest import World
from tests.unit.jobs.recommendation_helpers import HASH, propose

REVIEWER = Caller("key:9f3c", "app", frozenset({Scope.REVIEWER}), parse_peer("ipv4:10.0.0.7:51234"))
OPERATOR = Caller("key:0001", "", frozenset({Scope.OPERATOR}))


async def rows(world: World) -> list[AuditRow]:
    return await world.read(lambda cursor: audit.rows_after(cursor, 0, 100))


@pytest.mark.parametrize(("approve", "action"), [(True, "approve"), (False, "reject")])
async def test_a_decision_is_one_row_with_its_caller(world: World, approve: bool, action: str) -> None:
    await world.say("The meter reads 4821.")
    row = await propose(world)
    with acting_as(REVIEWER):
        for _ in range(2):
            await world.recommender.decide(row.id, row.content_hash, "staff-7", approve=approve, reason="checked")
    [written] = await rows(world)
    assert (written.action, written.object_type, written.object_id) == (action, "recommendation", row.id)
    assert (written.subject, written.client_id, written.peer) == ("key:9f3c", "app", "10.0.0.7")
    assert (written.outcome, written.reason) == ("done", "checked")


async def test_a_refused_decision_leaves_no_row(world: World) -> None:
    await world.say("The meter reads 4821.")
    row = await propose(world)
    with acting_as(REVIEWER), pytest.raises(Conflict):
        await world.recommender.decide(row.id, HASH, "staff-7", approve=True)
    assert await rows(world) == []


async def test_a_dead_letter_that_is_redriven_or_discarded_is_one_row(world: World) -> None:
    await world.start()
    world.gateway.will("read_picture", *[InternalError("A defect.")] * 2)
    for _ in range(2):
        await world.upload()
        await world.settle()
    letters, _ = await world.read(dead_letters.list_letters)
    first, second = (letter.id for letter in letters)
    with acting_as(OPERATOR):
        for _ in range(2):
            await world.runner.redrive(first)
            await world.runner.discard(second, "duplicate")
    written = [(row.action, row.object_id, row.reason, row.subject) for row in await rows(world)]
    assert written == [("redrive", first, "", "key:0001"), ("discard", second, "duplicate", "key:0001")]
