"""The log is bounded, and says what it left out."""

from __future__ import annotations

import pytest
import structlog

from server.observability.line_budget import FAILURE_LINES, MOST_KINDS, ORDINARY_LINES, WINDOW_S, Kind, LineBudget


class Log:
    def __init__(self) -> None:
        self.now = 0.0
        self.written: list[dict[str, object]] = []
        self.summaries: list[tuple[int, Kind]] = []
        self.budget = LineBudget(lambda: self.now, lambda lines, kind: self.summaries.append((lines, kind)))

    def line(self, **values: object) -> None:
        try:
            self.written.append(dict(self.budget(None, "info", values)))
        except structlog.DropEvent:
            return


def test_failing_calls_are_bounded_and_summarised_after_the_minute() -> None:
    log = Log()
    for number in range(8000):
        log.line(event="rpc", module="rpc", code="INVALID_ARGUMENT", method=f"method{number % 7}")
    assert len(log.written) == FAILURE_LINES
    assert log.summaries == []
    log.now = WINDOW_S
    log.line(event="started", module="app")
    assert log.summaries == [(8000 - FAILURE_LINES, ("rpc", "INVALID_ARGUMENT"))]
    assert log.written[-1]["event"] == "started"


def test_calls_that_succeed_have_a_larger_budget_for_each_method() -> None:
    log = Log()
    for method in ("a", "b"):
        for _ in range(2 * ORDINARY_LINES):
            log.line(event="rpc", module="rpc", code="OK", method=method)
    assert len(log.written) == 2 * ORDINARY_LINES


def test_one_kind_takes_nothing_from_another() -> None:
    log = Log()
    for _ in range(1000):
        log.line(event="library_message", library="grpc._cython.cygrpc", at="events.py:80")
    log.line(event="library_message", library="asyncio", at="base_events.py:1")
    log.line(event="job_failed", module="jobs")
    assert len(log.written) == FAILURE_LINES + 2


def test_a_new_minute_has_a_new_budget() -> None:
    log = Log()
    for minute in range(3):
        log.now = minute * WINDOW_S
        for _ in range(100):
            log.line(event="rpc", module="rpc", code="UNKNOWN", method="m")
    assert len(log.written) == 3 * FAILURE_LINES
    assert [lines for lines, _ in log.summaries] == [100 - FAILURE_LINES] * 2


def test_memory_is_bounded_whatever_kinds_come() -> None:
    log = Log()
    for number in range(10 * MOST_KINDS):
        log.line(event=f"event{number}", module="m")
    assert len(log.budget._lines) == MOST_KINDS + 1
    assert len(log.written) == MOST_KINDS + ORDINARY_LINES


@pytest.mark.parametrize("code", ["OK", "CANCELLED"])
def test_the_configured_log_drops_and_summarises(capsys: pytest.CaptureFixture[str], code: str) -> None:
    from server.observability import log

    log.configure("info", "json")
    try:
        for _ in range(ORDINARY_LINES + 5):
            log.get_logger("rpc").info("rpc", method="m", code=code)
        log._summarize(5, ("rpc", code))
        lines = capsys.readouterr().err.splitlines()
    finally:
        structlog.reset_defaults()
    assert len(lines) == (ORDINARY_LINES if code == "OK" else FAILURE_LINES) + 1
    assert '"lines": 5' in lines[-1]
    assert f'"like": ["rpc", "{code}"]' in lines[-1]
