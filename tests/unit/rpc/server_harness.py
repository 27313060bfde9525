"""The real port with the conversation service on it, over a real ledger; only workers and upstream are replaced."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast

import grpc.aio
from vestibule.v1 import conversation_pb2 as pb
from vestibule.v1.conversation_pb2_grpc import ConversationServiceStub, add_ConversationServiceServicer_to_server

from server.grpc_server import KEEPALIVE, GrpcServer, Keepalive
from server.rpc.interceptors.base import CallHook
from server.runtime.lifecycle import Lifecycle
from server.services import Services
from server.services.conversation import ConversationService
from tests.fakes.access import OpenAccess
from tests.unit.streaming.conversation_harness import quiet, speech
from tests.unit.streaming.stream_harness import StreamHarness

CHUNK_BYTES = 32_000


class Conversations:
    """One service alone."""

    def __init__(self, harness: StreamHarness) -> None:
        self._harness = harness

    def add_to(self, server: grpc.aio.Server) -> None:
        add_ConversationServiceServicer_to_server(ConversationService(self._harness.streams), server)


@asynccontextmanager
async def listening(
    harness: StreamHarness, keepalive: Keepalive = KEEPALIVE, authenticate: CallHook | None = None
) -> AsyncIterator[str]:
    """The address of a port that is open."""
    services = cast(Services, Conversations(harness))
    listener = GrpcServer(
        "127.0.0.1:0", services, Lifecycle(), harness.metrics, authenticate or OpenAccess(), keepalive
    )
    await listener.start()
    await listener.serving()
    try:
        yield listener.address
    finally:
        await listener.stop(0)


class Stream:
    """One conversation, message by message.

    Attributes:
        token: With which it is resumed.
        finals: Numbers of the utterances whose finals came.
    """

    def __init__(self, channel: grpc.aio.Channel, metadata: Sequence[tuple[str, str]] = ()) -> None:
        stub: Any = ConversationServiceStub(channel)
        self._call = stub.Converse(metadata=metadata)
        self._answers = aiter(self._call)
        self._status: grpc.aio.AioRpcError | None = None
        self._sent = 0
        self.token = ""
        self.finals: list[int] = []

    async def configure(self, session_id: str, **config: Any) -> None:
        """Send the first message and wait for the answer."""
        pcm = {"encoding": pb.AUDIO_ENCODING_PCM_S16LE, "sample_rate_hz": 16_000, "channels": 1}
        await self.send(config=pb.ConverseConfig(session_id=session_id, **(pcm | config)))
        configured = (await self.answer()).configured
        self.token, self._sent = configured.resume_token, configured.next_offset

    async def send(self, **payload: Any) -> None:
        """Send one message."""
        await self._call.write(pb.ConverseRequest(**payload))

    async def answer(self) -> pb.ConverseResponse:
        """The next answer.

        Raises:
            grpc.aio.AioRpcError: The call has ended with a status.
        """
        try:
            response = cast(pb.ConverseResponse, await anext(self._answers))
        except grpc.aio.AioRpcError as error:
            self._status = error
            raise
        if response.HasField("final"):
            self.finals.append(response.final.utterance)
        return response

    async def say(self, audio: bytes) -> None:
        """Send audio."""
        for at in range(0, len(audio), CHUNK_BYTES):
            data = audio[at : at + CHUNK_BYTES]
            await self.send(audio=pb.AudioChunk(offset=self._sent, data=data))
            self._sent += len(data)

    async def said(self, utterance: int) -> None:
        """Say something, and wait for its final."""
        await self.say(speech(0.5) + quiet(0.2))
        while utterance not in self.finals:
            await self.answer()

    async def finish(self) -> None:
        """Half-close and read to the end, which must have the status OK."""
        await self._call.done_writing()
        with contextlib.suppress(StopAsyncIteration):
            while True:
                await self.answer()
        assert await self._call.code() is grpc.StatusCode.OK

    def vanish(self) -> None:
        """Cancel the call, as a client does whose app is closed."""
        self._call.cancel()

    async def refusal(self) -> grpc.aio.AioRpcError:
        """Read on until the status with which the server ends the call."""
        with contextlib.suppress(grpc.aio.AioRpcError):
            async with asyncio.timeout(60):
                while self._status is None:
                    await self.answer()
        assert self._status is not None
        return self._status
