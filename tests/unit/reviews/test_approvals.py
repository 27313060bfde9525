"""A record that needs several approvals waits for them, each of another credential; one that needs none asks nobody."""

from __future__ import annotations

import json

import pytest

from server.access.caller import acting_as
from server.flows.catalogue import shipped_catalogue
from server.ledger.types import SessionRow, SessionState
from server.llm.types import OnboardingRecord
from server.records.approval import ApprovalRules
from tests.unit.jobs.recommendation_helpers import APPROVED, PENDING, REJECTED
from tests.unit.reviews.conftest import ANN, BEN, CONSOLE, OPERATOR, ReviewWorld, correct, refusal


async def events_named(world: ReviewWorld, name: str) -> list[dict[str, object]]:
    rows = await world.rows(f"SELECT properties FROM events WHERE name = '{name}' ORDER BY id")
    return [json.loads(row["properties"]) for row in rows]


async def test_the_second_approval_completes_it(world: ReviewWorld) -> None:
    row = await world.proposed(needed=2)
    first = await world.approve(ANN, row, "staff-7")
    assert (first.state, [one.subject for one in first.approvals]) == (PENDING, [ANN.subject])
    assert (await world.session()).state is SessionState.AWAITING_APPROVAL
    assert await world.approve(ANN, row, "staff-7") == first, "a repeated one counts once"
    second = await world.approve(BEN, row)
    assert (second.state, second.decided_subject) == (APPROVED, BEN.subject)
    assert [one.subject for one in second.approvals] == [ANN.subject, BEN.subject]
    assert (await world.session()).state is SessionState.COMPLETED
    for who, staff in ((ANN, "staff-7"), (BEN, "")):
        assert await world.approve(who, row, staff) == second
    assert (await refusal(world.approve(OPERATOR, row))).reason == "RECOMMENDATION_DECIDED"
    assert await events_named(world, "record_approved_in_part") == [{"approvals": 1, "needed": 2}]
    assert await events_named(world, "second_review") == [{"outcome": "agreed"}]
    audit = await world.rows("SELECT subject, action FROM audit ORDER BY number")
    assert [tuple(line.values()) for line in audit] == [(ANN.subject, "approve"), (BEN.subject, "approve")]


async def test_who_watches_the_session_is_told_of_each_approval_once(world: ReviewWorld) -> None:
    row = await world.proposed(needed=3)
    with world.pubsub.subscribe(world.session_id) as news:
        first = await world.approve(ANN, row)
        assert await anext(news) == first
        await world.approve(ANN, row)
        assert not news._waiting, "a repeated approval is no news"
        assert (await refusal(world.approve(ANN, row, "staff-8"))).reason == "APPROVER_REPEATED"
        assert not news._waiting
        second = await world.approve(BEN, row)
        assert await anext(news) == second
        assert [len(found.approvals) for found in (first, second)] == [1, 2]
        third = await world.approve(OPERATOR, row)
        assert await anext(news) == await world.session()
        assert await anext(news) == third
    assert (second.state, third.state) == (PENDING, APPROVED)


async def test_two_people_behind_one_credential_are_one_approver(world: ReviewWorld) -> None:
    row = await world.proposed(needed=2)
    await world.approve(CONSOLE, row, "staff-7")
    assert (await refusal(world.approve(CONSOLE, row, "staff-8"))).reason == "APPROVER_REPEATED"
    assert (await world.approve(BEN, row)).state is APPROVED


async def test_a_correction_needs_all_approvals_anew(world: ReviewWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ApprovalRules, "needed", lambda rules, session, record: 2)
    row = await world.proposed(needed=2)
    await world.approve(ANN, row)
    made = await world.decide(BEN, row, correct("meter_reading", "4812"))
    assert (made.approvals_needed, made.approvals) == (2, ())
    assert (await world.approve(BEN, made)).state is PENDING
    assert (await world.approve(ANN, made)).state is APPROVED
    assert await events_named(world, "second_review") == [{"outcome": "changed"}, {"outcome": "agreed"}]


@pytest.mark.parametrize(("flow", "needed"), [("site_visit", 1), ("staff_onboarding", 2)])
async def test_the_flow_of_the_session_says_how_many_people(world: ReviewWorld, flow: str, needed: int) -> None:
    world.recommender._rules = ApprovalRules(world.approval, shipped_catalogue())
    await world.ledger.write(
        lambda cursor: cursor.execute("UPDATE sessions SET flow = ? WHERE id = ?", [flow, world.session_id])
    )
    row = await world.proposed()
    [stored] = await world.recommendations()
    assert (row.approvals_needed, stored.approvals_needed) == (needed, needed)


async def test_the_second_person_may_reject(world: ReviewWorld) -> None:
    row = await world.proposed(needed=2)
    await world.approve(ANN, row)
    with acting_as(BEN):
        rejected = await world.recommender.decide(row.id, row.content_hash, "", approve=False)
    assert rejected.state is REJECTED
    assert await events_named(world, "second_review") == [{"outcome": "rejected"}]


async def test_an_approval_of_other_content_does_not_count(world: ReviewWorld) -> None:
    """As after the ledger was redacted again, which gives a record another hash."""
    row = await world.proposed(needed=2)
    await world.approve(ANN, row)
    await world.ledger.write(
        lambda cursor: cursor.execute("UPDATE recommendations SET content_hash = ? WHERE id = ?", ["ab" * 32, row.id])
    )
    with acting_as(BEN):
        waits = await world.recommender.decide(row.id, "ab" * 32, "", approve=True)
    assert (waits.state, [one.subject for one in waits.approvals]) == (PENDING, [BEN.subject])


@pytest.mark.parametrize(("needed", "state"), [(0, SessionState.COMPLETED), (1, SessionState.AWAITING_APPROVAL)])
async def test_a_record_that_needs_none_is_approved_by_the_server(
    world: ReviewWorld, monkeypatch: pytest.MonkeyPatch, needed: int, state: SessionState
) -> None:
    def under_a_limit(rules: ApprovalRules, session: SessionRow, record: OnboardingRecord) -> int:
        return needed

    monkeypatch.setattr(ApprovalRules, "needed", under_a_limit)
    row = await world.proposed()
    assert (await world.session()).state is state
    assert (row.state is APPROVED) == (needed == 0)
    if needed == 0:
        assert row.decided_subject == "server"
        [line] = await world.rows("SELECT subject, action, reason FROM audit")
        assert tuple(line.values()) == ("server", "approve", "approved_by_policy")
