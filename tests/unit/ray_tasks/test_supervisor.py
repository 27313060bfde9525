"""The supervisor starts Ray again whenever it is lost; no Ray is started."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest
import pytest_asyncio

from models.errors import InvalidInput, Unavailable, VestibuleError, WeightsError
from models.reasons import Reason
from models.retry import CLUSTER_POLICY, FOREVER
from ray_tasks.losses import AT_ONCE, WINDOW_S
from ray_tasks.supervisor import USUAL_START_S, ClusterPhase, ClusterState, ClusterSupervisor
from ray_tasks.types import ClusterConfig, SpeechModels, WorkerConfig, WorkerEnd, WorkerEndReason
from tests.clocks import HandSeconds
from tests.eventually import eventually
from tests.fakes.ray_child import FakeRay

CONFIG = ClusterConfig(WorkerConfig(), WorkerConfig(), WorkerConfig(), "weights", "carry.key", "0123456789ab", "state")
NOT_THERE = Unavailable("Nobody listens.", reason=Reason.CLUSTER_UNAVAILABLE)


@dataclass
class Supervised:
    """A supervisor, what it told, and how long it slept."""

    ray: FakeRay = field(default_factory=FakeRay)
    clock: HandSeconds = field(default_factory=HandSeconds)
    slept: list[float] = field(default_factory=list)
    states: list[ClusterState] = field(default_factory=list)
    worker_ends: list[WorkerEnd] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.cluster = ClusterSupervisor(
            CONFIG,
            launch=self.ray.launch,
            clock=self.clock,
            sleep=self.sleep,
            observe=self.states.append,
            observe_worker=self.worker_ends.append,
        )

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.clock.advance(seconds)
        await asyncio.sleep(0)

    async def lose(self, cause: str = "raylet") -> None:
        """Lose the running Ray and wait for the next."""
        count = self.cluster.state.restarts
        self.ray.children[-1].lose(cause)
        await eventually(lambda: self.cluster.state.restarts > count)


@pytest_asyncio.fixture
async def supervised() -> AsyncIterator[Supervised]:
    made = Supervised()
    yield made
    await made.cluster.stop()


async def test_a_lost_ray_is_ended_and_started_again_at_once(supervised: Supervised) -> None:
    cluster = supervised.cluster
    await cluster.start()
    first = await cluster.child()
    await supervised.lose("gcs_server")
    assert [child.ended for child in supervised.ray.children] == ["killed", ""]
    assert not supervised.slept
    assert not cluster.runs(first)
    assert cluster.ready
    assert cluster.folder == "folder-1"
    assert [state.phase for state in supervised.states] == [
        ClusterPhase.UP,
        ClusterPhase.RESTARTING,
        ClusterPhase.RESTARTING,
        ClusterPhase.UP,
    ]
    lost = supervised.states[1]
    assert (lost.reason, lost.cause, lost.why) == ("CLUSTER_LOST", "gcs_server", "A process of Ray ended: gcs_server.")


async def test_attempts_go_on_for_ever_with_longer_and_longer_pauses(supervised: Supervised) -> None:
    await supervised.cluster.start()
    supervised.ray.errors.extend([NOT_THERE] * 100)
    await supervised.lose()
    assert len(supervised.slept) == 100
    policy = CLUSTER_POLICY
    assert policy.retries == FOREVER
    assert supervised.slept[0] <= policy.first_delay_s
    assert all(policy.longest_s / 2 <= pause_s <= policy.longest_s for pause_s in supervised.slept[10:])
    assert max(state.attempt for state in supervised.states) == 101
    failed = next(state for state in supervised.states if state.retry_in_s)
    assert (failed.reason, failed.why) == ("CLUSTER_UNAVAILABLE", "Nobody listens.")
    assert supervised.cluster.state.last_outage_s == pytest.approx(sum(supervised.slept))


async def test_a_ray_that_is_lost_again_and_again_waits_from_the_sixth_loss_of_ten_minutes_on(
    supervised: Supervised,
) -> None:
    await supervised.cluster.start()
    for _ in range(AT_ONCE):
        supervised.clock.advance(1.0)
        await supervised.lose()
    assert not supervised.slept
    for _ in range(10):
        await supervised.lose()
    assert supervised.slept[0] <= CLUSTER_POLICY.first_delay_s
    assert supervised.slept[-1] >= CLUSTER_POLICY.longest_s / 2
    supervised.slept.clear()
    supervised.clock.advance(WINDOW_S)
    for _ in range(AT_ONCE):
        await supervised.lose()
    assert not supervised.slept


async def test_the_attempts_of_each_outage_are_counted_from_one(supervised: Supervised) -> None:
    await supervised.cluster.start()
    for failures in (2, 0, 1):
        supervised.states.clear()
        supervised.ray.errors.extend([NOT_THERE] * failures)
        await supervised.lose()
        assert max(state.attempt for state in supervised.states) == failures + 1
        assert supervised.cluster.state.attempt == 0
    assert len(supervised.slept) == 3


async def test_a_first_start_that_cannot_work_is_an_error(supervised: Supervised) -> None:
    supervised.ray.errors.append(WeightsError("No weights."))
    with pytest.raises(WeightsError):
        await supervised.cluster.start()
    assert [child.ended for child in supervised.ray.children] == ["stopped"], "nothing is left on a joined cluster"


async def test_a_ray_that_is_lost_during_the_first_start_is_started_again(supervised: Supervised) -> None:
    supervised.ray.errors.append(Unavailable("Lost.", reason=Reason.CLUSTER_LOST))
    await supervised.cluster.start()
    assert supervised.cluster.ready
    assert [child.ended for child in supervised.ray.children] == ["killed", ""]


async def test_the_time_of_the_workers_stands_still_while_ray_is_away(supervised: Supervised) -> None:
    cluster = supervised.cluster
    assert cluster.worked_s() == 0.0
    await cluster.start()
    supervised.clock.advance(100.0)
    supervised.ray.errors.extend([NOT_THERE] * 5)
    await supervised.lose()
    assert sum(supervised.slept) > 5.0
    supervised.clock.advance(10.0)
    assert cluster.worked_s() == pytest.approx(110.0)


async def test_the_retry_hint_is_when_ray_should_be_up_again(supervised: Supervised) -> None:
    cluster = supervised.cluster
    error = cluster.away()
    assert (error.reason, error.retry_after_s) == ("WORKERS_NOT_READY", USUAL_START_S)
    await cluster.start()
    hints = []
    supervised.ray.errors.extend([NOT_THERE] * 8)

    async def sleep(seconds: float) -> None:
        hints.append((seconds, cluster.away()))
        await supervised.sleep(seconds)

    cluster._sleep = sleep
    await supervised.lose()
    for pause_s, error in hints:
        assert error.reason == Reason.CLUSTER_LOST
        assert error.retry_after_s == pytest.approx(max(1.0, pause_s))  # the fake starts within no time


async def test_who_waits_for_a_stopped_cluster_is_told(supervised: Supervised) -> None:
    waiting = asyncio.create_task(supervised.cluster.child())
    await asyncio.sleep(0)
    await supervised.cluster.stop()
    with pytest.raises(Unavailable) as caught:
        await waiting
    assert caught.value.reason == "WORKERS_NOT_READY"


async def test_a_process_that_was_prepared_is_used_by_the_start(supervised: Supervised) -> None:
    supervised.cluster.prepare()
    await eventually(lambda: supervised.ray.children)
    await supervised.cluster.start()
    assert len(supervised.ray.children) == 1


async def test_a_process_that_was_prepared_in_vain_is_ended(supervised: Supervised) -> None:
    supervised.cluster.prepare()
    await supervised.cluster.stop()
    assert [child.ended for child in supervised.ray.children] == ["killed"]


async def test_no_replica_is_said_to_run_while_the_cluster_is_away(supervised: Supervised) -> None:
    assert supervised.cluster.running == {}
    await supervised.cluster.start()
    supervised.ray.children[-1].running["vision"] = 0
    assert supervised.cluster.running == {"redaction": 1, "speech": 1, "vision": 0}
    await supervised.cluster.stop()
    assert supervised.cluster.running == {}


async def test_a_worker_that_ends_is_told_also_after_a_restart(supervised: Supervised) -> None:
    end = WorkerEnd("vision", WorkerEndReason.PROCESS_ENDED, 42, datetime(2026, 11, 27, 9, tzinfo=UTC))
    await supervised.cluster.start()
    supervised.ray.children[-1].tell_worker_end(end)
    await supervised.lose()
    supervised.ray.children[-1].tell_worker_end(end)
    assert supervised.worker_ends == [end, end]


async def test_a_ray_that_is_started_again_begins_with_the_weights_in_use(supervised: Supervised) -> None:
    cluster = supervised.cluster
    cluster.speech_models = SpeechModels("whisper-small")
    await cluster.start()
    cluster.speech_models = SpeechModels("whisper-small", "whisper-base")
    await supervised.lose()
    begun = [child.models for child in supervised.ray.children]
    assert begun == [SpeechModels("whisper-small"), SpeechModels("whisper-small", "whisper-base")]


CHOSEN = SpeechModels("whisper-small", "whisper-base")
OF_WEIGHTS = [
    WeightsError("No weights."),
    Unavailable("The worker did not start.", reason=Reason.WORKERS_NOT_READY),
    InvalidInput("They are too large.", reason=Reason.WORKERS_DO_NOT_FIT),
]


@pytest.mark.parametrize("error", OF_WEIGHTS)
async def test_chosen_weights_that_do_not_start_keep_no_first_start_from_working(
    supervised: Supervised, error: VestibuleError, caplog: pytest.LogCaptureFixture
) -> None:
    cluster = supervised.cluster
    cluster.speech_models = CHOSEN
    supervised.ray.errors.append(error)
    await cluster.start()
    assert [child.models for child in supervised.ray.children] == [CHOSEN, SpeechModels()]
    assert [child.ended for child in supervised.ray.children] == ["stopped", ""]
    assert cluster.ready
    assert cluster.speech_models == SpeechModels(), "who chose them sees that they are not used"
    assert [(line.msg, vars(line)["values"]) for line in caplog.records] == [
        ("chosen_weights_given_up", {"weights": "whisper-small", "reason": error.reason})
    ]
    await supervised.lose()
    assert cluster.state.restarts == 1


@pytest.mark.parametrize("error", OF_WEIGHTS)
async def test_chosen_weights_that_do_not_start_keep_no_lost_ray_from_coming_back(
    supervised: Supervised, error: VestibuleError
) -> None:
    cluster = supervised.cluster
    await cluster.start()
    cluster.speech_models = CHOSEN
    supervised.ray.errors.append(error)
    await supervised.lose()
    assert [child.models for child in supervised.ray.children[1:]] == [CHOSEN, SpeechModels()]
    assert (cluster.ready, cluster.speech_models) == (True, SpeechModels())


async def test_chosen_weights_outlast_starts_that_fail_for_other_reasons(supervised: Supervised) -> None:
    cluster = supervised.cluster
    cluster.speech_models = CHOSEN
    lost = Unavailable("Lost.", reason=Reason.CLUSTER_LOST)
    supervised.ray.errors.extend([lost, NOT_THERE, lost])
    await cluster.start()
    assert [child.models for child in supervised.ray.children] == [CHOSEN] * 4
    assert cluster.speech_models == CHOSEN


async def test_a_start_that_fails_with_the_weights_of_the_settings_as_well_is_an_error(supervised: Supervised) -> None:
    cluster = supervised.cluster
    cluster.speech_models = CHOSEN
    supervised.ray.errors.extend([WeightsError("None chosen."), WeightsError("None of the settings.")])
    with pytest.raises(WeightsError, match="None of the settings"):
        await cluster.start()
    assert len(supervised.ray.children) == 2


async def test_a_stop_stops_ray_in_order(supervised: Supervised) -> None:
    await supervised.cluster.start()
    await supervised.cluster.stop()
    assert [child.ended for child in supervised.ray.children] == ["stopped"]
    assert supervised.cluster.state.phase is ClusterPhase.STOPPED


async def test_an_error_while_a_lost_ray_is_ended_does_not_keep_the_next_one_from_starting(
    supervised: Supervised, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    await supervised.cluster.start()

    async def fail() -> None:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(supervised.ray.children[-1], "kill", fail)
    await supervised.lose()
    assert supervised.cluster.ready
    assert [child.ended for child in supervised.ray.children] == ["", ""]
    [told] = caplog.records
    assert (told.msg, vars(told)["values"]) == ("keeping_ray_up_failed", {"error_type": "OSError"})
    await supervised.lose()
    assert supervised.cluster.state.restarts == 2
