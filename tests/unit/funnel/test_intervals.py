from random import Random

import pytest

from server.funnel.intervals import wilson, wilson_of_known


def test_without_undecided_sessions_it_is_wilson() -> None:
    assert wilson_of_known(40, 100, 0) == wilson(40, 100)


def test_undecided_sessions_widen_it_both_ways() -> None:
    found = wilson_of_known(40, 100, 50)
    assert (found.low, found.mid, found.high) == (wilson(40, 150).low, 0.4, wilson(90, 150).high)
    assert wilson_of_known(0, 0, 10).mid == 0.0


@pytest.mark.parametrize("sessions", [200, 1000, 5000])
def test_it_holds_the_truth_though_leavers_are_known_late(sessions: int) -> None:
    """Sessions of four hours, of which 40 % leave and are known half an hour later than those that go on."""
    held, held_without = [], []
    for seed in range(100):
        draw = Random(seed)
        left = [draw.random() < 0.4 for _ in range(sessions)]
        known = [not leaves or draw.random() < 3.5 / 4 for leaves in left]
        hits, of = sum(leaves and seen for leaves, seen in zip(left, known, strict=True)), sum(known)
        found, biased = wilson_of_known(hits, of, sessions - of), wilson(hits, of)
        held.append(found.low <= 0.4 <= found.high)
        held_without.append(biased.low <= 0.4 <= biased.high)
    assert sum(held) >= 95
    assert sum(held_without) < sum(held)
