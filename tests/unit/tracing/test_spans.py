"""Spans: their parents, what they may hold, and what is kept of an error."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from typing import Any

import pytest
from opentelemetry.trace import SpanKind, StatusCode

from models.cancellation import Cancelled
from models.errors import InvalidInput
from models.reasons import Reason
from models.tracing.attributes import (
    ATTRIBUTES,
    CORRELATION_ID,
    ERROR,
    FINAL_DELAY_S,
    GEN_AI_MODEL,
    JOB_KIND,
    LLM_RETRY,
    TEXTS,
    Attribute,
    Configured,
)
from models.tracing.names import SpanName
from models.tracing.spans import (
    NO_SPAN,
    NO_TRACER,
    RemoteSpan,
    child_span,
    current_span,
    parse_traceparent,
    trace_argument,
    untraced,
)
from tests.fakes.spans import MemoryTraces

SECRET = "Maria Brevalgrund lives at 12 Oak Lane"
PARENT = f"00-{'a' * 32}-{'b' * 16}-01"


@pytest.mark.parametrize(
    ("attribute", "value", "set_to"),
    [
        (JOB_KIND, "read_picture", "read_picture"),
        (JOB_KIND, SECRET, "other"),
        (JOB_KIND, "Maria", "other"),
        (ERROR, Reason.NO_SPEECH, "NO_SPEECH"),
        (ERROR, SECRET, "other"),
        (CORRELATION_ID, "12345678-1234-1234-1234-123456789abc", "12345678-1234-1234-1234-123456789abc"),
        (CORRELATION_ID, "4155550132", None),
        (CORRELATION_ID, SECRET, None),
        (GEN_AI_MODEL, Configured("gpt-4o-mini"), "gpt-4o-mini"),
        (GEN_AI_MODEL, "gpt-4o-mini", None),
        (GEN_AI_MODEL, Configured(SECRET), None),
        (GEN_AI_MODEL, Configured("m" * 121), None),
        (TEXTS, 3, 3),
        (TEXTS, -1, None),
        (TEXTS, True, None),
        (TEXTS, 2**54, None),
        (TEXTS, SECRET, None),
        (TEXTS, None, None),
        (FINAL_DELAY_S, 0.5, 0.5),
        (FINAL_DELAY_S, float("nan"), None),
        (FINAL_DELAY_S, 1e30, None),
        (FINAL_DELAY_S, 10**400, None),
        (FINAL_DELAY_S, SECRET, None),
        (LLM_RETRY, False, False),
        (LLM_RETRY, SECRET, None),
        (LLM_RETRY, [SECRET], None),
    ],
)
def test_an_attribute_takes_its_own_values_alone(attribute: Attribute[Any], value: object, set_to: object) -> None:
    traces = MemoryTraces()
    with traces.tracer.root(SpanName.JOB, SpanKind.CONSUMER) as span:
        span.set(attribute, value)
    assert traces.values("job") == ({} if set_to is None else {attribute.name: set_to})


def test_no_attribute_takes_a_sentence() -> None:
    from models.tracing import attributes

    declared = [one for one in vars(attributes).values() if type(one) is attributes.Attribute]
    assert {one.name for one in declared} == ATTRIBUTES
    assert len(declared) > 30
    for one in declared:
        assert one.accept(SECRET) in (None, "other"), one.name
        assert one.accept(SECRET.encode()) is None, one.name


def test_a_span_has_no_name_of_its_own() -> None:
    traces = MemoryTraces()
    with traces.tracer.root(SpanName.JOB, SpanKind.CONSUMER) as span, pytest.raises(ValueError):
        span.child(SECRET)  # type: ignore[arg-type]


def test_a_root_has_no_name_of_its_own_either() -> None:
    memory = MemoryTraces()
    with memory.tracer.root(SECRET, SpanKind.SERVER):  # type: ignore[arg-type]  # a defect
        pass
    assert [span.name for span in memory.spans] == ["other"]


@pytest.mark.parametrize(
    ("error", "kept", "status"),
    [
        (ValueError(SECRET), "INTERNAL", StatusCode.ERROR),
        (InvalidInput(SECRET, reason=Reason.BAD_AUDIO), "BAD_AUDIO", StatusCode.ERROR),
        (asyncio.CancelledError(SECRET), "CANCELLED", StatusCode.UNSET),
        (Cancelled(SECRET), "CANCELLED", StatusCode.UNSET),
    ],
)
def test_of_an_error_only_the_reason_is_kept(error: BaseException, kept: str, status: StatusCode) -> None:
    traces = MemoryTraces()
    with pytest.raises(type(error)), traces.tracer.root(SpanName.JOB, SpanKind.CONSUMER):
        try:
            raise RuntimeError(SECRET)
        except RuntimeError as cause:
            raise error from cause
    span = traces.one("job")
    assert span.attributes == {"error.type": kept}
    assert (span.status.status_code, span.status.description, span.events) == (status, None, ())
    assert "Brevalgrund" not in span.to_json()


def test_the_first_error_counts() -> None:
    traces = MemoryTraces()
    with traces.tracer.root(SpanName.JOB, SpanKind.CONSUMER) as span:
        span.fail(Reason.NO_SPEECH, fault=False)
        span.fail(ValueError(SECRET))
    assert traces.one("job").attributes == {"error.type": "NO_SPEECH"}
    assert traces.one("job").status.status_code is StatusCode.UNSET


async def test_tasks_and_threads_find_the_span_they_were_started_in() -> None:
    traces = MemoryTraces()

    async def task() -> None:
        with child_span(SpanName.REPLY):
            thread = threading.Thread(target=contextvars.copy_context().run, args=(in_thread,))
            thread.start()
            await asyncio.to_thread(thread.join)

    def in_thread() -> None:
        with child_span(SpanName.NORMALIZE):
            pass

    with traces.tracer.root(SpanName.STREAM, SpanKind.SERVER):
        running = asyncio.create_task(task())
    assert current_span() is NO_SPAN
    await running
    assert traces.path(traces.one("redaction.normalize")) == ["redaction.normalize", "reply", "stream"]


def test_a_span_that_is_not_current_has_children_only_by_name() -> None:
    traces = MemoryTraces()
    with traces.tracer.root(SpanName.STREAM, SpanKind.SERVER) as stream:
        with child_span(SpanName.CHAT, current=False):
            assert current_span() is stream
        with untraced():
            assert child_span(SpanName.REDACTION) is NO_SPAN
        assert current_span() is stream


def test_after_the_span_of_another_process_the_one_before_is_current_again() -> None:
    with RemoteSpan(f"00-{'a' * 32}-{'b' * 16}-01"), child_span(SpanName.JOB):
        assert trace_argument()
    assert current_span() is NO_SPAN


def test_without_a_current_span_nothing_is_made() -> None:
    with child_span(SpanName.REDACTION) as span:
        span.set(TEXTS, 1)
        span.fail(ValueError(SECRET))
        assert child_span(SpanName.DETECT) is NO_SPAN
    assert trace_argument() == {}
    assert NO_TRACER.root(SpanName.JOB, SpanKind.CONSUMER, traceparent=PARENT) is NO_SPAN


def test_the_caller_is_the_parent_in_another_process() -> None:
    server, worker = MemoryTraces(), MemoryTraces()
    root = server.tracer.root(SpanName.STREAM, SpanKind.SERVER, traceparent=PARENT)
    with root, child_span(SpanName.WORKER_CALL, SpanKind.CLIENT):
        argument = trace_argument()["traceparent"]
    with RemoteSpan(argument):  # the process that owns Ray
        assert trace_argument() == {"traceparent": argument}
        assert not child_span(SpanName.REDACTION).recorded
    assert trace_argument() == {}
    with worker.tracer.root(SpanName.REDACTION, SpanKind.SERVER, traceparent=argument):
        pass
    called, found = server.one("worker.call").context, worker.one("redaction")
    assert called is not None and found.parent is not None and found.context is not None
    assert (found.parent.span_id, found.context.trace_id) == (called.span_id, int("a" * 32, 16))


@pytest.mark.parametrize(
    "given",
    [
        "",
        SECRET,
        f"00-{'0' * 32}-{'b' * 16}-01",
        f"00-{'a' * 32}-{'0' * 16}-01",
        f"ff-{'a' * 32}-{'b' * 16}-01",
        f"00-{'a' * 31}g-{'b' * 16}-01",
        f"00-{'a' * 32}-{'b' * 16}-01-{SECRET}",
    ],
)
def test_what_is_no_traceparent_counts_as_none(given: str) -> None:
    assert parse_traceparent(given) is None
    traces = MemoryTraces()
    with traces.tracer.root(SpanName.STREAM, SpanKind.SERVER, traceparent=given):
        pass
    assert traces.one("stream").parent is None


@pytest.mark.parametrize(
    ("flag", "sampled", "recorded"), [("01", True, 1), ("01", False, 0), ("00", True, 0), ("00", False, 0)]
)
def test_a_caller_can_have_less_recorded_and_never_more(flag: str, sampled: bool, recorded: int) -> None:
    traces = MemoryTraces(lambda: sampled)
    root = traces.tracer.root(SpanName.STREAM, SpanKind.SERVER, traceparent=f"{PARENT[:-2]}{flag}")
    with root, child_span(SpanName.REPLY):
        pass
    assert len(traces.spans) == 2 * recorded


def test_a_job_that_a_recorded_call_brought_is_recorded_with_a_link_to_it() -> None:
    traces = MemoryTraces(lambda: False)
    with traces.tracer.root(SpanName.JOB, SpanKind.CONSUMER, link=PARENT):
        pass
    span = traces.one("job")
    assert span.parent is None
    assert [link.context.span_id for link in span.links] == [int("b" * 16, 16)]
    with traces.tracer.root(SpanName.JOB, SpanKind.CONSUMER, link=SECRET):
        pass
    assert len(traces.spans) == 1
