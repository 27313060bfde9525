"""Talks to ClamAV's daemon: one connection a command, the content by INSTREAM.

Only an answer that says OK, whole and in time, is a clean one. Whatever else happens after the connection was made is
``ScanFailed``, so that a file which crashes the scanner is not taken for a harmless one.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from models.errors import Overloaded, Unavailable
from models.reasons import Reason
from server.validators import host_and_port

CHUNK_BYTES = 128 * 1024
"""Bytes of a file that are sent as one chunk."""

CONNECT_S = 3.0
"""Bound on making a connection; the daemon is on this machine or near it."""

PLACE_S = 30.0
"""Bound on waiting for a free place while other files are scanned."""

UNIX = "unix:"

_MOST_ANSWER_BYTES = 4096
_END = b"\0"
_LIMITS = ("Heuristics.Limits.Exceeded", "Heuristics.Encrypted")
"""What the daemon calls a file that it could not look into to the end."""


class ScannerUnreachable(Unavailable):
    """No connection could be made, so the scanner has seen nothing of the file."""

    default_reason = Reason.SCANNER_UNREACHABLE


class ScannerBusy(Overloaded):
    """Other files take all places, so the scanner has seen nothing of this one."""

    default_reason = Reason.SCANNER_BUSY


class ScanFailed(Unavailable):
    """A connection was made, but no clear answer came."""

    default_reason = Reason.SCAN_FAILED


class Verdict(StrEnum):
    """What the scanner says about a file."""

    CLEAN = "clean"
    FOUND = "found"
    INCOMPLETE = "incomplete"  # it could not look into all of it


@dataclass(frozen=True, slots=True)
class ScanResult:
    """An answer. ``signature`` is the scanner's name for what it found, from its database and not from the file."""

    verdict: Verdict
    signature: str = ""


class ClamavClient:
    """A client of one daemon.

    Args:
        address: ``unix:PATH`` or ``HOST:PORT``.
        timeout_s: Bound on one command, from when it has a place.
        at_once: Commands that run at the same time; more wait.
        place_s: Bound on waiting for a place.
    """

    def __init__(self, address: str, *, timeout_s: float, at_once: int, place_s: float = PLACE_S) -> None:
        self._address = address
        self._timeout_s = timeout_s
        self._place_s = place_s
        self._places = asyncio.Semaphore(at_once)

    async def version(self) -> str:
        """Version of the daemon and of its signatures, such as ``ClamAV 1.4.6/27500/Fri Nov 27 08:00:00 2026``.

        Raises:
            ScannerUnreachable, ScanFailed: It does not answer.
            ScannerBusy: No place got free in time.
        """
        return await self._ask(b"zVERSION\0")

    async def scan(self, content: bytes) -> ScanResult:
        """Scan a file.

        Raises:
            ScannerBusy: No place got free in time.
            ScannerUnreachable: No connection could be made.
            ScanFailed: It gave no clear answer, or none in time.
        """
        return parse(await self._ask(b"zINSTREAM\0", content))

    async def _ask(self, command: bytes, content: bytes | None = None) -> str:
        async with self._place():
            return await self._ask_now(command, content)

    @asynccontextmanager
    async def _place(self) -> AsyncIterator[None]:
        """Wait outside of the bound on a command: files of other clients must not make this one fail."""
        try:
            async with asyncio.timeout(self._place_s):
                await self._places.acquire()
        except TimeoutError as exc:
            raise ScannerBusy("The malware scanner is busy with other files.", retry_after_s=self._place_s) from exc
        try:
            yield
        finally:
            self._places.release()

    async def _ask_now(self, command: bytes, content: bytes | None) -> str:
        try:
            async with asyncio.timeout(self._timeout_s), self._connected() as connection:
                with suppress(ConnectionError):  # it hangs up on a file that is too long, after it has answered
                    await self._send(connection, command, content)
                return await _answer(connection)
        except TimeoutError as exc:
            raise ScanFailed(f"The malware scanner did not answer in {self._timeout_s:g} s.") from exc
        except OSError as exc:
            raise ScanFailed("The malware scanner broke the connection.") from exc

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[socket.socket]:
        try:
            async with asyncio.timeout(CONNECT_S):
                connection = await self._connect()
        except (OSError, TimeoutError) as exc:
            raise ScannerUnreachable("The malware scanner cannot be reached.", retry_after_s=30.0) from exc
        with connection:
            yield connection

    async def _connect(self) -> socket.socket:
        if self._address.startswith(UNIX):
            return await _open(socket.AF_UNIX, self._address.removeprefix(UNIX))
        host, port = host_and_port(self._address, least_port=1)
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
        for family, _type, _protocol, _name, target in found[:-1]:  # a name may stand for IPv6 and IPv4
            with suppress(OSError):
                return await _open(family, target)
        family, _type, _protocol, _name, target = found[-1]
        return await _open(family, target)

    @staticmethod
    async def _send(connection: socket.socket, command: bytes, content: bytes | None) -> None:
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(connection, command)
        if content is not None:
            with memoryview(content) as rest:
                for start in range(0, len(rest), CHUNK_BYTES):
                    chunk = rest[start : start + CHUNK_BYTES]
                    await loop.sock_sendall(connection, struct.pack("!I", len(chunk)))
                    await loop.sock_sendall(connection, chunk)
            await loop.sock_sendall(connection, struct.pack("!I", 0))


async def _open(family: socket.AddressFamily, target: Any) -> socket.socket:
    # A plain socket: an answer that came before the daemon hung up can still be read, which a transport drops.
    connection = socket.socket(family, socket.SOCK_STREAM)
    try:
        connection.setblocking(False)
        await asyncio.get_running_loop().sock_connect(connection, target)
    except BaseException:
        connection.close()
        raise
    return connection


async def _answer(connection: socket.socket) -> str:
    """The answer up to its end mark; half of one counts as none."""
    answer = b""
    while _END not in answer:
        piece = await asyncio.get_running_loop().sock_recv(connection, _MOST_ANSWER_BYTES)
        answer += piece
        if not piece or len(answer) > _MOST_ANSWER_BYTES:
            raise ScanFailed("The malware scanner gave no whole answer.")
    return answer.partition(_END)[0].decode("utf-8", "replace").strip()


def parse(answer: str) -> ScanResult:
    """What an answer to INSTREAM means.

    Raises:
        ScanFailed: It is an error of the scanner, or no answer that is known.
    """
    if answer == "stream: OK":
        return ScanResult(Verdict.CLEAN)
    if answer.startswith("stream: ") and answer.endswith(" FOUND"):
        signature = answer.removeprefix("stream: ").removesuffix(" FOUND")
        return ScanResult(Verdict.INCOMPLETE if signature.startswith(_LIMITS) else Verdict.FOUND, signature)
    if answer.startswith("INSTREAM size limit exceeded"):
        return ScanResult(Verdict.INCOMPLETE)
    raise ScanFailed("The malware scanner reports an error of its own.")
