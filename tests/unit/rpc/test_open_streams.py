"""A stream ends soon after its credential does, whatever its handler is doing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from vestibule.v1 import media_pb2, media_pb2_grpc, session_pb2, session_pb2_grpc

from models.errors import Unauthenticated, Unavailable
from models.reasons import Reason
from server.access.api_keys import ApiKeys
from server.access.audit import AuditTrail
from server.access.authenticator import Authenticator, Grant
from server.access.caller import INTERNAL, Caller, Scope, current_caller
from server.observability.metrics import Metrics
from server.rpc.interceptors import interceptors
from server.rpc.interceptors.authenticate import RECHECK_S, AccessDecision, Authenticate
from server.rpc.interceptors.refusal_limits import RefusalLimits
from server.runtime.lifecycle import Lifecycle
from server.setting_groups import LimitSettings
from tests.eventually import eventually
from tests.unit.access.clock import HandClock
from tests.unit.ledger.migrated import open_ledger
from tests.unit.rpc.server_harness import Stream, listening
from tests.unit.rpc.test_interceptors import UUID, details
from tests.unit.streaming.stream_harness import StreamHarness

QUICK_S = 0.02
BIG = "x" * 3_000_000
"""More than a client takes that does not read."""


@dataclass(slots=True)
class Handlers:
    """What the handlers of the test do, and what they saw.

    Attributes:
        flood: Whether the watch sends more than the client's window holds, instead of waiting.
        flooding: Set when the first such message is being sent.
        left: Set when the watch or the upload was left.
    """

    flood: bool = False
    flooding: asyncio.Event = field(default_factory=asyncio.Event)
    left: asyncio.Event = field(default_factory=asyncio.Event)
    callers: list[Caller] = field(default_factory=list)


class Sessions(session_pb2_grpc.SessionServiceServicer):
    def __init__(self, handlers: Handlers) -> None:
        self._handlers = handlers

    async def WatchSession(self, request: Any, context: Any) -> AsyncIterator[session_pb2.WatchSessionResponse]:
        self._handlers.callers.append(current_caller())
        try:
            yield session_pb2.WatchSessionResponse()
            while self._handlers.flood:
                self._handlers.flooding.set()
                yield session_pb2.WatchSessionResponse(session=session_pb2.Session(client_id=BIG))
            await asyncio.Event().wait()
        finally:
            self._handlers.left.set()


class Media(media_pb2_grpc.MediaServiceServicer):
    def __init__(self, handlers: Handlers) -> None:
        self._handlers = handlers

    async def Upload(self, request_iterator: Any, context: Any) -> media_pb2.UploadResponse:
        self._handlers.callers.append(current_caller())
        try:
            async for _ in request_iterator:
                pass
        finally:
            self._handlers.left.set()
        return media_pb2.UploadResponse()


def _made(kind: Any, handlers: Handlers) -> Any:
    """A servicer without its other methods, which only the type checker misses."""
    return kind(handlers)


class Keys(ApiKeys):
    """Counts how often the keys of open streams are checked again."""

    checks = 0

    def check(self, key_id: str) -> None:
        self.checks += 1
        super().check(key_id)


@dataclass(slots=True)
class Port:
    channel: grpc.aio.Channel
    keys: Keys
    handlers: Handlers
    metrics: Metrics
    decisions: list[AccessDecision]

    async def key(self) -> tuple[str, tuple[tuple[str, str], ...]]:
        """The id of a new key, and the metadata that carries it."""
        row, key = await self.keys.create(client_id="site-1", scopes=[Scope.APP], label="", expire_time=None)
        return row.id, (("authorization", f"Bearer {key}"),)

    async def checked(self) -> None:
        """Return after another check of the keys of open streams."""
        before = self.keys.checks
        await eventually(lambda: self.keys.checks > before)


@asynccontextmanager
async def serving(tmp_path: Path, *, flood: bool = False) -> AsyncIterator[Port]:
    ledger = open_ledger(tmp_path / "ledger.duckdb", HandClock())
    clock, handlers, metrics, decisions = HandClock(), Handlers(flood), Metrics(), list[AccessDecision]()
    keys = Keys(ledger, clock, AuditTrail(bytes(32), bytes(32), clock))
    authenticate = Authenticate(Authenticator(keys), decisions.append, RefusalLimits(LimitSettings()), QUICK_S)
    server = grpc.aio.server(interceptors=interceptors(Lifecycle(), metrics, authenticate, LimitSettings()))
    session_pb2_grpc.add_SessionServiceServicer_to_server(_made(Sessions, handlers), server)
    media_pb2_grpc.add_MediaServiceServicer_to_server(_made(Media, handlers), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with asyncio.timeout(20), grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield Port(channel, keys, handlers, metrics, decisions)
    finally:
        await server.stop(None)
        await keys.drain()
        ledger.close()


def watch(port: Port, metadata: Any) -> Any:
    request = session_pb2.WatchSessionRequest(session_id=UUID)
    return session_pb2_grpc.SessionServiceStub(port.channel).WatchSession(request, metadata=metadata)


async def test_a_waiting_stream_ends_when_its_key_is_revoked(tmp_path: Path) -> None:
    async with serving(tmp_path) as port:
        key_id, metadata = await port.key()
        call = watch(port, metadata)
        await call.read()
        await port.checked()
        assert not call.done()
        await port.keys.revoke(key_id)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call.read()
        await port.handlers.left.wait()
    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
    assert details(caught.value)["ErrorInfo"].reason == Reason.CREDENTIALS_REVOKED
    [caller] = port.handlers.callers
    assert [seen.caller for seen in port.decisions] == [caller, caller]
    assert [seen.denied for seen in port.decisions] == [None, Reason.CREDENTIALS_REVOKED]
    labels = {"method": "vestibule.v1.SessionService/WatchSession", "code": "UNAUTHENTICATED"}
    assert port.metrics.registry.get_sample_value("vestibule_rpcs_total", labels) == 1


async def test_an_upload_that_sends_nothing_ends_when_its_key_is_revoked(tmp_path: Path) -> None:
    async with serving(tmp_path) as port:
        key_id, metadata = await port.key()
        stub: Any = media_pb2_grpc.MediaServiceStub(port.channel)
        call = stub.Upload(metadata=metadata)
        await call.write(media_pb2.UploadRequest(data=b"x"))
        await port.keys.revoke(key_id)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call
        assert port.handlers.left.is_set()
    assert details(caught.value)["ErrorInfo"].reason == Reason.CREDENTIALS_REVOKED


async def test_a_stream_that_sends_ends_after_the_message_in_hand(tmp_path: Path) -> None:
    async with serving(tmp_path, flood=True) as port:
        key_id, metadata = await port.key()
        call = watch(port, metadata)
        await call.read()
        await port.keys.revoke(key_id)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            while True:
                await call.read()
    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED


async def test_a_client_that_reads_nothing_does_not_keep_its_stream(tmp_path: Path) -> None:
    async with serving(tmp_path, flood=True) as port:
        key_id, metadata = await port.key()
        call = watch(port, metadata)
        await call.read()
        await port.handlers.flooding.wait()
        await port.checked()
        await port.keys.revoke(key_id)
        await port.handlers.left.wait()
        call.cancel()


async def test_a_client_that_leaves_ends_the_checks(tmp_path: Path) -> None:
    async with serving(tmp_path) as port:
        _, metadata = await port.key()
        call = watch(port, metadata)
        await call.read()
        call.cancel()
        await port.handlers.left.wait()
        await eventually(lambda: not [task for task in asyncio.all_tasks() if "_watch" in str(task.get_coro())])
    labels = {"method": "vestibule.v1.SessionService/WatchSession", "code": "CANCELLED"}
    assert port.metrics.registry.get_sample_value("vestibule_rpcs_total", labels) == 1


async def test_the_caller_is_that_of_each_call_and_none_outside(tmp_path: Path) -> None:
    async with serving(tmp_path) as port:
        calls = []
        for _ in range(3):
            _, metadata = await port.key()
            calls.append(watch(port, metadata))
            await calls[-1].read()
        for call in calls:
            call.cancel()
    assert len({caller.subject for caller in port.handlers.callers}) == 3
    assert current_caller() is INTERNAL


async def test_a_talk_ends_with_its_key_and_goes_on_with_another(tmp_path: Path) -> None:
    harness, clock = StreamHarness(tmp_path), HandClock()
    keys = ApiKeys(harness.ledger, clock, AuditTrail(bytes(32), bytes(32), clock))
    authenticate = Authenticate(Authenticator(keys), lambda _decision: None, RefusalLimits(LimitSettings()), QUICK_S)

    async def made() -> tuple[str, tuple[tuple[str, str], ...]]:
        row, key = await keys.create(client_id="app", scopes=[Scope.APP], label="", expire_time=None)
        return row.id, (("authorization", f"Bearer {key}"),)

    async with asyncio.timeout(30), listening(harness, authenticate=authenticate) as address:
        async with grpc.aio.insecure_channel(address) as channel:
            key_id, metadata = await made()
            talk = Stream(channel, metadata)
            await talk.configure(harness.config.session_id)
            await talk.said(0)
            await keys.revoke(key_id)
            refusal = await talk.refusal()
            again = Stream(channel, (await made())[1])
            await again.configure(harness.config.session_id, resume_token=talk.token, next_utterance=1)
            await again.said(1)
            await again.finish()
        await keys.drain()
    harness.ledger.close()
    assert refusal.code() is grpc.StatusCode.UNAUTHENTICATED
    assert details(refusal)["ErrorInfo"].reason == Reason.CREDENTIALS_REVOKED


class Failing:
    """Verifies everybody, and cannot check anybody again for a while."""

    def __init__(self) -> None:
        self.checked = 0

    async def authenticate(self, authorization: object, peer: str) -> Grant:
        return Grant(INTERNAL, self.recheck)

    async def recheck(self) -> None:
        self.checked += 1
        if self.checked < 4:
            raise Unavailable("The keys of the issuer could not be read yet.")
        raise Unauthenticated("The token has expired.")


async def test_while_the_issuer_is_down_open_streams_go_on() -> None:
    failing, handlers = Failing(), Handlers()
    authenticate = Authenticate(failing, lambda _decision: None, RefusalLimits(LimitSettings()), QUICK_S)  # type: ignore[arg-type]
    server = grpc.aio.server(
        interceptors=interceptors(
            Lifecycle(), Metrics(), authenticate, LimitSettings(client_calls_per_s=10_000, client_calls_burst=10_000)
        )
    )
    session_pb2_grpc.add_SessionServiceServicer_to_server(_made(Sessions, handlers), server)
    address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    async with asyncio.timeout(20), grpc.aio.insecure_channel(address) as channel:
        stub: Any = session_pb2_grpc.SessionServiceStub(channel)
        with pytest.raises(grpc.aio.AioRpcError):
            _ = [m async for m in stub.WatchSession(session_pb2.WatchSessionRequest(session_id=UUID))]
    await server.stop(None)
    assert failing.checked == 4


def test_a_stream_ends_within_a_minute() -> None:
    """The next check comes within ``RECHECK_S``; whoever does not read is cut off after as long again."""
    assert 2 * RECHECK_S < 60
