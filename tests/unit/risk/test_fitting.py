"""What is learnt from simulated quarters whose causes are known."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest

from models.errors import Unavailable
from server.funnel.intervals import wilson
from server.risk import fitting
from server.risk.features import Value
from server.risk.fit_process import fit_in_process, packed, unpacked
from server.risk.fitting import MOST_OPEN, Rules, fit
from server.risk.model import Group, Levels, Risk, RiskModel, StageModel, StageStatus, assess
from server.risk.reading import PastSessions
from tests.unit.funnel.quarter import Quarter
from tests.unit.risk.conftest import CAUSES, END, IDLE_S, past_of


def of(model: RiskModel, stage: str) -> StageModel:
    return {str(name): part for name, part in model.stages.items()}[stage]


def test_what_was_planted_raises_the_risk(model: RiskModel) -> None:
    for stage, cause in (("STARTED", "no_speech"), ("IN_PROGRESS", "upload_refused")):
        formula = of(model, stage).formula
        assert formula is not None
        curve = formula.features[cause]
        assert not isinstance(curve, Levels)
        assert curve.of(1.0) - curve.of(0.0) > 0.7, cause


@pytest.mark.parametrize("stage", ["STARTED", "IN_PROGRESS"])
def test_risks_are_calibrated_on_later_sessions(model: RiskModel, stage: str) -> None:
    quality = of(model, stage).quality
    assert quality is not None
    distances = [abs(group.predicted - group.abandoned) for group in quality.groups]
    assert len(distances) >= 8
    assert sum(distances) / len(distances) < 0.09
    assert [group.predicted for group in quality.groups] == sorted(group.predicted for group in quality.groups)
    assert quality.skill > 0.1
    assert quality.auc > 0.65
    assert quality.brier < quality.base_brier


def test_risks_are_not_off_on_the_whole_and_most_intervals_hold_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over four quarters. Risks that are 8 points too high, or too low, pass neither bound of a stage."""
    monkeypatch.setattr(fitting, "MOST_MOMENTS", 8_000)
    groups: dict[str, list[Group]] = {"STARTED": [], "IN_PROGRESS": []}
    for seed in (1, 2, 3, 4):
        quarter = past_of(Quarter(2500, seed=seed, causes=CAUSES), tmp_path / f"{seed}.duckdb")
        model = fit(quarter, Rules(IDLE_S, 50), END)
        for stage in groups:
            quality = of(model, stage).quality
            assert quality is not None
            groups[stage] += quality.groups
    for found in groups.values():
        off = [group.predicted - group.abandoned for group in found]
        assert abs(sum(off) / len(off)) < 0.04
    every = [group for found in groups.values() for group in found]
    assert sum(group.low <= group.predicted <= group.high for group in every) >= 0.75 * len(every)
    for wrong in (-0.08, 0.08):
        assert all(
            abs(sum(g.predicted + wrong - g.abandoned for g in found)) / len(found) > 0.04 for found in groups.values()
        )
        assert sum(g.low <= g.predicted + wrong <= g.high for g in every) < 0.75 * len(every)


def test_a_few_sessions_with_many_moments_make_an_interval_wide() -> None:
    """Ten of 50 sessions have 100 moments each, the others one; half of both end so."""
    moments = np.repeat(np.arange(50), [100] * 10 + [1] * 40)
    [group] = fitting._groups(np.full(len(moments), 0.5), moments % 2 == 0, moments)
    alike = wilson(25, 50)
    assert group.sessions == 50
    assert group.high - group.low > 1.5 * (alike.high - alike.low)


def test_a_stage_that_nobody_abandons_has_too_little_data(model: RiskModel) -> None:
    """In the simulated quarter, records that wait are decided: nobody abandons."""
    found = of(model, "AWAITING_APPROVAL")
    assert (found.status, found.abandoned, found.formula) == (StageStatus.TOO_LITTLE_DATA, 0, None)
    assert assess(model, "AWAITING_APPROVAL", {}) == "TOO_LITTLE_DATA"


def test_fewer_sessions_than_the_rule_are_too_little(past: PastSessions) -> None:
    found = fit(past, Rules(IDLE_S, 100_000), END)
    assert {part.status for part in found.stages.values()} == {StageStatus.TOO_LITTLE_DATA}
    assert assess(found, "STARTED", {}) == "TOO_LITTLE_DATA"


def test_too_many_open_sessions_are_said(past: PastSessions) -> None:
    state = past.sessions["state"].copy()
    state[np.random.default_rng(1).random(len(state)) < 2 * MOST_OPEN] = "AWAITING_APPROVAL"
    found = fit(replace(past, sessions=past.sessions | {"state": state}), Rules(IDLE_S, 100), END)
    assert of(found, "IN_PROGRESS").status is StageStatus.TOO_MANY_OPEN
    assert assess(found, "IN_PROGRESS", {}) == "TOO_MANY_OPEN"


def test_ends_that_follow_from_nothing_give_no_risk(past: PastSessions) -> None:
    """Ends are dealt out anew, so nothing that is known of a session says how it ends."""
    random, state, statuses = np.random.default_rng(7), past.sessions["state"], []
    for _ in range(3):
        ended = past.sessions["state_s"].max() + np.arange(past.number, dtype=float) * 0
        ends = random.choice(["ABANDONED", "COMPLETED"], len(state)).astype(object)
        shuffled = past.sessions | {"state": ends, "state_s": ended}
        found = fit(replace(past, sessions=shuffled), Rules(IDLE_S, 100), END)
        statuses += [of(found, stage).status for stage in ("STARTED", "IN_PROGRESS")]
    assert statuses.count(StageStatus.NO_SKILL) >= 5


def test_the_model_is_the_same_after_a_way_through_json(model: RiskModel) -> None:
    again = RiskModel.model_validate_json(model.model_dump_json())
    assert again == model
    known: dict[str, Value] = {"idle_s": 20.0, "no_speech": 1.0, "language_asked": "hi"}
    assert assess(again, "STARTED", known) == assess(model, "STARTED", known)


async def test_the_same_sessions_give_the_same_model_in_a_process_of_its_own(tmp_path: Path) -> None:
    small = await asyncio.to_thread(
        past_of, Quarter(700, causes={1: lambda drawn: 2.0 * drawn["no_speech"]}), tmp_path / "ledger.duckdb"
    )
    found = await fit_in_process(small, IDLE_S, 50, END, 60)
    here = fit(small, Rules(IDLE_S, 50), END)
    assert of(found, "STARTED").status is of(here, "STARTED").status is StageStatus.READY
    cases: tuple[dict[str, Value], ...] = ({"idle_s": 2.0}, {"idle_s": 900.0, "no_speech": 2.0})
    for known in cases:
        there, then = assess(found, "STARTED", known), assess(here, "STARTED", known)
        assert isinstance(there, Risk)
        assert isinstance(then, Risk)
        assert there.risk.mid == pytest.approx(then.risk.mid)


async def test_a_process_that_takes_too_long_gives_no_model(
    past: PastSessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.risk.fit_process.WAIT_FACTOR", 0.001)
    with pytest.raises(Unavailable):
        await fit_in_process(past, IDLE_S, 50, END, 10)


@pytest.mark.parametrize(
    ("name", "value"),
    [("server.risk.fit_process.sys.executable", "/nowhere/python"), ("server.risk.fit_process.MODULE", "this")],
)
async def test_whatever_becomes_of_the_process_the_rest_of_the_server_goes_on(
    past: PastSessions, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    """Housekeeping goes on after errors of ours only. The module ``this`` prints a poem, which is no model."""
    monkeypatch.setattr(name, value)
    with pytest.raises(Unavailable):
        await fit_in_process(past, IDLE_S, 50, END, 10)


async def test_the_process_may_take_only_so_much_cpu_time(past: PastSessions) -> None:
    with pytest.raises(Unavailable):
        await fit_in_process(past, IDLE_S, 50, END, 1)


async def test_the_process_ends_with_the_task(past: PastSessions) -> None:
    before = set(psutil.Process().children())
    task = asyncio.create_task(fit_in_process(past, IDLE_S, 50, END, 60))
    while not (started := set(psutil.Process().children()) - before):  # noqa: ASYNC110 - nothing tells that the process has begun
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in started)


def test_what_the_process_gets_holds_no_objects(past: PastSessions) -> None:
    message = packed(past, {"begin": past.begin.isoformat(), "end": past.end.isoformat()})
    again, _ = unpacked(message)
    for table in ("sessions", "events"):
        before, after = getattr(past, table), getattr(again, table)
        assert before.keys() == after.keys()
        for name, column in before.items():
            assert np.array_equal(column, after[name], equal_nan=column.dtype.kind == "f"), name


@pytest.mark.parametrize("texts", [[], [""], ["", ""], ["a", ""], ["", "a"], ["a"]])
def test_each_column_has_as_many_texts_as_before(past: PastSessions, texts: list[str]) -> None:
    message = packed(
        replace(past, sessions={"language": np.array(texts, dtype=object)}, events={}),
        {"begin": past.begin.isoformat(), "end": past.end.isoformat()},
    )
    assert unpacked(message)[0].sessions["language"].tolist() == texts
