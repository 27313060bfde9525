"""Decodes windows of several calls in one batch. Nobody waits for a batch to fill.

One thread decodes at a time. What other threads want decoded meanwhile is the next batch. So a window that comes alone
is decoded alone, at once, and batches grow as the GPU gets busy.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
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
    """A window whose thread waits for the result."""

    window: BatchWindow
    result: Future[Result] = field(default_factory=Future)


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
        while not own.result.done():
            with self._turn:
                # Another thread may have decoded it while this one waited for its turn.
                if not own.result.done():
                    self._decode_next()
        return own.result.result()

    def _decode_next(self) -> None:
        """Decode the window that waits longest, and those that may be in one batch with it."""
        first = self._waiting.popleft()
        batch, later = [first], deque[_Waiting[Result]]()
        for _ in range(len(self._waiting)):
            each = self._waiting.popleft()
            together = each.window.key == first.window.key and len(batch) < self._most
            (batch if together else later).append(each)
        self._waiting.extendleft(reversed(later))
        self._decode_together([each for each in batch if _still_wanted(each)])

    def _decode_together(self, batch: Sequence[_Waiting[Result]]) -> None:
        if not batch:
            return
        try:
            results = self._decode([each.window for each in batch])
        except BaseException as error:  # noqa: BLE001  each thread that waits must get an end, also of a MemoryError
            if len(batch) == 1:
                batch[0].result.set_exception(error)
                return
            for each in batch:  # such as a batch that does not fit into the GPU's memory
                self._decode_together([each])
            return
        self._on_batch(len(batch))
        for each, result in zip(batch, results, strict=True):
            each.result.set_result(result)


def _still_wanted(waiting: _Waiting[Result]) -> bool:
    try:
        waiting.window.request.check_cancelled()
    except (Cancelled, DeadlineExceeded) as error:
        waiting.result.set_exception(error)
        return False
    return True
