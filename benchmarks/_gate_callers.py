"""Two ways to send a file through the gate: a real server, and the sandbox alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any, Protocol, cast

import grpc.aio
from vestibule.v1 import conversation_pb2, media_pb2

from models.errors import VestibuleError
from models.media.audio_decoder import StreamDecoder, decode
from models.media.formats import MediaKind
from models.media.images import ImageLimits
from models.media.images import decode as decode_picture
from models.media.pages import unpack
from server.sandbox.sandbox import MediaSandbox
from tests.e2e.harness import LOST_STATUS, App, reason

CHUNK_BYTES = 16_000
NO_SPEECH = "NO_SPEECH"


class Caller(Protocol):
    """Sends files."""

    async def upload(self, name: str, content: bytes) -> str:
        """Upload a file; returns the reason of the refusal, empty when it was accepted."""
        ...

    async def stream(self, content: bytes) -> str:
        """Stream a file as audio; returns the reason with which the stream ended."""
        ...

    async def unread(self) -> list[str]:
        """The accepted uploads that could not be decoded afterwards."""
        ...


class OverTheWire:
    """To a real server, each file in a session of its own."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._accepted: dict[str, str] = {}

    async def upload(self, name: str, content: bytes) -> str:
        """See ``Caller``."""
        session = await self._app.open_session()
        try:
            row = await self._app.upload(session, content, media_pb2.MEDIA_KIND_UNSPECIFIED, "")
        except grpc.aio.AioRpcError as error:
            return reason(error)
        self._accepted[row.id] = name
        return ""

    async def unread(self) -> list[str]:
        """See ``Caller``; waits for the workers."""
        ends = [await self._app.finished(upload_id) for upload_id in self._accepted]
        names, self._accepted = dict(self._accepted), {}
        return [f"{names[end.id]}: {end.failure_reason}" for end in ends if end.failure_reason not in ("", NO_SPEECH)]

    async def stream(self, content: bytes) -> str:
        """See ``Caller``; sends again when the client of grpc.aio loses the status."""
        for _ in range(20):
            try:
                return await self._stream_once(content)
            except grpc.aio.AioRpcError as error:
                if error.details() != LOST_STATUS:
                    return reason(error)
        raise AssertionError("The status was lost twenty times.")

    async def _stream_once(self, content: bytes) -> str:
        session = await self._app.open_session()
        call = cast(Any, self._app.conversations).Converse()
        writing = asyncio.ensure_future(_write(call, session, content))
        try:
            async for _ in call:
                pass
        finally:
            await writing
        return ""


class SandboxAlone:
    """To the processes that decode, without a server."""

    def __init__(self, sandbox: MediaSandbox) -> None:
        self._sandbox = sandbox
        self._unread: list[str] = []

    async def upload(self, name: str, content: bytes) -> str:
        """See ``Caller``."""
        clean_form = bytearray()
        try:
            made = await self._sandbox.clean(content, clean_form.extend, name)
        except VestibuleError as error:
            return error.reason
        try:
            for page in unpack(bytes(clean_form)):
                if made.found.kind is MediaKind.IMAGE:
                    decode_picture(page, ImageLimits())
                else:
                    decode(page)
        except VestibuleError as error:
            self._unread.append(f"{name}: {error.reason}")
        return ""

    async def unread(self) -> list[str]:
        """See ``Caller``."""
        return self._unread

    async def stream(self, content: bytes) -> str:
        """See ``Caller``."""
        return await asyncio.to_thread(self._stream, content)

    def _stream(self, content: bytes) -> str:
        with StreamDecoder(open_container=self._sandbox.open_stream) as stream:
            try:
                for at in range(0, len(content), CHUNK_BYTES):
                    stream.feed(content[at : at + CHUNK_BYTES])
                stream.finish()
            except VestibuleError as error:
                return error.reason
        return ""


async def _write(call: Any, session: str, content: bytes) -> None:
    # A server that refuses ends the stream while we still write; the reader learns why.
    with suppress(grpc.aio.AioRpcError, grpc.aio.UsageError, grpc.aio.InternalError, asyncio.InvalidStateError):
        async for request in _requests(session, content):
            await call.write(request)
        await call.done_writing()


async def _requests(session: str, content: bytes) -> AsyncIterator[conversation_pb2.ConverseRequest]:
    encoding = conversation_pb2.AUDIO_ENCODING_CONTAINER
    yield conversation_pb2.ConverseRequest(
        config=conversation_pb2.ConverseConfig(session_id=session, encoding=encoding, reply=False)
    )
    for at in range(0, len(content), CHUNK_BYTES):
        chunk = conversation_pb2.AudioChunk(offset=at, data=content[at : at + CHUNK_BYTES])
        yield conversation_pb2.ConverseRequest(audio=chunk)
