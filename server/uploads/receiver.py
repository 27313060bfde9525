"""Receives the bytes of one upload: a thread hashes, encrypts and writes them while the next ones arrive."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable

from models.media.formats import HEAD_BYTES
from server.uploads.spool import SpoolWriter

BATCH_BYTES = 1024 * 1024
"""Bytes of one batch for the thread; at most two batches of an upload are in memory."""


class UploadReceiver:
    """One upload while it arrives. Always ``close`` it.

    Args:
        open_writer: Opens the file; called in the thread with the first batch. With None the bytes are only counted and
            hashed.

    Attributes:
        size_bytes: Bytes taken so far.
        head: The first of them, ``HEAD_BYTES`` at most.
    """

    def __init__(self, open_writer: Callable[[], SpoolWriter] | None) -> None:
        self._open_writer = open_writer
        self._writer: SpoolWriter | None = None
        self._hash = hashlib.sha256()
        self._batch: list[bytes] = []
        self._batch_bytes = 0
        self._working: asyncio.Future[None] | None = None
        self.size_bytes = 0
        self.head = b""

    async def take(self, chunk: bytes) -> None:
        """Receive the next bytes; waits when the thread does not keep up.

        Raises:
            Overloaded: The disk is full.
            Unavailable: The disk fails.
        """
        if len(self.head) < HEAD_BYTES:
            self.head += chunk[: HEAD_BYTES - len(self.head)]
        self.size_bytes += len(chunk)
        self._batch.append(chunk)
        self._batch_bytes += len(chunk)
        if self._batch_bytes >= BATCH_BYTES:
            await self._hand_over()

    async def finish(self) -> bytes:
        """Wait until everything is written, not yet durably; returns the SHA-256 of all bytes."""
        await self._hand_over()
        await self._settle()
        return self._hash.digest()

    async def commit(self) -> None:
        """Make the file durable under its name."""
        if self._writer is not None:
            self._start(self._writer.commit)
            await self._settle()

    async def close(self) -> None:
        """Wait for the thread and remove what was not committed."""
        if self._working is not None:
            await asyncio.wait([self._working])
            self._working.exception()  # the caller that closes early raises its own error
            self._working = None
        if self._writer is not None:
            await asyncio.to_thread(self._writer.abort)

    async def _hand_over(self) -> None:
        await self._settle()
        batch, self._batch, self._batch_bytes = self._batch, [], 0
        if batch:
            self._start(self._work, batch)

    async def _settle(self) -> None:
        if self._working is not None:
            # Not awaited directly: after a cancellation the thread may still write.
            await asyncio.wait([self._working])
            working, self._working = self._working, None
            working.result()

    def _start(self, function: Callable[..., None], *arguments: list[bytes]) -> None:
        self._working = asyncio.get_running_loop().run_in_executor(None, function, *arguments)

    def _work(self, batch: list[bytes]) -> None:
        if self._writer is None and self._open_writer is not None:
            self._writer = self._open_writer()
        # In one piece: after each call that releases the interpreter lock, the thread has to wait for it again.
        data = batch[0] if len(batch) == 1 else b"".join(batch)
        self._hash.update(data)
        if self._writer is not None:
            self._writer.write(data)
