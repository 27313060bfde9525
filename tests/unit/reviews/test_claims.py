"""A claim keeps others from deciding until it ends, by the credential and the staff id of a console."""

from __future__ import annotations

import pytest

from models.errors import UpstreamFailed
from server.access.caller import acting_as
from server.access.ownership import note_participant
from server.ledger.reviews_decisions import FieldDecision, FieldDecisionRow, add_approval, insert_decisions
from server.ledger.types import Approval, JobState, Origin, RecommendationRow
from server.records.recommender import BUILDS
from tests.unit.jobs.recommendation_helpers import APPROVED, PENDING, REJECTED, SUPERSEDED, propose
from tests.unit.reviews.conftest import (
    ANN,
    BEN,
    CLAIM_S,
    CONSOLE,
    OPERATOR,
    STRANGER,
    ReviewWorld,
    accept,
    correct,
    refusal,
)


async def test_while_one_holds_it_another_can_neither_claim_nor_decide(world: ReviewWorld) -> None:
    row = await world.proposed()
    with acting_as(ANN):
        claim = await world.reviews.claim(row.id, "")
    assert (claim.until - world.clock()).total_seconds() == CLAIM_S
    with acting_as(BEN):
        reject = world.recommender.decide(row.id, row.content_hash, "", approve=False)
        for call in (world.reviews.claim(row.id, ""), world.reviews.release(row.id, ""), reject):
            assert (await refusal(call)).reason == "REVIEW_CLAIMED"
    error = await refusal(world.approve(BEN, row))
    assert error.reason == "REVIEW_CLAIMED"
    assert ANN.subject in error.message
    assert "2026" in error.message
    assert (await refusal(world.decide(BEN, row, accept("site_name")))).reason == "REVIEW_CLAIMED"
    assert (await world.approve(ANN, row)).state is APPROVED


async def test_it_ends_by_itself_and_a_second_claim_renews_it(world: ReviewWorld) -> None:
    row = await world.proposed()
    with acting_as(ANN):
        first = await world.reviews.claim(row.id, "")
        world.clock.advance(CLAIM_S - 1)
        again = await world.reviews.claim(row.id, "")
    assert (again.claim_time, again.until) == (first.claim_time, first.until.replace() + (again.until - first.until))
    world.clock.advance(CLAIM_S - 1)
    with acting_as(BEN):
        assert (await refusal(world.reviews.claim(row.id, ""))).reason == "REVIEW_CLAIMED"
        world.clock.advance(1)
        assert (await world.reviews.claim(row.id, "")).claim_time == world.clock()


async def test_behind_one_console_each_person_has_claims_of_their_own(world: ReviewWorld) -> None:
    row = await world.proposed()
    with acting_as(CONSOLE):
        await world.reviews.claim(row.id, "staff-7")
        assert (await refusal(world.reviews.claim(row.id, "staff-8"))).reason == "REVIEW_CLAIMED"
    error = await refusal(world.approve(CONSOLE, row, "staff-8"))
    assert (error.reason, "staff-7" in error.message) == ("REVIEW_CLAIMED", True)
    assert (await refusal(world.approve(CONSOLE, row))).reason == "REVIEW_CLAIMED", "nobody said who decides"
    assert (await world.approve(CONSOLE, row, "staff-7")).state is APPROVED


async def test_a_claim_without_a_staff_id_is_one_of_everybody_with_the_credential(world: ReviewWorld) -> None:
    row = await world.proposed()
    with acting_as(CONSOLE):
        await world.reviews.claim(row.id, "")
    assert (await world.approve(CONSOLE, row, "staff-8")).state is APPROVED


async def test_without_a_claim_anybody_decides_as_before(world: ReviewWorld) -> None:
    row = await world.proposed()
    with acting_as(BEN):
        decided = await world.recommender.decide(row.id, row.content_hash, "", approve=False, reason="blurred")
    assert decided.state is REJECTED


async def test_a_released_record_is_free_and_an_operator_releases_any(world: ReviewWorld) -> None:
    row = await world.proposed()
    for releases in (ANN, OPERATOR):
        with acting_as(ANN):
            await world.reviews.claim(row.id, "")
        with acting_as(releases):
            await world.reviews.release(row.id, "")
            await world.reviews.release(row.id, "")
        with acting_as(BEN):
            await world.reviews.claim(row.id, "")
            await world.reviews.release(row.id, "")


async def test_who_took_part_or_comes_too_late_cannot_claim(world: ReviewWorld) -> None:
    row = await world.proposed()
    await world.ledger.write(lambda cursor: note_participant(cursor, world.session_id, BEN))
    with acting_as(BEN):
        assert (await refusal(world.reviews.claim(row.id, ""))).reason == "OWN_SESSION"
    with acting_as(STRANGER):
        assert (await refusal(world.reviews.claim(row.id, ""))).reason == "RECOMMENDATION_NOT_FOUND"
    world.clock.advance(86_400)
    with acting_as(ANN):
        assert (await refusal(world.reviews.claim(row.id, ""))).reason == "RECOMMENDATION_EXPIRED"


async def test_what_was_decided_cannot_be_claimed(world: ReviewWorld) -> None:
    row = await world.proposed()
    await world.approve(ANN, row)
    with acting_as(BEN):
        assert (await refusal(world.reviews.claim(row.id, ""))).reason == "WRONG_STATE"


@pytest.mark.parametrize("staff", ["", "staff-7"])
async def test_an_approval_ends_the_claim_of_whoever_approved(world: ReviewWorld, staff: str) -> None:
    row = await world.proposed(needed=2)
    with acting_as(CONSOLE):
        await world.reviews.claim(row.id, staff)
    await world.approve(CONSOLE, row, staff)
    assert (await world.view(BEN, row.id)).review.claim is None
    with acting_as(BEN):
        await world.reviews.claim(row.id, "")
    assert (await refusal(world.approve(OPERATOR, row))).reason == "REVIEW_CLAIMED", "the claim of the second holds"
    assert (await world.approve(BEN, row)).state is APPROVED
    assert (await world.view(BEN, row.id)).review.claim is None


async def test_a_refused_or_repeated_approval_ends_no_claim(world: ReviewWorld) -> None:
    row = await world.proposed(needed=2)
    await world.approve(CONSOLE, row, "staff-7")
    for staff in ("staff-7", "staff-8"):
        with acting_as(CONSOLE):
            claim = await world.reviews.claim(row.id, staff)
        if staff == "staff-7":
            await world.approve(CONSOLE, row, staff)
        else:
            assert (await refusal(world.approve(CONSOLE, row, staff))).reason == "APPROVER_REPEATED"
        assert (await world.view(BEN, row.id)).review.claim == claim
        with acting_as(CONSOLE):
            await world.reviews.release(row.id, staff)


@pytest.mark.parametrize("step", ["nothing", "claim", "field", "approval"])
async def test_what_somebody_works_on_is_not_replaced_by_a_later_proposal(world: ReviewWorld, step: str) -> None:
    """The upstream came back, and a background job has its record in place of the fallback's."""
    await world.say("The meter at Pendlewick reads 4821.")
    world.assistant.script_record(UpstreamFailed("Away."))
    row = await propose(world)
    assert row.origin is Origin.FALLBACK
    match step:
        case "claim":
            with acting_as(ANN):
                await world.reviews.claim(row.id, "")
        case "field":
            ids = (row.session_id, row.id, row.id)
            taken = FieldDecisionRow(*ids, "note", FieldDecision.ACCEPTED, "", "", ANN.subject, world.clock())
            await world.ledger.write(lambda cursor: insert_decisions(cursor, [taken]))
        case "approval":
            approval = Approval(ANN.subject, "", world.clock())
            two = "UPDATE recommendations SET approvals_needed = 2 WHERE id = ?"
            await world.ledger.write(lambda cursor: cursor.execute(two, [row.id]))
            await world.ledger.write(lambda cursor: add_approval(cursor, row, approval))
    better = await world.recommender.build(world.session_id)
    replaced = await world.ledger.write(lambda cursor: world.recommender.replace_fallback(cursor, row.id, better))
    assert (replaced is not None) == (step == "nothing")


@pytest.mark.parametrize("renewals", [0, 3])
async def test_the_audit_and_the_events_have_each_claim_once(world: ReviewWorld, renewals: int) -> None:
    row = await world.proposed()
    world.clock.advance(5)
    with acting_as(ANN):
        for _ in range(1 + renewals):
            await world.reviews.claim(row.id, "")
            world.clock.advance(1)
        await world.reviews.release(row.id, "")
    actions = [line["action"] for line in await world.rows("SELECT action FROM audit ORDER BY number")]
    assert actions == ["review_claimed", "review_released"]
    took = await world.rows("SELECT took_s FROM events WHERE name = 'review_claimed'")
    assert [line["took_s"] for line in took] == [5.0]


async def work_on(world: ReviewWorld, row: RecommendationRow, step: str) -> RecommendationRow:
    """Let Ann do one step of a review; returns the record that waits then."""
    match step:
        case "claim":
            with acting_as(ANN):
                await world.reviews.claim(row.id, "")
        case "correction":
            return await world.decide(ANN, row, correct("meter_reading", "4812"))
        case "acceptance":
            return await world.decide(ANN, row, accept("meter_reading"))
        case "approval":
            return await world.approve(ANN, row)
    return row


STEPS = ["claim", "correction", "acceptance", "approval"]


@pytest.mark.parametrize("policy", [False, True])
@pytest.mark.parametrize("step", STEPS)
async def test_proposing_again_leaves_the_record_that_somebody_works_on(
    world: ReviewWorld, monkeypatch: pytest.MonkeyPatch, step: str, policy: bool
) -> None:
    row = await work_on(world, await world.proposed(needed=2), step)
    monkeypatch.setattr("server.records.recommender.is_enough", lambda flow, facts, record: policy)
    with world.pubsub.subscribe(world.session_id) as news:
        assert await propose(world) == row
        assert not news._waiting
    assert [one.id for one in await world.recommendations() if one.state is PENDING] == [row.id]
    assert len(await world.rows("FROM events WHERE name = 'record_proposed'")) == 1


@pytest.mark.parametrize("why", ["nobody works on it", "it has expired", "the claim has ended"])
async def test_proposing_again_replaces_any_other_record(world: ReviewWorld, why: str) -> None:
    row = await world.proposed()
    if why != "nobody works on it":
        await work_on(world, row, "claim")
        world.clock.advance(CLAIM_S)
    if why == "it has expired":
        await work_on(world, row, "acceptance")
        world.clock.advance(86_400)
    again = await propose(world)
    assert again.id != row.id
    assert [one.state for one in await world.recommendations()] == [SUPERSEDED, PENDING]


@pytest.mark.parametrize("step", [*STEPS[:3], "sent back", "nothing"])
async def test_where_a_person_has_worked_no_record_is_approved_unasked(
    world: ReviewWorld, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    row = await work_on(world, await world.proposed(), step)
    if step == "sent back":
        with acting_as(ANN):
            await world.recommender.decide(row.id, row.content_hash, "", approve=False, reason="blurred", revise=True)
    monkeypatch.setattr("server.records.recommender.is_enough", lambda flow, facts, record: True)
    await world.say("There are 3 visitors.")
    again = await propose(world)
    assert (again.state is APPROVED) == (step == "nothing")
    assert again.approvals_needed == (0 if step == "nothing" else 1)


@pytest.mark.parametrize("claimed", [False, True])
async def test_an_outdated_proposal_leaves_the_record_that_waits(
    world: ReviewWorld, monkeypatch: pytest.MonkeyPatch, claimed: bool
) -> None:
    """Something comes in while each record is built, and meanwhile another call proposes a newer record."""
    await world.say("The meter at Pendlewick reads 4821.")
    build, newer = world.recommender._builder.build, list[RecommendationRow]()

    async def outdated(session_id: str, *, fallback: bool, again: bool) -> tuple[RecommendationRow, frozenset[str]]:
        made = await build(session_id, fallback=fallback, again=again)
        await world.say("One more thing.")
        if len(world.assistant.asked_records) == BUILDS:
            with monkeypatch.context() as other:
                other.setattr(world.recommender._builder, "build", build)
                newer.append(await propose(world))
            await work_on(world, newer[0], "claim" if claimed else "nothing")
        return made

    monkeypatch.setattr(world.recommender._builder, "build", outdated)
    slow = await propose(world)
    assert (slow == newer[0]) if claimed else (slow.state is SUPERSEDED)
    assert [one.id for one in await world.recommendations() if one.state is PENDING] == [newer[0].id]


async def test_proposing_while_somebody_reviews_asks_no_model(world: ReviewWorld) -> None:
    row = await work_on(world, await world.proposed(), "claim")
    asked = len(world.assistant.asked_records)
    assert await propose(world) == row
    assert len(world.assistant.asked_records) == asked


async def test_the_job_of_a_record_that_somebody_reviews_asks_no_model(world: ReviewWorld) -> None:
    await world.say("The meter at Pendlewick reads 4821.")
    world.assistant.script_record(UpstreamFailed("Away."))
    await work_on(world, await propose(world), "claim")
    asked = len(world.assistant.asked_records)
    await world.start()
    await world.settle()
    assert [job.state for job in await world.jobs()] == [JobState.DONE]
    assert len(world.assistant.asked_records) == asked
