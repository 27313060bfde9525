"""Collects and hashes the bytes of one upload. They stay in memory, and never reach the disk as they came."""

from __future__ import annotations

import hashlib

from models.media.formats import HEAD_BYTES


class UploadReceiver:
    """One upload while it arrives.

    Args:
        keep: Whether to keep the content; otherwise the bytes are only counted and hashed.

    Attributes:
        size_bytes: Bytes taken so far.
        head: The first of them, ``HEAD_BYTES`` at most.
    """

    def __init__(self, *, keep: bool = True) -> None:
        self._keep = keep
        self._hash = hashlib.sha256()
        self._chunks: list[bytes] = []
        self.size_bytes = 0
        self.head = b""

    def take(self, chunk: bytes) -> None:
        """Receive the next bytes, at most a message of them, so that hashing does not hold up the event loop."""
        if len(self.head) < HEAD_BYTES:
            self.head += chunk[: HEAD_BYTES - len(self.head)]
        self.size_bytes += len(chunk)
        self._hash.update(chunk)
        if self._keep:
            self._chunks.append(chunk)

    def finish(self) -> tuple[bytes, bytes]:
        """The content, empty if it is not kept, and the SHA-256 of all bytes. Call it once."""
        content = b"".join(self._chunks)
        self._chunks.clear()
        return content, self._hash.digest()
