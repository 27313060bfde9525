"""The weights that recognise speech are changed on real workers while people speak, and others are compared."""

from __future__ import annotations

import asyncio
import io
import logging
import time
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from itertools import cycle, islice
from pathlib import Path

import psutil
import pytest
import pytest_asyncio

from models.errors import Unavailable, WeightsError
from models.media.audio_decoder import decode
from models.media.clean import MediaLimits, clean
from models.media.samples import SAMPLE_RATE_HZ
from ray_tasks.applications import Application
from ray_tasks.types import SpeechModels, SpeechWindow
from tests.eventually import eventually
from tests.fakes.gateway import recording_source
from tests.ray.conftest import DATA, INSTALLATION, small_config
from tests.ray.test_recovery import Supervised

log = logging.getLogger(__name__)

BASE, TINY = "whisper-base", "whisper-tiny.en"
UP_S = 240.0
CALL_S = 120.0
VISIT = DATA / "visit.wav"
SAID = decode(VISIT.read_bytes()).tobytes()[: 4 * SAMPLE_RATE_HZ * 8]
"""Eight seconds of speech."""
READ_TIMES = 20
"""How often the clip follows itself in the recording that is read on old workers. Their end would allow it 20 s."""


@dataclass
class Speakers:
    """Some people speak all the time.

    Attributes:
        answers: Windows that were recognised.
        finals: Texts of finals, with the time at which they were asked for.
    """

    supervised: Supervised
    answers: int = 0
    finals: list[tuple[float, str]] = field(default_factory=list)

    async def speak(self) -> None:
        """Partials of a growing utterance, then the final, without end. No call may fail."""
        gateway = self.supervised.gateway
        for end_s in cycle((2, 4, 6, 8)):
            asked_s, final = time.monotonic(), end_s == 8
            window = SpeechWindow(SAID[: 4 * SAMPLE_RATE_HZ * end_s], final=final, language="en")
            step = await gateway.speech_step(window, timeout_s=CALL_S)
            assert not step.no_speech
            self.answers += 1
            if final:
                self.finals.append((asked_s, step.text.value))

    @asynccontextmanager
    async def speaking(self, people: int) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(self.speak()) for _ in range(people)]
        try:
            yield
            for task in tasks:
                if task.done():
                    await task
            await self.go_on()
        finally:
            for task in tasks:
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(one, asyncio.CancelledError) for one in ended)

    async def go_on(self, count: int = 3) -> None:
        """Return after so many further answers."""
        wanted = self.answers + count
        await eventually(lambda: self.answers >= wanted, UP_S)


def speech_replicas(supervised: Supervised) -> dict[str, psutil.Process]:
    """The speech workers by the name of their application."""
    prefix = f"ray::ServeReplica:vestibule-{INSTALLATION}-speech"
    return {title.split(":")[3]: one for title, one in supervised.processes().items() if title.startswith(prefix)}


def application(weights: str) -> str:
    """Name of the application of these weights."""
    config = small_config(Path("state"))
    return Application(replace(config, speech=replace(config.speech, weights=weights)), "speech").name


async def final(supervised: Supervised) -> str:
    window = SpeechWindow(SAID, final=True, language="en")
    return (await supervised.gateway.speech_step(window, timeout_s=CALL_S)).text.value


async def compared(supervised: Supervised) -> str:
    window = SpeechWindow(SAID, final=True, language="en")
    return (await supervised.gateway.candidate_step(window, timeout_s=CALL_S)).text.value


async def weights_of(supervised: Supervised) -> tuple[str, str]:
    """The weights in use, and the candidate, as the state of the workers tells."""
    [speech] = [info for info in await supervised.gateway.engines() if info.kind == "speech"]
    return speech.extra.get("weights", ""), speech.extra.get("candidate", "")


async def use(supervised: Supervised, weights: str = "", candidate: str = "") -> float:
    """Change the weights; returns how many seconds it took."""
    began_s = time.monotonic()
    await supervised.gateway.use_speech_models(SpeechModels(weights, candidate), timeout_s=UP_S)
    return time.monotonic() - began_s


def long_recording() -> bytes:
    """The clip again and again."""
    file = io.BytesIO()
    with wave.open(str(VISIT)) as clip, wave.open(file, "wb") as long:
        long.setparams(clip.getparams())
        frames = clip.readframes(clip.getnframes())
        long.writeframes(b"".join(islice(cycle([frames]), READ_TIMES)))
    return clean(file.getvalue(), MediaLimits()).content


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def supervised(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Supervised]:
    made = Supervised(tmp_path_factory.mktemp("models"))
    try:
        await made.cluster.start()
        yield made
    finally:
        await made.cluster.stop()


@pytest.mark.asyncio(loop_scope="module")
async def test_weights_change_there_and_back_while_people_speak_and_a_recording_is_read(
    supervised: Supervised,
) -> None:
    before = await final(supervised)
    speakers = Speakers(supervised)
    async with speakers.speaking(3):
        await speakers.go_on()
        source = recording_source(long_recording())
        reading = asyncio.create_task(supervised.gateway.read_recording(source, language="en", timeout_s=UP_S * 2))
        await speakers.go_on()
        there_s, at = await use(supervised, TINY), time.monotonic()
        assert await weights_of(supervised) == (TINY, "")
        after = await final(supervised)
        log.info("recording read on old workers: %s", not reading.done())
        assert set(speech_replicas(supervised)) == {application(TINY)} | (
            set() if reading.done() else {application(BASE)}
        )
        assert "four eight two one seven" in (await reading).text.value.lower() or "48217" in (await reading).text.value
        await eventually(lambda: set(speech_replicas(supervised)) == {application(TINY)}, UP_S)
        await speakers.go_on()
        back_s = await use(supervised, BASE)
        await eventually(lambda: set(speech_replicas(supervised)) == {application(BASE)}, UP_S)
    assert before != after, "the two hear something different"
    assert after in {text for asked_s, text in speakers.finals if asked_s > at}
    assert await final(supervised) == before
    log.info("there in %.1f s, back in %.1f s; %d calls, none failed", there_s, back_s, speakers.answers)


@pytest.mark.asyncio(loop_scope="module")
async def test_a_candidate_is_asked_killed_promoted_and_another_one_discarded(
    supervised: Supervised,
) -> None:
    with pytest.raises(Unavailable) as none:
        await compared(supervised)
    assert none.value.reason == "NO_CANDIDATE"
    await use(supervised, "", TINY)
    assert await weights_of(supervised) == (BASE, TINY)
    of_tiny, of_base = await compared(supervised), await final(supervised)
    assert of_tiny != of_base

    speakers = Speakers(supervised)
    async with speakers.speaking(1):
        victim = speech_replicas(supervised)[application(TINY)]
        victim.kill()
        await speakers.go_on()
        await eventually(lambda: speech_replicas(supervised).get(application(TINY), victim) != victim, UP_S)
    assert {text for _, text in speakers.finals} <= {of_base}
    async with asyncio.timeout(UP_S):
        while True:
            try:
                assert await compared(supervised) == of_tiny
                break
            except Unavailable:  # it is built again
                await asyncio.sleep(0.5)

    running = speech_replicas(supervised)
    promoted_s = await use(supervised, TINY)
    log.info("promoted in %.1f s", promoted_s)
    assert await weights_of(supervised) == (TINY, "")
    assert await final(supervised) == of_tiny
    await eventually(lambda: set(speech_replicas(supervised)) == {application(TINY)}, UP_S)
    assert speech_replicas(supervised)[application(TINY)] == running[application(TINY)], "it ran already"

    await use(supervised, TINY, BASE)
    assert await compared(supervised) == of_base
    await use(supervised, TINY)
    with pytest.raises(Unavailable):
        await compared(supervised)
    await eventually(lambda: set(speech_replicas(supervised)) == {application(TINY)}, UP_S)


@pytest.mark.asyncio(loop_scope="module")
async def test_weights_that_are_not_there_change_nothing(supervised: Supervised) -> None:
    await use(supervised, BASE)
    await eventually(lambda: set(speech_replicas(supervised)) == {application(BASE)}, UP_S)
    before = speech_replicas(supervised)
    for models in (("whisper-none", ""), ("", "whisper-none"), (TINY, "whisper-none")):
        with pytest.raises(WeightsError) as refused:
            await use(supervised, *models)
        assert "whisper-none" in refused.value.message
    # They are in the cache, but no weights of Whisper: the workers do not start.
    with pytest.raises((Unavailable, WeightsError)):
        await use(supervised, "silero-vad")
    await eventually(lambda: speech_replicas(supervised) == before, UP_S)
    assert await weights_of(supervised) == (BASE, "")
    assert await final(supervised)


@pytest.mark.asyncio(loop_scope="module")
async def test_a_lost_ray_comes_back_with_the_weights_and_the_candidate(supervised: Supervised) -> None:
    await use(supervised, TINY, BASE)
    of_tiny, of_base = await final(supervised), await compared(supervised)
    supervised.kill("raylet")
    await eventually(lambda: not supervised.cluster.ready)
    await eventually(lambda: supervised.cluster.ready, UP_S)  # a busy machine takes longer than a call waits
    assert await final(supervised) == of_tiny
    await eventually(lambda: set(speech_replicas(supervised)) == {application(TINY), application(BASE)}, UP_S)
    async with asyncio.timeout(UP_S):
        while (await weights_of(supervised)) != (TINY, BASE):  # noqa: ASYNC110 - there is no event to wait for
            await asyncio.sleep(0.2)
    assert await compared(supervised) == of_base
