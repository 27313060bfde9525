"""A microphone: a device behind a fake, and a real ALSA device whose sound is a file."""

from __future__ import annotations

import asyncio
import signal
import sys
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import FrameType

import av
import numpy as np
import pytest
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler

from server.cli.output import Failure
from server.cli.talk import microphone
from server.cli.talk.client import BYTES_A_SECOND, Audio
from server.cli.talk.microphone import Microphone, chunks, opened

Sound = np.ndarray[tuple[int], np.dtype[np.int16]]
RATE_HZ = 48_000
LOST = av.error.OSError(5, "No such device")
NOT_YET = av.error.BlockingIOError(11, "Resource temporarily unavailable")
ASOUND = """
pcm.!null {{ type null }}
pcm.mic {{ type file slave.pcm null file "/dev/null" infile "{file}" format "raw" }}
"""


class Device:
    """Gives frames, raises errors and waits for events in their order, then blocks until it is let go, and ends."""

    def __init__(self, *steps: AudioFrame | Exception | threading.Event, blocks: bool = False) -> None:
        self._steps = iter(steps)
        self.go_on = threading.Event()
        self.closed = threading.Event()
        if not blocks:
            self.go_on.set()

    def decode(self, *, audio: int) -> Iterator[AudioFrame]:
        for step in self._steps:
            if isinstance(step, Exception):
                raise step
            if isinstance(step, threading.Event):
                step.wait()
            else:
                yield step
        self.go_on.wait()

    def close(self) -> None:
        self.closed.set()


def tone(seconds: float) -> Sound:
    return (10_000 * np.sin(2 * np.pi * 440 * np.arange(int(seconds * RATE_HZ)) / RATE_HZ)).astype(np.int16)


def frames(samples: Sound, size: int, channels: int = 1, rate_hz: int = RATE_HZ) -> list[AudioFrame]:
    """The same on each channel, in frames of so many samples."""
    made = []
    for at in range(0, len(samples), size):
        packed = np.repeat(samples[at : at + size], channels)[None]
        frame = AudioFrame.from_ndarray(packed, "s16", "mono" if channels == 1 else "stereo")
        frame.sample_rate = rate_hz
        made.append(frame)
    return made


def never() -> bool:
    return False


def loudest_hz(pcm: bytes) -> float:
    samples = np.frombuffer(pcm, "<i2").astype(float)
    return float(np.abs(np.fft.rfft(samples)).argmax() * 16_000 / len(samples))


@pytest.mark.parametrize(("size", "channels"), [(64, 1), (1024, 2), (32_768, 2)])
def test_frames_of_any_size_become_pieces_of_40_ms(size: int, channels: int) -> None:
    pieces = list(chunks(Device(*frames(tone(2.0), size, channels)), never))
    pcm = b"".join(pieces)
    assert len(pcm) == 2 * BYTES_A_SECOND
    assert max(map(len, pieces)) <= BYTES_A_SECOND // 25
    assert loudest_hz(pcm) == pytest.approx(440, abs=1)


def test_a_device_without_data_is_polled_again() -> None:
    first, second = frames(tone(1.0), RATE_HZ // 2)
    pauses: list[float] = []
    pcm = b"".join(chunks(Device(NOT_YET, first, NOT_YET, NOT_YET, second), never, pauses.append))
    assert (len(pcm), len(pauses)) == (BYTES_A_SECOND, 3)


def test_a_device_that_gave_no_data_gives_no_audio() -> None:
    assert list(chunks(Device(), never)) == []


async def recorded(microphone: Microphone, until_bytes: int) -> tuple[Audio, asyncio.Task[None]]:
    """A recording that has come so far."""
    audio = Audio()
    recording = asyncio.create_task(microphone.record(audio))
    while audio.end < until_bytes:
        await audio.after(audio.end)
    return audio, recording


@pytest.fixture
def interrupts() -> Iterable[list[int]]:
    """What reaches the handler of SIGINT that was there before."""
    seen: list[int] = []

    def handle(number: int, stack: FrameType | None) -> None:
        seen.append(number)

    before = signal.signal(signal.SIGINT, handle)
    yield seen
    signal.signal(signal.SIGINT, before)


async def test_ctrl_c_ends_only_the_recording(interrupts: list[int]) -> None:
    device = Device(*frames(tone(1.0), 1024), blocks=True)
    audio, recording = await recorded(Microphone(device, "It"), BYTES_A_SECOND // 2)
    signal.raise_signal(signal.SIGINT)
    device.go_on.set()
    await recording
    assert interrupts == []
    assert audio.end >= BYTES_A_SECOND // 2
    assert device.closed.is_set()
    signal.raise_signal(signal.SIGINT)
    assert interrupts == [signal.SIGINT], "afterwards it is what it was"


async def test_a_second_ctrl_c_is_not_caught(interrupts: list[int]) -> None:
    device = Device(*frames(tone(1.0), 1024), blocks=True)
    _, recording = await recorded(Microphone(device, "It"), BYTES_A_SECOND // 2)
    for _ in range(2):
        signal.raise_signal(signal.SIGINT)
    assert interrupts == [signal.SIGINT]
    device.go_on.set()
    await recording


async def test_a_stuck_device_does_not_block_the_end_of_the_recording(
    monkeypatch: pytest.MonkeyPatch, interrupts: list[int]
) -> None:
    monkeypatch.setattr(microphone, "STUCK_S", 0.0)
    device = Device(*frames(tone(1.0), 1024), blocks=True)
    _, recording = await recorded(Microphone(device, "It"), BYTES_A_SECOND // 2)
    signal.raise_signal(signal.SIGINT)
    async with asyncio.timeout(60):
        await recording
    device.go_on.set()


async def test_a_device_that_is_pulled_out_ends_the_recording_with_a_message() -> None:
    device = Device(*frames(tone(1.0), 1024), LOST)
    mic, audio = Microphone(device, "The microphone hw:1"), Audio()
    await mic.record(audio)
    assert mic.failure is not None
    assert mic.failure.message == "The microphone hw:1 was lost (No such device)."
    assert audio.end > BYTES_A_SECOND * 0.9
    assert device.closed.is_set()


async def test_the_recording_ends_when_the_server_falls_too_far_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(microphone, "MOST_HELD_S", 2)
    mic, audio = Microphone(Device(*frames(tone(20.0), 1024)), "It"), Audio()
    await mic.record(audio)
    assert mic.failure is not None
    assert 2 * BYTES_A_SECOND <= audio.end <= 4 * BYTES_A_SECOND


@pytest.mark.parametrize(
    ("platform", "device", "url", "form"),
    [
        ("linux", None, "default", "alsa"),
        ("linux", "plughw:1", "plughw:1", "alsa"),
        ("darwin", None, ":default", "avfoundation"),
        ("darwin", "1", ":1", "avfoundation"),
        ("darwin", ":1", ":1", "avfoundation"),
        ("win32", "Headset", "audio=Headset", "dshow"),
    ],
)
def test_each_operating_system_has_its_device_urls(
    monkeypatch: pytest.MonkeyPatch, platform: str, device: str | None, url: str, form: str
) -> None:
    asked: list[tuple[str, str]] = []
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(av, "open", lambda url, *, format, options: asked.append((url, format)))
    opened(device)
    assert asked == [(url, form)]


@pytest.mark.parametrize(("platform", "hint"), [("linux", "arecord -l"), ("darwin", "ffmpeg -f avf"), ("sunos5", "")])
def test_a_pyav_build_without_devices_is_reported(monkeypatch: pytest.MonkeyPatch, platform: str, hint: str) -> None:
    def refuse(*arguments: object, **options: object) -> None:
        raise ValueError("no container format 'alsa'")

    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(av, "open", refuse)
    with pytest.raises(Failure) as caught:
        opened(None)
    assert caught.value.message == "The default microphone cannot be opened: no container format 'alsa'."
    assert hint in caught.value.hint


@pytest.fixture
def played(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sound:
    """What ALSA's device "mic" hears, in the form that it is asked for: 16-bit mono at 48 kHz."""
    if sys.platform != "linux":
        pytest.skip("ALSA is the sound system of Linux.")
    samples, file, config = tone(0.5), tmp_path / "speech.raw", tmp_path / "asound.conf"
    file.write_bytes(samples.tobytes())
    config.write_text(ASOUND.format(file=file), encoding="utf-8")
    monkeypatch.setenv("ALSA_CONFIG_PATH", str(config))
    return samples


async def test_alsa_gives_the_samples_of_its_device(played: Sound) -> None:
    resampler = AudioResampler("s16", "mono", 16_000)
    expected = b"".join(
        part.to_ndarray().tobytes() for frame in frames(played, RATE_HZ // 25) for part in resampler.resample(frame)
    )
    mic = opened("mic")
    audio, recording = await recorded(mic, len(expected))
    mic.stop()
    await recording
    assert len(expected) > 0.48 * BYTES_A_SECOND
    assert bytes(audio.held[: len(expected)]) == expected
    assert mic.failure is None


@pytest.mark.usefixtures("played")
def test_an_unknown_alsa_device_is_reported_in_one_sentence() -> None:
    with pytest.raises(Failure) as caught:
        opened("nope")
    assert caught.value.message.startswith("The microphone nope cannot be opened: cannot open audio device nope (No ")
    assert "--device plughw:1" in caught.value.hint
    assert "| vestibule talk -`" in caught.value.hint
