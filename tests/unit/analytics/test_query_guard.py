"""What becomes of a query: judged, tried out quickly, tried out slowly, admitted; and why it was refused."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import duckdb
import pytest

from server.analytics import query_guard
from server.analytics.admission import ROOM_S, SHARE_OF_TRIAL, Places, Reservations
from server.analytics.endpoint_config import QueryLimits
from server.analytics.query_guard import QUICK_PATIENCE, QUICK_S, TOO_MANY, QueryGuard, ask_for_refusal, digest_of
from server.analytics.refusals import Cause, Refused
from server.analytics.sql_policy import LONGEST_QUERY
from server.analytics.trials import Outcome, TrialTimes


@dataclass
class FakeTrials:
    """Answers with what it was given, in order, and keeps what it was asked."""

    outcomes: list[Outcome]
    asked: list[TrialTimes] = field(default_factory=list)

    def run(self, query: str, times: TrialTimes) -> Outcome:
        self.asked.append(times)
        return self.outcomes.pop(0)


def parse(query: str) -> str:
    with duckdb.connect(":memory:") as connection:
        (serialized,) = connection.execute("SELECT json_serialize_sql(?::VARCHAR)", [query]).fetchone() or ("",)
    return str(serialized)


OK = Outcome("ok", seconds=0.1, bytes=1024)
LIMITS = QueryLimits(seconds=5.0)
QUICK = TrialTimes(QUICK_S, QUICK_PATIENCE * QUICK_S)


def guard(
    *outcomes: Outcome, on_refused: Callable[[Cause], None] = lambda cause: None
) -> tuple[QueryGuard, FakeTrials]:
    trials = FakeTrials(list(outcomes))
    return QueryGuard(parse, trials, LIMITS, on_refused=on_refused), trials


def said(refused: Refused | None) -> str:
    return refused.message if refused else ""


def test_a_query_that_ends_quickly_is_tried_once() -> None:
    asked, trials = guard(OK)
    assert asked.allows("SELECT 1")
    assert trials.asked == [QUICK]


def test_a_query_that_takes_longer_is_tried_again_with_all_the_time_and_no_priority() -> None:
    asked, trials = guard(Outcome("time"), OK)
    assert asked.allows("SELECT 1")
    assert trials.asked == [QUICK, TrialTimes(5.0, 25.0, idle=True)]


@pytest.mark.parametrize(
    ("outcome", "cause", "says"),
    [
        (Outcome("memory"), Cause.MEMORY, "The query needs more memory than 512 MiB."),
        (Outcome("died"), Cause.ENDED, "The process that tried the query out ended."),
        (Outcome("error", "BinderException"), Cause.PLAN, "The query cannot be planned (BinderException)."),
        (Outcome("error", "InternalException"), Cause.PLAN, "The query cannot be planned (InternalException)."),
    ],
)
def test_a_query_that_fails_its_trial_is_refused(outcome: Outcome, cause: Cause, says: str) -> None:
    assert guard(outcome)[0].refusal("SELECT 1") == Refused(cause, says)


def test_a_query_that_takes_too_long_twice_is_refused() -> None:
    assert (
        said(guard(Outcome("time"), Outcome("time"))[0].refusal("SELECT 1"))
        == "The query needs more than 5 s of CPU time."
    )


def test_a_query_that_a_busy_machine_starves_is_tried_longer_and_then_refused_as_busy() -> None:
    asked, trials = guard(Outcome("late"), OK)
    assert asked.allows("SELECT 1")
    assert trials.asked == [QUICK, TrialTimes(5.0, 25.0)]
    refused = guard(Outcome("late"), Outcome("late"))[0].refusal("SELECT 1")
    assert refused == Refused(Cause.BUSY, "The machine is too busy: the query did not end within 25 s.")


def test_only_cpu_time_is_admitted_however_long_the_trial_took() -> None:
    admitted: list[float] = []
    trials = FakeTrials([Outcome("ok", seconds=40.0, cpu_s=0.5, bytes=1)])
    assert QueryGuard(parse, trials, LIMITS, admitted=admitted.append).allows("SELECT 1")
    assert admitted == [SHARE_OF_TRIAL * 0.5]


def test_an_error_of_a_value_is_left_to_the_endpoint_whose_message_the_analyst_reads() -> None:
    assert guard(Outcome("error", "ConversionException"))[0].allows("SELECT 'a'::INT")


@pytest.mark.parametrize(
    ("query", "cause"),
    [
        ("SELECT * FROM read_text('/home/secret')", Cause.FUNCTION),
        ("SELECT " + "1," * LONGEST_QUERY + "1", Cause.TOO_LONG),
        ("SELECT vestibule_may_query('a', 'b')", Cause.FUNCTION),
        ("SELECT vestibule_refusal('x')", Cause.FUNCTION),
    ],
)
def test_what_the_policy_refuses_is_never_tried(query: str, cause: Cause) -> None:
    told: list[Cause] = []
    asked, trials = guard(on_refused=told.append)
    assert not asked.allows(query)
    assert told == [cause], "the cause, and nothing of the query"
    assert trials.asked == []


def test_a_client_can_ask_why_its_query_was_refused_and_only_about_that() -> None:
    asked, trials = guard(Outcome("memory"))
    assert not asked.allows("SELECT 1")
    assert asked.allows(ask_for_refusal("SELECT 1"))
    assert trials.asked == [QUICK], "that question needs no trial"
    told = Refused.of_text(asked.refusal_of(digest_of("SELECT 1")))
    assert told == Refused(Cause.MEMORY, "The query needs more memory than 512 MiB.")
    assert asked.refusal_of(digest_of("SELECT 2")) == ""


def test_old_refusals_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(query_guard, "REMEMBERED_REFUSALS", 2)
    asked, _ = guard()
    for number in range(3):
        asked.allows(f"DELETE FROM t{number}")
    assert [bool(asked.refusal_of(digest_of(f"DELETE FROM t{number}"))) for number in range(3)] == [False, True, True]


def test_as_many_queries_as_may_wait_do_and_one_more_is_turned_away() -> None:
    places = Places(running=1, waiting=1)
    assert places.enter(0.0)
    entered: list[bool] = []
    waiter = threading.Thread(target=lambda: entered.append(places.enter(10.0)))
    waiter.start()
    while places._all.acquire(blocking=False):  # until the thread waits
        places._all.release()
    assert not places.enter(10.0), "one runs and one waits"
    places.leave()
    waiter.join()
    assert entered == [True]
    assert not places.enter(0.0), "nobody waits now, but one runs"


def test_a_query_without_a_place_is_refused() -> None:
    asked, _ = guard()
    asked._quick = Places(running=0, waiting=0)
    assert asked.refusal("SELECT 1") == TOO_MANY


def test_memory_is_promised_until_the_query_should_have_ended() -> None:
    now = [100.0]
    promised = Reservations(1000, lambda: now[0])
    assert promised.take(600, seconds=1.0, wait_s=0.0)
    assert promised.take(400, seconds=9.0, wait_s=0.0)
    assert not promised.take(100, seconds=1.0, wait_s=0.0)
    now[0] += SHARE_OF_TRIAL * 1.0 + ROOM_S
    assert promised.take(600, seconds=1.0, wait_s=0.0)
    assert not promised.take(1, seconds=1.0, wait_s=0.0)
