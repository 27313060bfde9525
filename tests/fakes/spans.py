"""A tracer whose spans stay in memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from models.tracing.spans import SpanTracer


class MemoryTraces:
    """Keeps every span that ended.

    Args:
        sampled: See ``SpanTracer``.
    """

    def __init__(self, sampled: Callable[[], bool] = lambda: True) -> None:
        self._exporter = InMemorySpanExporter()
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.tracer = SpanTracer(provider.get_tracer("test"), sampled)

    @property
    def spans(self) -> tuple[ReadableSpan, ...]:
        """In the order in which they ended."""
        return self._exporter.get_finished_spans()

    def one(self, name: str) -> ReadableSpan:
        """The only span of this name."""
        [found] = [span for span in self.spans if span.name == name]
        return found

    def values(self, name: str) -> dict[str, Any]:
        """The attributes of the only span of this name."""
        return dict(self.one(name).attributes or {})

    def path(self, span: ReadableSpan) -> list[str]:
        """The names of a span and of those above it."""
        by_id = {each.context.span_id: each for each in self.spans if each.context}
        names = [span.name]
        while span.parent is not None and span.parent.span_id in by_id:
            span = by_id[span.parent.span_id]
            names.append(span.name)
        return names
