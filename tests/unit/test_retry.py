"""Retry policies: delays, jitter, bounds, and what Ray Serve gets of them."""

from __future__ import annotations

import random

import pytest

from models.errors import InvalidInput, WorkerLost
from models.retry import POLICIES, RetryPolicy, get_retry_policy
from models.retrying import repeat
from ray_tasks.deployments import deployment
from ray_tasks.types import WorkerConfig


@pytest.mark.parametrize(
    ("name", "retries", "first_s", "longest_s", "factor"),
    [("database", 3, 1, 30, 2), ("network", 5, 3, 300, 2), ("llm_api", 4, 5, 600, 3)],
)
def test_the_policies(name: str, retries: int, first_s: float, longest_s: float, factor: float) -> None:
    policy = POLICIES[name]
    assert (policy.retries, policy.first_delay_s, policy.longest_s, policy.factor) == (
        retries,
        first_s,
        longest_s,
        factor,
    )


@pytest.mark.parametrize("retry", [0, 1, 2, 3, 9, 100_000])
def test_a_delay_is_drawn_between_half_and_all(retry: int) -> None:
    policy = POLICIES["llm_api"]
    whole = policy.whole_delay(retry)
    drawn = [policy.delay(retry, random.Random(seed)) for seed in range(200)]
    assert whole / 2 <= min(drawn) < 0.6 * whole
    assert 0.9 * whole < max(drawn) <= whole <= 600


def test_an_unknown_policy_names_those_there_are() -> None:
    with pytest.raises(InvalidInput, match="database, interactive, llm_api, network"):
        get_retry_policy("nonsense")


@pytest.mark.parametrize(("retries", "builds"), [(2, 2), (0, 1)])
def test_ray_serve_builds_a_replica_again_as_often_as_the_policy_says(retries: int, builds: int) -> None:
    class Worker:
        pass

    policy = RetryPolicy("interactive", retries, 0.25, 1, 2, 5)
    built = deployment("Speech", Worker, WorkerConfig(), policy)
    assert built._deployment_config.max_constructor_retry_count == builds


async def test_a_call_is_repeated_only_for_errors_that_are_worth_it() -> None:
    asked: list[int] = []
    pauses: list[float] = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)

    async def lose(error: Exception) -> None:
        asked.append(1)
        raise error

    async def until_it_works(error: Exception) -> None:
        lost = WorkerLost
        await repeat(lambda: lose(error), POLICIES["network"], again=lambda e: isinstance(e, lost), sleep=pause)

    with pytest.raises(WorkerLost):
        await until_it_works(WorkerLost("It died."))
    assert (len(asked), len(pauses)) == (6, 5)
    asked.clear()
    with pytest.raises(ValueError, match="no"):
        await until_it_works(ValueError("no"))
    assert len(asked) == 1
