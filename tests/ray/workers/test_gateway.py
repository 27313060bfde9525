"""The gateway on real workers with real weights: its results hold no personal data."""

from __future__ import annotations

import asyncio
import pickle
import re
import signal
import time
from itertools import pairwise

import numpy as np
import psutil
import pytest

from models.errors import BrokenMedia, DeadlineExceeded, InvalidInput, MediaError, NoSpeech, Overloaded, WorkerLost
from models.media.audio_decoder import decode
from models.media.clean import MediaLimits, clean
from models.media.samples import SAMPLE_RATE_HZ
from models.redaction.types import RedactionContext
from models.text import RawText, Recognition, RecognizedWord, TextSource
from ray_tasks.cluster import Cluster
from ray_tasks.gateway import RayGateway
from ray_tasks.types import SpeechWindow
from tests.eventually import eventually
from tests.fakes.gateway import recording_source
from tests.ray.conftest import DATA, healthy_engines, replica, truth, types_within

METER = (DATA / "meter.jpg").read_bytes()
BYTES_PER_S = 4 * SAMPLE_RATE_HZ


def letters(text: str) -> str:
    """Lower-case letters and digits alone: finds a value however it is spaced."""
    return re.sub(r"[^a-z0-9]", "", text.lower())


def assert_clean(result: object, name: str) -> None:
    """Check that a result, as it left the worker, holds neither planted values nor unredacted text."""
    assert RawText not in types_within(result)
    crossed = pickle.dumps(result)
    words = letters(crossed.decode("latin-1"))
    for personal in truth(name)["personal"]:
        for key in ("value", "spoken"):
            if key in personal:
                assert personal[key].encode() not in crossed
                assert letters(personal[key]) not in words


def test_types_within_finds_nested_raw_text() -> None:
    assert RawText in types_within([{"a": (RawText("x"),)}])


async def test_a_picture_comes_back_redacted(gateway: RayGateway) -> None:
    data = (DATA / "register.jpg").read_bytes()
    page = await gateway.read_picture(data, document_type="visitor_register", timeout_s=60)
    assert_clean(page, "register")
    assert {"NAME", "PHONE", "EMAIL"} <= set(page.text.counts)
    assert "VISITOR REGISTER" in page.text.value
    assert page.painted >= 12
    again = await gateway.read_picture(page.image, document_type="visitor_register", timeout_s=60)
    assert_clean(again, "register")
    assert "EMAIL" not in again.text.counts


async def test_a_recording_comes_back_redacted(gateway: RayGateway) -> None:
    data = clean((DATA / "visit.webm").read_bytes(), MediaLimits()).content
    result = await gateway.read_recording(recording_source(data), language="", timeout_s=60)
    assert_clean(result, "visit")
    assert result.redacted is None
    assert result.language == "en"
    assert result.text.counts["NAME"] >= 1
    assert result.segments
    assert all(0 <= start_s < end_s <= result.audio_s for start_s, end_s, _text in result.segments)


async def test_a_recording_to_keep_comes_back_muted(gateway: RayGateway) -> None:
    data = clean((DATA / "visit.wav").read_bytes(), MediaLimits()).content
    result = await gateway.read_recording(recording_source(data), language="en", timeout_s=120, keep_redacted=True)
    assert_clean(result, "visit")
    assert result.redacted is not None
    assert len(result.redacted.muted) >= 2
    again = await gateway.read_recording(recording_source(result.redacted.data), language="en", timeout_s=60)
    assert not again.text.counts


async def test_what_recognition_doubts_reaches_the_redaction_workers(gateway: RayGateway) -> None:
    said = "please ask John Carter pumps about the leak"
    doubted = Recognition(tuple(RecognizedWord(at, at + 5, 0.01) for at in [said.index("pumps")]), (), 0.3)
    sure, unsure = await gateway.redact(
        [RawText(said), RawText(said, doubted)], RedactionContext(TextSource.SPEECH), timeout_s=60
    )
    assert sure.text.value == "please ask [REDACTED_NAME] pumps about the leak"
    assert unsure.text.value == "please ask [REDACTED_NAME] about the leak"


async def test_typed_text_comes_back_redacted(gateway: RayGateway) -> None:
    texts = [RawText("I am John Carter, john.carter@example.com"), RawText("The meter is dry")]
    first, second = await gateway.redact(texts, RedactionContext(), timeout_s=60)
    assert_clean([first, second], "visit")
    assert first.text.counts == {"EMAIL": 1, "NAME": 1}
    assert second.text.value == "The meter is dry"


@pytest.mark.parametrize(
    ("data", "error"),
    [(b"no picture", MediaError), (METER[:2000], BrokenMedia), (b"", BrokenMedia)],
    ids=["text", "cut", "empty"],
)
async def test_a_broken_picture_raises_a_vestibule_error(
    gateway: RayGateway, data: bytes, error: type[MediaError]
) -> None:
    with pytest.raises(error) as caught:
        await gateway.read_picture(data, document_type="", timeout_s=60)
    assert type(caught.value).__module__ == "models.errors"
    assert caught.value.__cause__ is None


async def test_silence_raises_no_speech(gateway: RayGateway) -> None:
    import io
    import wave

    quiet = io.BytesIO()
    with wave.open(quiet, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(16_000)
        out.writeframes(bytes(2 * 16_000))
    with pytest.raises(NoSpeech):
        silence = recording_source(clean(quiet.getvalue(), MediaLimits()).content)
        await gateway.read_recording(silence, language="en", timeout_s=60)


async def test_engines_report_their_name_device_and_health(gateway: RayGateway) -> None:
    found = {info.kind: info for info in await healthy_engines(gateway)}
    assert {(kind, info.engine, info.device) for kind, info in found.items()} == {
        ("speech", "ctranslate2", "cpu"),
        ("vision", "rapidocr", "cpu"),
        ("redaction", "ctranslate2", "cpu"),
    }
    assert all(info.replicas == 1 for info in found.values())


async def works(worker: psutil.Process) -> None:
    """Wait until a worker that was idle is in the middle of something."""
    idle_s = worker.cpu_times().user
    await eventually(lambda: worker.cpu_times().user > idle_s + 0.1)


async def test_a_worker_that_is_killed_while_it_reads_is_replaced(
    gateway: RayGateway, cluster: Cluster, dense: bytes
) -> None:
    """The job that asked is told: it counts how many workers died on it."""
    victim = replica(cluster, "vision")
    reading = asyncio.create_task(gateway.read_picture(dense, document_type="", timeout_s=300))
    await works(victim)
    victim.send_signal(signal.SIGKILL)
    with pytest.raises(WorkerLost):
        await reading
    page = await gateway.read_picture(METER, document_type="meter", timeout_s=120)
    assert "WATER METER" in page.text.value
    assert replica(cluster, "vision").pid != victim.pid


async def test_a_redaction_worker_killed_during_a_call_is_replaced(gateway: RayGateway, cluster: Cluster) -> None:
    victim = replica(cluster, "redaction")
    victim.send_signal(signal.SIGKILL)
    page = await gateway.read_picture(METER, document_type="meter", timeout_s=120)
    assert "WATER METER" in page.text.value
    await eventually(lambda: replica(cluster, "redaction").pid != victim.pid)


async def test_a_full_queue_gives_a_retry_delay(gateway: RayGateway) -> None:
    calls = [gateway.read_picture(METER, document_type="meter", timeout_s=120) for _ in range(8)]
    results = await asyncio.gather(*calls, return_exceptions=True)
    refused = [result for result in results if isinstance(result, Overloaded)]
    assert refused
    assert all(error.retry_after_s for error in refused)
    answered = [result for result in results if not isinstance(result, BaseException)]
    assert answered
    assert len(refused) + len(answered) == 8


async def test_a_call_ends_at_its_deadline(gateway: RayGateway) -> None:
    began = time.monotonic()
    with pytest.raises(DeadlineExceeded):
        await gateway.read_picture(METER, document_type="meter", timeout_s=0.05)
    assert time.monotonic() - began < 30.0, "the machine may be busy"


async def test_a_cancelled_call_leaves_nothing_behind(gateway: RayGateway, cluster: Cluster, dense: bytes) -> None:
    reading = asyncio.create_task(gateway.read_picture(dense, document_type="", timeout_s=300))
    await works(replica(cluster, "vision"))
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert {info.kind: info.queued for info in await gateway.engines()}["vision"] == 0
    page = await gateway.read_picture(METER, document_type="meter", timeout_s=120)
    assert page.text


def pcm(name: str = "visit.wav") -> bytes:
    """A clip as the server sends it."""
    return decode((DATA / name).read_bytes()).tobytes()


async def test_partials_grow_and_the_final_holds_nothing_personal(gateway: RayGateway) -> None:
    spoken = pcm()
    shown, sealed_state = [], b""
    for end_s in range(1, len(spoken) // BYTES_PER_S + 1):
        window = SpeechWindow(spoken[: end_s * BYTES_PER_S], final=False, sealed_state=sealed_state, language="en")
        step = await gateway.speech_step(window, timeout_s=30)
        assert_clean(step, "visit")
        shown.append(step.text.value)
        sealed_state = step.sealed_state
    assert all(after.startswith(before) for before, after in pairwise(shown))
    assert len(set(shown)) > 4
    assert "water meter" in shown[-1]

    final = await gateway.speech_step(
        SpeechWindow(spoken, final=True, sealed_state=sealed_state, language="en"), timeout_s=30
    )
    assert_clean(final, "visit")
    assert {"NAME", "PHONE", "EMAIL"} <= set(final.text.counts)
    assert all(kept in final.text.value for kept in truth("visit")["keep"])
    assert 0.5 < final.confidence <= 1.0
    assert final.audio_s == pytest.approx(len(spoken) / BYTES_PER_S)


async def test_the_state_between_utterances_is_encrypted(gateway: RayGateway) -> None:
    spoken = pcm()[: 4 * BYTES_PER_S]
    step = await gateway.speech_step(SpeechWindow(spoken, final=False, language="en"), timeout_s=30)
    assert b"name" not in step.sealed_state
    altered = bytearray(step.sealed_state)
    altered[-1] ^= 1
    for sealed_state in (bytes(altered), step.sealed_state[:-1], b"x", step.sealed_state + b"x"):
        with pytest.raises(InvalidInput) as caught:
            await gateway.speech_step(
                SpeechWindow(spoken, final=False, sealed_state=sealed_state, language="en"), timeout_s=30
            )
        assert caught.value.reason == "CARRY_INVALID"


async def test_a_silent_window_keeps_the_text_already_shown(gateway: RayGateway) -> None:
    silent = bytes(2 * BYTES_PER_S)
    step = await gateway.speech_step(SpeechWindow(silent, final=False), timeout_s=30)
    assert (step.no_speech, step.text.value, step.sealed_state) == (True, "", b"")
    spoken = pcm()[: 5 * BYTES_PER_S]
    sealed_state, text = b"", ""
    for _ in range(2):
        heard = await gateway.speech_step(
            SpeechWindow(spoken, final=False, sealed_state=sealed_state, language="en"), timeout_s=30
        )
        sealed_state, text = heard.sealed_state, heard.text.value
    assert text
    quiet = await gateway.speech_step(SpeechWindow(silent, final=False, sealed_state=sealed_state), timeout_s=30)
    assert (quiet.no_speech, quiet.text.value, quiet.sealed_state) == (True, text, sealed_state)
    over = await gateway.speech_step(SpeechWindow(silent, final=True, sealed_state=sealed_state), timeout_s=30)
    assert (over.no_speech, over.text.value, over.sealed_state) == (True, "", b"")


@pytest.mark.parametrize("broken", [b"123", np.array([np.nan], dtype="<f4").tobytes()])
async def test_broken_samples_are_refused(gateway: RayGateway, broken: bytes) -> None:
    with pytest.raises(InvalidInput) as caught:
        await gateway.speech_step(SpeechWindow(broken, final=True), timeout_s=30)
    assert caught.value.reason == "BAD_AUDIO"
