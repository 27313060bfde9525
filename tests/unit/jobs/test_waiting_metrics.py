"""The metrics of jobs that wait and of the ledger's commits."""

from __future__ import annotations

import threading
from pathlib import Path

from server.jobs.waiting_metrics import WaitingJobs
from server.ledger import claims, jobs
from server.ledger.columns import Cursor
from server.observability.metrics import Metrics
from tests.unit.ledger.makers import after, job
from tests.unit.ledger.migrated import open_ledger


async def test_jobs_that_wait_are_counted_by_kind_and_those_that_run_are_not(tmp_path: Path) -> None:
    ledger, metrics = open_ledger(tmp_path / "ledger.duckdb", lambda: after(0)), Metrics()
    counted = WaitingJobs(ledger, metrics, lambda: after(100), ["read_upload", "reply"])

    def value(name: str, kind: str) -> float | None:
        return metrics.registry.get_sample_value(name, {"kind": kind})

    def queue(cursor: Cursor) -> None:
        for session, at in (("a", 40.0), ("b", 10.0), ("c", 90.0)):
            jobs.enqueue(cursor, job(session, at=at, due=at))

    try:
        await ledger.write(queue)
        await counted.round()
        assert value("vestibule_waiting_jobs", "read_upload") == 3
        assert value("vestibule_waiting_job_seconds", "read_upload") == 90
        assert value("vestibule_waiting_jobs", "reply") == 0
        await ledger.write(lambda cursor: claims.claim(cursor, "me", after(100), 30.0, 10) and None)
        await counted.round()
        assert value("vestibule_waiting_jobs", "read_upload") == 0
        assert value("vestibule_waiting_job_seconds", "read_upload") == 0
    finally:
        ledger.close()


async def test_each_transaction_of_the_ledger_is_timed_on_its_thread(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path / "ledger.duckdb", lambda: after(0))
    told: list[tuple[float, str]] = []
    try:
        ledger.observe_commits(lambda seconds: told.append((seconds, threading.current_thread().name)))
        for _ in range(2):
            await ledger.write(lambda cursor: None)
    finally:
        ledger.close()
    assert [name for _seconds, name in told] == ["ledger-write"] * 2
    assert all(seconds > 0 for seconds, _name in told)
