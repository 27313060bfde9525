"""SendReport, and what the server builds from the settings."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import pytest
from vestibule.v1 import report_pb2 as pb

from models.errors import PermissionDenied
from models.reasons import Reason
from server.access.caller import Caller, Scope, acting_as
from server.ledger.embedded import EmbeddedLedger
from server.observability.metrics import Metrics
from server.services.report import ReportService
from server.settings import Settings
from server.wiring.reports import build_report_delivery
from tests.unit.ledger.conftest import ledger
from tests.unit.reports.two_weeks import MONDAY, WEEK, SimulatedWeek

__all__ = ["ledger"]


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    (tmp_path / "reports").mkdir()
    monkeypatch.setenv("VESTIBULE_REPORTS__FOLDER", str(tmp_path / "reports"))
    monkeypatch.setenv("VESTIBULE_REPORTS__TIME_ZONE", "Europe/Berlin")
    return Settings()


async def test_a_call_writes_the_report_of_the_last_week_into_the_folder(
    ledger: EmbeddedLedger, settings: Settings, tmp_path: Path
) -> None:
    ledger.write_now(lambda cursor: SimulatedWeek(WEEK, 200).store(cursor))
    metrics = Metrics()
    delivery = build_report_delivery(settings, ledger, ledger, metrics, lambda: MONDAY - timedelta(hours=3))
    service = ReportService(delivery)
    answer = await service.SendReport(pb.SendReportRequest(test=True), None)
    assert answer == pb.SendReportResponse(
        week="2026-W10",
        outcomes=[pb.ReportOutcome(channel=pb.REPORT_CHANNEL_FOLDER, sent=True, message="Sent.")],
    )
    asked = pb.SendReportRequest(week="2026-W10", channels=[pb.REPORT_CHANNEL_FOLDER])
    await service.SendReport(asked, None)
    suffixes = ("html", "json", "txt")
    written = [f"{test}weekly-report-2026-W10.{suffix}" for test in ("test-", "") for suffix in suffixes]
    assert set(os.listdir(tmp_path / "reports")) == set(written)  # noqa: PTH208 - names are enough
    sent = metrics.registry.get_sample_value("vestibule_reports_total", {"channel": "folder", "outcome": "sent"})
    assert sent == 1, "a test does not count"
    assert metrics.registry.get_sample_value("vestibule_report_failed", {"channel": "folder"}) == 0


async def test_the_report_of_all_clients_is_not_sent_by_one(
    ledger: EmbeddedLedger, settings: Settings, tmp_path: Path
) -> None:
    service = ReportService(build_report_delivery(settings, ledger, ledger, Metrics(), lambda: MONDAY))
    operator = Caller("key:o", "shop", frozenset({Scope.OPERATOR}))
    with acting_as(operator), pytest.raises(PermissionDenied) as refused:
        await service.SendReport(pb.SendReportRequest(), None)
    assert refused.value.reason == Reason.ALL_CLIENTS_ONLY
    assert list((tmp_path / "reports").iterdir()) == []
