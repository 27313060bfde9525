"""Decodes windows of several calls in one batch. No window waits for a batch to fill.

One thread decodes. What callers want decoded meanwhile is the next batch. So a window that comes alone is decoded
alone, at once, and batches grow as the GPU gets busy.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import numpy as np
import numpy.typing as npt

from models.speech.whisper.chunked_engine import DecodingRequest

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class BatchWindow:
    """A window, and how to decode it.

    Attributes:
        features: Of ``log_mel``, shape (mels, frames).
        samples: Length of the window.
        request: Of its caller.
        key: The same for windows that one batch may have together.
    """

    features: npt.NDArray[np.float32]
    samples: int
    request: DecodingRequest
    key: Hashable


@dataclass(frozen=True, eq=False)
class _Waiting(Generic[Result]):
    """A window whose caller waits for the result."""

    window: BatchWindow
    result: Future[Result] = field(default_factory=Future)


class Batcher(Generic[Result]):
    """Gathers windows of several threads.

    Args:
        decode: Decodes windows of one key; the results are in their order.
        most: Windows in a batch. If a batch fails, but not its windows one by one, later batches have half as many.
        on_batch: Gets the number of windows of each batch, before it is decoded.
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
        self._queue: deque[_Waiting[Result]] = deque()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="batches")

    def __call__(self, window: BatchWindow) -> Result:
        """Decode a window, perhaps together with those of other callers.

        Raises:
            Cancelled, DeadlineExceeded: The caller does not wait any more.
        """
        waiting: _Waiting[Result] = _Waiting(window)
        self._queue.append(waiting)
        self._thread.submit(self._decode_next)
        cancellation = window.request.options.cancellation
        left_s = cancellation.left_s
        try:
            with cancellation.calling(waiting.result.cancel):
                return waiting.result.result(None if math.isinf(left_s) else left_s)
        except (CancelledError, TimeoutError):
            waiting.result.cancel()
            window.request.check_cancelled()
            raise

    def _decode_next(self) -> None:
        """Decode the window that waits longest, and those that fit into its batch. There may be none by now."""
        batch, later = list[_Waiting[Result]](), list[_Waiting[Result]]()
        for _ in range(len(self._queue)):
            each = self._queue.popleft()
            if batch and (each.window.key != batch[0].window.key or len(batch) == self._most):
                later.append(each)
            elif each.result.set_running_or_notify_cancel():
                batch.append(each)
        self._queue.extendleft(reversed(later))
        if batch and not self._succeeds(batch):
            succeeded = [self._succeeds([each]) for each in batch]
            if all(succeeded):
                self._most = max(1, len(batch) // 2)

    def _succeeds(self, batch: Sequence[_Waiting[Result]]) -> bool:
        """Decode windows together; returns whether they were. One window that fails gets the error."""
        try:
            self._on_batch(len(batch))
            results = list(zip(batch, self._decode([each.window for each in batch]), strict=True))
        except Exception as error:  # noqa: BLE001 - it is handed to whoever waits
            if len(batch) == 1:
                batch[0].result.set_exception(error)
            return False
        for each, result in results:
            each.result.set_result(result)
        return True
