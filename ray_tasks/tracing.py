"""The tracer of a process. What exports spans is imported only where an endpoint is set."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from opentelemetry.trace import SpanKind

from models.tracing.names import SpanName
from models.tracing.spans import NO_SPAN, NO_TRACER, Span, Tracer
from ray_tasks.types import TraceExport

if TYPE_CHECKING:
    from ray_tasks.span_export import Traces


def build_traces(export: TraceExport, service: str, sampled: Callable[[], bool] = lambda: True) -> Traces | None:
    """The tracer of this process with its exporter; None while no endpoint is set.

    Args:
        export: Where spans go.
        service: What they are shown under.
        sampled: See ``SpanTracer``.
    """
    if not export.endpoint:
        return None
    from opentelemetry.sdk import environment_variables

    for name in filter(str.isupper, vars(environment_variables)):  # of the node, and OpenTelemetry would read them
        os.environ.pop(name, None)
    from ray_tasks.span_export import Traces, otlp_exporter

    return Traces(otlp_exporter(export), service, sampled)


class WorkerTraces:
    """The spans of a worker's calls. A call is recorded where its caller's is.

    Args:
        export: Where they go.
        kind: Of the worker.
    """

    def __init__(self, export: TraceExport, kind: str) -> None:
        traces = build_traces(export, f"vestibule-{kind}")
        self._tracer: Tracer = traces.tracer if traces else NO_TRACER

    def call(self, name: SpanName, traceparent: str) -> Span:
        """The span of a call, below the span of its caller."""
        return self._tracer.root(name, SpanKind.SERVER, traceparent=traceparent) if traceparent else NO_SPAN
