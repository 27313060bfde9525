"""The stand-in LLM of the demo in a thread of its own, for tests over loopback HTTP."""

from __future__ import annotations

import asyncio
import json
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from server.cli.demo.llm_server import Upstream, bind

KEY = "sk-test"
NO_PROXY = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass
class ScriptedUpstream:
    """Answers as it was last told to; counts the requests."""

    url: str
    record: Path

    def script(self, mode: str, **options: Any) -> None:
        content = json.dumps({"mode": mode, **options}).encode()
        with NO_PROXY.open(f"{self.url}/script", content) as answer:
            assert answer.status == 200

    def asked(self) -> int:
        return self._count("asked")

    def held(self) -> int:
        """Calls that hang now."""
        return self._count("held")

    def streaming(self) -> int:
        """Streamed answers that are being sent now."""
        return self._count("streaming")

    def left(self) -> int:
        """Streamed answers whose client left before their end."""
        return self._count("left")

    def _count(self, name: str) -> int:
        with NO_PROXY.open(f"{self.url}/script") as answer:
            return int(json.load(answer)[name])


@contextmanager
def run_upstream(record: Path) -> Iterator[ScriptedUpstream]:
    """Serve until the end of the block; ``record`` gets everything that was sent."""
    listening = bind(0)
    listening.listen()
    stop: list[Any] = []
    made = threading.Event()

    def run() -> None:
        async def serve() -> None:
            upstream = Upstream(record, KEY)
            server = upstream.server()
            stop.append(server)
            made.set()
            await server.serve(sockets=[listening])
            upstream.close()

        asyncio.run(serve())

    thread = threading.Thread(target=run)
    thread.start()
    made.wait()
    try:
        yield ScriptedUpstream(f"http://127.0.0.1:{listening.getsockname()[1]}", record)
    finally:
        stop[0].should_exit = True
        thread.join(60)
        listening.close()
    assert not thread.is_alive()
