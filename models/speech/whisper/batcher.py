"""Decodes windows of several calls in one batch. No window waits for a batch to fill.

One thread decodes. What callers want decoded meanwhile is the next batch. So a window that comes alone is decoded
alone, at once, and batches grow as the GPU gets busy.
"""

from __future__ import annotations

import logging
import math
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import numpy as np
import numpy.typing as npt

from models.errors import DeadlineExceeded
from models.speech.whisper.chunked_engine import DecodingRequest

log = logging.getLogger(__name__)

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
    """Gathers windows of several threads. Windows of a batch that fails are decoded one by one.

    Args:
        decode: Decodes windows of one key; the results are in their order.
        most: Windows in a batch.
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

        A caller whose window is being decoded waits for it, whatever its deadline: so a decoder that hangs is noticed.

        Raises:
            Cancelled, DeadlineExceeded: The caller gave up before its window was decoded.
        """
        waiting: _Waiting[Result] = _Waiting(window)
        self._queue.append(waiting)
        self._thread.submit(self._decode_next)
        cancellation, result = window.request.options.cancellation, waiting.result
        left_s = cancellation.left_s
        with cancellation.calling(result.cancel), suppress(CancelledError, TimeoutError):
            result.exception(None if math.isinf(left_s) else left_s)
        if not result.cancel():
            return result.result()
        window.request.check_cancelled()
        raise DeadlineExceeded("The time of the call was over before its window was decoded.")

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
        if len(batch) > 1 and self._are_decoded(batch):
            return
        for each in batch:
            self._decode_alone(each)

    def _are_decoded(self, batch: Sequence[_Waiting[Result]]) -> bool:
        """Decode windows together; returns whether they could be."""
        try:
            self._on_batch(len(batch))
            results = list(zip(batch, self._decode([each.window for each in batch]), strict=True))
        except BaseException as error:  # noqa: BLE001 - such as too little memory; the windows are decoded one by one
            log.warning("A batch of %d windows failed: %s.", len(batch), type(error).__name__)
            return False
        for each, result in results:
            each.result.set_result(result)
        return True

    def _decode_alone(self, waiting: _Waiting[Result]) -> None:
        try:
            waiting.window.request.check_cancelled()
            self._on_batch(1)
            [result] = self._decode([waiting.window])
        except BaseException as error:  # noqa: BLE001 - it is handed to whoever waits, a panic of a library, too
            waiting.result.set_exception(error)
        else:
            waiting.result.set_result(result)
