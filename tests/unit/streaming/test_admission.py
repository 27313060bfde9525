"""Who may open a stream, by what was measured, and how fast its audio may come; with the clock by hand."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from models.errors import Conflict, Overloaded
from models.redaction.types import RedactionContext
from models.text import RawText, TextSource
from ray_tasks.types import SpeechWindow
from server.observability.metrics import Metrics
from server.streaming.admission import Admission, AdmissionLimits, AdmissionTicket
from server.streaming.load_meter import GUESSED_FACTOR, MeasuredGateway, SpeechLoadMeter
from server.streaming.rate_limit import RateLimiter, RateLimits
from tests.fakes.gateway import FakeGateway, Result

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LIMITS = AdmissionLimits(streams=100, client_streams=100, floor=2, load=0.8)


@dataclass
class House:
    """An admission, what it measures by, and a clock."""

    limits: AdmissionLimits = LIMITS
    workers: int = 1
    now_s: float = 0.0
    metrics: Metrics = field(default_factory=Metrics)

    def __post_init__(self) -> None:
        self.load = SpeechLoadMeter(self.workers, lambda: self.now_s)
        self.admission = Admission(self.limits, self.load, self.metrics)
        self.inside = contextlib.ExitStack()

    def work(self, seconds: float) -> None:
        """A final takes so long."""
        with self.load.working():
            self.now_s += seconds

    def measure(self, factor: float) -> None:
        """Many utterances of four seconds, each with its final."""
        for _ in range(200):
            self.load.heard(4.0)
            self.work(4.0 * factor)
            self.now_s += max(0.0, 4.0 * (1 - factor))

    def sit(self, name: str = "", client: str = "app") -> AdmissionTicket:
        """One more stream, that stays."""
        name = name or f"stream {len(self.admission.ids)}"
        return self.inside.enter_context(self.admission.seated(name, f"session of {name}", client))

    def speakers(self) -> int:
        """How many streams with audio are admitted, until one is refused."""
        for count in range(self.limits.streams):
            try:
                self.admission.begin_speech(self.sit())
            except Overloaded as refused:
                assert (refused.reason, refused.retry_after_s) == ("SPEECH_BUSY", 5.0)
                return count
        return self.limits.streams

    def metric(self, name: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(name, labels)


@pytest.fixture
def house() -> Iterator[House]:
    built = House()
    with built.inside:
        yield built


@pytest.mark.parametrize(
    ("factor", "workers", "streams"),
    [(0.02, 1, 40), (0.1, 1, 8), (0.1, 3, 24), (0.39, 1, 2), (0.5, 1, 2), (3.0, 1, 2)],
)
def test_the_measured_factor_decides_how_many_speak_and_the_first_are_always_admitted(
    factor: float, workers: int, streams: int
) -> None:
    house = House(workers=workers)
    with house.inside:
        house.measure(factor)
        assert house.load.factor == pytest.approx(factor, rel=0.15)
        assert house.speakers() == pytest.approx(streams, abs=streams // 8)
        assert house.metric("vestibule_speech_real_time_factor") == pytest.approx(house.load.factor)
        assert house.metric("vestibule_refused_streams_total", reason="SPEECH_BUSY") == 1


def test_a_machine_that_became_slow_is_noticed_and_so_is_one_that_recovers(house: House) -> None:
    house.measure(0.05)
    fast = house.load.factor
    house.measure(0.4)
    slow = house.load.factor
    house.measure(0.05)
    assert fast == pytest.approx(0.05, rel=0.15)
    assert slow == pytest.approx(0.4, rel=0.15)
    assert house.load.factor == pytest.approx(0.05, rel=0.15)


def test_workers_that_are_busy_with_audio_that_comes_fast_have_no_room_although_the_factor_is_low(house: House) -> None:
    """One stream at ten times the pace of speech keeps the only worker busy all the time."""
    house.admission.begin_speech(house.sit())
    house.admission.begin_speech(house.sit())
    for _ in range(200):
        house.load.heard(10.0, streams=2)
        house.work(1.0)
    assert house.load.factor == pytest.approx(0.1, rel=0.1)
    assert house.load.busy == pytest.approx(1.0, abs=0.01)
    with pytest.raises(Overloaded):
        house.admission.begin_speech(house.sit())
    house.now_s += 60.0
    house.admission.begin_speech(house.sit())


def test_many_streams_remember_as_long_as_one(house: House) -> None:
    """One slow final weighs the less, the more streams share the measure."""
    for streams in (1, 50):
        load = SpeechLoadMeter(1, lambda: house.now_s)
        for _ in range(2_000):
            load.heard(4.0, streams)
        with load.working():
            house.now_s += 6.0
        expected = 6.0 / (60.0 * streams)
        assert load.factor == pytest.approx(expected, rel=0.2)


def test_quiet_hours_change_nothing(house: House) -> None:
    house.measure(0.05)
    before = house.load.factor
    house.now_s += 10_000.0
    assert house.load.factor == before


def test_before_anything_was_heard_there_is_a_guess_that_the_first_utterances_outweigh(house: House) -> None:
    assert house.load.factor == GUESSED_FACTOR
    house.load.heard(60.0)
    assert house.load.factor < GUESSED_FACTOR / 5


def test_a_final_that_still_waits_counts_already_and_two_at_once_keep_one_worker_busy_once(house: House) -> None:
    house.load.heard(50.0)
    before = house.load.factor
    with house.load.working(), house.load.working():
        house.now_s += 30.0
        assert house.load.factor == pytest.approx(before + 30.0 / 60.0, rel=0.2)


def test_a_stream_that_ends_makes_room(house: House) -> None:
    house.measure(0.2)
    count = house.speakers()
    house.inside.pop_all().close()
    assert house.metric("vestibule_open_streams") == 0
    assert house.metric("vestibule_speech_load") == 0
    assert house.speakers() == count


def test_typed_text_needs_no_worker_for_speech_and_a_talk_that_broke_goes_on(house: House) -> None:
    house.measure(3.0)
    house.speakers()
    typing, resumed = house.sit("typing"), house.sit("resumed")
    house.admission.go_on(resumed)
    house.admission.begin_speech(resumed)
    with pytest.raises(Overloaded):
        house.admission.begin_speech(typing)


def test_a_client_has_its_own_bound_and_another_is_not_touched_by_it() -> None:
    house = House(AdmissionLimits(streams=3, client_streams=2, floor=2, load=0.8))
    with house.inside:
        house.sit(client="a"), house.sit(client="a")
        with pytest.raises(Overloaded) as client:
            house.sit(client="a")
        house.sit(client="b")
        with pytest.raises(Overloaded) as server:
            house.sit(client="b")
        with pytest.raises(Conflict) as twice:
            house.sit("stream 0", client="a")
    assert (client.value.reason, client.value.retry_after_s) == ("TOO_MANY_CLIENT_STREAMS", 2.0)
    assert (server.value.reason, server.value.retry_after_s) == ("TOO_MANY_STREAMS", 2.0)
    assert twice.value.reason == "STREAM_IN_USE"
    assert house.admission.ids == house.admission.session_ids == frozenset()


@pytest.mark.parametrize("final", [True, False])
async def test_finals_are_measured_and_partials_are_not(house: House, final: bool) -> None:
    class Slow(FakeGateway):
        async def _arrive(self, call: object) -> Result | None:
            house.now_s += 7.0
            return None

    before = house.load.factor
    await MeasuredGateway(Slow(), house.load).speech_step(SpeechWindow(b"", final), timeout_s=1.0)
    assert (house.load.factor > before) is final


async def test_everything_else_passes_through_unmeasured(house: House) -> None:
    inner = FakeGateway()
    gateway, before = MeasuredGateway(inner, house.load), house.load.factor
    await gateway.read_recording(b"\1", language="en", timeout_s=1.0)
    await gateway.read_picture(b"\1", document_type="", timeout_s=1.0)
    await gateway.redact([RawText("x")], RedactionContext(TextSource.TYPED, "en"), timeout_s=1.0)
    assert await gateway.engines() == await inner.engines()
    assert [call.method for call in inner.calls] == ["read_recording", "read_picture", "redact"]
    assert house.load.factor == before


@pytest.mark.parametrize(
    ("age_s", "heard_s", "wait_s"),
    [
        (0.0, 60.0, None),  # the allowance at once
        (0.0, 61.0, 3.1),  # until half of it is there again
        (10.0, 160.0, None),
        (10.0, 170.0, 4.0),
        (600.0, 660.0, None),  # ten minutes without a network, and then all of it in a second
        (-5.0, 60.0, None),  # a clock that was set back
    ],
)
def test_audio_may_be_so_much_ahead_of_the_clock(age_s: float, heard_s: float, wait_s: float | None) -> None:
    now = NOW + timedelta(seconds=age_s)
    pace = RateLimiter(RateLimits(times=10.0, ahead_s=60.0), lambda: now, NOW)
    if wait_s is None:
        pace.check(heard_s)
        return
    with pytest.raises(Overloaded) as caught:
        pace.check(heard_s)
    assert caught.value.reason == "AUDIO_TOO_FAST"
    assert caught.value.retry_after_s == pytest.approx(wait_s)
