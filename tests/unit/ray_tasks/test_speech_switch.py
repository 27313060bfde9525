"""Weights of speech are changed while calls go on; Serve is a table of applications, and no Ray is started."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.errors import DeadlineExceeded, InvalidInput, Unavailable, VestibuleError, WeightsError
from models.reasons import Reason
from ray_tasks import speech_switch
from ray_tasks.applications import Application, Applications
from ray_tasks.speech_switch import SpeechSwitch
from ray_tasks.types import ClusterConfig, SpeechModels, WorkerConfig
from tests.eventually import eventually

WEIGHTS = ("base", "small", "tiny")
CONFIG = ClusterConfig(
    WorkerConfig(weights="base"), WorkerConfig(), WorkerConfig(), "weights", "carry.key", "0123456789ab", "state"
)
TIMEOUT_S = 30.0


@dataclass
class Stage:
    """A switch, and what Serve runs: the weights of its speech applications.

    Attributes:
        fails: Weights whose workers do not start.
        hangs: The same for those that never come up.
        room: Speech applications that fit.
        refusals: How many of the next deletions and deployments another server keeps from happening.
    """

    running: set[str] = field(default_factory=lambda: {"base"})
    closed: list[str] = field(default_factory=list)
    fails: set[str] = field(default_factory=set)
    hangs: set[str] = field(default_factory=set)
    room: int = 9
    refusals: int = 0
    uses: int = 0

    def __post_init__(self) -> None:
        self.applications = Applications(CONFIG)
        self.applications.current["speech"].handle = "open"
        applications: Any = self.applications
        applications.known = self.known
        applications.close = lambda application: self.closed.append(weights_of(application))
        ownership: Any = SimpleNamespace(use=self.use)
        self.switch = SpeechSwitch(
            CONFIG, self.applications, ownership, check_room=self.check_room, until_up=self.until_up
        )

    def known(self) -> dict[str, Any]:
        running = [application_of(weights).name for weights in self.running]
        return dict.fromkeys(running, SimpleNamespace(status="RUNNING"))

    def use(self, speech: Iterable[Application]) -> None:
        self.uses += 1
        if self.refusals:
            self.refusals -= 1
            raise Unavailable("Not our turn.", reason=Reason.INSTALLATION_IN_USE)
        self.running = {weights_of(one) for one in speech}

    async def check_room(self, speech: int) -> None:
        if speech > self.room:
            raise InvalidInput("Too many.", reason=Reason.WORKERS_DO_NOT_FIT)

    async def until_up(self, applications: Iterable[Application]) -> None:
        for application in applications:
            await asyncio.sleep(0)
            assert weights_of(application) in self.running
            if weights_of(application) in self.fails:
                raise Unavailable("Did not start.", reason=Reason.WORKERS_NOT_READY)
            if weights_of(application) in self.hangs:
                await asyncio.Event().wait()

    @property
    def speech(self) -> Application:
        return self.applications.current["speech"]

    @property
    def models(self) -> SpeechModels:
        candidate = self.applications.candidate
        return SpeechModels(weights_of(self.speech), weights_of(candidate) if candidate else "")

    async def change(self, weights: str, candidate: str = "", timeout_s: float = TIMEOUT_S) -> None:
        await self.switch.use(SpeechModels(weights, candidate), timeout_s)

    async def settled(self) -> None:
        """Return once nothing runs that is not used."""
        await eventually(lambda: not self.switch._ending)
        assert self.running == {self.models.weights, self.models.candidate} - {""}


def application_of(weights: str) -> Application:
    return Application(replace(CONFIG, speech=replace(CONFIG.speech, weights=weights)), "speech")


def weights_of(application: Application) -> str:
    return application.config.speech.weights


@pytest.fixture
async def stage(monkeypatch: pytest.MonkeyPatch) -> Stage:
    set_up(monkeypatch)
    return Stage()


def set_up(patch: pytest.MonkeyPatch) -> None:
    def locate(name: str, _cache: object) -> None:
        if name not in WEIGHTS:
            raise WeightsError(f"The weights '{name}' are not in the cache.")

    patch.setattr(speech_switch, "locate", locate)
    patch.setattr(speech_switch, "AGAIN_S", 0.0)


async def test_calls_end_on_the_old_weights_and_begin_on_the_new_ones(stage: Stage) -> None:
    old = stage.speech
    with old.calling() as handle:
        assert handle == "open"
        await stage.change("small")
        assert stage.models == SpeechModels("small")
        for _ in range(100):
            await asyncio.sleep(0)
        assert stage.running == {"base", "small"}, "a call is open"
    await stage.settled()
    await eventually(lambda: stage.closed == ["base"])


async def test_a_candidate_runs_beside_the_weights_in_use_and_is_there_at_once_when_it_is_promoted(
    stage: Stage,
) -> None:
    await stage.change("", "small")
    assert (stage.running, stage.models) == ({"base", "small"}, SpeechModels("base", "small"))
    uses, candidate = stage.uses, stage.applications.candidate
    await stage.change("small")
    assert stage.speech is candidate
    assert stage.models == SpeechModels("small")
    await stage.settled()
    assert stage.uses == uses + 1, "nothing but the deletion of the others"


async def test_a_candidate_is_discarded(stage: Stage) -> None:
    await stage.change("", "tiny")
    await stage.change("")
    assert stage.models == SpeechModels("base")
    await stage.settled()


async def test_what_is_there_already_is_not_deployed_again(stage: Stage) -> None:
    for models in (("base", ""), ("", ""), ("base", "base")):
        await stage.change(*models)
        assert stage.models == SpeechModels("base")
    assert stage.uses == 0


async def test_what_somebody_deleted_is_deployed_again(stage: Stage) -> None:
    await stage.change("", "tiny")
    stage.running.discard("base")
    await stage.change("", "tiny")
    assert stage.running == {"base", "tiny"}


@pytest.mark.parametrize(
    ("models", "error"),
    [
        (("unknown", ""), WeightsError),
        (("small", "unknown"), WeightsError),
        (("small", "fails"), WeightsError),
        (("tiny", ""), Unavailable),
        (("base", "tiny"), Unavailable),
        (("small", "tiny"), Unavailable),
    ],
)
async def test_after_an_error_everything_is_as_before(
    stage: Stage, models: tuple[str, str], error: type[VestibuleError]
) -> None:
    stage.fails = {"tiny"}
    speech = stage.speech
    with pytest.raises(error):
        await stage.change(*models)
    await stage.settled()
    assert (stage.models, stage.speech) == (SpeechModels("base"), speech)


async def test_weights_that_do_not_fit_are_refused_before_anything_is_deployed(stage: Stage) -> None:
    stage.room = 1
    with pytest.raises(InvalidInput):
        await stage.change("small")
    assert (stage.running, stage.models) == ({"base"}, SpeechModels("base"))
    stage.room = 2
    with stage.speech.calling():
        await stage.change("small")
        with pytest.raises(InvalidInput):
            await stage.change("tiny")


async def test_workers_that_do_not_come_up_in_time_are_deleted(stage: Stage) -> None:
    stage.hangs = {"small"}
    with pytest.raises(DeadlineExceeded):
        await stage.change("small", timeout_s=0.05)
    await stage.settled()
    assert stage.models == SpeechModels("base")


async def test_a_candidate_that_is_ill_keeps_no_change_from_happening(stage: Stage) -> None:
    await stage.change("", "tiny")
    stage.hangs = {"tiny"}
    await stage.change("small", "tiny")
    assert stage.models == SpeechModels("small", "tiny")
    await stage.settled()
    stage.running.discard("tiny")
    await stage.change("small", "tiny")
    assert stage.running == {"small", "tiny"}, "it is deployed again"


@pytest.mark.parametrize("gone", [True, False])
async def test_a_candidate_that_is_ill_is_not_promoted(stage: Stage, gone: bool) -> None:
    await stage.change("", "tiny")
    stage.hangs = {"tiny"}
    stage.running -= {"tiny"} if gone else set()
    with pytest.raises(DeadlineExceeded):
        await stage.change("tiny", timeout_s=0.05)
    assert stage.models == SpeechModels("base", "tiny")


async def test_weights_in_use_that_somebody_deleted_are_waited_for(stage: Stage) -> None:
    stage.running.clear()
    stage.hangs = {"base"}
    with pytest.raises(DeadlineExceeded):
        await stage.change("base", timeout_s=0.05)
    assert stage.running == {"base"}


async def test_a_second_change_waits_for_the_first(stage: Stage) -> None:
    first, second = (asyncio.create_task(stage.change(weights)) for weights in ("small", "tiny"))
    await asyncio.gather(first, second)
    await stage.settled()
    assert stage.models == SpeechModels("tiny")
    await eventually(lambda: stage.closed == ["base", "small"])


async def test_weights_that_still_have_calls_are_taken_back(stage: Stage) -> None:
    old = stage.speech
    with old.calling():
        await stage.change("small")
        await stage.change("base")
        assert stage.speech is old
    await stage.settled()
    assert stage.models == SpeechModels("base")
    await eventually(lambda: stage.closed == ["small"])


async def test_weights_that_are_taken_back_in_vain_end_as_well(stage: Stage) -> None:
    stage.fails = {"tiny"}
    with stage.speech.calling():
        await stage.change("small")
        with pytest.raises(Unavailable):
            await stage.change("base", "tiny")
    await stage.settled()
    assert stage.models == SpeechModels("small")


async def test_a_call_that_does_not_end_is_cut_off_after_the_longest_call(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(speech_switch, "DRAIN_S", 0.01)
    with stage.speech.calling():
        await stage.change("small")
        await stage.settled()
    assert [(line.msg, vars(line)["values"]) for line in caplog.records] == [
        ("calls_ended_with_their_weights", {"open_calls": 1})
    ]


async def test_a_deletion_that_fails_is_tried_again(stage: Stage) -> None:
    await stage.change("small")
    stage.refusals = 3
    await stage.settled()
    assert stage.refusals == 0
    await eventually(lambda: stage.closed == ["base"])


async def test_nothing_is_deleted_after_the_cluster_was_left(stage: Stage) -> None:
    with stage.speech.calling():
        await stage.change("small")
        stage.switch.close()
    stage.hangs = {"tiny"}
    with pytest.raises(DeadlineExceeded):
        await stage.change("tiny", timeout_s=0.01)
    for _ in range(10):
        await asyncio.sleep(0)
    assert {"base", "small"} <= stage.running


Step = tuple[str, str, int]
"""Weights, candidate, and the number of the call that ends, or begins if there is none of that number."""


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from(WEIGHTS), st.sampled_from(("", *WEIGHTS)), st.integers(0, 3)), max_size=12))
def test_whatever_is_asked_for_calls_have_their_workers_until_they_end(steps: list[Step]) -> None:
    async def play(stage: Stage) -> None:
        calls: dict[int, tuple[Any, str]] = {}
        for weights, candidate, number in steps:
            if number in calls:
                calls.pop(number)[0].__exit__(None, None, None)
            else:
                call, name = stage.speech.calling(), stage.models.weights
                call.__enter__()
                calls[number] = call, name
            with suppress(Unavailable):
                await stage.change(weights, candidate)
            assert {name for _call, name in calls.values()} <= stage.running
        for call, _name in calls.values():
            call.__exit__(None, None, None)
        await stage.settled()

    with pytest.MonkeyPatch.context() as patch:
        set_up(patch)
        asyncio.run(play(Stage(fails={"tiny"})))
