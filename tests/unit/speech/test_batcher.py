"""Windows of several threads in one batch, with a decoder that a test holds up."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import pytest

from models.cancellation import NEVER, Cancellation, Cancelled
from models.errors import DeadlineExceeded
from models.speech.types import SpeechOptions
from models.speech.whisper.batcher import Batcher, BatchWindow
from models.speech.whisper.chunked_engine import DecodingRequest

WAIT_S = 10.0


class Decoder:
    """Returns the first feature of each window. It waits, in its first batch, until it is let go.

    Attributes:
        batches: The first features of each batch that it began.
        bad: Windows with this feature cannot be decoded.
        most_at_once: Largest batch that it can decode.
        on_failure: Called before it fails for that reason.
    """

    def __init__(self) -> None:
        self.batches: list[list[float]] = []
        self.bad = -1.0
        self.most_at_once = 100
        self.on_failure: Callable[[], None] = lambda: None
        self.begun = threading.Event()
        self.let_go = threading.Event()

    def __call__(self, windows: Sequence[BatchWindow]) -> list[float]:
        values = [float(window.features[0, 0]) for window in windows]
        self.batches.append(values)
        self.begun.set()
        assert self.let_go.wait(WAIT_S)
        if self.bad in values:
            raise ValueError("not a window")
        if len(values) > self.most_at_once:
            self.on_failure()
            raise MemoryError
        return values


def window(value: float, key: str = "", cancellation: Cancellation = NEVER) -> BatchWindow:
    request = DecodingRequest(SpeechOptions(cancellation=cancellation), "en")
    return BatchWindow(np.full((1, 1), value, np.float32), 1, request, key)


class Callers:
    """Threads that have windows decoded, which queue in their order behind a first one, 0."""

    def __init__(self, decoder: Decoder, most: int = 4, on_batch: Callable[[int], None] = lambda windows: None) -> None:
        self.decoder = decoder
        self.batcher: Batcher[float] = Batcher(decoder, most, on_batch)
        self._threads = ThreadPoolExecutor(16)
        self.first = self._threads.submit(self.batcher, window(0.0))
        assert decoder.begun.wait(WAIT_S)

    def queue(self, each: BatchWindow) -> Future[float]:
        """Returns when the window waits."""
        before = len(self.batcher._queue)
        result = self._threads.submit(self.batcher, each)
        while len(self.batcher._queue) == before:
            assert not result.done()
        return result

    def decoded(self, waiting: Sequence[Future[float]]) -> list[float]:
        """Let the decoder go, and wait for all."""
        self.decoder.let_go.set()
        self._threads.shutdown()
        assert self.first.result() == 0.0
        return [each.result() for each in waiting]


def test_a_window_that_comes_alone_is_decoded_alone() -> None:
    decoder = Decoder()
    assert Callers(decoder).decoded([]) == []
    assert decoder.batches == [[0.0]]


def test_windows_that_wait_meanwhile_are_one_batch() -> None:
    decoder, sizes = Decoder(), list[int]()
    callers = Callers(decoder, on_batch=sizes.append)
    waiting = [callers.queue(window(value)) for value in (1.0, 2.0, 3.0)]
    assert callers.decoded(waiting) == [1.0, 2.0, 3.0]
    assert decoder.batches == [[0.0], [1.0, 2.0, 3.0]]
    assert sizes == [1, 3]


def test_a_batch_has_no_more_windows_than_it_may() -> None:
    decoder = Decoder()
    callers = Callers(decoder, most=2)
    callers.decoded([callers.queue(window(value)) for value in (1.0, 2.0, 3.0)])
    assert decoder.batches == [[0.0], [1.0, 2.0], [3.0]]


def test_a_batch_has_one_key_and_the_window_that_waits_longest_is_in_the_next() -> None:
    decoder = Decoder()
    callers = Callers(decoder)
    keys = {1.0: "a", 2.0: "b", 3.0: "a", 4.0: "c", 5.0: "b"}
    waiting = [callers.queue(window(value, key)) for value, key in keys.items()]
    assert callers.decoded(waiting) == list(keys)
    assert decoder.batches == [[0.0], [1.0, 3.0], [2.0, 5.0], [4.0]]


def test_a_caller_that_gives_up_waits_no_longer_and_its_window_is_not_decoded() -> None:
    decoder, cancellation = Decoder(), Cancellation()
    callers = Callers(decoder)
    given_up = callers.queue(window(1.0, cancellation=cancellation))
    others = [callers.queue(window(value)) for value in (2.0, 3.0)]
    cancellation.cancel()
    with pytest.raises(Cancelled):
        given_up.result(WAIT_S)
    assert not decoder.let_go.is_set()
    assert callers.decoded(others) == [2.0, 3.0]
    assert decoder.batches == [[0.0], [2.0, 3.0]]


def test_a_caller_waits_until_its_deadline() -> None:
    callers = Callers(Decoder())
    late = callers.queue(window(1.0, cancellation=Cancellation(left_s=0.05)))
    with pytest.raises(DeadlineExceeded):
        late.result(WAIT_S)
    assert callers.decoded([]) == []
    assert callers.decoder.batches == [[0.0]]


def test_a_window_that_cannot_be_decoded_fails_alone() -> None:
    decoder = Decoder()
    decoder.bad = 2.0
    callers = Callers(decoder)
    keys = {1.0: "a", 2.0: "a", 3.0: "b", 4.0: "a"}
    first, bad, other, last = [callers.queue(window(value, key)) for value, key in keys.items()]
    assert callers.decoded([first, other, last]) == [1.0, 3.0, 4.0]
    with pytest.raises(ValueError, match="not a window"):
        bad.result()
    assert decoder.batches == [[0.0], [1.0, 2.0, 4.0], [1.0], [2.0], [4.0], [3.0]]


def test_windows_of_a_batch_that_is_too_large_are_decoded_one_by_one(caplog: pytest.LogCaptureFixture) -> None:
    decoder, sizes = Decoder(), list[int]()
    decoder.most_at_once = 2
    callers = Callers(decoder, on_batch=sizes.append)
    values = [float(number) for number in range(1, 7)]
    assert callers.decoded([callers.queue(window(value)) for value in values]) == values
    assert sizes == [1, 4, 1, 1, 1, 1, 2]
    assert caplog.messages == ["A batch of 4 windows failed: MemoryError."]


def test_a_window_whose_caller_gave_up_meanwhile_is_left_out_of_the_windows_that_are_decoded_one_by_one() -> None:
    decoder, cancellation = Decoder(), Cancellation()
    decoder.most_at_once = 1
    decoder.on_failure = cancellation.cancel
    callers = Callers(decoder)
    given_up = callers.queue(window(1.0, cancellation=cancellation))
    other = callers.queue(window(2.0))
    assert callers.decoded([other]) == [2.0]
    assert decoder.batches == [[0.0], [1.0, 2.0], [2.0]]
    with pytest.raises(Cancelled):
        given_up.result()


def test_a_caller_whose_window_is_being_decoded_waits_beyond_its_deadline() -> None:
    """So a call on a decoder that hangs goes on, and the health check of the worker sees how long."""
    decoder = Decoder()
    batcher: Batcher[float] = Batcher(decoder, 4)
    left = Cancellation(left_s=0.05)
    with ThreadPoolExecutor(1) as threads:
        result = threads.submit(batcher, window(1.0, cancellation=left))
        assert decoder.begun.wait(WAIT_S)
        assert not left.wait(0.1)
        assert left.left_s == 0.0
        assert not result.done()
        decoder.let_go.set()
        assert result.result(WAIT_S) == 1.0


class Panic(BaseException):
    """As a library in Rust raises it."""


def test_a_caller_hears_of_every_error() -> None:
    calls = list[int]()

    def decode(windows: Sequence[BatchWindow]) -> list[float]:
        calls.append(len(windows))
        raise Panic

    batcher: Batcher[float] = Batcher(decode, 4)
    with pytest.raises(Panic):
        batcher(window(1.0))
    assert calls == [1]


def test_a_caller_hears_of_results_that_are_too_few() -> None:
    batcher: Batcher[float] = Batcher(lambda windows: [], 4)
    with pytest.raises(ValueError, match="not enough values"):
        batcher(window(1.0))
