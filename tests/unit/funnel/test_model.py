"""The model of a step keeps its fits, and a pair of conditions keeps its order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from server.funnel.causes import CauseSettings, code_table, related
from server.funnel.finer_pairs import finer
from server.funnel.model import StepModel, Term
from server.funnel.pairs import best_pair, pair_terms
from server.funnel.types import Column, Flags
from tests.unit.funnel.simulated import flag, level, table


def both(columns: Mapping[str, Column]) -> Flags:
    return flag("silent")(columns) & level("network", "4g")(columns)


def first_step(seed: int = 5) -> StepModel:
    data = code_table(table(seed, 8000, (1, 1.8, both))).step(1)
    assert data is not None
    return StepModel(data, related(data, CauseSettings()))


def test_a_fit_is_made_once_until_the_terms_change() -> None:
    model = first_step()
    before = model.fitted(set())
    assert model.fitted(set()) is before
    assert len(model.fitted({0}).coefficients) < len(before.coefficients)
    model.terms.append(pair_terms(model)[0])
    assert len(model.fitted(set()).coefficients) == len(before.coefficients) + 1


@pytest.mark.parametrize("seed", [5, 6, 12])
def test_a_pair_keeps_its_order_where_no_other_says_more(seed: int) -> None:
    model = first_step(seed)
    pair, _ = best_pair(model, pair_terms(model))
    assert pair is not None
    term = pair.term
    turned = replace(pair, term=Term(term.conditions[::-1], term.features[::-1], term.members[::-1]))
    assert finer(model, pair) is pair
    assert finer(model, turned) is turned
