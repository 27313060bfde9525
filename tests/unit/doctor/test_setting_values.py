"""Settings that do not hold together, and files that they name."""

from __future__ import annotations

from pathlib import Path

import pytest

from server.doctor.setting_values import check_setting_values
from tests.unit.doctor.situations import lines, only, situation


def test_the_settings_of_a_new_server_hold_together(tmp_path: Path) -> None:
    assert only(check_setting_values, situation(tmp_path)).level == "ok"


def test_every_error_is_told_not_only_the_first(tmp_path: Path) -> None:
    (tmp_path / "flows").mkdir()
    (tmp_path / "flows" / "bad.yaml").write_text("name: [", encoding="utf-8")
    looked_at = situation(
        tmp_path, address="0.0.0.0:0", speech={"replicas": 100_000}, flows={"folder": tmp_path / "flows"}
    )
    found = list(check_setting_values(looked_at))
    assert [each.reason for each in found] == ["PLAINTEXT_REFUSED", "WORKERS_DO_NOT_FIT", "FLOW_INVALID"]
    assert all(each.hint for each in found)


def test_a_variable_that_is_no_setting_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VESTIBULE_METRIC_PORT", "1")
    found = list(check_setting_values(situation(tmp_path)))
    assert lines(found) == [("ok", "settings"), ("warning", "settings")]
    assert "VESTIBULE_METRIC_PORT" in found[1].found
    assert "VESTIBULE_METRICS_PORT" in found[1].hint
