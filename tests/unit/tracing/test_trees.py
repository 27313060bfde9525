"""The spans of each part of the server and of a worker, and how they hang together."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import grpc
import pytest
from opentelemetry.trace import SpanKind, StatusCode
from vestibule.v1 import session_pb2, session_pb2_grpc

from models.errors import InvalidInput, RedactionFailed
from models.reasons import Reason
from models.redaction.redactor import STAGES, LocalRedactor
from models.redaction.types import RedactionContext
from models.text import RawText
from models.tracing.names import SpanName
from models.tracing.spans import RemoteSpan, child_span
from ray_tasks.gateway import RayGateway
from ray_tasks.supervised_gateway import SupervisedGateway
from server.observability.metrics import Metrics
from server.rpc.interceptors import interceptors
from server.runtime.lifecycle import Lifecycle
from server.setting_groups import LimitSettings
from server.streaming import events
from tests.fakes.access import OpenAccess
from tests.fakes.classifier import WordListClassifier
from tests.fakes.spans import MemoryTraces
from tests.unit.llm.wire import Wire, assistant_on, token, whole
from tests.unit.llm.wire import events as upstream_events
from tests.unit.ray_tasks.test_gateway import ScriptedWorkers
from tests.unit.rpc.test_interceptors import Sessions
from tests.unit.streaming.conversation_harness import ConversationHarness, chunks, quiet, speech, these

SECRET = "Maria Brevalgrund, 212-555-0187"
CALLER = f"00-{'a' * 32}-{'b' * 16}-01"


async def _call(traces: MemoryTraces, error: BaseException | None, *metadata: tuple[str, str]) -> None:
    hooks = interceptors(Lifecycle(), Metrics(), OpenAccess(), LimitSettings(), tracer=traces.tracer)
    server = grpc.aio.server(interceptors=hooks)
    session_pb2_grpc.add_SessionServiceServicer_to_server(Sessions(error, None), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            stub = session_pb2_grpc.SessionServiceStub(channel)
            request = session_pb2.GetSessionRequest(session_id=str(uuid.uuid4()))
            try:
                await stub.GetSession(request, metadata=metadata)
            except grpc.aio.AioRpcError:
                assert error is not None
    finally:
        await server.stop(None)


METHOD = "vestibule.v1.SessionService/GetSession"


async def test_a_call_is_a_span_below_its_caller() -> None:
    traces, call_id = MemoryTraces(), str(uuid.uuid4())
    await _call(traces, None, ("traceparent", CALLER), ("x-correlation-id", call_id), ("tracestate", "a=Maria"))
    span = traces.one(METHOD)
    assert span.kind is SpanKind.SERVER
    assert span.parent is not None and f"{span.parent.span_id:016x}" == "b" * 16
    assert not span.parent.trace_state
    assert span.attributes == {
        "rpc.system": "grpc",
        "rpc.service": "vestibule.v1.SessionService",
        "rpc.method": "GetSession",
        "rpc.grpc.status_code": 0,
        "vestibule.correlation_id": call_id,
    }


@pytest.mark.parametrize(
    ("error", "reason", "code", "status"),
    [
        (InvalidInput(SECRET, reason=Reason.INVALID_ID), "INVALID_ID", 3, StatusCode.UNSET),
        (RedactionFailed(SECRET), "REDACTION_FAILED", 14, StatusCode.ERROR),
        (ValueError(SECRET), "INTERNAL", 13, StatusCode.ERROR),
    ],
)
async def test_a_failed_call_has_its_reason_and_nothing_of_its_message(
    error: BaseException, reason: str, code: int, status: StatusCode
) -> None:
    traces = MemoryTraces()
    await _call(traces, error, ("traceparent", SECRET), ("x-correlation-id", SECRET))
    span = traces.one(METHOD)
    assert (traces.values(METHOD)["error.type"], traces.values(METHOD)["rpc.grpc.status_code"]) == (reason, code)
    assert span.status.status_code is status
    assert "Brevalgrund" not in span.to_json()


async def test_without_a_tracer_there_is_no_interceptor_for_it() -> None:
    off = interceptors(Lifecycle(), Metrics(), OpenAccess(), LimitSettings())
    on = interceptors(Lifecycle(), Metrics(), OpenAccess(), LimitSettings(), tracer=MemoryTraces().tracer)
    assert len(on) == len(off) + 1


async def test_a_stream_has_utterances_and_these_have_replies() -> None:
    traces, harness = MemoryTraces(), ConversationHarness()
    with traces.tracer.root(SpanName.STREAM, SpanKind.SERVER):
        await harness.run(chunks(speech(2.0) + quiet(1.0)))
        await harness.run(these(events.TextIn(RawText(f"I am {SECRET}"))))
    said, replies = ([s for s in traces.spans if s.name == name] for name in ("utterance", "reply"))
    assert [traces.path(one) for one in said] == [["utterance", "stream"]] * 2
    assert [traces.path(one) for one in replies] == [["reply", "utterance", "stream"]] * 2
    spoken, typed = (dict[str, Any](one.attributes or {}) for one in said)
    assert (spoken["vestibule.utterance.source"], typed["vestibule.utterance.source"]) == ("speech", "typed")
    assert spoken["vestibule.audio_s"] > 1
    assert "vestibule.utterance.final_delay_s" in spoken
    assert all("Brevalgrund" not in one.to_json() and harness.gateway.spoken not in one.to_json() for one in said)


async def test_partials_have_no_spans() -> None:
    traces, harness = MemoryTraces(), ConversationHarness()
    asked: list[tuple[bool, bool]] = []
    step = harness.gateway.speech_step

    async def noted(window: Any, *, timeout_s: float) -> Any:
        asked.append((window.final, child_span(SpanName.WORKER_CALL).recorded))
        return await step(window, timeout_s=timeout_s)

    harness.gateway.speech_step = noted  # type: ignore[method-assign]
    with traces.tracer.root(SpanName.STREAM, SpanKind.SERVER):
        await harness.run(chunks(speech(2.0) + quiet(1.0)))
    assert {False, True} == {final for final, _ in asked}
    assert all(final is traced for final, traced in asked)


async def test_a_chat_has_its_tokens_and_not_its_text() -> None:
    usage = {"choices": [], "usage": {"prompt_tokens": 21, "completion_tokens": 7, "total_tokens": 28}}
    content = upstream_events(token(f"Welcome {SECRET}."), token("", "stop"), usage)
    traces = MemoryTraces()
    with traces.tracer.root(SpanName.REPLY, SpanKind.SERVER):
        await whole(assistant_on(Wire(content)))
    assert traces.values("chat") == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "m",
        "gen_ai.usage.input_tokens": 21,
        "gen_ai.usage.output_tokens": 7,
        "vestibule.llm.upstream": "llm_api",
        "vestibule.llm.task": "reply",
        "vestibule.llm.retry": False,
        "vestibule.llm.background": True,
        "vestibule.breaker.state": "closed",
    }
    assert traces.one("chat").kind is SpanKind.CLIENT


async def test_a_chat_that_fails_has_the_reason() -> None:
    traces = MemoryTraces()
    with traces.tracer.root(SpanName.REPLY, SpanKind.SERVER):
        await whole(assistant_on(Wire(SECRET.encode(), 500)), fallback=True)
    assert traces.values("chat")["error.type"].startswith("UPSTREAM_")
    assert "Brevalgrund" not in traces.one("chat").to_json()


def test_each_stage_of_the_redaction_is_a_span_in_order() -> None:
    traces = MemoryTraces()
    with traces.tracer.root(SpanName.REDACTION, SpanKind.SERVER):
        LocalRedactor(WordListClassifier()).redact_many([RawText(SECRET)], RedactionContext())
    names = [span.name for span in traces.spans]
    assert names == ["redaction.normalize", *(SpanName.of_stage(stage) for stage in STAGES), "redaction"]
    assert all("Brevalgrund" not in span.to_json() for span in traces.spans)


def test_a_stage_that_fails_leaves_only_a_reason() -> None:
    class Broken(WordListClassifier):
        def begin(self, *_: Any) -> Callable[[], Any]:
            raise ValueError(SECRET)

    traces = MemoryTraces()
    root = traces.tracer.root(SpanName.REDACTION, SpanKind.SERVER)
    with pytest.raises(RedactionFailed), root:
        LocalRedactor(Broken()).redact_many([RawText(SECRET)], RedactionContext())
    assert traces.values("redaction.detect") == {"error.type": "INTERNAL"}
    assert traces.values("redaction")["error.type"] == "REDACTION_FAILED"
    assert all("Brevalgrund" not in span.to_json() for span in traces.spans)


async def test_the_gateway_hands_the_span_of_its_caller_to_the_worker() -> None:
    workers, handed = ScriptedWorkers(), list[dict[str, str]]()
    workers.ready.set()
    worker = workers.applications["redaction"].handle
    send = worker.redact.remote

    def remote(*arguments: object, **options: str) -> Any:
        handed.append(options)
        return send(*arguments)

    worker.redact.remote = remote
    gateway = RayGateway(workers)
    await gateway.redact([RawText("x")], RedactionContext(), timeout_s=1)
    with RemoteSpan(CALLER):
        await gateway.redact([RawText("x")], RedactionContext(), timeout_s=1)
    assert handed == [{}, {"traceparent": CALLER}]


async def test_the_gateway_of_the_server_is_a_span_that_the_process_of_ray_gets() -> None:
    from types import SimpleNamespace

    traces, sent = MemoryTraces(), list[str]()

    class Child:
        async def call(self, method: str, *arguments: object, **options: object) -> list[object]:
            from models.tracing.spans import current_span

            sent.append(current_span().traceparent)
            return []

    async def child() -> Child:
        return Child()

    gateway = SupervisedGateway(SimpleNamespace(child=child))  # type: ignore[arg-type]
    with traces.tracer.root(SpanName.UTTERANCE, SpanKind.SERVER):
        await gateway.redact([RawText(SECRET)], RedactionContext(), timeout_s=1)
    context = traces.one("worker.call").context
    assert context is not None
    assert sent == [f"00-{context.trace_id:032x}-{context.span_id:016x}-01"]
    assert traces.values("worker.call") == {"vestibule.worker.method": "redact"}


def test_the_words_of_the_server_are_on_the_lists() -> None:
    from models.media.formats import MediaKind
    from models.tracing import attributes as names
    from server.breakers.types import BreakerState
    from server.ledger.types import Origin
    from server.llm.labeller import VISION_API
    from server.llm.upstream import CHECKER_API, LLM_API
    from server.uploads.types import CheckStage

    lists = (
        (names.BREAKER_STATE, [*BreakerState]),
        (names.REPLY_ORIGIN, [*Origin]),
        (names.MEDIUM, [*MediaKind]),
        (names.CHECK_STAGE, [stage.name.lower() for stage in CheckStage]),
        (names.LLM_UPSTREAM, [LLM_API, CHECKER_API, VISION_API]),
        (names.ERROR, [*Reason]),
    )
    for attribute, words in lists:
        assert [attribute.accept(word) for word in words] == words
