"""Malformed HTTP/2 and protobuf at the port, with and without a valid key."""

from __future__ import annotations

import asyncio
import random
import tempfile
import uuid
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import grpc
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
from server.grpc_server import GrpcServer
from server.observability.metrics import Metrics
from server.runtime.lifecycle import Lifecycle
from server.setting_groups import LimitSettings
from tests.fakes.access import OpenAccess
from tests.fuzz.findings import LONGEST_S, MOST_GROWTH_BYTES, Finding, leaks, own_memory_bytes
from tests.fuzz.messages import fill
from tests.fuzz.mutate import TEXTS, mutated
from tests.unit.access.two_clients import TwoClients
from tests.unit.rpc.every_method import Method, every_method

ANSWER_S = 0.4
UNKNOWN, INTERNAL = 2, 13
"""The second one without details comes from gRPC, which so calls broken HTTP/2."""
HEADER_NAMES = ("grpc-timeout", "grpc-encoding", "x-correlation-id", "te")
FRAME_FLAGS = (0, 1, 4, 5, 8, 0x20, 0xFF)
STREAMS = (0, 1, 2, 3, 0x7FFFFFFF)
GENEROUS: dict[str, Any] = {
    "client_calls_per_s": 1_000_000,
    "client_calls_burst": 1_000_000,
    "client_uploads": 1_000_000,
    "client_upload_bytes": 1_000_000_000_000,
    "typed_per_minute": 1_000_000,
    "client_typed_per_minute": 1_000_000,
    "flood_refused_s": 0,
}
"""So that tries reach the handlers; the bounds have tests of their own."""
DEFECTS = ("unexpected_error", "internal_error", "serving_task")


class Wire:
    """Makes tries, and sends them to an address. No answer may show a path or a trace, or be a defect of ours."""

    name = "wire"

    def __init__(self) -> None:
        self._methods = every_method()
        self._address = ""
        self._key = ""
        self._texts: list[str] = []

    async def attempt(self, number: int, rng: random.Random) -> None:
        """One connection with one call or a part of one."""
        data = self._bytes(rng)
        answer = await asyncio.to_thread(self._send, data)
        shown = f"{answer.headers} {answer.data.decode('latin-1')}"
        if leak := leaks(shown):
            around = shown[max(0, shown.find(leak) - 100) :][:300]
            raise Finding(self.name, number, f"an answer shows {leak}: {around!r}", data)
        message = answer.headers.get("grpc-message", "")
        if answer.status == UNKNOWN or (answer.status == INTERNAL and "grpc-status-details-bin" in answer.headers):
            raise Finding(self.name, number, f"a defect of ours: {message}", data)

    def _send(self, data: bytes) -> Answer:
        try:
            with RawClient(self._address, greet=False) as client:
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
        more = [("authorization", f"Bearer {self._key}")] if rng.random() < 0.9 else []
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


class Services(Wire):
    """All services behind all interceptors, in this process, with a real ledger; only the workers are replaced."""

    name = "services"

    def __init__(self) -> None:
        super().__init__()
        self._memory_bytes = 0

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """A port of its own, with a session in the ledger."""
        with tempfile.TemporaryDirectory() as folder:
            world = TwoClients(Path(folder))
            ids, _ = await world.fill()
            self._texts = [*asdict(ids).values(), "fuzz", "en", "image/png"]
            server = GrpcServer(
                "127.0.0.1:0", world.services, Lifecycle(), Metrics(), OpenAccess(), limits=LimitSettings(**GENEROUS)
            )
            await server.start()
            await server.serving()
            self._address = server.address
            self._memory_bytes = own_memory_bytes()
            try:
                yield
            finally:
                await server.stop(0)
                world.ledger.close()

    async def check(self, number: int) -> None:
        """Health is answered, and this process did not grow."""
        await asyncio.to_thread(ask_health, self.name, number, self._address)
        grown = own_memory_bytes() - self._memory_bytes
        if grown > MOST_GROWTH_BYTES:
            raise Finding(self.name, number, f"memory grew by {grown >> 20} MiB")


class Port(Wire):
    """A real server. No try ends it, makes it slow, makes it grow, or brings a defect or a trace into its log."""

    name = "port"

    def __init__(self) -> None:
        super().__init__()
        self._server: Running
        self._memory_bytes = 0
        self._read_to = 0

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """A server with a session in it."""
        with ExitStack() as stack:
            home = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            unbounded = [f"limits.{name}={value}" for name, value in GENEROUS.items()]
            self._server = await asyncio.to_thread(stack.enter_context, running(home, *unbounded))
            self._address, self._key = self._server.address, self._server.operator_key
            with open_channel(self._address, credential=self._key) as channel:
                request = session_pb2.StartSessionRequest(client_id="fuzz", request_id=str(uuid.uuid4()))
                session = session_pb2_grpc.SessionServiceStub(channel).StartSession(request).session
            self._texts = [session.id, str(uuid.UUID(int=7)), "fuzz", "en", "image/png", "2026-11-27T00:00:00Z"]
            self._memory_bytes = psutil.Process(self._server.pid).memory_info().rss
            try:
                yield
            finally:
                await asyncio.to_thread(stack.close)

    async def check(self, number: int) -> None:
        """Health is answered, the server did not grow, and it logged no defect."""
        await asyncio.to_thread(ask_health, self.name, number, self._address)
        grown = psutil.Process(self._server.pid).memory_info().rss - self._memory_bytes
        if grown > MOST_GROWTH_BYTES:
            raise Finding(self.name, number, f"memory grew by {grown >> 20} MiB")
        log = self._server.child.log.read_text(encoding="utf-8", errors="replace")
        new, self._read_to = log[self._read_to :], len(log)
        for line in new.splitlines():
            if any(f'"event": "{defect}"' in line for defect in DEFECTS) or "Traceback" in line:
                raise Finding(self.name, number, f"the log has a defect: {line[:500]}")


def ask_health(name: str, number: int, address: str) -> None:
    """Ask for the health of a server.

    Raises:
        Finding: It does not answer within ``LONGEST_S``.
    """
    with open_channel(address, credential="") as channel:
        try:
            health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=LONGEST_S)
        except grpc.RpcError as error:
            raise Finding(name, number, f"health is not answered: {error}") from error
