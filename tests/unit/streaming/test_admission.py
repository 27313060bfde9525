"""Which streams are admitted by the measured load, and how fast their audio may come. The test moves the clock."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from models.errors import Conflict, Overloaded
from ray_tasks.types import SpeechWindow
from server.observability.metrics import Metrics
from server.streaming.admission import Admission, AdmissionLimits, AdmissionTicket
from server.streaming.load_meter import INITIAL_FACTOR, SpeechLoadMeter
from server.streaming.partials import SpeechBackend
from server.streaming.priority_limiter import PriorityLimiter
from server.streaming.rate_limit import LARGEST_BYTES_PER_S, SOUNDLESS_BYTES, RateLimiter, RateLimits
from tests.fakes.gateway import FakeGateway, Result

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LIMITS = AdmissionLimits(streams=100, client_streams=100, session_streams=100, floor=2, load=0.8)


@dataclass
class AdmissionHarness:
    """An admission with its load meter and a clock."""

    limits: AdmissionLimits = LIMITS
    workers: int = 1
    now_s: float = 0.0
    metrics: Metrics = field(default_factory=Metrics)

    def __post_init__(self) -> None:
        self.load = SpeechLoadMeter(self.workers, lambda: self.now_s)
        self.admission = Admission(self.limits, self.load, self.metrics)
        self.inside = contextlib.ExitStack()

    def work(self, seconds: float) -> None:
        """A final that takes so many seconds."""
        with self.load.working():
            self.now_s += seconds

    def measure(self, factor: float) -> None:
        """Many utterances of four seconds, each with its final."""
        for _ in range(200):
            self.load.audio_received(4.0)
            self.work(4.0 * factor)
            self.now_s += max(0.0, 4.0 * (1 - factor))

    def open_stream(self, name: str = "", client: str = "app") -> AdmissionTicket:
        """Open one more stream, and leave it open."""
        name = name or f"stream {len(self.admission.ids)}"
        return self.inside.enter_context(self.admission.admit(name, f"session of {name}", client))

    def speakers(self) -> int:
        """Number of streams with audio that are admitted before one is refused."""
        for count in range(self.limits.streams):
            try:
                self.admission.admit_audio(self.open_stream())
            except Overloaded as refused:
                assert (refused.reason, refused.retry_after_s) == ("SPEECH_BUSY", 5.0)
                return count
        return self.limits.streams

    def metric(self, name: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(name, labels)


@pytest.fixture
def harness() -> Iterator[AdmissionHarness]:
    built = AdmissionHarness()
    with built.inside:
        yield built


@pytest.mark.parametrize(
    ("factor", "workers", "streams"),
    [(0.02, 1, 40), (0.1, 1, 8), (0.1, 3, 24), (0.39, 1, 2), (0.5, 1, 2), (3.0, 1, 2)],
)
def test_the_measured_factor_limits_streams_with_audio_above_the_floor(
    factor: float, workers: int, streams: int
) -> None:
    harness = AdmissionHarness(workers=workers)
    with harness.inside:
        harness.measure(factor)
        assert harness.load.factor == pytest.approx(factor, rel=0.15)
        assert harness.speakers() == pytest.approx(streams, abs=streams // 8)
        assert harness.metric("vestibule_speech_real_time_factor") == pytest.approx(harness.load.factor)
        assert harness.metric("vestibule_refused_streams_total", reason="SPEECH_BUSY") == 1


def test_the_factor_follows_a_machine_that_slows_down_and_recovers(harness: AdmissionHarness) -> None:
    harness.measure(0.05)
    fast = harness.load.factor
    harness.measure(0.4)
    slow = harness.load.factor
    harness.measure(0.05)
    assert fast == pytest.approx(0.05, rel=0.15)
    assert slow == pytest.approx(0.4, rel=0.15)
    assert harness.load.factor == pytest.approx(0.05, rel=0.15)


def test_workers_busy_with_fast_audio_have_no_room_although_the_factor_is_low(
    harness: AdmissionHarness,
) -> None:
    """One stream at ten times the pace of speech keeps the only worker busy all the time."""
    harness.admission.admit_audio(harness.open_stream())
    harness.admission.admit_audio(harness.open_stream())
    for _ in range(200):
        harness.load.audio_received(10.0, streams=2)
        harness.work(1.0)
    assert harness.load.factor == pytest.approx(0.1, rel=0.1)
    assert harness.load.busy == pytest.approx(1.0, abs=0.01)
    with pytest.raises(Overloaded):
        harness.admission.admit_audio(harness.open_stream())
    harness.now_s += 60.0
    harness.admission.admit_audio(harness.open_stream())


def test_the_averaging_time_is_the_same_for_any_number_of_streams(harness: AdmissionHarness) -> None:
    """One slow final weighs the less, the more streams share the measure."""
    for streams in (1, 50):
        load = SpeechLoadMeter(1, lambda: harness.now_s)
        for _ in range(2_000):
            load.audio_received(4.0, streams)
        with load.working():
            harness.now_s += 6.0
        expected = 6.0 / (60.0 * streams)
        assert load.factor == pytest.approx(expected, rel=0.2)


def test_time_without_audio_does_not_change_the_factor(harness: AdmissionHarness) -> None:
    harness.measure(0.05)
    before = harness.load.factor
    harness.now_s += 10_000.0
    assert harness.load.factor == before


def test_the_initial_factor_is_outweighed_by_the_first_utterances(
    harness: AdmissionHarness,
) -> None:
    assert harness.load.factor == INITIAL_FACTOR
    harness.load.audio_received(60.0)
    assert harness.load.factor < INITIAL_FACTOR / 5


def test_a_waiting_final_counts_and_two_finals_count_once_for_one_worker(
    harness: AdmissionHarness,
) -> None:
    harness.load.audio_received(50.0)
    before = harness.load.factor
    with harness.load.working(), harness.load.working():
        harness.now_s += 30.0
        assert harness.load.factor == pytest.approx(before + 30.0 / 60.0, rel=0.2)


def test_a_stream_that_ends_frees_its_place(harness: AdmissionHarness) -> None:
    harness.measure(0.2)
    count = harness.speakers()
    harness.inside.pop_all().close()
    assert harness.metric("vestibule_open_streams") == 0
    assert harness.metric("vestibule_speech_load") == 0
    assert harness.speakers() == count


def test_typed_text_needs_no_speech_worker_and_a_broken_stream_is_readmitted(harness: AdmissionHarness) -> None:
    harness.measure(3.0)
    harness.speakers()
    typing, resumed = harness.open_stream("typing"), harness.open_stream("resumed")
    harness.admission.readmit_audio(resumed)
    harness.admission.admit_audio(resumed)
    with pytest.raises(Overloaded):
        harness.admission.admit_audio(typing)


def test_the_bound_of_one_client_does_not_affect_another() -> None:
    harness = AdmissionHarness(AdmissionLimits(streams=3, client_streams=2, session_streams=2, floor=2, load=0.8))
    with harness.inside:
        harness.open_stream(client="a"), harness.open_stream(client="a")
        with pytest.raises(Overloaded) as client:
            harness.open_stream(client="a")
        harness.open_stream(client="b")
        with pytest.raises(Overloaded) as server:
            harness.open_stream(client="b")
        with pytest.raises(Conflict) as twice:
            harness.open_stream("stream 0", client="a")
    assert (client.value.reason, client.value.retry_after_s) == ("TOO_MANY_CLIENT_STREAMS", 2.0)
    assert (server.value.reason, server.value.retry_after_s) == ("TOO_MANY_STREAMS", 2.0)
    assert twice.value.reason == "STREAM_IN_USE"
    assert harness.admission.ids == harness.admission.session_ids == frozenset()


@pytest.mark.parametrize("final", [True, False])
async def test_finals_are_measured_and_partials_are_not(harness: AdmissionHarness, final: bool) -> None:
    class Slow(FakeGateway):
        async def _arrive(self, call: object) -> Result | None:
            harness.now_s += 7.0
            return None

    before = harness.load.factor
    await SpeechBackend(Slow(), PriorityLimiter(1), harness.load).decode(SpeechWindow(b"", final), timeout_s=1.0)
    assert (harness.load.factor > before) is final


@pytest.mark.parametrize(
    ("age_s", "received_s", "wait_s"),
    [
        (0.0, 60.0, None),  # the allowance at once
        (0.0, 61.0, 3.1),  # until half of it is there again
        (10.0, 160.0, None),
        (10.0, 170.0, 4.0),
        (600.0, 660.0, None),  # ten minutes without a network, and then all of it in a second
        (-5.0, 60.0, None),  # a clock that was set back
    ],
)
def test_audio_may_be_ahead_of_the_clock_up_to_the_limit(age_s: float, received_s: float, wait_s: float | None) -> None:
    rate_limiter = RateLimiter(RateLimits(times=10.0, ahead_s=60.0), age_s, lambda: 7.0)
    if wait_s is None:
        rate_limiter.check(received_s)
        return
    with pytest.raises(Overloaded) as caught:
        rate_limiter.check(received_s)
    assert caught.value.reason == "AUDIO_TOO_FAST"
    assert caught.value.retry_after_s == pytest.approx(wait_s)


@pytest.mark.parametrize(
    ("received_s", "soundless", "refused"),
    [
        (0.0, 0, False),  # an MP4 whose index comes last, whole
        (0.0, 60 * LARGEST_BYTES_PER_S, False),
        (0.0, 61 * LARGEST_BYTES_PER_S, True),
        (59.0, 59 * LARGEST_BYTES_PER_S - SOUNDLESS_BYTES, False),  # the largest audio that there is
    ],
)
def test_bytes_that_bring_no_sound_have_a_pace_too(received_s: float, soundless: int, refused: bool) -> None:
    rate_limiter = RateLimiter(RateLimits(times=10.0, ahead_s=60.0), 0.0, lambda: 7.0)
    with pytest.raises(Overloaded) if refused else nullcontext():
        rate_limiter.check(received_s, SOUNDLESS_BYTES + soundless)


def test_a_clock_that_is_set_back_does_not_make_a_stream_too_fast() -> None:
    elapsed = [1000.0]
    rate_limiter = RateLimiter(RateLimits(times=10.0, ahead_s=60.0), -3600.0, lambda: elapsed[0])
    rate_limiter.check(60.0)
    elapsed[0] += 30.0
    rate_limiter.check(360.0)
    with pytest.raises(Overloaded):
        rate_limiter.check(361.0)
