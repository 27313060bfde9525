"""What an operator is told of a worker that ended: status, event, metric and log."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from models.errors import Overloaded
from ray_tasks.types import WorkerEnd, WorkerEndReason
from server.breakers.registry import Breakers
from server.breakers.types import BreakerBounds
from server.ledger.columns import fetch_all
from server.ledger.embedded import EmbeddedLedger
from server.observability.metrics import Metrics
from server.records.status import StatusReporter
from server.records.worker_report import WorkerReport
from tests.fakes.assistant import FakeAssistant
from tests.fakes.gateway import FakeGateway
from tests.unit.ledger.makers import NOW

END = WorkerEnd("vision", WorkerEndReason.PROCESS_ENDED, 42, NOW)


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def report(ledger: EmbeddedLedger, metrics: Metrics) -> WorkerReport:
    return WorkerReport(ledger, metrics)


async def test_the_status_says_how_many_ended_and_when_and_why_the_last_did(
    ledger: EmbeddedLedger, report: WorkerReport
) -> None:
    breakers = Breakers(ledger, Metrics(), lambda: NOW)
    breakers.build("llm_api", BreakerBounds())
    reporter = StatusReporter(
        FakeGateway(), ledger, FakeAssistant(), breakers, NOW, lambda: 0, (), worker_ends=report.sentence
    )

    async def details() -> dict[str, str]:
        return {part.name: part.detail for part in await reporter.workers()}

    before = await details()
    report.observe(END)
    report.observe(replace(END, end_time=NOW + timedelta(seconds=61), reason=WorkerEndReason.OUT_OF_MEMORY))
    await report.drain()
    after = await details()
    assert after["vision"] == (
        f"{before['vision']} 2 ended since the start of the server, the last one at "
        f"{NOW + timedelta(seconds=61):%Y-%m-%d %H:%M} UTC (out_of_memory)."
    )
    assert after["speech"] == before["speech"]


async def test_each_end_is_an_event_a_count_and_a_line_of_the_log(
    ledger: EmbeddedLedger, metrics: Metrics, report: WorkerReport, capsys: pytest.CaptureFixture[str]
) -> None:
    def counted(reason: str) -> float | None:
        labels = {"kind": "vision", "reason": reason}
        return metrics.registry.get_sample_value("vestibule_worker_ends_total", labels)

    assert counted("process_ended") == 0
    report.observe(END)
    await report.drain()
    assert counted("process_ended") == 1
    assert counted("replaced") == 0
    (row,) = await ledger.read(lambda cursor: fetch_all(cursor, "FROM v_server_events"))
    assert (row["name"], row["subject"], row["time"]) == ("worker_ended", "vision", NOW.replace(tzinfo=None))
    assert json.loads(row["properties"]) == {"reason": "process_ended", "pid": 42}
    assert "worker_ended" in capsys.readouterr().out


async def test_a_ledger_that_fails_keeps_no_end_from_the_status(
    ledger: EmbeddedLedger, report: WorkerReport, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(_write: object) -> None:
        raise Overloaded("The disk is full.")

    monkeypatch.setattr(ledger, "write", refuse)
    report.observe(END)
    await report.drain()
    assert "1 ended" in report.sentence("vision")
