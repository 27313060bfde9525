"""The scripted upstreams of benchmarks/outage.py, in a process of their own: one that breaks, and one that never does.

``python -m benchmarks._outage_upstream PORTS LATENCY_S FALLBACK_LATENCY_S`` writes ``{"broken": [ports], "steady":
port}``: every contestant gets a port of the upstream that breaks, so that its attempts can be counted. Each line of
standard input, ``{"mode", "retry_after"}``, changes how all of these ports answer; the reply is ``{"at": seconds of
time.monotonic, "asked": {port: calls since the start}}``.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from socket import socket

import uvicorn
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from benchmarks._outage_modes import BROKEN, STEADY, Mode
from server.cli.demo.llm_failures import chunk, error, event
from server.cli.demo.llm_server import bind


class Upstream:
    """Answers each chat completion with its own name, after a fixed time."""

    def __init__(self, name: str, latency_s: float) -> None:
        self.mode = Mode.ANSWER
        self.retry_after = ""
        self.asked: Counter[int] = Counter()
        self._name = name
        self._latency_s = latency_s
        self._app = Starlette(routes=[Route("/v1/chat/completions", self._chat, methods=["POST"])])
        self._server: uvicorn.Server | None = None
        self._serving: asyncio.Task[None] | None = None

    def listen(self, ports: Sequence[int]) -> list[int]:
        """Serve on these ports of loopback, where 0 picks one; returns them."""
        sockets: list[socket] = [bind(port) for port in ports]
        for one in sockets:
            one.listen(1024)
        config = uvicorn.Config(self._app, log_config=None, access_log=False, lifespan="off", timeout_keep_alive=600)
        self._server = uvicorn.Server(config)
        self._serving = asyncio.create_task(self._server.serve(sockets))
        return [one.getsockname()[1] for one in sockets]

    async def close(self) -> None:
        """Close the ports and all connections, so that new ones are refused."""
        if self._server is None or self._serving is None:
            return
        self._server.should_exit = self._server.force_exit = True
        await self._serving
        self._server = self._serving = None

    async def _chat(self, request: Request) -> Response:
        try:
            body = await request.json()
        except ClientDisconnect:
            return Response()
        self.asked[request.scope["server"][1]] += 1
        if self.mode is Mode.HANG:
            while (await request.receive())["type"] != "http.disconnect":
                pass
            return error(500, "Nobody is there.")
        if self.mode is Mode.ERROR:
            return error(500, "The server had an error.")
        if self.mode is Mode.RATE_LIMIT:
            return error(429, "Rate limit reached.", {"retry-after": self.retry_after})
        await asyncio.sleep(self._latency_s)
        if body.get("stream"):
            return StreamingResponse(self._pieces(), media_type="text/event-stream")
        choice = {"index": 0, "message": {"role": "assistant", "content": self._name}, "finish_reason": "stop"}
        return JSONResponse({"id": "scripted", "object": "chat.completion", "created": 0, "model": self._name,
                             "choices": [choice]})  # fmt: skip

    async def _pieces(self) -> AsyncIterator[bytes]:
        yield event(chunk({"role": "assistant", "content": ""}))
        yield event(chunk({"content": self._name}))
        yield event(chunk({}, finish_reason="stop"))
        yield b"data: [DONE]\n\n"


async def serve(ports: int, latency_s: float, fallback_latency_s: float) -> None:
    broken, steady = Upstream(BROKEN, latency_s), Upstream(STEADY, fallback_latency_s)
    places = broken.listen([0] * ports)
    say({"broken": places, "steady": steady.listen([0])[0]})
    while line := await asyncio.to_thread(sys.stdin.readline):
        wanted = json.loads(line)
        mode, broken.retry_after = Mode(wanted["mode"]), wanted["retry_after"]
        if mode is Mode.REFUSE:
            await broken.close()
        elif broken.mode is Mode.REFUSE:
            broken.listen(places)
        broken.mode = mode
        say({"at": time.monotonic(), "asked": broken.asked})
    await broken.close()
    await steady.close()


def say(content: object) -> None:
    sys.stdout.write(json.dumps(content) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3])))
