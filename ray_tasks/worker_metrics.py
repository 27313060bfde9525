"""What the workers count and time. ``WORKER_METRICS`` lists all of it.

Ray collects the values from all workers, and exports them if it is told to (``ClusterConfig.metrics_port``). Every tag
has few values, known before: no id and no text of a call.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import TracebackType
from typing import Final, Protocol

from ray.util import metrics as ray_metrics

from models.errors import VestibuleError

EXPORTED_PREFIX: Final = "ray_"
"""Ray puts it before every name."""


class Work(StrEnum):
    """What a call of a worker does."""

    PARTIAL = "partial"  # a window of an utterance that goes on
    FINAL = "final"  # a whole utterance
    RECORDING = "recording"
    PICTURE = "picture"
    TEXTS = "texts"  # redaction of a batch


@dataclass(frozen=True, slots=True)
class WorkerMetric:
    """A counter, or a histogram if it has buckets.

    Attributes:
        name: With its unit, as the workers know it.
        what: One sentence.
        tags: Names of its labels.
        buckets: Upper bounds.
    """

    name: str
    what: str
    tags: tuple[str, ...]
    buckets: tuple[float, ...] = ()

    @property
    def kind(self) -> str:
        """Prometheus' word for it."""
        return "histogram" if self.buckets else "counter"

    @property
    def exported_name(self) -> str:
        """Its name in what Ray exports; a histogram has ``_bucket``, ``_sum`` and ``_count`` after it."""
        return EXPORTED_PREFIX + self.name + ("" if self.buckets else "_total")


_CALL_TAGS: Final = ("work", "engine", "model")

CALL_SECONDS: Final = WorkerMetric(
    "vestibule_worker_call_seconds",
    "Duration of calls in a worker, those that failed too, with the wait for a thread and for redaction, by work "
    "(partial, final, recording, picture, texts).",
    _CALL_TAGS,
    (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0),
)
ERRORS: Final = WorkerMetric(
    "vestibule_worker_errors", "Calls that a worker ended with an error, by reason.", (*_CALL_TAGS, "reason")
)
AUDIO_SECONDS: Final = WorkerMetric(
    "vestibule_speech_audio_seconds",
    "Seconds of audio with speech that were recognised. A partial counts the whole utterance so far.",
    _CALL_TAGS,
)
COMPUTE_SECONDS: Final = WorkerMetric(
    "vestibule_speech_compute_seconds",
    "Seconds that the engine took for that audio; divided by it, the real-time factor. On a GPU with the wait for the "
    "batch before.",
    _CALL_TAGS,
)
BATCHES: Final = WorkerMetric(
    "vestibule_redaction_batches", "Batches of texts that came to be redacted.", ("engine", "model")
)
BATCH_TEXTS: Final = WorkerMetric(
    "vestibule_redaction_texts", "Texts in these batches; divided by them, the mean size of a batch.", BATCHES.tags
)
SPEECH_BATCHES: Final = WorkerMetric(
    "vestibule_speech_batches",
    "Batches of windows that came to be recognised on a GPU; a window that comes alone is one, too.",
    ("engine", "model"),
)
BATCH_WINDOWS: Final = WorkerMetric(
    "vestibule_speech_windows",
    "Windows in these batches; divided by them, the mean size of a batch.",
    SPEECH_BATCHES.tags,
)
WORKER_METRICS: Final = (
    CALL_SECONDS,
    ERRORS,
    AUDIO_SECONDS,
    COMPUTE_SECONDS,
    BATCHES,
    BATCH_TEXTS,
    SPEECH_BATCHES,
    BATCH_WINDOWS,
)
"""Sizes are counters: Ray adds up the middles of buckets to the ``_sum`` of a histogram, so means of one are wrong."""


class Recorder(Protocol):
    """Takes the values."""

    def record(self, metric: WorkerMetric, value: float, tags: Mapping[str, str]) -> None:
        """Add a value to a counter, or observe it in a histogram."""
        ...


class RayRecorder:
    """Gives the values to Ray. Where Ray does not run or collects nothing, they are dropped."""

    def __init__(self) -> None:
        self._record = {metric: _ray_method(metric) for metric in WORKER_METRICS}

    def record(self, metric: WorkerMetric, value: float, tags: Mapping[str, str]) -> None:
        """See ``Recorder``."""
        self._record[metric](value, dict(tags))


def _ray_method(metric: WorkerMetric) -> Callable[[float, dict[str, str]], None]:
    if metric.buckets:
        return ray_metrics.Histogram(metric.name, metric.what, list(metric.buckets), metric.tags).observe
    return ray_metrics.Counter(metric.name, metric.what, metric.tags).inc


class CallMetrics:
    """Records the calls of one worker.

    Args:
        engine: Name of its engine.
        model: Name of its weights.
        recorder: Takes the values; Ray if None.
        clock: Seconds, monotonic.

    Attributes:
        model: The same.
    """

    def __init__(
        self, engine: str, model: str, recorder: Recorder | None = None, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self.model = model
        self._tags = {"engine": engine, "model": model}
        self._recorder = recorder or RayRecorder()
        self._clock = clock

    def call(self, work: Work) -> _TimedCall:
        """A context manager around one call; it goes around the error boundary, whose errors it counts."""
        return _TimedCall(self._recorder, {**self._tags, "work": work.value}, self._clock)

    def recognized(self, work: Work, audio_s: float, compute_s: float) -> None:
        """Record what the recognition of some audio took; nothing if either is 0."""
        tags = {**self._tags, "work": work.value}
        if audio_s > 0 and compute_s > 0:
            self._recorder.record(AUDIO_SECONDS, audio_s, tags)
            self._recorder.record(COMPUTE_SECONDS, compute_s, tags)

    def batch(self, texts: int) -> None:
        """Record how many texts came together."""
        if texts:
            self._recorder.record(BATCHES, 1.0, self._tags)
            self._recorder.record(BATCH_TEXTS, float(texts), self._tags)

    def windows(self, together: int) -> None:
        """Record how many windows of speech were recognised together."""
        self._recorder.record(SPEECH_BATCHES, 1.0, self._tags)
        self._recorder.record(BATCH_WINDOWS, float(together), self._tags)


class _TimedCall:
    """Records the duration and the reason of an error. A call whose caller gave up is not recorded."""

    def __init__(self, recorder: Recorder, tags: dict[str, str], clock: Callable[[], float]) -> None:
        self._recorder = recorder
        self._tags = tags
        self._clock = clock
        self._began = clock()

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        if exc is not None and not isinstance(exc, VestibuleError):
            return
        self._recorder.record(CALL_SECONDS, self._clock() - self._began, self._tags)
        if exc is not None:
            self._recorder.record(ERRORS, 1.0, {**self._tags, "reason": exc.reason.value})
