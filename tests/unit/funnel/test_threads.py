"""The search for causes uses one thread for products of matrices, whoever calls it and whatever the caller has set."""

from __future__ import annotations

import pytest
from threadpoolctl import threadpool_info, threadpool_limits

import server.funnel.causes
from server.funnel.optimizer import FunnelData, FunnelOptimizer
from server.funnel.step_counts import StepCount
from server.funnel.step_data import CodedTable
from server.funnel.types import CauseReport, SessionTable
from tests.unit.funnel.simulated import table


def _threads() -> set[int]:
    return {found["num_threads"] for found in threadpool_info() if found["user_api"] == "blas"}


def test_the_search_has_one_thread_and_its_caller_keeps_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[set[int]] = []

    def search(given: SessionTable, *, codes: CodedTable) -> CauseReport:
        seen.append(_threads())
        return CauseReport((), (), 0)

    monkeypatch.setattr(server.funnel.causes, "find_causes", search)
    with threadpool_limits(2, user_api="blas"):
        before = _threads()
        FunnelOptimizer().analyze(FunnelData((StepCount(1, 100, 60, 40),), table=table(1, 100)))
        after = _threads()
    assert seen == [{1}]
    assert before == after != {1}


def test_the_search_has_one_thread_also_where_it_is_called_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[set[int]] = []

    def look(*_: object) -> tuple[str, ...]:
        seen.append(_threads())
        return ()

    monkeypatch.setattr(server.funnel.causes, "growing_features", look)
    with threadpool_limits(2, user_api="blas"):
        server.funnel.causes.find_causes(table(1, 100))
        assert _threads() != {1}
    assert seen == [{1}]
