"""Token buckets, with a clock by hand."""

from __future__ import annotations

import pytest

from server.runtime.token_bucket import SWEEP_KEYS, Rate, TokenBuckets
from tests.clocks import HandSeconds


def test_the_wait_that_is_told_is_enough_and_a_millisecond_less_is_not() -> None:
    clock = HandSeconds()
    buckets = TokenBuckets(Rate(per_s=3.0, burst=2), clock)
    assert [buckets.take("a") for _ in range(2)] == [0.0, 0.0]
    wait_s = buckets.take("a")
    assert wait_s == pytest.approx(1 / 3)
    clock.now_s += wait_s - 0.001
    assert buckets.take("a") == pytest.approx(0.001)
    clock.now_s += 0.001
    assert buckets.take("a") == 0.0
    assert buckets.take("a") > 0.0


def test_over_a_long_time_the_rate_holds_and_a_refusal_costs_nothing() -> None:
    clock = HandSeconds()
    buckets = TokenBuckets(Rate.per_minute(60), clock)
    taken = 0
    for _ in range(6000):  # a minute, a hundred attempts a second
        taken += buckets.take("a") == 0.0
        clock.now_s += 0.01
    assert taken == 60 + 59


def test_keys_do_not_share_a_bucket() -> None:
    buckets = TokenBuckets(Rate(per_s=1.0, burst=1), HandSeconds())
    assert [buckets.take(key) == 0.0 for key in "aabb"] == [True, False, True, False]


def test_keys_with_a_full_bucket_are_forgotten() -> None:
    clock = HandSeconds()
    buckets = TokenBuckets(Rate(per_s=1.0, burst=1), clock)
    for number in range(10 * SWEEP_KEYS):
        buckets.take(number)
        clock.now_s += 0.01
    assert len(buckets) <= SWEEP_KEYS + 1
