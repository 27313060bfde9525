"""A daemon that answers INSTREAM as a test wants, on a real socket. The real one runs in tests/clamav."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

VERSION = b"ClamAV 1.4.6/27500/Fri Nov 27 08:00:00 2026\0"
OK = b"stream: OK\0"


@dataclass
class FakeClamd:
    """Answers each scan with the next of ``answers``, and with OK when there are no more.

    Attributes:
        answers: None never answers.
        hang_up_after: Bytes of a file after which it answers and hangs up without reading the rest.
        received: The files that were sent, whole.
    """

    answers: list[bytes | None] = field(default_factory=list)
    hang_up_after: int | None = None
    received: list[bytes] = field(default_factory=list)
    most_at_once: int = 0
    _now: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._now += 1
        self.most_at_once = max(self.most_at_once, self._now)
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                await self._answer(reader, writer)
        finally:
            self._now -= 1
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        command = await reader.readuntil(b"\0")
        if command == b"zVERSION\0":
            writer.write(VERSION)
            return
        content = b""
        while size := int.from_bytes(await reader.readexactly(4)):
            content += await reader.readexactly(size)
            if self.hang_up_after is not None and len(content) > self.hang_up_after:
                break
        self.received.append(content)
        answer = self.answers.pop(0) if self.answers else OK
        if answer is None:
            await reader.read()  # until the client gives up
            return
        writer.write(answer)
        await writer.drain()


@asynccontextmanager
async def listening(daemon: FakeClamd, path: Path | None = None) -> AsyncIterator[str]:
    """Serve on a socket in the file system, or on a port of loopback; yields the address."""
    if path is not None:
        server: asyncio.Server = await asyncio.start_unix_server(daemon.serve, path)
        address = f"unix:{path}"
    else:
        server = await asyncio.start_server(daemon.serve, "127.0.0.1", 0)
        address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield address
    finally:
        server.close()
