"""Decodes windows of several calls in one batch. Nobody waits for a batch to fill.

One thread decodes at a time. What other threads want decoded meanwhile is the next batch. So a window that comes alone
is decoded alone, at once, and batches grow as the GPU gets busy.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Generic, TypeVar

from models.cancellation import Cancelled
from models.errors import DeadlineExceeded
from models.media.samples import Samples
from models.speech.whisper.chunked_engine import DecodingRequest

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class BatchWindow:
    """A window, and how to decode it. ``key`` is the same for windows that one batch may have together."""

    samples: Samples
    request: DecodingRequest
    key: Hashable


@dataclass(eq=False)
class _Waiting(Generic[Result]):
    """A window whose thread waits.

    Attributes:
        taken: It is not in the queue any more. Without a result, its own thread is to decode it.
        result: What was decoded in it.
    """

    window: BatchWindow
    taken: bool = False
    result: Result | None = None


class Batcher(Generic[Result]):
    """Gathers windows of several threads.

    Args:
        decode: Decodes windows of one key; the results are in their order.
        most: Windows in a batch.
        on_batch: Gets the number of windows of each batch.
    """

    def __init__(
        self,
        decode: Callable[[Sequence[BatchWindow]], Sequence[Result]],
        most: int,
        on_batch: Callable[[int], None] = lambda windows: None,
    ) -> None:
        self._decode = decode
        self._most = most
        self._on_batch = on_batch
        self._turn = threading.Lock()
        self._waiting: deque[_Waiting[Result]] = deque()

    def __call__(self, window: BatchWindow) -> Result:
        """Decode a window, perhaps together with those of other threads.

        Raises:
            Cancelled, DeadlineExceeded: Its caller does not wait any more. The others are decoded.
        """
        own: _Waiting[Result] = _Waiting(window)
        self._waiting.append(own)
        while True:
            with self._turn:
                if not own.taken:
                    self._decode_next()
                if own.result is not None:
                    return own.result
                if own.taken:
                    window.request.check_cancelled()
                    return self._decode_batch([own])

    def _decode_next(self) -> None:
        """Take the window that waits longest, and those that may be in one batch with it. Decode them if many.

        A window that comes alone, whose caller gave up, or that was in a batch that failed is left to its own thread.
        """
        first = self._waiting.popleft()
        batch, later = [first], deque[_Waiting[Result]]()
        for _ in range(len(self._waiting)):
            each = self._waiting.popleft()
            together = each.window.key == first.window.key and len(batch) < self._most
            (batch if together else later).append(each)
        self._waiting.extendleft(reversed(later))
        for each in batch:
            each.taken = True
        wanted = [each for each in batch if _still_wanted(each.window)]
        if len(wanted) > 1:
            with suppress(RuntimeError, MemoryError):  # such as a batch that does not fit into the GPU's memory
                self._decode_batch(wanted)

    def _decode_batch(self, batch: Sequence[_Waiting[Result]]) -> Result:
        """Decode windows together; returns the result of the first."""
        results = self._decode([each.window for each in batch])
        self._on_batch(len(batch))
        for each, result in zip(batch, results, strict=True):
            each.result = result
        return results[0]


def _still_wanted(window: BatchWindow) -> bool:
    try:
        window.request.check_cancelled()
    except (Cancelled, DeadlineExceeded):
        return False
    return True
