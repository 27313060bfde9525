"""An approval expires, counts once, records who gave it, and is given by somebody who took no part in the session."""

from __future__ import annotations

import asyncio
from typing import Literal

import pytest

from models.errors import Conflict, NotFound, PermissionDenied, VestibuleError
from server.access.caller import Caller, Scope, acting_as
from server.access.ownership import note_participant
from server.ledger.types import RecommendationRow, SessionState
from server.setting_groups import ApprovalSettings
from tests.unit.jobs.conftest import World
from tests.unit.jobs.recommendation_helpers import APPROVED, PENDING, REJECTED, propose

APP = Caller("key:app", "app", frozenset({Scope.APP, Scope.REVIEWER}))
ANN = Caller("jwt:00000000-0000-4000-8000-00000000000a", "app", frozenset({Scope.REVIEWER}))
BEN = Caller("jwt:ben", "", frozenset({Scope.REVIEWER}))
OPERATOR = Caller("key:operator", "", frozenset(Scope))
DAY_S = 86_400.0


async def proposed(world: World) -> RecommendationRow:
    await world.say("The meter reads 4821.")
    return await propose(world)


async def approve(world: World, row: RecommendationRow, who: Caller, staff: str = "") -> RecommendationRow:
    with acting_as(who):
        return await world.recommender.decide(row.id, row.content_hash, staff, approve=True)


async def took_part(world: World, who: Caller) -> None:
    await world.ledger.write(lambda cursor: note_participant(cursor, world.session_id, who))


async def test_it_records_the_credential_and_the_stated_id(world: World) -> None:
    row = await proposed(world)
    assert (row.decided_subject, row.decided_by) == ("", "")
    decided = await approve(world, row, ANN, "staff-7")
    assert (decided.state, decided.decided_subject, decided.decided_by) == (APPROVED, ANN.subject, "staff-7")
    assert decided.decide_time == world.clock()


async def test_a_credential_that_names_a_person_is_stored_as_a_hash(world: World) -> None:
    row = await proposed(world)
    decided = await approve(world, row, Caller("jwt:maria.lopez@example.com", "app", frozenset({Scope.REVIEWER})))
    assert decided.decided_subject.startswith("jwt:hash:")


async def test_it_expires_and_another_proposal_can_be_approved(world: World) -> None:
    row = await proposed(world)
    world.clock.advance(DAY_S)
    with pytest.raises(Conflict) as caught:
        await approve(world, row, ANN)
    assert caught.value.reason == "RECOMMENDATION_EXPIRED"
    assert [stored.state for stored in await world.recommendations()] == [PENDING]
    again = await propose(world)
    assert (await approve(world, again, ANN)).state is APPROVED
    assert (await world.session()).state is SessionState.COMPLETED


async def test_it_is_possible_up_to_the_last_moment(world: World) -> None:
    row = await proposed(world)
    world.clock.advance(DAY_S - 0.001)
    assert (await approve(world, row, ANN)).state is APPROVED


async def test_the_setting_that_holds_is_the_one_at_the_proposal(world: World) -> None:
    world.approval = ApprovalSettings(expires_s=60.0)
    world.boot()
    row = await proposed(world)
    world.approval = ApprovalSettings()
    world.boot()
    world.clock.advance(60)
    with pytest.raises(Conflict):
        await approve(world, row, ANN)


async def test_what_expired_can_still_be_rejected(world: World) -> None:
    row = await proposed(world)
    world.clock.advance(2 * DAY_S)
    with acting_as(ANN):
        assert (await world.recommender.decide(row.id, row.content_hash, "", approve=False)).state is REJECTED


async def test_of_two_at_the_same_time_one_wins_and_the_other_is_told(world: World) -> None:
    row = await proposed(world)
    answers = await asyncio.gather(approve(world, row, ANN), approve(world, row, BEN), return_exceptions=True)
    won = [answer for answer in answers if isinstance(answer, RecommendationRow)]
    lost = [answer.reason for answer in answers if isinstance(answer, VestibuleError)]
    assert (len(won), lost) == (1, ["RECOMMENDATION_DECIDED"])
    [stored] = await world.recommendations()
    assert stored.decided_subject == won[0].decided_subject


async def test_a_repeated_one_of_the_same_person_changes_nothing(world: World) -> None:
    row = await proposed(world)
    first = await approve(world, row, ANN, "staff-7")
    world.clock.advance(2 * DAY_S)
    assert await approve(world, row, ANN, "staff-7") == first
    with pytest.raises(Conflict) as caught:
        await approve(world, row, ANN, "staff-8")
    assert caught.value.reason == "RECOMMENDATION_DECIDED", "two persons behind one console"


async def test_nobody_approves_what_their_own_session_proposed(world: World) -> None:
    row = await proposed(world)
    await took_part(world, APP)
    with pytest.raises(PermissionDenied) as caught:
        await approve(world, row, APP)
    assert caught.value.reason == "OWN_SESSION"
    assert (await world.session()).state is SessionState.AWAITING_APPROVAL
    with acting_as(APP):
        assert (await world.recommender.decide(row.id, row.content_hash, "", approve=False)).state is REJECTED


async def test_somebody_who_took_no_part_approves(world: World) -> None:
    row = await proposed(world)
    await took_part(world, APP)
    assert (await approve(world, row, ANN)).state is APPROVED


@pytest.mark.parametrize(
    ("own_sessions", "who", "may"),
    [
        ("nobody", OPERATOR, False),
        ("operators", OPERATOR, True),
        ("operators", APP, False),
        ("everybody", APP, True),
    ],
)
async def test_the_settings_say_who_may_approve_in_an_own_session(
    world: World, own_sessions: Literal["nobody", "operators", "everybody"], who: Caller, may: bool
) -> None:
    world.approval = ApprovalSettings(own_sessions=own_sessions)
    world.boot()
    row = await proposed(world)
    await took_part(world, who)
    if may:
        assert (await approve(world, row, who)).state is APPROVED
    else:
        with pytest.raises(PermissionDenied):
            await approve(world, row, who)


async def test_a_reviewer_of_another_client_finds_nothing(world: World) -> None:
    row = await proposed(world)
    stranger = Caller("jwt:eve", "another-app", frozenset({Scope.REVIEWER}))
    with pytest.raises(NotFound) as caught:
        await approve(world, row, stranger)
    assert caught.value.reason == "RECOMMENDATION_NOT_FOUND"


async def test_an_upload_counts_as_taking_part(world: World) -> None:
    await world.start()
    with acting_as(APP):
        await world.upload()
    await world.settle()
    row = await propose(world)
    with pytest.raises(PermissionDenied):
        await approve(world, row, APP)
