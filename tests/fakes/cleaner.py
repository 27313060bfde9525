"""Cleaners that decode nothing. Real side: ``server.sandbox.sandbox.MediaSandbox``, tested in tests/unit/sandbox."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

PIECE_BYTES = 100_000


class SameBytes:
    """Gives every file back as it came."""

    async def clean(self, data: bytes, write: Callable[[memoryview], None], client_id: str) -> None:
        """See ``server.uploads.encode_anew.MediaCleaner``."""
        write(memoryview(data))


class OtherBytes:
    """Gives the same other bytes for every file, in pieces.

    Args:
        content: What it writes.
        then: What it does after that, such as to fail.
    """

    def __init__(self, content: bytes, then: Callable[[], Awaitable[None]] | None = None) -> None:
        self._content = content
        self._then = then

    async def clean(self, data: bytes, write: Callable[[memoryview], None], client_id: str) -> None:
        """See ``server.uploads.encode_anew.MediaCleaner``."""
        for start in range(0, len(self._content), PIECE_BYTES):
            write(memoryview(self._content)[start : start + PIECE_BYTES])
        if self._then is not None:
            await self._then()
