"""A scripted stand-in for a remote LLM or vision upstream: the OpenAI chat completions API over real HTTP.

``python -m server.cli.demo.llm_server --port 0 --record FILE`` prints one line with its address when it listens, and
appends every byte that it receives to the file. ``POST /script`` makes it fail as remote LLMs do::

    {"mode": "rate_limit", "times": 2, "retry_after": "7"}

``times`` calls fail in this mode, and later ones are answered; 0 means until the mode is changed.
"""

from __future__ import annotations

import argparse
import asyncio
import socket
from collections.abc import AsyncIterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO

import h11
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from uvicorn.protocols.http.h11_impl import H11Protocol

from server.cli.demo.llm_failures import (
    MODEL,
    Cut,
    Mode,
    Script,
    breaks,
    chunk,
    completion,
    error,
    event,
    immediate_failure,
)
from server.cli.demo.llm_replies import reply_to

MAX_HELD_BYTES = 1024 * 1024
HUGE_PARTS = 400
"""Parts of 10,000 characters each. Bounded, because uvicorn does not stop a generator when the client leaves."""


class Upstream:
    """The application and its state.

    Args:
        record: Every received byte is appended here; None keeps nothing.
        key: Calls without this bearer token get 401; empty allows all calls.

    Attributes:
        asked: Calls so far.
        held: Calls that hang now.
        streaming: Streamed answers that are being sent now.
        left: Streamed answers whose client left before their end.
    """

    def __init__(self, record: Path | None = None, key: str = "") -> None:
        self.asked = 0
        self.held = 0
        self.streaming = 0
        self.left = 0
        self._script = Script()
        self._left = 0
        self._changed = asyncio.Event()
        self._key = key
        self._file: BinaryIO | None = record.open("ab", buffering=0) if record else None
        self.app = Starlette(
            routes=[
                Route("/v1/chat/completions", self._chat, methods=["POST"]),
                Route("/v1/models", self._models, methods=["GET"]),
                Route("/script", self._set_script, methods=["POST"]),
                Route("/script", self._get_script, methods=["GET"]),
            ]
        )

    def server(self) -> uvicorn.Server:
        """An HTTP server; give its ``serve`` a bound socket."""
        config = uvicorn.Config(
            self.app,
            http=_recording_protocol(self),
            log_config=None,
            log_level="critical",  # a broken answer is an intended exception
            access_log=False,
            lifespan="off",
            timeout_graceful_shutdown=1,
        )
        return uvicorn.Server(config)

    def keep(self, received: bytes) -> None:
        """Append received bytes to the record."""
        if self._file is not None:
            self._file.write(received)

    def close(self) -> None:
        """Close the record."""
        if self._file is not None:
            self._file.close()

    def next_call(self) -> Script:
        """The script for a new call; counts the call."""
        self.asked += 1
        script = self._script
        if self._left:
            self._left -= 1
            if not self._left:
                self._script = Script()
        return script

    def refuses(self) -> bool:
        """Whether the next call gets no answer."""
        return self._script.mode is Mode.REFUSE

    async def _set_script(self, request: Request) -> Response:
        try:
            wanted = Script(**await request.json())
            self._script = Script(
                Mode(wanted.mode),
                int(wanted.times),
                float(wanted.delay_s),
                str(wanted.retry_after),
                int(wanted.after),
            )
        except (ValueError, TypeError):
            return error(400, "Unknown mode or option.")
        self._left = self._script.times
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
        return await self._get_script(request)

    async def _get_script(self, request: Request) -> Response:
        counts = {"asked": self.asked, "held": self.held, "streaming": self.streaming, "left": self.left}
        return JSONResponse({**asdict(self._script), **counts})

    async def _models(self, request: Request) -> Response:
        if not self._admits(request):
            return error(401, "Incorrect API key provided.")
        model = {"id": MODEL, "object": "model", "created": 0, "owned_by": "vestibule"}
        return JSONResponse({"object": "list", "data": [model]})

    def _admits(self, request: Request) -> bool:
        return not self._key or request.headers.get("authorization") == f"Bearer {self._key}"

    async def _chat(self, request: Request) -> Response:
        body = await _body(request)
        if not self._admits(request):
            return error(401, "Incorrect API key provided.")
        if body is None:
            return error(400, "The body is not a chat completions request.")
        script = self.next_call()
        failure = immediate_failure(script)
        if failure is not None:
            return failure
        if script.mode is Mode.HANG:
            await self._hold(request)
        if body.get("stream"):
            answer = self._counted(self._events(request, body, script))
            return StreamingResponse(answer, media_type="text/event-stream")
        if script.mode in (Mode.STALL, Mode.CUT, Mode.HUGE):
            return StreamingResponse(self._broken_body(request, script), media_type="application/json")
        return JSONResponse(completion(body, script))

    async def _counted(self, answer: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """Count an answer while it is sent, and those whose client left before their end."""
        self.streaming += 1
        try:
            async for part in answer:
                yield part
        except (asyncio.CancelledError, GeneratorExit):
            self.left += 1
            raise
        finally:
            self.streaming -= 1

    async def _events(self, request: Request, body: dict[str, Any], script: Script) -> AsyncIterator[bytes]:
        tokens = [""] if script.mode is Mode.EMPTY else reply_to(body["messages"])
        yield event(chunk({"role": "assistant", "content": ""}))
        for number, token in enumerate(tokens):
            if number == script.after:
                for broken in breaks(script):
                    yield broken
                if script.mode is Mode.HALF:
                    return
                if script.mode is Mode.STALL:
                    await self._hold(request)
            if script.mode is Mode.SLOW:
                await asyncio.sleep(script.delay_s)
            yield event(chunk({"content": token}))
        for _ in range(HUGE_PARTS if script.mode is Mode.HUGE else 0):
            yield event(chunk({"content": "", "padding": "x" * 10_000}))
        yield event(chunk({}, finish_reason="stop"))
        yield b"data: [DONE]\n\n"

    async def _broken_body(self, request: Request, script: Script) -> AsyncIterator[bytes]:
        yield b'{"object": "chat.completion", "padding": "'
        for _ in range(HUGE_PARTS if script.mode is Mode.HUGE else 0):
            yield b"x" * 10_000
        if script.mode is Mode.CUT:
            raise Cut
        await self._hold(request)

    async def _hold(self, request: Request) -> None:
        """Wait until the client disconnects or the script changes."""
        self.held += 1
        gone = asyncio.create_task(_gone(request))
        changed = asyncio.create_task(self._changed.wait())
        _, waiting = await asyncio.wait({gone, changed}, return_when=asyncio.FIRST_COMPLETED)
        self.held -= 1
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _body(request: Request) -> dict[str, Any] | None:
    try:
        body = await request.json()
    except ValueError:
        return None
    messages = body.get("messages") if isinstance(body, dict) else None
    good = isinstance(messages, list) and all(isinstance(message, dict) for message in messages)
    return body if good else None


def _recording_protocol(upstream: Upstream) -> type[H11Protocol]:
    class RecordingProtocol(H11Protocol):
        """Records whole requests, so that the bytes of two connections are not interleaved."""

        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options)
            self.held = bytearray()

        def data_received(self, data: bytes) -> None:
            self.held += data
            if data.startswith(b"POST /v1/chat") and upstream.refuses():
                upstream.next_call()
                self.transport.abort()
                return
            super().data_received(data)
            if self.conn.their_state not in (h11.IDLE, h11.SEND_BODY) or len(self.held) > MAX_HELD_BYTES:
                self.flush()

        def connection_lost(self, exc: Exception | None) -> None:
            self.flush()
            super().connection_lost(exc)

        def flush(self) -> None:
            upstream.keep(bytes(self.held))
            self.held.clear()

    return RecordingProtocol


def bind(port: int) -> socket.socket:
    """A listening socket on loopback; port 0 picks one."""
    bound = socket.socket()
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind(("127.0.0.1", port))
    return bound


async def serve(port: int, record: Path | None, key: str) -> None:
    """Serve until SIGTERM or SIGINT."""
    upstream = Upstream(record, key)
    with bind(port) as bound:
        bound.listen()  # a client may connect as soon as it has read the address
        print(f"The stand-in listens on http://127.0.0.1:{bound.getsockname()[1]}/v1", flush=True)
        await upstream.server().serve(sockets=[bound])
    upstream.close()


def main() -> None:
    """Parse the arguments and serve."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=0, help="port on loopback; 0 picks one")
    parser.add_argument("--record", type=Path, help="append every received byte to this file")
    parser.add_argument("--key", default="", help="ask for this API key")
    arguments = parser.parse_args()
    asyncio.run(serve(arguments.port, arguments.record, arguments.key))


if __name__ == "__main__":
    main()
