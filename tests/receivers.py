"""Receivers of alerts for tests: a real HTTP server and a real SMTP server, both on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Receiver(ThreadingHTTPServer):
    """Answers with the status that a test wants, and keeps what came.

    Args:
        first: Statuses of the first answers; all later ones have ``status``.
    """

    def __init__(self, *first: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.first = list(first)
        self.status = 204
        self.came: list[tuple[str, dict[str, str], bytes]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/alerts"

    @contextmanager
    def running(self) -> Iterator[None]:
        """Serve in a thread."""
        thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield
        finally:
            self.shutdown()
            thread.join()
            self.server_close()


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        receiver: Any = self.server
        body = self.rfile.read(int(self.headers["content-length"]))
        receiver.came.append((self.path, {name.lower(): value for name, value in self.headers.items()}, body))
        self.send_response(receiver.first.pop(0) if receiver.first else receiver.status)
        self.send_header("location", "/elsewhere")
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_arguments: Any) -> None:
        """Say nothing."""


@dataclass
class MailSink:
    """Takes mail (RFC 5321) and keeps it; ``answers`` replaces the answer to a command."""

    answers: dict[str, str] = field(default_factory=dict)
    commands: list[str] = field(default_factory=list)
    mails: list[str] = field(default_factory=list)
    writers: list[asyncio.StreamWriter] = field(default_factory=list)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[int]:
        """Serve on the event loop of the test; yields the port."""
        async with await asyncio.start_server(self._serve, "127.0.0.1", 0) as server:
            try:
                yield int(server.sockets[0].getsockname()[1])
            finally:
                await closed(self.writers)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        usual = {"EHLO": "250 sink", "MAIL": "250 ok", "RCPT": "250 ok", "DATA": "354 go on", "QUIT": "221 bye"}
        self.writers.append(writer)
        writer.write(b"220 sink\r\n")
        with contextlib.suppress(ConnectionError):
            while line := (await reader.readline()).decode().strip():
                self.commands.append(line)
                word = line.partition(" ")[0].upper()
                answer = self.answers.get(word) or usual.get(word, "250 ok")
                writer.write(f"{answer}\r\n".encode())
                if answer.startswith("354"):
                    self.mails.append((await reader.readuntil(b"\r\n.\r\n")).decode())
                    writer.write(b"250 kept\r\n")
                if word == "QUIT":
                    break
        writer.close()


async def closed(writers: list[asyncio.StreamWriter]) -> None:
    """Close the connections before the event loop ends."""
    for writer in writers:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
