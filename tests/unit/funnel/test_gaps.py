"""Sessions in which a feature was not seen: they neither explain leaving nor hide what does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from server.funnel.causes import CauseSettings, code_table, find_causes, related
from server.funnel.coding import coded
from server.funnel.finer_pairs import _Tests
from server.funnel.improvement import expected_improvement
from server.funnel.model import StepModel, Term
from server.funnel.pairs import pair_terms, said_by_one
from server.funnel.step_data import together
from server.funnel.types import Cause, CauseReport, Column, Flags, SessionTable
from tests.unit.funnel.simulated import STEPS

SESSIONS = 5000
OF_APP = ("device", "low_memory", "battery")
"""What the app sends: a device has little memory if it is a redmi, mostly."""

Columns = Mapping[str, Column]


def sessions(
    seed: int,
    log_odds: Callable[[Columns], Any],
    gaps: Callable[[Columns, Flags], Flags],
    number: int = SESSIONS,
    share: float = 0.5,
) -> SessionTable:
    """Sessions of two clients; ``gaps`` tells by the columns and by who left which of them lack what the app sends."""
    rng = np.random.default_rng([seed, 5])
    device = rng.choice(np.array(["iphone", "galaxy", "redmi", "moto"], dtype=object), number, p=[0.4, 0.3, 0.2, 0.1])
    columns: dict[str, Column] = {
        "client": np.where(rng.random(number) < share, "web", "app").astype(object),
        "network": rng.choice(np.array(["wifi", "4g", "3g"], dtype=object), number, p=[0.55, 0.33, 0.12]),
        "helped": rng.random(number) < 0.3,
        "device": device,
        "low_memory": rng.random(number) < np.where(device == "redmi", 0.75, 0.12),
        "battery": rng.uniform(5, 100, number).round(),
    }
    left = rng.random(number) < 1 / (1 + np.exp(-log_odds(columns)))
    reached = np.where(left, 1, np.where(rng.random(number) < 0.2, 2, 3))
    missing = gaps(columns, left)
    for name in OF_APP:
        columns[name] = columns[name].copy()
        columns[name][missing] = {"b": False, "O": None, "f": np.nan}[columns[name].dtype.kind]
    known_at = dict.fromkeys(columns, 1)
    ended = np.ones(number, dtype=bool)
    return SessionTable(columns, reached, ended, STEPS, known_at, gaps=dict.fromkeys(OF_APP, missing))


def of(columns: Columns, feature: str, value: str) -> Flags:
    return np.asarray(columns[feature] == value, dtype=bool)


def some_leave_first(share: float) -> Callable[[Columns, Flags], Flags]:
    """Of those that left, a share went before what the app sends; and a few others lack it, too."""

    def missing(columns: Columns, left: Flags) -> Flags:
        rng = np.random.default_rng(77)
        return (left & (rng.random(len(left)) < share)) | (rng.random(len(left)) < 0.03)

    return missing


def texts(report: CauseReport) -> list[str]:
    return sorted(cause.text for cause in report.causes if cause.step_number == 1)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.85])
def test_a_client_that_never_sends_a_property_makes_no_pair(share: float) -> None:
    def log_odds(c: Columns) -> Any:
        return -1.8 + 1.9 * of(c, "device", "redmi") * of(c, "client", "app") + 0.5 * of(c, "client", "web")

    table = sessions(1, log_odds, lambda c, _: of(c, "client", "web"), share=share)
    cause, gain = _first_cause(table)
    assert abs(cause.log_odds.mid - 1.9) < cause.log_odds.high - cause.log_odds.low  # four standard errors
    assert cause.affected == of(table.features, "device", "redmi").sum()
    alone, gain_alone = _first_cause(_without_web(table))
    assert abs(cause.log_odds.mid - alone.log_odds.mid) < 0.2
    assert abs(gain - gain_alone) < 0.1 * gain_alone


def _first_cause(table: SessionTable) -> tuple[Cause, float]:
    """The only cause at the first step, and the further completions without it."""
    report = find_causes(table)
    assert texts(report) == ["device = redmi"]
    [cause] = [cause for cause in report.causes if cause.step_number == 1]
    return cause, expected_improvement(table, report, [cause], draws=100).completions.mid


def _without_web(table: SessionTable) -> SessionTable:
    kept = of(table.features, "client", "app")
    columns = {name: column[kept] for name, column in table.features.items() if name != "client"}
    return SessionTable(columns, table.reached[kept], table.ended[kept], table.steps, table.known_at)


def test_a_client_without_a_property_is_still_named_where_more_leave() -> None:
    def log_odds(c: Columns) -> Any:
        return -1.8 + 1.9 * of(c, "device", "redmi") * of(c, "client", "app") + 1.6 * of(c, "client", "web")

    report = find_causes(sessions(2, log_odds, lambda c, _: of(c, "client", "web")))
    assert texts(report) == ["client = web", "device = redmi"]


@pytest.mark.parametrize("seed", [3, 4])
def test_values_that_those_lack_that_left_explain_nothing(seed: int) -> None:
    """Two features that go together and are lacking in the same sessions are no pair."""
    null = sessions(seed, lambda c: np.full(SESSIONS, -1.5), some_leave_first(0.7))
    assert not find_causes(null).causes

    def both(c: Columns) -> Any:
        return -1.6 + 1.4 * of(c, "network", "3g") + 1.6 * (c["battery"].astype(float) < 20)

    report = find_causes(sessions(seed, both, some_leave_first(0.7), 20_000))
    assert {cause.feature for cause in report.causes} == {"network", "battery"}


def test_what_goes_with_a_value_being_there_is_no_pair_with_it() -> None:
    """Only those that stay send a value, and only they open the help: the help does not matter."""

    def log_odds(c: Columns) -> Any:
        return -1.5 + 1.7 * of(c, "device", "redmi") * c["helped"].astype(bool)

    report = find_causes(sessions(5, log_odds, lambda c, _: ~c["helped"].astype(bool)))
    assert texts(report) == ["device = redmi"]


def test_a_value_that_only_those_have_that_leave_more_often_is_not_taken_for_surer() -> None:
    def log_odds(c: Columns) -> Any:
        return np.where(of(c, "client", "app"), 0.5, -3.0)

    for seed in range(6, 10):
        table = sessions(seed, log_odds, lambda c, _: ~of(c, "client", "app"), share=0.9)
        columns = {name: column for name, column in table.features.items() if name != "client"}
        hidden = SessionTable(columns, table.reached, table.ended, STEPS, table.known_at, gaps=table.gaps)
        assert texts(find_causes(hidden)) == []


def test_two_conditions_that_matter_only_together_are_found_despite_gaps() -> None:
    def log_odds(c: Columns) -> Any:
        return -1.6 + 1.9 * of(c, "device", "galaxy") * of(c, "network", "4g")

    table = sessions(11, log_odds, lambda c, left: np.random.default_rng(1).random(len(left)) < 0.3)
    [cause] = find_causes(table).causes
    assert {str(condition) for condition in cause.conditions} == {"device = galaxy", "network = 4g"}


@pytest.mark.parametrize("number", [5000, 40_000])
def test_a_pair_of_which_nearly_all_that_meet_one_condition_meet_the_other_is_that_condition(number: int) -> None:
    rng = np.random.default_rng(12)
    app = rng.random(number)

    def only_app(c: Columns) -> Flags:
        return app < np.where(of(c, "device", "redmi"), 0.97, 0.5)

    table = sessions(
        12,
        lambda c: -1.8 + 1.7 * of(c, "device", "redmi") * only_app(c),
        lambda c, left: np.zeros(len(left), dtype=bool),
        number,
    )
    columns: dict[str, Column] = {**table.features, "client": np.where(only_app(table.features), "app", "web")}
    columns["client"] = columns["client"].astype(object)
    report = find_causes(SessionTable(columns, table.reached, table.ended, STEPS, table.known_at))
    assert texts(report) == ["device = redmi"]


def test_of_two_conditions_together_one_says_it_all_only_if_few_lack_the_other() -> None:
    model = _model()
    terms = {str(term.conditions[0]): term for term in pair_terms(model)}
    redmi, low = terms["device = redmi"], terms["low_memory"]
    for one, other, wanted in ((redmi, low, None), (low, low, low)):
        features = one.features + other.features
        pair = Term(one.conditions + other.conditions, features, one.members + other.members)
        assert said_by_one(model, pair) == wanted


def _model() -> StepModel:
    table = sessions(13, lambda c: np.full(SESSIONS, -1.2), some_leave_first(0.4))
    codes = code_table(table)
    data = codes.step(1)
    assert data is not None
    return StepModel(data, related(data, CauseSettings()))


def test_a_gap_is_the_mean_of_what_was_seen() -> None:
    model = _model()
    data = model.data
    for term in pair_terms(model):
        column = term.column(data)
        seen = data.seen(term.features)
        assert set(np.unique(column[seen])) == {0.0, 1.0}
        if not seen.all():
            assert column[~seen] == pytest.approx(column[seen].mean())
    assert {feature.has_gaps for feature in coded(_table_of_one())} == {True}


def _table_of_one() -> SessionTable:
    """A feature that is the same wherever it was seen tells nothing, and is no feature; another one has two values."""
    values = np.array([1.0, 1.0, 2.0, np.nan] * 20)
    gaps = np.isnan(values)
    columns: dict[str, Column] = {"same": np.where(gaps, np.nan, 1.0), "other": values}
    reached, ended = np.ones(80, dtype=int), np.ones(80, dtype=bool)
    table = SessionTable(columns, reached, ended, STEPS, gaps={"same": gaps, "other": gaps})
    assert [feature.name for feature in coded(table)] == ["other"]
    return table


def test_two_gaps_are_what_both_come_to_where_they_were_seen() -> None:
    one = np.array([1.0, 1.0, 0.0, 0.0, 0.5, 0.5, 1.0, 0.0, 0.5])
    two = np.array([1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 0.4, 0.4, 0.4])
    assert together(one, two).tolist() == [1.0, 0.0, 0.0, 0.0, 0.5, 0.0, 0.5, 0.0, 0.25]


def test_a_finer_pair_has_the_same_numbers_as_the_pair_itself() -> None:
    model = _model()
    data, terms = model.data, pair_terms(model)
    fit, columns = model.fitted(set()), model.columns(set())
    for kept in terms:
        tests = _Tests.of(model, kept)
        for other in terms:
            if other.features[0] == kept.features[0]:
                continue
            both = together(kept.column(data), other.column(data))
            span, values = data.span(other.features[0]), tests._values(other.features[0], other.members[0][:, None])
            parts = list(zip(tests.sums, values, strict=False))
            score = sum(float((sums.score[span] @ value)[0]) for sums, value in parts)
            own = sum(float((sums.weights[span] @ value**2)[0]) for sums, value in parts)
            crossed = np.sum([(sums.crossed[:, span] @ value)[:, 0] for sums, value in parts], axis=0)
            assert score == pytest.approx(float(both @ fit.residuals), abs=1e-6)
            assert own == pytest.approx(float(both**2 @ fit.weights))
            assert crossed == pytest.approx(columns.T @ (fit.weights * both), abs=1e-6)
