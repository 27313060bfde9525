"""Which variant a unit gets."""

from __future__ import annotations

from collections import Counter

from scipy import stats

from server.experiments.assignment import choose, position

UNITS = [f"person-{number}" for number in range(20_000)]


def test_a_unit_always_gets_the_same_variant() -> None:
    first = [choose("pause_length", unit, (1, 1)) for unit in UNITS[:100]]
    assert first == [choose("pause_length", unit, (1, 1)) for unit in UNITS[:100]]
    # An upgrade must not move people: these are what the first release gave.
    assert "".join(str(choose("pause_length", unit, (1, 1))) for unit in "abcdefghijklmnop") == "0000000110110101"


def test_variants_have_the_shares_that_their_weights_say() -> None:
    for weights in ((1, 1), (1, 9), (2, 1, 1), (0.5, 0.2, 0.3)):
        counts = Counter(choose("shares", unit, weights) for unit in UNITS)
        expected = [len(UNITS) * weight / sum(weights) for weight in weights]
        assert stats.chisquare([counts[n] for n in range(len(weights))], expected).pvalue > 0.001


def test_experiments_assign_independently() -> None:
    table = [[0, 0], [0, 0]]
    for unit in UNITS:
        table[choose("one", unit, (1, 1))][choose("two", unit, (1, 1))] += 1
    assert stats.chi2_contingency(table).pvalue > 0.001


def test_a_position_is_spread_evenly() -> None:
    assert stats.kstest([position("even", unit) for unit in UNITS], "uniform").pvalue > 0.001


def test_a_weight_of_nothing_gets_nobody() -> None:
    assert {choose("off", unit, (0, 1)) for unit in UNITS[:2000]} == {1}
    assert {choose("off", unit, (1, 0)) for unit in UNITS[:2000]} == {0}
