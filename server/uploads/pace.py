"""How slowly the bytes of an upload may come. A client that trickles would hold a call, a file and memory for days."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

from models.errors import DeadlineExceeded, InvalidInput
from models.reasons import Reason

FREE_CHUNKS: Final = 64
LEAST_CHUNK_BYTES: Final = 256
"""A chunk costs the server about as much as a small call, so after ``FREE_CHUNKS`` of them the mean must be as large.
Clients send 64 KiB and more."""


@dataclass(frozen=True, slots=True)
class UploadPace:
    """The bounds on one upload.

    Attributes:
        bytes_per_s: Least rate.
        stall_s: Seconds that the client may be behind that rate. It is the longest time without a byte too.
        longest_s: Longest time from the description to the last byte.
    """

    bytes_per_s: float = 4096.0
    stall_s: float = 30.0
    longest_s: float = 900.0


class PaceMeter:
    """Follows one upload. Only time in which the server waits for the client counts.

    The client has some seconds of credit, at first and at most ``stall_s``. Waiting uses them up, and every byte adds
    what it may take.
    """

    def __init__(self, pace: UploadPace) -> None:
        self._pace = pace
        self._credit_s = pace.stall_s
        self._waited_s = 0.0
        self._chunks = 0
        self._bytes = 0

    @property
    def patience_s(self) -> float:
        """Seconds for which the server waits for the next chunk."""
        return max(0.0, min(self._credit_s, self._pace.longest_s - self._waited_s))

    def waited(self, seconds: float) -> None:
        """The server waited for the client."""
        self._waited_s += seconds
        self._credit_s -= seconds

    def received(self, size_bytes: int) -> None:
        """A chunk arrived.

        Raises:
            InvalidInput: UPLOAD_CHUNKS_TOO_SMALL.
        """
        self._chunks += 1
        self._bytes += size_bytes
        self._credit_s = min(self._pace.stall_s, self._credit_s + size_bytes / self._pace.bytes_per_s)
        if self._bytes < LEAST_CHUNK_BYTES * (self._chunks - FREE_CHUNKS):
            raise InvalidInput(
                f"The chunks of the upload have less than {LEAST_CHUNK_BYTES} bytes in the mean.",
                reason=Reason.UPLOAD_CHUNKS_TOO_SMALL,
                hint="Send chunks of 64 KiB.",
            )

    def refusal(self) -> DeadlineExceeded:
        """The error once the patience is over."""
        if self._waited_s >= self._pace.longest_s:
            return DeadlineExceeded(
                f"The upload took more than {self._pace.longest_s:g} s.",
                reason=Reason.UPLOAD_TOO_SLOW,
                hint="Send it again over a faster network, or send a smaller file.",
            )
        return DeadlineExceeded(
            f"For {self._pace.stall_s:g} s fewer than {self._pace.bytes_per_s:g} bytes a second arrived.",
            reason=Reason.UPLOAD_STALLED,
            hint="Send the upload again.",
        )


async def paced(chunks: AsyncIterator[bytes], pace: UploadPace) -> AsyncIterator[bytes]:
    """The same chunks, as long as they come fast enough.

    Raises:
        DeadlineExceeded: UPLOAD_STALLED, UPLOAD_TOO_SLOW.
        InvalidInput: UPLOAD_CHUNKS_TOO_SMALL.
    """
    source, meter, loop = aiter(chunks), PaceMeter(pace), asyncio.get_running_loop()
    while True:
        began = loop.time()
        chunk: bytes | None = None
        late = False
        try:
            async with asyncio.timeout(meter.patience_s):
                chunk = await anext(source, None)
        except TimeoutError:
            late = True
        meter.waited(loop.time() - began)
        if late:
            raise meter.refusal()
        if chunk is None:
            return
        meter.received(len(chunk))
        yield chunk
