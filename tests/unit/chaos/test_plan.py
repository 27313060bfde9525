"""The schedule of ``make chaos``."""

from __future__ import annotations

from collections import Counter

from tests.chaos.plan import FULL, UPSTREAM_MODES, WORKERS, Fault, planned


def test_the_same_seed_gives_the_same_acts() -> None:
    assert planned(7) == planned(7)
    assert planned(7) != planned(8)


def test_a_full_run_has_every_fault_as_often_as_it_should() -> None:
    assert Counter(act.fault for act in planned(1)) == FULL


def test_a_short_run_tries_every_fault_before_any_comes_twice() -> None:
    short = planned(3, 0.1)
    assert {act.fault for act in short[: len(FULL)]} == set(Fault)
    assert len(short) < len(planned(3)) / 3


def test_every_worker_and_every_failure_of_the_upstream_has_its_turn() -> None:
    targets = {fault: {act.target for act in planned(2) if act.fault is fault} for fault in Fault}
    assert targets[Fault.REPLICA] == targets[Fault.CONTROLLER] == set(WORKERS)
    assert targets[Fault.UPSTREAM] == set(UPSTREAM_MODES)
