"""What sends spans: bounded, quiet, and off until an endpoint is set."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import SpanKind

from models.tracing.names import SpanName
from models.tracing.spans import NO_SPAN
from ray_tasks.span_export import TELL_EVERY_S, QuietExporter, Traces, otlp_exporter, traces_url
from ray_tasks.tracing import WorkerTraces, build_traces
from ray_tasks.types import TraceExport
from tests.e2e.span_collector import collecting

PARENT = f"00-{'a' * 32}-{'b' * 16}-01"


class Scripted(SpanExporter):
    """Fails as long as it is told to."""

    def __init__(self) -> None:
        self.works = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        return SpanExportResult.SUCCESS if self.works else SpanExportResult.FAILURE


class Stuck(SpanExporter):
    """A collector that took the connection and does not answer."""

    def __init__(self) -> None:
        self.asked, self.let_go = threading.Event(), threading.Event()

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.asked.set()
        self.let_go.wait(60)
        return SpanExportResult.FAILURE


def test_without_an_endpoint_there_is_no_tracer() -> None:
    assert build_traces(TraceExport(), "x") is None
    assert WorkerTraces(TraceExport(), "speech").call(SpanName.SPEECH_STEP, PARENT) is NO_SPAN


def test_a_failing_collector_is_told_of_once_a_minute_with_all_that_was_lost() -> None:
    exporter, told, now = Scripted(), list[int](), [0.0]
    quiet = QuietExporter(exporter, told.append, lambda: now[0])
    batch: list[ReadableSpan] = [ReadableSpan("a"), ReadableSpan("b")]
    for _ in range(5):
        quiet.export(batch)
    assert told == [2]
    now[0] += TELL_EVERY_S
    quiet.export(batch)
    assert told == [2, 10]
    exporter.works = True
    now[0] += TELL_EVERY_S
    assert quiet.export(batch) is SpanExportResult.SUCCESS
    assert told == [2, 10]


def test_a_collector_that_does_not_answer_delays_neither_calls_nor_the_end() -> None:
    stuck = Stuck()
    traces = Traces(stuck, "test")
    for _ in range(6000):  # more than the queue takes
        with traces.tracer.root(SpanName.JOB, SpanKind.CONSUMER):
            pass
    assert stuck.asked.wait(60)
    traces.close(within_s=0.01)
    stuck.let_go.set()


def test_the_last_spans_are_sent_at_the_end_with_the_headers() -> None:
    with collecting() as collector:
        export = TraceExport(collector.url, (("x-key", "s3cret"),))
        traces = Traces(otlp_exporter(export), "vestibule-test")
        with traces.tracer.root(SpanName.JOB, SpanKind.CONSUMER, traceparent=PARENT):
            pass
        traces.close(within_s=30)
        [received] = collector.spans
        assert (received.service, received.span.name) == ("vestibule-test", "job")
        assert received.span.parent_span_id.hex() == "b" * 16
        assert collector.keys == ["s3cret"]
        assert os.uname().nodename.encode() not in collector.bodies[0]


def test_what_the_environment_of_a_node_says_of_opentelemetry_counts_for_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-key=of-the-node")
    with collecting() as collector:
        traces = build_traces(TraceExport(collector.url), "vestibule-test")
        assert traces is not None
        with traces.tracer.root(SpanName.JOB, SpanKind.CONSUMER):
            pass
        traces.close(within_s=30)
        assert [received.span.name for received in collector.spans] == ["job"]
        assert collector.keys == [""]


def test_spans_that_a_collector_sends_elsewhere_are_told_as_lost(caplog: pytest.LogCaptureFixture) -> None:
    with collecting(status=302) as collector:
        traces = Traces(otlp_exporter(TraceExport(collector.url)), "vestibule-test")
        with traces.tracer.root(SpanName.JOB, SpanKind.CONSUMER):
            pass
        traces.close(within_s=30)
    assert [record.msg for record in caplog.records] == ["traces_not_sent"]


def test_headers_are_in_no_text() -> None:
    assert "s3cret" not in repr(TraceExport("http://127.0.0.1:4318", (("x-key", "s3cret"),)))


@pytest.mark.parametrize("endpoint", ["http://h:4318", "http://h:4318/", "http://h:4318/v1/traces"])
def test_the_path_may_be_given_or_not(endpoint: str) -> None:
    assert traces_url(endpoint) == "http://h:4318/v1/traces"
