"""Spans of real calls reach a real collector as one tree, and hold nothing that anybody said, typed or uploaded."""

from __future__ import annotations

import asyncio
import json
import random
import re
import urllib.request
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import grpc
import pytest
from vestibule.v1 import conversation_pb2 as pb
from vestibule.v1 import media_pb2, session_pb2

from models.tracing.attributes import ATTRIBUTES
from models.tracing.names import SpanName
from server.cli.channel import open_aio_channel
from server.cli.demo.processes import Child, wait_until
from tests.e2e.harness import (
    DATA,
    READY_TIMEOUT_S,
    App,
    audio,
    config,
    start_server,
    stop_server,
    visit_pcm,
)
from tests.e2e.planted_values import ManyProbe, by_kind, lines_of, people
from tests.e2e.span_collector import Collector, Received, collecting
from tests.eventually import eventually

MADE = set(SpanName) - {SpanName.UPLOAD_SCAN, SpanName.SPEECH_RECORDING}
"""Without a scanner, and without a recording that is uploaded."""

pytestmark = [pytest.mark.e2e, pytest.mark.own_server, pytest.mark.timeout(1200)]

TRACE = uuid.uuid4().hex
CALLER = f"00-{TRACE}-{'1' * 16}-01"
LEFT_OUT = f"00-{uuid.uuid4().hex}-{'2' * 16}-00"
SPOKEN_BYTES = 5 * 32_000  # 5 s
FILE_NAME = "passport of Maria Brevalgrund.jpg"
ID = re.compile(r"[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
WORD = re.compile(r"[\w.:/@+-]{1,120}", re.ASCII)


@dataclass(slots=True)
class Told:
    """What went in and came back as text."""

    texts: list[str] = field(default_factory=list)

    def pieces(self) -> Iterator[str]:
        """Each two words that stand together. Shorter ones may be in the ids by chance."""
        for text in self.texts:
            words = re.findall(r"[^\s]+", text)
            pairs = (" ".join(pair) for pair in pairwise(words))
            yield from (pair for pair in pairs if len(pair) >= 6)


@pytest.fixture(scope="module")
def upstream(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    home = tmp_path_factory.mktemp("upstream")
    child = Child.start("stand-in LLM", ["-m", "server.cli.demo.llm_server", "--port", "0"], home / "upstream.log")
    try:
        wait_until(lambda: "http://" in child.log.read_text(), child, READY_TIMEOUT_S, "The upstream did not start")
        yield re.findall(r"http://[\w.:]+", child.log.read_text())[0]
    finally:
        child.stop()


async def test_a_trace_is_one_tree_without_a_word_of_anybody(upstream: str, tmp_path: Path) -> None:
    [person] = people(1)
    lines = list(lines_of(person, random.Random(5), "typed"))
    values = [value for line in lines for value in line.values]
    told = Told([*(line.text for line in lines), FILE_NAME])
    with collecting() as collector:
        settings = (f"llm_base_url={upstream}/v1", f"traces.endpoint={collector.url}")
        server = start_server(tmp_path / "own", *settings)
        try:
            async with open_aio_channel(server.address, credential=server.operator_key) as channel:
                app = App(channel)
                session = await app.open_session()
                await asyncio.to_thread(_script, upstream, "error", 1)
                await _converse(app, session, [line.text for line in lines], told)
                upload = await app.upload(
                    session,
                    (DATA / "register.jpg").read_bytes(),
                    media_pb2.MEDIA_KIND_VISITOR_REGISTER,
                    display_name=FILE_NAME,
                )
                told.texts.append((await app.finished(upload.id)).text.value)
                await _fail(app, values[0].value)
            await eventually(lambda: collector.names() >= MADE)  # a worker that ends loses what it has not sent yet
            server.terminate()
        finally:
            stop_server(server)
        (tmp_path / "spans.txt").write_text(_drawn(collector), encoding="utf-8")
        _check_names_and_trees(collector)
        _check_job(collector)
        for received in collector.spans:
            _check_structure(received)
        everything = b"\n".join(collector.bodies)
        hits = [("spans", hit) for hit in ManyProbe(values).search(everything)]
        assert not hits, by_kind(hits)
        assert [piece for piece in told.pieces() if piece.encode() in everything] == []
        assert b"Brevalgrund" not in everything
        assert len(told.texts) > len(lines) + 2, "the client was sent finals and replies"


async def _converse(app: App, session: str, lines: list[str], told: Told) -> None:
    async def sent() -> AsyncIterator[pb.ConverseRequest]:
        yield config(session)
        async for chunk in audio(visit_pcm()[:SPOKEN_BYTES]):
            yield chunk
        yield pb.ConverseRequest(end_of_utterance=pb.EndOfUtterance())
        for line in lines:
            yield pb.ConverseRequest(text=pb.TypedText(text=line))

    async for received in app.conversations.Converse(sent(), metadata=[("traceparent", CALLER)]):
        if received.HasField("final"):
            told.texts.append(received.final.text.value)
        if received.HasField("reply_piece"):
            told.texts.append(received.reply_piece.text)


async def _fail(app: App, value: str) -> None:
    """Calls that fail with personal values in their messages and metadata."""
    bad = [("traceparent", f"00-{value}".encode("ascii", "replace").decode()), ("x-correlation-id", value)]
    with pytest.raises(grpc.aio.AioRpcError):
        await app.sessions.GetSession(session_pb2.GetSessionRequest(session_id=value), metadata=bad)
    left_out = session_pb2.StartSessionRequest(client_id="e2e", request_id=str(uuid.uuid4()), language="en")
    await app.sessions.StartSession(left_out, metadata=[("traceparent", LEFT_OUT)])


def _script(url: str, mode: str, times: int) -> None:
    body = json.dumps({"mode": mode, "times": times}).encode()
    request = urllib.request.Request(f"{url}/script", body, {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as reply:
        assert reply.status == 200


def _check_names_and_trees(collector: Collector) -> None:
    stages = [one for one in collector.spans if one.span.name == SpanName.DETECT]
    said = [one for one in stages if one.span.trace_id.hex() == TRACE]
    assert {one.service for one in stages} == {"vestibule-redaction"}
    chains = {tuple(collector.ancestors(one)) for one in said}
    converse = (SpanName.STREAM, "vestibule.v1.ConversationService/Converse")
    call = (SpanName.DETECT, SpanName.REDACTION, SpanName.WORKER_CALL)
    assert (*call, SpanName.UTTERANCE, *converse) in chains, "typed"
    assert (*call, SpanName.REPLY, SpanName.UTTERANCE, *converse) in chains, "a sentence of a reply"
    speech = (SpanName.DETECT, SpanName.REDACTION, SpanName.SPEECH_STEP, SpanName.WORKER_CALL)
    assert (*speech, SpanName.UTTERANCE, *converse) in chains, "spoken"
    [root] = [one for one in collector.spans if one.span.name == converse[1]]
    assert root.span.parent_span_id.hex() == "1" * 16
    assert all(one.span.trace_id.hex() != LEFT_OUT[3:35] for one in collector.spans)
    chats = [one for one in collector.spans if one.span.name == SpanName.CHAT]
    assert any("error.type" in one.values for one in chats), "the upstream failed once"


def _check_job(collector: Collector) -> None:
    [upload] = [one for one in collector.spans if one.span.name == SpanName.UPLOAD]
    jobs = [one for one in collector.spans if one.values.get("vestibule.job.kind") == "read_picture"]
    assert {link.span_id for one in jobs for link in one.span.links} == {upload.span.span_id}
    [done] = [one for one in jobs if one.values["vestibule.job.outcome"] == "done"]
    read = [one for one in collector.spans if one.span.name == SpanName.PICTURE_MASKING]
    assert collector.ancestors(read[0]) == [
        *(SpanName.PICTURE_MASKING, SpanName.PICTURE, SpanName.WORKER_CALL, SpanName.JOB)
    ]
    assert read[0].span.trace_id == done.span.trace_id


def _check_structure(received: Received) -> None:
    """Each string of a span is a name, an id or a word of a list; there is no place left for anything else."""
    span = received.span
    assert span.name in set(SpanName) or span.name.startswith("vestibule.v1."), span.name
    assert not span.events
    assert span.status.message == ""
    assert span.trace_state == ""
    assert all(not link.attributes for link in span.links)
    for name, value in received.values.items():
        assert name in ATTRIBUTES
        if isinstance(value, str):
            assert ID.fullmatch(value) or WORD.fullmatch(value), (name, value)


def _drawn(collector: Collector) -> str:
    """The spans as a tree, for a person."""
    spans = sorted(collector.spans, key=lambda one: one.span.start_time_unix_nano)
    known = {one.span.span_id for one in spans}

    def under(parent: bytes, depth: int) -> Iterator[str]:
        for one in spans:
            is_root = depth == 0 and one.span.parent_span_id not in known
            if is_root or (depth and one.span.parent_span_id == parent):
                took_ms = (one.span.end_time_unix_nano - one.span.start_time_unix_nano) / 1e6
                values = " ".join(f"{k}={v}" for k, v in sorted(one.values.items()))
                yield f"{'  ' * depth}{one.span.name} {took_ms:.1f} ms [{one.service}] {values}"
                yield from under(one.span.span_id, depth + 1)

    return "\n".join(under(b"", 0))
