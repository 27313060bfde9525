"""Spans, and how they find their parents.

The current span is in a context variable, as the correlation id of the log is, so tasks and threads that copy their
context have it too. ``child_span`` makes its child. Without a current span, because tracing is off or the call is not
sampled, it gives ``NO_SPAN``, which does nothing. To another process the parent goes as an argument, ``traceparent``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from types import TracebackType
from typing import Final, Protocol, Self, TypeVar

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from models.cancellation import Cancelled
from models.errors import VestibuleError
from models.reasons import Reason
from models.tracing.attributes import CANCELLED, ERROR, OTHER, Attribute, Configured, configured
from models.tracing.names import SpanName

T = TypeVar("T")

_W3C: Final = TraceContextTextMapPropagator()
TRACEPARENT: Final = "traceparent"
"""The key under which a span is named elsewhere: in metadata, and in the payload of a job."""
_NO_PARENT: Final = Context()


class Span:
    """A span that is not recorded; ``RecordedSpan`` is the other kind.

    As a context manager it is the current span within the block, notes the reason of an error that leaves the block,
    and ends with it.
    """

    recorded = False
    traceparent = ""
    """What another process gets, in the form of W3C Trace Context."""

    def set(self, attribute: Attribute[T], value: T) -> None:
        """Set an attribute, if its list of values allows it."""

    def fail(self, error: BaseException | str, *, fault: bool = True) -> None:
        """Note the first error, by its stable reason. Nothing else of an exception is kept.

        Args:
            error: It, or its reason.
            fault: Whether the span counts as failed; False for what the caller did wrong. A cancellation never does.
        """

    def child(self, name: SpanName, kind: SpanKind = SpanKind.INTERNAL, *, current: bool = True) -> Span:
        """A span below this one; see ``child_span``."""
        return self

    def end(self) -> None:
        """End it now; harmless when repeated."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None


class RemoteSpan(Span):
    """The span of another process, for which this one only passes calls on."""

    def __init__(self, traceparent: str) -> None:
        self.traceparent = traceparent
        self._before: Span = NO_SPAN

    def child(self, name: SpanName, kind: SpanKind = SpanKind.INTERNAL, *, current: bool = True) -> Span:
        """See ``Span``. It is an object of its own, because each block notes which span was the current one before."""
        return RemoteSpan(self.traceparent)

    def __enter__(self) -> Self:
        self._before = _current.get()
        _current.set(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _current.set(self._before)


NO_SPAN: Final = Span()

_current: ContextVar[Span] = ContextVar("current_span", default=NO_SPAN)


class RecordedSpan(Span):
    """A span that is exported when it ends.

    Args:
        tracer: Makes its children.
        span: OpenTelemetry's.
        current: Whether a block makes it the current span.
    """

    recorded = True

    def __init__(self, tracer: trace.Tracer, span: trace.Span, *, current: bool = True) -> None:
        self._tracer = tracer
        self._span = span
        self._makes_current = current
        self._before: Span = NO_SPAN
        self._failed = False
        self.traceparent = _traceparent(span.get_span_context())

    def set(self, attribute: Attribute[T], value: T) -> None:
        """See ``Span``."""
        accepted = attribute.accept(value)
        if accepted is not None:
            self._span.set_attribute(attribute.name, accepted)

    def fail(self, error: BaseException | str, *, fault: bool = True) -> None:
        """See ``Span``."""
        if self._failed:
            return
        self._failed, reason = True, _reason(error)
        self.set(ERROR, reason)
        if fault and reason != CANCELLED:
            self._span.set_status(Status(StatusCode.ERROR))

    def child(self, name: SpanName, kind: SpanKind = SpanKind.INTERNAL, *, current: bool = True) -> Span:
        """See ``Span``."""
        above = trace.set_span_in_context(self._span, _NO_PARENT)
        return RecordedSpan(self._tracer, self._tracer.start_span(SpanName(name), above, kind), current=current)

    def end(self) -> None:
        """See ``Span``."""
        self._span.end()

    def __enter__(self) -> Self:
        if self._makes_current:
            self._before = _current.get()
            _current.set(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._makes_current:
            _current.set(self._before)
        if error is not None:
            self.fail(error)
        self.end()


def _reason(error: BaseException | str) -> str:
    match error:
        case str():
            return error
        case VestibuleError():
            return str(error.reason)
        case asyncio.CancelledError() | GeneratorExit() | Cancelled():
            return CANCELLED
    return Reason.INTERNAL


def current_span() -> Span:
    """The span of what is done now."""
    return _current.get()


def trace_argument() -> dict[str, str]:
    """How the current span is handed to another process, or kept with a job; empty without one that is recorded."""
    traceparent = _current.get().traceparent
    return {TRACEPARENT: traceparent} if traceparent else {}


def child_span(name: SpanName, kind: SpanKind = SpanKind.INTERNAL, *, current: bool = True) -> Span:
    """A span below the current one; use it as a context manager.

    Args:
        name: Of the span.
        kind: INTERNAL, or CLIENT for a call to another process.
        current: Whether it is the current span within the block. An asynchronous generator must say False: its caller
            would have the span as the current one, too.
    """
    return _current.get().child(name, kind, current=current)


@contextmanager
def untraced() -> Iterator[None]:
    """A block whose work makes no spans."""
    before = _current.get()
    _current.set(NO_SPAN)
    try:
        yield
    finally:
        _current.set(before)


class Tracer(Protocol):
    """Begins the spans that have no parent in this process."""

    def root(self, name: SpanName | Configured, kind: SpanKind, *, traceparent: str = "", link: str = "") -> Span:
        """A span with a remote parent or none.

        Args:
            name: Of the span.
            kind: SERVER, or CONSUMER for a job.
            traceparent: The remote parent; anything that is no valid one counts as none.
            link: The span that asked for this work earlier, in the same form. It was recorded, so this one is, too.
        """
        ...


class NoTracer:
    """Implements ``Tracer`` while tracing is off."""

    def root(self, name: SpanName | Configured, kind: SpanKind, *, traceparent: str = "", link: str = "") -> Span:
        """See ``Tracer``."""
        return NO_SPAN


NO_TRACER: Final = NoTracer()


class SpanTracer:
    """Implements ``Tracer`` on OpenTelemetry.

    Args:
        tracer: OpenTelemetry's.
        sampled: Says for each root whether it is recorded. It knows nothing of the caller, so that no caller can have
            more recorded than the operator wants.
    """

    def __init__(self, tracer: trace.Tracer, sampled: Callable[[], bool] = lambda: True) -> None:
        self._tracer = tracer
        self._sampled = sampled

    def root(self, name: SpanName | Configured, kind: SpanKind, *, traceparent: str = "", link: str = "") -> Span:
        """See ``Tracer``."""
        parent, linked = parse_traceparent(traceparent), parse_traceparent(link)
        if parent is not None and not parent.trace_flags & TraceFlags.SAMPLED:
            return NO_SPAN
        if linked is None and not self._sampled():
            return NO_SPAN
        above = trace.set_span_in_context(trace.NonRecordingSpan(parent), _NO_PARENT) if parent else _NO_PARENT
        links: Sequence[Link] = [Link(linked)] if linked else []
        checked = SpanName(name) if isinstance(name, SpanName) else configured(name) or OTHER
        return RecordedSpan(self._tracer, self._tracer.start_span(checked, above, kind, links=links))


def parse_traceparent(value: str) -> SpanContext | None:
    """The span that a ``traceparent`` names; None where it is not valid."""
    if not value:
        return None
    context = trace.get_current_span(_W3C.extract({TRACEPARENT: value}, _NO_PARENT)).get_span_context()
    return context if context.is_valid else None


def _traceparent(context: SpanContext) -> str:
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags & TraceFlags.SAMPLED:02x}"
