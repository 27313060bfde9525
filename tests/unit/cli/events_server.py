"""A small server with the events of one session, for the commands that declare and the apps that send."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Event, Thread
from typing import Final

import grpc.aio
from structlog.testing import capture_logs
from vestibule.v1 import funnel_pb2_grpc

from server.access.audit import AuditTrail
from server.flows.definition import FlowDefinition
from server.ledger import sessions
from server.ledger.embedded import EmbeddedLedger
from server.ledger.types import SessionRow
from server.rpc.interceptors.base import HookInterceptor
from server.rpc.interceptors.errors import MapErrors
from server.rpc.interceptors.validate import Validate
from server.setting_groups.stored_data import Undeclared
from tests.fakes.funnel_service import funnel_service
from tests.fakes.gateway import FakeGateway
from tests.unit.ledger.makers import NOW, session
from tests.unit.ledger.migrated import open_ledger

SESSION: Final = session(client_id="shop")


@dataclass(frozen=True, slots=True)
class EventsServer:
    """Where it listens, and what it stored."""

    address: str
    ledger: EmbeddedLedger


@contextmanager
def events_server(
    folder: Path,
    rows: Sequence[SessionRow] = (SESSION,),
    flows: Sequence[FlowDefinition] = (),
    undeclared: Undeclared = "text",
) -> Iterator[EventsServer]:
    """Run the real service over a real ledger, in a thread of its own, because commands block.

    Args:
        folder: Of the ledger.
        rows: The sessions.
        flows: Those that the server knows.
        undeclared: What becomes of events that do not fit.
    """
    ready, ended = Event(), asyncio.Event()
    started: list[tuple[asyncio.AbstractEventLoop, EventsServer]] = []

    async def serve() -> None:
        ledger = open_ledger(folder / "ledger.duckdb", memory_bytes=128 * 1024 * 1024)
        for row in rows:
            ledger.write_now(partial(sessions.insert_or_get, row=row))
        trail = AuditTrail(bytes(32), bytes(32), lambda: NOW)
        gateway = FakeGateway(secrets={"maria": "NAME"})
        service = funnel_service(ledger, gateway, lambda: NOW, trail, flows=flows, undeclared=undeclared)
        server = grpc.aio.server(interceptors=[HookInterceptor(hook) for hook in (MapErrors(), Validate())])
        funnel_pb2_grpc.add_FunnelServiceServicer_to_server(service, server)
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        started.append((asyncio.get_running_loop(), EventsServer(f"127.0.0.1:{port}", ledger)))
        ready.set()
        await ended.wait()
        await server.stop(0)
        ledger.close()

    thread = Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    assert ready.wait(60)
    [(loop, served)] = started
    try:
        with capture_logs():  # or they would be on the standard output of the commands, in this process
            yield served
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join(60)
