"""Two servers work on the same thing at once: one of them waits, decides by what is true then, and none is stuck."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from models.errors import VestibuleError
from server.access.audit import AuditAction, AuditTrail
from server.access.caller import Caller, Scope, acting_as
from server.flows.catalogue import shipped_catalogue
from server.jobs.job_ends import JobEnds
from server.jobs.letter_rules import LetterRules
from server.jobs.types import Completion
from server.ledger import claims, dead_letters, job_ends, jobs, recommendations, sessions, uploads
from server.ledger.columns import Cursor, count, fetch_all, update
from server.ledger.dead_letters import LetterBounds
from server.ledger.locks import lock_sessions
from server.ledger.types import (
    DeadLetterRow,
    JobRow,
    JobState,
    RecommendationRow,
    RecommendationState,
    SessionRow,
    SessionState,
)
from server.records.approval import ApprovalRules
from server.records.decisions import Decided, Decision, take_decision
from server.records.pubsub import PubSub
from server.records.reviews import Reviews
from server.records.session_progress import note_new_input
from server.records.sessions import Sessions
from server.records.vocabulary import VocabularySealer
from server.setting_groups import ApprovalSettings
from server.uploads import transactions
from tests.unit.ledger.at_once import PostgresLedger, at_once, beside, transaction
from tests.unit.ledger.makers import after, job, new_id, recommendation, session, upload

TRAIL = AuditTrail(bytes(32), bytes(32), lambda: after(9))
RULES = ApprovalRules(ApprovalSettings())
FLOWS = shipped_catalogue()
ROUNDS = 25


def _reviewer(name: str) -> Caller:
    return Caller(f"key:{name}", "", frozenset({Scope.REVIEWER, Scope.OPERATOR}))


def _waiting(cursor: Cursor, approvals_needed: int = 1) -> RecommendationRow:
    """A record of a new session that waits for a decision."""
    owner, _ = sessions.insert_or_get(cursor, session())
    for stage in (SessionState.IN_PROGRESS, SessionState.AWAITING_APPROVAL):
        sessions.transition(cursor, owner.id, stage, after(1))
    row = replace(recommendation(owner.id), approvals_needed=approvals_needed)
    recommendations.insert_recommendation(cursor, row)
    return row


def _decide(cursor: Cursor, row: RecommendationRow, who: str, *, approve: bool = True) -> Decided:
    caller = _reviewer(who)
    entry = TRAIL.entry(AuditAction.APPROVE, ("recommendation", row.id), caller=caller)
    decision = Decision(row.id, row.content_hash, who, approve, "" if approve else "wrong_value", False, entry, caller)
    return take_decision(cursor, decision, RULES, FLOWS, TRAIL, after(9))


def _letter(cursor: Cursor, session_id: str = "") -> DeadLetterRow:
    row, _ = jobs.enqueue(cursor, job(session_id))
    claims.claim(cursor, "v1/1", after(9), 30.0, 1)
    return job_ends.fail(cursor, row.id, after(9), reason="TIMEOUT", message="Too slow.", owner="v1/1")


def test_a_letter_that_is_redriven_and_discarded_at_once_is_closed_once(postgres_url: str) -> None:
    """Else its job would wait in the queue, and the letter would say that nobody tries it again."""
    with transaction(postgres_url) as cursor:
        letters = [_letter(cursor) for _ in range(2)]

    def redrive(letter: DeadLetterRow) -> Callable[[Cursor], DeadLetterRow]:
        return lambda cursor: job_ends.redrive(cursor, letter.id, after(10))

    def discard(letter: DeadLetterRow) -> Callable[[Cursor], DeadLetterRow]:
        return lambda cursor: job_ends.discard(cursor, letter.id, after(10), "fixed")

    assert beside(postgres_url, redrive(letters[0]), discard(letters[0])) == "WRONG_STATE"
    assert beside(postgres_url, discard(letters[1]), redrive(letters[1])) == "WRONG_STATE"
    with transaction(postgres_url) as cursor:
        closed = [dead_letters.get(cursor, letter.id).closed_as for letter in letters]
        assert closed == ["retried", "discarded"]
        states = [jobs.get(cursor, letter.job_id).state for letter in letters]
        assert states == [JobState.QUEUED, JobState.DEAD]


def test_letters_that_two_servers_delete_at_once_while_one_is_redriven_end_without_a_deadlock(
    postgres_url: str,
) -> None:
    with transaction(postgres_url) as cursor:
        letters = [_letter(cursor) for _ in range(20)]

    def work(place: int) -> None:
        for letter in letters[place::4]:
            with transaction(postgres_url) as cursor, suppress(VestibuleError):
                if place % 2:
                    job_ends.redrive(cursor, letter.id, after(10))
                else:
                    dead_letters.prune(cursor, LetterBounds(most=random.Random(letter.id).randrange(20)))

    at_once(4, work)
    with transaction(postgres_url) as cursor:
        orphans = """SELECT count(*) FROM jobs WHERE state = 'DEAD'
            AND id NOT IN (SELECT job_id FROM dead_letters WHERE closed_time IS NULL)"""
        assert count(cursor, orphans) == 0


def test_of_two_equal_decisions_at_once_the_second_learns_that_somebody_else_has_taken_it(postgres_url: str) -> None:
    with transaction(postgres_url) as cursor:
        row = _waiting(cursor)

    def decide(subject: str) -> Callable[[Cursor], RecommendationRow]:
        return lambda cursor: recommendations.decide(
            cursor,
            row.id,
            RecommendationState.APPROVED,
            after(9),
            decided_by=subject,
            subject=f"key:{subject}",
            content_hash=row.content_hash,
        )

    assert beside(postgres_url, decide("anna"), decide("ben")) == "RECOMMENDATION_DECIDED"
    with transaction(postgres_url) as cursor:
        assert recommendations.get(cursor, row.id).decided_by == "anna"


def test_the_second_of_two_approvals_at_once_completes_the_session(postgres_url: str) -> None:
    """Else each would count itself as the first one, and the record would wait for ever."""
    with transaction(postgres_url) as cursor:
        row = _waiting(cursor, approvals_needed=2)
    second = beside(
        postgres_url, lambda cursor: _decide(cursor, row, "anna"), lambda cursor: _decide(cursor, row, "ben")
    )
    assert isinstance(second, Decided)
    assert second.recommendation.state is RecommendationState.APPROVED
    assert [one.decided_by for one in second.recommendation.approvals] == ["anna", "ben"]
    with transaction(postgres_url) as cursor:
        assert sessions.get(cursor, row.session_id).state is SessionState.COMPLETED


def test_two_approvals_of_one_credential_at_once_count_once(postgres_url: str) -> None:
    with transaction(postgres_url) as cursor:
        row = _waiting(cursor, approvals_needed=2)
    again = beside(
        postgres_url, lambda cursor: _decide(cursor, row, "anna"), lambda cursor: _decide(cursor, row, "anna")
    )
    assert isinstance(again, Decided) and not again.in_part
    with transaction(postgres_url) as cursor:
        assert len(recommendations.get(cursor, row.id).approvals) == 1


def test_a_record_that_two_people_claim_at_once_has_one_claim(postgres_url: str) -> None:
    with transaction(postgres_url) as cursor:
        row = _waiting(cursor)
    ledger: Any = PostgresLedger(postgres_url)
    gateway: Any = None  # a claim has no text
    reviews = Reviews(ledger, gateway, lambda: after(9), TRAIL, RULES, FLOWS, 600.0)

    def claim(place: int) -> str:
        try:
            with acting_as(_reviewer(f"p{place}")):
                return asyncio.run(reviews.claim(row.id, "")).holder.subject
        except VestibuleError as error:
            return error.reason

    assert sorted(at_once(4, claim)).count("REVIEW_CLAIMED") == 3


def test_entries_that_eight_servers_add_at_once_are_one_chain(postgres_url: str) -> None:
    def append(place: int) -> None:
        entry = TRAIL.entry(AuditAction.ACCESS, caller=_reviewer(f"p{place}"))
        with transaction(postgres_url) as cursor:
            TRAIL.append(cursor, entry, entry)

    at_once(8, append)
    with transaction(postgres_url) as cursor:
        numbers = [row["number"] for row in fetch_all(cursor, "SELECT number FROM audit ORDER BY number")]
        assert numbers == list(range(1, 17))


def test_a_session_in_which_a_person_goes_on_is_not_ended_as_idle(postgres_url: str) -> None:
    with transaction(postgres_url) as cursor:
        row, _ = sessions.insert_or_get(cursor, session())
    found = beside(
        postgres_url,
        lambda cursor: note_new_input(cursor, row, after(50)),
        lambda cursor: sessions.held_idle(cursor, after(40), after(60)),
    )
    assert found == []


def test_an_upload_to_a_session_that_ends_at_the_same_time_is_refused(postgres_url: str) -> None:
    with transaction(postgres_url) as cursor:
        owner, _ = sessions.insert_or_get(cursor, session())
    refused = beside(
        postgres_url,
        lambda cursor: sessions.transition(cursor, owner.id, SessionState.ABANDONED, after(5)),
        lambda cursor: _accept(cursor, owner),
    )
    assert refused == "SESSION_ENDED"


def _accept(cursor: Cursor, owner: SessionRow) -> object:
    accepted = replace(upload(owner.id), create_time=after(5))
    return transactions.record(cursor, accepted, job(owner.id, key=new_id()), _reviewer("app"))


class _Servers:
    """What servers do with a session, each in a transaction as the services make it."""

    def __init__(self, url: str) -> None:
        self._url = url
        ledger: Any = PostgresLedger(url)
        self._sessions = Sessions(ledger, PubSub(), VocabularySealer(bytes(32)), lambda: after(9), FLOWS)
        letters = LetterRules(LetterBounds(), lambda letter: None)
        self._ends = JobEnds(ledger, lambda: after(9), lambda: after(9), "v1/1", TRAIL, letters)

    def begin(self) -> tuple[RecommendationRow, JobRow]:
        """A record that waits, and a job of its session that runs."""
        with transaction(self._url) as cursor:
            row = _waiting(cursor)
            uploads.insert_upload(cursor, replace(upload(row.session_id), id=row.id))
            queued, _ = jobs.enqueue(cursor, job(row.session_id))
            update(cursor, "jobs", queued.id, {"state": JobState.RUNNING, "lease_owner": "v1/1", "attempts": 1})
            return row, jobs.get(cursor, queued.id)

    def approve(self, row: RecommendationRow, _: JobRow) -> None:
        """A person approves."""
        with transaction(self._url) as cursor:
            _decide(cursor, row, "anna")

    def upload(self, row: RecommendationRow, _: JobRow) -> None:
        """A picture comes."""
        with transaction(self._url) as cursor:
            _accept(cursor, sessions.get(cursor, row.session_id))

    def abandon(self, row: RecommendationRow, _: JobRow) -> None:
        """The app ends the session."""
        asyncio.run(self._sessions.abandon(row.session_id, "cancelled"))

    def propose(self, row: RecommendationRow, _: JobRow) -> None:
        """A new record takes the place of the one that waits."""
        with transaction(self._url) as cursor:
            lock_sessions(cursor, [row.session_id])
            sessions.transition(cursor, row.session_id, SessionState.AWAITING_APPROVAL, after(9))
            recommendations.insert_recommendation(cursor, recommendation(row.session_id, at=3))

    def finish(self, row: RecommendationRow, running: JobRow) -> None:
        """A job ends that has read an upload."""

        def record(cursor: Cursor) -> None:
            uploads.finish(cursor, row.id, after(9), text=None)
            note_new_input(cursor, sessions.get(cursor, row.session_id), after(9))

        async def done(_: None) -> None:
            return

        asyncio.run(self._ends.finish(running, Completion(record, done)))


def _step(steps: list[Callable[..., None]], given: tuple[RecommendationRow, JobRow], place: int) -> None:
    with suppress(VestibuleError), acting_as(_reviewer("app")):  # it came too late, and is told so
        steps[place](*given)


@pytest.mark.slow
def test_decisions_uploads_ends_and_jobs_of_one_session_at_once_never_wait_for_each_other_in_a_circle(
    postgres_url: str,
) -> None:
    servers, draw = _Servers(postgres_url), random.Random(7)
    steps = [servers.approve, servers.upload, servers.abandon, servers.propose, servers.finish]
    for _ in range(ROUNDS):
        given = servers.begin()
        draw.shuffle(steps)
        at_once(len(steps), partial(_step, steps, given))
        with transaction(postgres_url) as cursor:
            session_id = given[0].session_id
            pending = "SELECT count(*) FROM recommendations WHERE session_id = ? AND state = 'PENDING'"
            waits = sessions.get(cursor, session_id).state is SessionState.AWAITING_APPROVAL
            assert count(cursor, pending, [session_id]) == waits
