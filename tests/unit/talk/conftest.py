"""A server over real gRPC for `vestibule talk`: the services of sessions and conversations on a real ledger."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc.aio
import pytest
from vestibule.v1 import media_pb2
from vestibule.v1.conversation_pb2_grpc import add_ConversationServiceServicer_to_server
from vestibule.v1.media_pb2_grpc import MediaServiceServicer, add_MediaServiceServicer_to_server
from vestibule.v1.session_pb2_grpc import add_SessionServiceServicer_to_server

from models.errors import VestibuleError
from server.cli.remote import Endpoint
from server.cli.talk.client import TalkOptions
from server.cli.talk.opening import Opening, opened
from server.cli.talk.screen import Screen
from server.cli.talk.typed import TypedTalk
from server.flows.catalogue import shipped_catalogue
from server.observability.metrics import Metrics
from server.records.machine_words import MachineWords
from server.records.sessions import Sessions
from server.records.vocabulary import VocabularySealer
from server.rpc.interceptors import interceptors
from server.runtime.lifecycle import Lifecycle
from server.services.conversation import ConversationService
from server.services.session import SessionService
from server.setting_groups import LimitSettings
from tests.fakes.access import OpenAccess
from tests.fakes.gateway import FakeGateway
from tests.unit.streaming.conversation_harness import NOW
from tests.unit.streaming.stream_harness import StreamHarness

SOMEWHERE = Endpoint("127.0.0.1:1", None)


@dataclass
class Reader(MediaServiceServicer):
    """Reads every picture as the same text, fails, or refuses it."""

    outcome: media_pb2.Upload = field(default_factory=media_pb2.Upload)
    refusal: VestibuleError | None = None
    got: list[tuple[media_pb2.UploadDescription, bytes]] = field(default_factory=list)

    async def Upload(self, request_iterator: AsyncIterator[media_pb2.UploadRequest], context: Any) -> Any:
        if self.refusal is not None:
            raise self.refusal
        parts = [part async for part in request_iterator]
        self.got.append((parts[0].description, b"".join(part.data for part in parts[1:])))
        return media_pb2.UploadResponse()

    async def WatchUpload(self, request: media_pb2.WatchUploadRequest, context: Any) -> AsyncIterator[Any]:
        assert request.upload_id == self.got[-1][0].upload_id
        yield media_pb2.WatchUploadResponse(upload=media_pb2.Upload(state=media_pb2.UPLOAD_STATE_PROCESSING))
        yield media_pb2.WatchUploadResponse(upload=self.outcome)


@dataclass
class World:
    """A server, and what types to it."""

    channel: grpc.aio.Channel
    server: Endpoint
    reader: Reader
    harness: StreamHarness

    async def type(self, *lines: str, flow: str = "site_visit", reply: bool = False, terminal: bool = False) -> str:
        """Type lines in a new session; returns its id."""
        session = await opened(self.channel, Opening(flow=flow), "en")
        options = TalkOptions(session.id, "en", reply, give_up_s=5.0)
        typed = TypedTalk(self.channel, SOMEWHERE, options, Screen(terminal=False), terminal=terminal)
        await typed.run(io.BytesIO("".join(f"{line}\n" for line in lines).encode()))
        return session.id


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    harness, reader = StreamHarness(tmp_path), Reader()  # type: ignore[abstract] # no other call is made
    sessions = Sessions(harness.ledger, harness.pubsub, VocabularySealer(bytes(32)), lambda: NOW, shipped_catalogue())
    server = grpc.aio.server(interceptors=interceptors(Lifecycle(), Metrics(), OpenAccess(), LimitSettings()))
    add_ConversationServiceServicer_to_server(ConversationService(harness.streams), server)
    words = MachineWords(FakeGateway())
    add_SessionServiceServicer_to_server(SessionService(sessions, harness.pubsub, Lifecycle(), words), server)
    add_MediaServiceServicer_to_server(reader, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield World(channel, Endpoint(f"127.0.0.1:{port}", None), reader, harness)
    await server.stop(None)
    harness.ledger.close()
