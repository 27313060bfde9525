"""The gateway, with scripted workers; no Ray is started."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Generator, Iterable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from models.errors import InternalError, Overloaded, Unavailable
from models.reasons import Reason
from models.redaction.types import NO_SCOPE, RedactionContext, RedactionScope
from models.text import RawText
from ray_tasks.applications import Application
from ray_tasks.deployments import DEPLOYMENTS
from ray_tasks.engine_info import MISMATCH, EngineFacts
from ray_tasks.gateway import RayGateway, running_replicas
from ray_tasks.types import ClusterConfig, RecordingSource, SpeechModels, SpeechWindow, WorkerConfig
from tests.eventually import eventually
from tests.fakes.gateway import recording_source

CONFIG = ClusterConfig(
    speech=WorkerConfig(engine="ctranslate2", cpus=0.5, max_ongoing=1),
    vision=WorkerConfig(cpus=0.5, gpus=0.5),
    redaction=WorkerConfig(cpus=0.25, replicas=2),
    weights_dir="weights",
    state_key_path="carry.key",
    installation="0123456789ab",
    state_dir="state",
    object_store_bytes=4_000,
)


class Answer:
    """An answer that comes once ``ready`` is set."""

    def __init__(self, ready: asyncio.Event, value: object) -> None:
        self.ready = ready
        self.value = value

    def __await__(self) -> Generator[Any, None, object]:
        yield from self.ready.wait().__await__()
        return self.value

    def cancel(self) -> None:
        return None


class ScriptedWorkers:
    """Workers whose answer is the arguments of the call."""

    config = CONFIG

    def __init__(self) -> None:
        self.ready = asyncio.Event()
        self.asked: list[tuple[str, str, tuple[object, ...]]] = []
        self.left_s: list[float] = []
        self.up = True
        self.applications = {kind: self._application(CONFIG, kind) for kind in DEPLOYMENTS}
        fingerprint = self.applications["speech"].fingerprint
        self.applications["speech"].facts = EngineFacts("ctranslate2", "cpu", fingerprint, "No GPU.")
        self.candidate: Application | None = None
        self.used: list[tuple[SpeechModels, float]] = []
        self.known: dict[str, Any] = {}
        self.described: dict[str, EngineFacts] = {}
        self.refreshed: list[str] = []
        self.shared: list[bytes] = []

    def application(self, kind: str) -> Application:
        if not self.up:
            raise Unavailable("The workers are not running.", reason=Reason.WORKERS_NOT_READY)
        return self.applications[kind]

    async def use_speech_models(self, models: SpeechModels, timeout_s: float) -> None:
        self.used.append((models, timeout_s))

    def will_compare(self, weights: str) -> Application:
        config = replace(CONFIG, speech=replace(CONFIG.speech, weights=weights))
        self.candidate = self._application(config, "speech", "candidate")
        return self.candidate

    def _application(self, config: ClusterConfig, kind: str, asked: str = "") -> Application:
        application = Application(config, kind)

        def method(name: str) -> Any:
            def remote(*arguments: object) -> Answer:
                expected, left_s, *others = arguments
                assert isinstance(left_s, float)
                self.left_s.append(left_s)
                assert expected == application.fingerprint
                self.asked.append((asked or kind, name, tuple(others)))
                return Answer(self.ready, arguments)

            return SimpleNamespace(remote=remote)

        methods = {name: method(name) for name in ("step", "recording", "picture", "redact")}
        application.handle = SimpleNamespace(**methods)
        return application

    async def share(self, data: bytes) -> Any:
        self.shared.append(data)
        return f"reference {len(self.shared)}"

    async def refresh_facts(self, kinds: Iterable[str]) -> None:
        self.refreshed = sorted(kinds)
        for kind, described in self.described.items():
            if kind in self.refreshed:
                self.applications[kind].facts = described

    async def statuses(self) -> dict[str, Any]:
        if not self.up:
            raise Unavailable("The workers are not running.", reason=Reason.WORKERS_NOT_READY)
        return self.known


def application(name: str, **states: int) -> Any:
    """Serve's status of one application."""
    status = SimpleNamespace(value="HEALTHY")
    return SimpleNamespace(deployments={name: SimpleNamespace(status=status, replica_states=states)})


@pytest.fixture
async def workers() -> ScriptedWorkers:
    return ScriptedWorkers()


async def test_each_call_goes_to_its_worker_with_the_expected_fingerprint(workers: ScriptedWorkers) -> None:
    workers.ready.set()
    gateway = RayGateway(workers)
    window, texts, context = SpeechWindow(b"1234", final=True), [RawText("x")], RedactionContext()
    await gateway.speech_step(window, timeout_s=1)
    await gateway.read_recording(recording_source(b"sound"), language="en", timeout_s=1)
    scope = RedactionScope("app", "session")
    await gateway.read_picture(b"picture", document_type="meter", timeout_s=1, scope=scope)
    await gateway.redact(texts, context, timeout_s=1)
    assert workers.asked == [
        ("speech", "step", (window,)),
        ("speech", "recording", ("en", NO_SCOPE, False, "reference 1", "reference 2")),
        ("vision", "picture", (b"picture", "meter", scope)),
        ("redaction", "redact", (texts, context)),
    ]
    assert workers.shared == [b"so", b"und"]
    assert all(0.5 < left_s < 1.0 for left_s in workers.left_s), "the worker ends before the caller gives up"


async def test_media_use_at_most_a_quarter_of_the_shared_memory(workers: ScriptedWorkers) -> None:
    gateway = RayGateway(workers)
    first = asyncio.create_task(gateway.read_picture(bytes(800), document_type="", timeout_s=5))
    await asyncio.sleep(0)
    with pytest.raises(Overloaded) as caught:
        await gateway.read_picture(bytes(300), document_type="", timeout_s=5)
    assert caught.value.retry_after_s
    second = asyncio.create_task(gateway.read_picture(bytes(200), document_type="", timeout_s=5))
    await asyncio.sleep(0)
    second.cancel()
    await asyncio.gather(second, return_exceptions=True)
    workers.ready.set()
    await first
    await gateway.read_picture(bytes(1_000), document_type="", timeout_s=5)


async def test_recordings_wait_for_room_and_leave_some_for_pictures(workers: ScriptedWorkers) -> None:
    gateway = RayGateway(workers)
    loaded: list[int] = []

    def recording(size_bytes: int) -> RecordingSource:
        async def pieces() -> AsyncIterator[bytes]:
            loaded.append(size_bytes)
            yield bytes(size_bytes)

        return RecordingSource(size_bytes, pieces)

    calls = [
        asyncio.create_task(gateway.read_recording(recording(size), language="", timeout_s=5))
        for size in (1_200, 900, 5_000)
    ]
    await eventually(lambda: workers.asked)
    picture = asyncio.create_task(gateway.read_picture(bytes(800), document_type="", timeout_s=5))
    await eventually(lambda: len(workers.asked) == 2)
    assert loaded == [1_200]
    workers.ready.set()
    await asyncio.gather(picture, *calls)
    assert loaded == [1_200, 900, 5_000]


async def test_a_recording_that_does_not_load_or_is_given_up_leaves_its_room(workers: ScriptedWorkers) -> None:
    gateway = RayGateway(workers)

    async def pieces() -> AsyncIterator[bytes]:
        yield b"begin"
        raise InternalError("A file of the spool is damaged.")

    with pytest.raises(InternalError):
        await gateway.read_recording(RecordingSource(2_000, pieces), language="", timeout_s=5)
    held = asyncio.create_task(gateway.read_recording(recording_source(bytes(2_000)), language="", timeout_s=5))
    await eventually(lambda: workers.asked)
    waits = asyncio.create_task(gateway.read_recording(recording_source(bytes(2_000)), language="", timeout_s=5))
    await asyncio.sleep(0)
    for task in (waits, held):
        task.cancel()
    await asyncio.gather(waits, held, return_exceptions=True)
    workers.ready.set()
    await gateway.read_recording(recording_source(bytes(2_000)), language="", timeout_s=5)


async def test_calls_are_refused_before_the_workers_are_up(workers: ScriptedWorkers) -> None:
    workers.up = False
    gateway = RayGateway(workers)
    with pytest.raises(Unavailable) as caught:
        await gateway.read_picture(b"", document_type="", timeout_s=1)
    assert caught.value.reason == "WORKERS_NOT_READY"
    assert [(info.kind, info.healthy) for info in await gateway.engines()] == [
        ("redaction", False),
        ("speech", False),
        ("vision", False),
    ]


async def test_engines_report_the_number_of_waiting_calls(workers: ScriptedWorkers) -> None:
    workers.known = {
        "speech": application("Speech", RUNNING=1, STARTING=1),
        "vision": application("Vision", STARTING=1),
    }
    gateway = RayGateway(workers)
    open_calls = [
        asyncio.create_task(gateway.speech_step(SpeechWindow(b"", final=True), timeout_s=5)) for _ in range(3)
    ]
    await asyncio.sleep(0)
    redaction, speech, vision = await gateway.engines()
    assert workers.refreshed == []  # speech is busy, vision starts, redaction is not there
    assert (speech.healthy, speech.engine, speech.device, speech.detail) == (True, "ctranslate2", "cpu", "No GPU.")
    assert (speech.replicas, speech.queued) == (1, 2)
    assert (vision.healthy, vision.detail) == (False, "It is starting.")
    assert not redaction.healthy
    workers.ready.set()
    await asyncio.gather(*open_calls)
    assert (await gateway.engines())[1].queued == 0


async def test_an_application_without_its_deployment_runs_nothing(workers: ScriptedWorkers) -> None:
    """So Serve may show it while its controller comes back."""
    workers.known = {"speech": SimpleNamespace(deployments={})}
    assert running_replicas("speech", workers.known["speech"]) == 0
    speech = (await RayGateway(workers).engines())[1]
    assert (speech.healthy, speech.replicas, speech.detail) == (False, 0, "It is not deployed yet.")


async def test_workers_replaced_by_another_server_are_unhealthy(workers: ScriptedWorkers) -> None:
    workers.known = {"speech": application("Speech", RUNNING=1)}
    workers.described["speech"] = EngineFacts("ctranslate2", "cpu", "another")
    speech = (await RayGateway(workers).engines())[1]
    assert (speech.healthy, speech.detail) == (False, MISMATCH)
    assert workers.refreshed == ["speech"]


async def test_a_candidate_has_one_call_that_runs_and_one_that_waits(workers: ScriptedWorkers) -> None:
    gateway, window = RayGateway(workers), SpeechWindow(b"1234", final=True)
    with pytest.raises(Unavailable) as none:
        await gateway.candidate_step(window, timeout_s=1)
    assert none.value.reason == "NO_CANDIDATE"
    candidate = workers.will_compare("whisper-tiny.en")
    asking = [asyncio.create_task(gateway.candidate_step(window, timeout_s=5)) for _ in range(2)]
    await eventually(lambda: candidate.open_calls == 2)
    with pytest.raises(Overloaded):
        await gateway.candidate_step(window, timeout_s=5)
    workers.ready.set()
    await asyncio.gather(*asking)
    assert workers.asked == [("candidate", "step", (window,))] * 2
    await gateway.candidate_step(window, timeout_s=5)


async def test_a_candidate_takes_nothing_of_the_calls_to_speech(workers: ScriptedWorkers) -> None:
    workers.will_compare("whisper-tiny.en")
    workers.known = {"speech": application("Speech", RUNNING=1)}
    gateway, large = RayGateway(workers), SpeechWindow(bytes(1_000), final=True)
    calls = [asyncio.create_task(gateway.candidate_step(large, timeout_s=5)) for _ in range(2)]
    await eventually(lambda: len(workers.asked) == 2)
    calls.append(asyncio.create_task(gateway.speech_step(large, timeout_s=5)))
    await eventually(lambda: len(workers.asked) == 3)
    speech = (await gateway.engines())[1]
    assert speech.queued == 0
    assert (speech.extra["weights"], speech.extra["candidate"]) == ("whisper-base", "whisper-tiny.en")
    workers.ready.set()
    await asyncio.gather(*calls)
    workers.candidate = None
    assert "candidate" not in (await gateway.engines())[1].extra


async def test_calls_to_workers_of_old_weights_are_no_queue_of_the_new_ones(workers: ScriptedWorkers) -> None:
    workers.known = {"speech": application("Speech", RUNNING=1)}
    gateway, old = RayGateway(workers), workers.applications["speech"]
    reading = [asyncio.create_task(gateway.speech_step(SpeechWindow(b"", final=True), timeout_s=5)) for _ in range(3)]
    await eventually(lambda: old.open_calls == 3)
    workers.applications["speech"] = workers.will_compare("whisper-tiny.en")
    assert (await gateway.engines())[1].queued == 0
    assert workers.refreshed == ["speech"], "the new ones are idle"
    workers.ready.set()
    await asyncio.gather(*reading)
    assert old.open_calls == 0


async def test_weights_are_changed_within_the_time_of_the_caller(workers: ScriptedWorkers) -> None:
    models = SpeechModels("whisper-tiny.en")
    await RayGateway(workers).use_speech_models(models, timeout_s=60.0)
    assert workers.used == [(models, 60.0)]
