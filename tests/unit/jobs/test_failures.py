from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from models import errors
from models.reasons import Reason
from models.retry import POLICIES
from server.jobs.failure_policy import FailureKind, NextAttempt, classify, next_attempt
from server.ledger.types import JobRow, JobState

NOW = datetime(2026, 11, 24, tzinfo=UTC)
JOB = JobRow("j", "k", "k", "s", {}, JobState.RUNNING, "network", NOW, NOW, attempts=1, first_attempt_time=NOW)
LOST = errors.WorkerLost("It died.")


CLASSES: dict[type[errors.VestibuleError], FailureKind] = {
    errors.BrokenMedia: FailureKind.CALLER,
    errors.UnsupportedMedia: FailureKind.CALLER,
    errors.NoSpeech: FailureKind.CALLER,
    errors.TooLarge: FailureKind.CALLER,
    errors.NotFound: FailureKind.PERMANENT,
    errors.Conflict: FailureKind.PERMANENT,
    errors.InvalidInput: FailureKind.PERMANENT,
    errors.PermissionDenied: FailureKind.PERMANENT,
    errors.Unauthenticated: FailureKind.PERMANENT,
    errors.WeightsError: FailureKind.PERMANENT,
    errors.InternalError: FailureKind.PERMANENT,
    errors.WorkerLost: FailureKind.TRANSIENT,
    errors.WorkersMismatch: FailureKind.TRANSIENT,
    errors.UpstreamFailed: FailureKind.TRANSIENT,
    errors.BreakerOpen: FailureKind.TRANSIENT,
    errors.RedactionFailed: FailureKind.TRANSIENT,
    errors.ShuttingDown: FailureKind.TRANSIENT,
    errors.Overloaded: FailureKind.TRANSIENT,
    errors.DeadlineExceeded: FailureKind.TRANSIENT,
    errors.WorkTooLong: FailureKind.PERMANENT,
}


def wait_s(again: NextAttempt | None) -> float:
    assert again is not None
    return (again.time - NOW).total_seconds()


@pytest.mark.parametrize(("error", "failure"), CLASSES.items())
def test_every_error_has_its_failure_kind(error: type[errors.VestibuleError], failure: FailureKind) -> None:
    assert classify(error("Something.")) is failure


def test_the_table_covers_every_error_class() -> None:
    ours = [
        kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.VestibuleError)
    ]
    leaves = {kind for kind in ours if not any(other in kind.__subclasses__() for other in ours)}
    assert set(CLASSES) == leaves | {errors.DeadlineExceeded}, "which is raised itself, too"


@pytest.mark.parametrize("reason", [Reason.CLUSTER_LOST, Reason.WORKERS_NOT_READY])
def test_workers_that_are_away_are_no_failure_of_the_job(reason: Reason) -> None:
    assert classify(errors.Unavailable("Away.", reason=reason)) is FailureKind.AWAY


@pytest.mark.parametrize(
    ("attempts", "shortest_s", "longest_s"), [(1, 1.5, 3), (2, 3, 6), (3, 6, 12), (4, 12, 24), (5, 24, 48)]
)
def test_delays_grow_as_the_policy_says(attempts: int, shortest_s: float, longest_s: float) -> None:
    again = next_attempt(replace(JOB, attempts=attempts), LOST, POLICIES["network"], NOW, random.Random(1))
    assert shortest_s <= wait_s(again) <= longest_s


def test_attempts_are_bounded() -> None:
    assert next_attempt(replace(JOB, attempts=6), LOST, POLICIES["network"], NOW) is None


@pytest.mark.parametrize(("elapsed_s", "again"), [(890.0, True), (899.0, False), (5000.0, False)])
def test_total_time_is_bounded(elapsed_s: float, again: bool) -> None:
    at = next_attempt(JOB, LOST, POLICIES["network"], NOW + timedelta(seconds=elapsed_s))
    assert (at is not None) is again


def test_a_longer_retry_after_is_honoured() -> None:
    busy = errors.Overloaded("Later.", retry_after_s=90.0)
    assert 90 < wait_s(next_attempt(JOB, busy, POLICIES["llm_api"], NOW)) <= 99, "spread, and never earlier"
    hasty = errors.Overloaded("Later.", retry_after_s=0.001)
    assert wait_s(next_attempt(JOB, hasty, POLICIES["llm_api"], NOW)) >= 2.5


ASKED = [Reason.UPSTREAM_RATE_LIMITED, Reason.UPSTREAM_ERROR, Reason.UPSTREAM_PAUSED]


@pytest.mark.parametrize("policy", ["llm_api", "vision_api"])
@pytest.mark.parametrize("reason", ASKED)
@pytest.mark.parametrize("elapsed_s", [0.0, 1799.0, 3700.0])
def test_an_hour_that_the_upstream_asks_for_is_waited_for(policy: str, reason: Reason, elapsed_s: float) -> None:
    busy = errors.Overloaded("Later.", reason=reason, retry_after_s=3600.0)
    now = NOW + timedelta(seconds=elapsed_s)
    again = next_attempt(JOB, busy, POLICIES[policy], now)
    assert again is not None
    assert again.time >= now + timedelta(seconds=3600)
    assert again.anew, "what comes after the wait has the whole time of the policy"


@pytest.mark.parametrize("reason", [reason for reason in ASKED if reason != Reason.UPSTREAM_PAUSED])
def test_an_upstream_that_asks_for_an_hour_each_time_ends_the_attempts(reason: Reason) -> None:
    busy = errors.Overloaded("Later.", reason=reason, retry_after_s=3600.0)
    assert next_attempt(replace(JOB, attempts=5), busy, POLICIES["llm_api"], NOW) is None


@pytest.mark.parametrize("reason", [Reason.BREAKER_OPEN, Reason.RETRY_BUDGET_SPENT, Reason.OVERLOADED])
def test_a_wait_that_no_upstream_asked_for_is_a_part_of_the_total_time(reason: Reason) -> None:
    refused = errors.Overloaded("Later.", reason=reason, retry_after_s=3600.0)
    assert next_attempt(JOB, refused, POLICIES["llm_api"], NOW) is None
    soon = next_attempt(JOB, errors.Overloaded("Later.", reason=reason, retry_after_s=60.0), POLICIES["llm_api"], NOW)
    assert soon is not None
    assert not soon.anew


def test_the_rest_after_a_failure_prolongs_no_outage() -> None:
    """Our own rest is as short as the policy's shortest delay, and has the reason of a pause that was asked for."""
    rest = errors.Overloaded("Later.", reason=Reason.UPSTREAM_PAUSED, retry_after_s=2.5)
    assert next_attempt(JOB, rest, POLICIES["llm_api"], NOW + timedelta(seconds=1799)) is None


def test_attempts_for_which_nobody_was_asked_are_bounded_by_time_alone() -> None:
    tried = replace(JOB, attempts=6)
    refused = errors.BreakerOpen("Paused.", retry_after_s=60)
    assert next_attempt(tried, LOST, POLICIES["network"], NOW) is None
    assert next_attempt(tried, refused, POLICIES["network"], NOW) is not None
    assert next_attempt(tried, refused, POLICIES["network"], NOW + timedelta(seconds=880)) is None


def test_jobs_that_wait_for_the_same_breaker_do_not_come_at_once() -> None:
    refused = errors.BreakerOpen("Paused.", retry_after_s=120)
    times = {wait_s(next_attempt(JOB, refused, POLICIES["llm_api"], NOW, random.Random(seed))) for seed in range(50)}
    assert len(times) == 50
