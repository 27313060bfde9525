"""The schedule of ``make chaos``."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from tests.chaos.plan import FULL, UPSTREAM_MODES, WORKERS, Fault, planned

CI = Path(__file__).parents[3] / ".ci" / "run"


def test_the_same_seed_gives_the_same_acts() -> None:
    assert planned(7) == planned(7)
    assert planned(7) != planned(8)


def test_a_full_run_has_every_fault_as_often_as_it_should() -> None:
    assert Counter(act.fault for act in planned(1)) == FULL


def test_a_short_run_tries_every_fault_before_any_comes_twice() -> None:
    short = planned(3, 0.1)
    assert {act.fault for act in short[: len(FULL)]} == set(Fault)
    assert len(short) < len(planned(3)) / 3


def test_the_run_of_ci_has_every_fault_once() -> None:
    arguments = next(line for line in CI.read_text().splitlines() if line.startswith("make chaos"))
    [share] = re.findall(r"CHAOS_SHARE=(\S+)", arguments)
    [seed] = re.findall(r"SEED=(\S+)", arguments)
    assert sorted(act.fault for act in planned(int(seed), float(share))) == sorted(Fault)
    assert "CHAOS_MINUTES" not in arguments, "it would leave faults out on a slow machine"


def test_every_worker_and_every_failure_of_the_upstream_has_its_turn() -> None:
    targets = {fault: {act.target for act in planned(2) if act.fault is fault} for fault in Fault}
    assert targets[Fault.REPLICA] == targets[Fault.CONTROLLER] == set(WORKERS)
    assert targets[Fault.UPSTREAM] == set(UPSTREAM_MODES)
