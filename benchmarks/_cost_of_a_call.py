"""CPU of one unary call at a bare gRPC server in this process, with more and with fewer of the interceptors."""

from __future__ import annotations

import statistics
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc.aio
from vestibule.v1 import session_pb2, session_pb2_grpc

from server.access.api_keys import ApiKeys
from server.access.audit import AuditTrail
from server.access.authenticator import Authenticator
from server.access.caller import Scope
from server.ledger.embedded import EmbeddedLedger
from server.ledger.types import utc_now
from server.observability.metrics import Metrics
from server.rpc.flood_guard import FloodGuard
from server.rpc.interceptors import interceptors
from server.rpc.interceptors.authenticate import Authenticate
from server.rpc.interceptors.base import HookInterceptor, Interceptor
from server.rpc.interceptors.call_limits import CallLimits
from server.rpc.interceptors.first_message import FirstMessage
from server.rpc.interceptors.flood_accounts import FloodAccounts
from server.rpc.interceptors.refusal_limits import RefusalLimits
from server.runtime.lifecycle import Lifecycle
from server.setting_groups import LimitSettings

CALLS, ROUNDS = 400, 9
REQUEST = session_pb2.GetSessionRequest(session_id="3b1f8f2e-7d43-4e8e-9d1f-0a2b6a4f9f10")
UNBOUNDED = LimitSettings(client_calls_per_s=1e6, client_calls_burst=1_000_000)


class Answers(session_pb2_grpc.SessionServiceServicer):
    """Answers at once."""

    async def GetSession(self, request: Any, context: Any) -> session_pb2.GetSessionResponse:  # noqa: N802
        return session_pb2.GetSessionResponse()


async def microseconds(folder: Path) -> tuple[float, float]:
    """CPU of a call without and with authentication and limits; medians of rounds that take turns."""
    ledger = EmbeddedLedger.open(folder / "ledger.duckdb")
    try:
        keys = ApiKeys(ledger, utc_now, AuditTrail(bytes(32), bytes(32), utc_now))
        _, key = await keys.create(client_id="app", scopes={Scope.APP}, label="bench", expire_time=None)
        every = interceptors(
            Lifecycle(),
            Metrics(),
            Authenticate(Authenticator(keys), lambda decision: None, RefusalLimits(UNBOUNDED)),
            UNBOUNDED,
            FloodGuard(UNBOUNDED, Metrics()),
        )
        async with _served(_without_the_gate(every)) as bare, _served(every) as gated:
            metadata = (("authorization", f"Bearer {key}"),)
            rounds = [(await _cpu_us(bare, metadata), await _cpu_us(gated, metadata)) for _ in range(ROUNDS)]
        await keys.drain()
    finally:
        ledger.close()
    return statistics.median(r[0] for r in rounds), statistics.median(r[1] for r in rounds)


def _without_the_gate(every: Sequence[Interceptor]) -> list[Interceptor]:
    def belongs(one: Interceptor) -> bool:
        gate = isinstance(one, HookInterceptor) and isinstance(one._hook, Authenticate | CallLimits)
        return gate or isinstance(one, FirstMessage | FloodAccounts)

    return [one for one in every if not belongs(one)]


@asynccontextmanager
async def _served(chain: Sequence[Interceptor]) -> AsyncIterator[grpc.aio.Channel]:
    server = grpc.aio.server(interceptors=chain)
    session_pb2_grpc.add_SessionServiceServicer_to_server(Answers(), server)  # type: ignore[abstract]  # only this one is called
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield channel
    finally:
        await server.stop(None)


async def _cpu_us(channel: grpc.aio.Channel, metadata: tuple[tuple[str, str], ...]) -> float:
    stub = session_pb2_grpc.SessionServiceStub(channel)
    began = time.process_time()
    for _ in range(CALLS):
        await stub.GetSession(REQUEST, metadata=metadata)
    return (time.process_time() - began) / CALLS * 1e6
