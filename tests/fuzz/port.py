"""Malformed HTTP/2 and protobuf at the port of a real server, with and without a valid key."""

from __future__ import annotations

import asyncio
import random
import tempfile
import uuid
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path

import psutil
from grpc_health.v1 import health_pb2, health_pb2_grpc
from hpack import Encoder
from vestibule.v1 import session_pb2, session_pb2_grpc

from benchmarks._raw_http2 import (
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    PREFACE,
    RST_STREAM,
    SETTINGS,
    Answer,
    RawClient,
    frame,
    grpc_message,
    headers_of,
)
from benchmarks._running import Running, running
from server.cli.channel import open_channel
from tests.fuzz.findings import LONGEST_S, MOST_GROWTH_BYTES, Finding, leaks
from tests.fuzz.messages import fill
from tests.fuzz.mutate import TEXTS, mutated
from tests.unit.rpc.every_method import Method, every_method

ANSWER_S = 0.4
HEADER_NAMES = ("grpc-timeout", "grpc-encoding", "x-correlation-id", "te")
FRAME_FLAGS = (0, 1, 4, 5, 8, 0x20, 0xFF)
STREAMS = (0, 1, 2, 3, 0x7FFFFFFF)
UNBOUNDED = (
    "limits.client_calls_per_s=1000000",
    "limits.client_calls_burst=1000000",
    "limits.client_uploads=1000000",
    "limits.client_upload_bytes=1000000000000",
    "limits.typed_per_minute=1000000",
    "limits.client_typed_per_minute=1000000",
    "log_level=warning",
)
"""So that tries reach the handlers; the bounds have tests of their own."""
DEFECTS = ("unexpected_error", "internal_error", "serving_task")


class Port:
    """No try ends the server, makes it slow, or makes it show a path or a trace in an answer or its log."""

    name = "port"

    def __init__(self) -> None:
        self._methods = every_method()
        self._server: Running
        self._texts: list[str] = []
        self._memory_bytes = 0
        self._read_to = 0

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """A real server with a session in it."""
        with ExitStack() as stack:
            home = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            self._server = await asyncio.to_thread(stack.enter_context, running(home, *UNBOUNDED))
            with open_channel(self._server.address, credential=self._server.operator_key) as channel:
                request = session_pb2.StartSessionRequest(client_id="fuzz", request_id=str(uuid.uuid4()))
                session = session_pb2_grpc.SessionServiceStub(channel).StartSession(request).session
            self._texts = [session.id, str(uuid.UUID(int=7)), "fuzz", "en", "image/png", "2026-11-27T00:00:00Z"]
            self._memory_bytes = psutil.Process(self._server.pid).memory_info().rss
            try:
                yield
            finally:
                await asyncio.to_thread(stack.close)

    async def attempt(self, number: int, rng: random.Random) -> None:
        """One connection with one call or a part of one."""
        data = self._bytes(rng)
        answer = await asyncio.to_thread(self._send, data)
        shown = f"{answer.headers} {answer.data.decode('latin-1')}"
        if leak := leaks(shown):
            raise Finding(self.name, number, f"an answer shows {leak}", data)
        if answer.status in (2, 13):  # UNKNOWN and INTERNAL are defects of ours
            raise Finding(self.name, number, f"status {answer.status}: {answer.headers.get('grpc-message')}", data)

    async def check(self, number: int) -> None:
        """The server lives, answers in time, did not grow, and logged no defect."""
        try:
            await asyncio.to_thread(self._ask_health)
        except Exception as error:
            raise Finding(self.name, number, f"health is not answered: {type(error).__name__}") from error
        grown = psutil.Process(self._server.pid).memory_info().rss - self._memory_bytes
        if grown > MOST_GROWTH_BYTES:
            raise Finding(self.name, number, f"memory grew by {grown >> 20} MiB")
        log = self._server.child.log.read_text(encoding="utf-8", errors="replace")
        new, self._read_to = log[self._read_to :], len(log)
        for line in new.splitlines():
            if any(f'"event": "{defect}"' in line for defect in DEFECTS) or "Traceback" in line:
                raise Finding(self.name, number, f"the log has a defect: {line[:500]}")

    def _ask_health(self) -> None:
        with open_channel(self._server.address, credential="") as channel:
            stub = health_pb2_grpc.HealthStub(channel)
            assert stub.Check(health_pb2.HealthCheckRequest(), timeout=LONGEST_S).status

    def _send(self, data: bytes) -> Answer:
        try:
            with RawClient(self._server.address, greet=False) as client:
                client.http2.initiate_connection()
                client.http2.send_headers(1, headers_of("/x", "x"))
                client.http2.data_to_send()  # only for h2 to know the stream; the bytes are ours
                client.sock.sendall(data)
                return client.answer(1, ANSWER_S)
        except (OSError, TimeoutError):
            return Answer()

    def _bytes(self, rng: random.Random) -> bytes:
        method = rng.choice(self._methods)
        body = b"".join(self._message(rng, method) for _ in range(rng.choice((1, 1, 1, 2, 4))))
        more = [("authorization", f"Bearer {self._server.operator_key}")] if rng.random() < 0.9 else []
        if rng.random() < 0.1:
            more.append(
                (rng.choice(("grpc-timeout", "grpc-encoding", "x-correlation-id", "te")), rng.choice(TEXTS[:5]))
            )
        if rng.random() < 0.05:
            more.append(("x-bytes-bin", "!!not base64!!"))
        block = Encoder().encode(headers_of(f"/{method.name}", "127.0.0.1", more))
        if rng.random() < 0.1:
            block = mutated(rng, block)
        frames = [PREFACE, frame(SETTINGS, 0, 0), frame(SETTINGS, 1, 0), frame(HEADERS, END_HEADERS, 1, block)]
        pieces = [body[at : at + 16_000] for at in range(0, len(body), 16_000)] or [b""]
        frames += [frame(DATA, 0, 1, piece) for piece in pieces[:-1]]
        frames.append(frame(DATA, END_STREAM if rng.random() < 0.9 else 0, 1, pieces[-1]))
        if rng.random() < 0.1:
            frames.insert(rng.randint(3, len(frames)), self._odd_frame(rng))
        data = b"".join(frames)
        return data[: len(PREFACE)] + mutated(rng, data[len(PREFACE) :]) if rng.random() < 0.15 else data

    def _message(self, rng: random.Random, method: Method) -> bytes:
        message = method.request()
        fill(rng, message, self._texts)
        content = message.SerializeToString()
        if rng.random() < 0.3:
            content = mutated(rng, content)
        claimed = rng.choice((0, 1, len(content) + 1, 1 << 31, 0xFFFFFFFF)) if rng.random() < 0.05 else None
        return grpc_message(content, claimed=claimed, compressed=int(rng.random() < 0.03))

    def _odd_frame(self, rng: random.Random) -> bytes:
        kind = rng.choice((DATA, HEADERS, RST_STREAM, SETTINGS, 5, 6, 7, 8, CONTINUATION, 0x42, 0xFF))
        return frame(
            kind, rng.choice((0, 1, 4, 5, 8, 0x20, 0xFF)), rng.choice((0, 1, 2, 3, 0x7FFFFFFF)), rng.randbytes(8)
        )
