"""Records a microphone as 16-bit mono PCM at 16 kHz until Ctrl-C.

PyAV opens it: with ALSA on Linux, which reaches PulseAudio and PipeWire too, with AVFoundation on macOS and with
DirectShow on Windows. A thread reads the device, because a read blocks until there is sound, or for ever.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Protocol, cast

import av.logging
import click
from av.audio.fifo import AudioFifo
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler

from server.cli.output import Failure
from server.cli.talk.client import BYTES_A_SECOND, RATE_HZ, Audio
from server.settings import prepare_sound

CHUNKS_A_SECOND = 25
POLL_S = 0.01
"""Pause between polls of a device that does not block, as with AVFoundation."""
STUCK_S = 1.0
"""Longest wait for a device that gives nothing, after the recording was stopped."""
MOST_HELD_S = 600
"""Most seconds of audio that are held while the server does not take them (19 MB)."""

FORMATS = {"linux": "alsa", "darwin": "avfoundation", "win32": "dshow"}
HINTS = {
    "linux": "`arecord -l` lists the cards; name one, as in --device plughw:1 (card 1), and be in the group audio. "
    "What arecord can record, `arecord -q -f S16_LE -r 16000 -c 1 -t raw | vestibule talk -` streams.",
    "darwin": "`ffmpeg -f avfoundation -list_devices true -i ''` lists the devices; name one, as in --device 1, and "
    "allow this terminal the microphone in System Settings, Privacy. Or pipe: "
    "`ffmpeg -loglevel error -f avfoundation -i :0 -f s16le -ac 1 -ar 16000 - | vestibule talk -`.",
    "win32": "`ffmpeg -f dshow -list_devices true -i dummy` lists the devices; name one with --device, and allow "
    "applications the microphone in Settings, Privacy.",
}


class Source(Protocol):
    """The part of PyAV's input container that is used."""

    def decode(self, *, audio: int) -> Iterator[AudioFrame]:
        """Frames of one audio stream as they come. Raises BlockingIOError when there is none yet."""

    def close(self) -> None:
        """Release the device."""


class Microphone:
    """An opened device.

    Args:
        source: Closed at the end of ``record``.
        name: The begin of messages about it.

    Attributes:
        failure: Why the recording ended by itself; the audio before that is streamed.
    """

    def __init__(self, source: Source, name: str) -> None:
        self.failure: Failure | None = None
        self._source = source
        self._name = name
        self._stopped = threading.Event()

    async def record(self, audio: Audio) -> None:
        """Record until Ctrl-C, ``stop``, or the end of the device. A second Ctrl-C has its usual effect."""
        loop, ended = asyncio.get_running_loop(), asyncio.Event()
        room = threading.Semaphore(CHUNKS_A_SECOND)  # Bounds the queue of a device that delivers faster than real time.
        stuck: asyncio.TimerHandle | None = None

        def take(chunk: bytes) -> None:
            audio.add(chunk)
            room.release()
            if stuck is not None:
                give_up_later()
            if audio.end - audio.start >= MOST_HELD_S * BYTES_A_SECOND:
                self._fail(f"The server is {MOST_HELD_S // 60} minutes behind, so the recording ended.")

        def pump() -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: aborted
                try:
                    for chunk in self._chunks():
                        room.acquire()
                        loop.call_soon_threadsafe(take, chunk)
                finally:
                    loop.call_soon_threadsafe(ended.set)

        def give_up_later() -> None:
            nonlocal stuck
            if stuck is not None:
                stuck.cancel()
            stuck = loop.call_later(STUCK_S, ended.set)

        def interrupted() -> None:
            self.stop()
            give_up_later()

        click.echo("Listening. Ctrl-C ends the recording.", err=True)
        try:
            with _first_interrupt(lambda: loop.call_soon_threadsafe(interrupted)):
                threading.Thread(target=pump, name="microphone", daemon=True).start()
                await ended.wait()
        finally:
            self.stop()
            if stuck is not None:
                stuck.cancel()

    def stop(self) -> None:
        """End the recording with the sound of this moment."""
        self._stopped.set()

    def _chunks(self) -> Iterator[bytes]:
        try:
            yield from chunks(self._source, self._stopped.is_set)
        except av.FFmpegError as error:
            self._fail(f"{self._name} was lost ({error.strerror}).")
        except ValueError:  # of the resampler's queue
            self._fail(f"{self._name} changed its rate or its channels.")
        finally:
            self._source.close()

    def _fail(self, message: str) -> None:
        self.failure = self.failure or Failure(message, hint="The text up to that point is complete.")
        self.stop()


def chunks(source: Source, stopped: Callable[[], bool], pause: Callable[[float], None] = time.sleep) -> Iterator[bytes]:
    """The device's audio as 16-bit mono PCM at 16 kHz, in pieces of 40 ms, until it ends or is stopped."""
    fifo, resampler = AudioFifo(), AudioResampler("s16", "mono", RATE_HZ)
    for frame in _frames(source, stopped, pause):
        frame.pts = None  # gaps are allowed; the server counts samples
        fifo.write(frame)  # a device may give frames of a millisecond, which are costly to resample one by one
        for block in fifo.read_many(frame.sample_rate // CHUNKS_A_SECOND):
            yield _bytes(resampler.resample(block))
    for rest in (fifo.read(partial=True), None) if fifo.samples_written else ():
        yield _bytes(resampler.resample(rest))


def _frames(source: Source, stopped: Callable[[], bool], pause: Callable[[float], None]) -> Iterator[AudioFrame]:
    while not stopped():
        try:
            for frame in source.decode(audio=0):
                yield frame
                if stopped():
                    return
        except BlockingIOError:
            pause(POLL_S)
        else:
            return


def _bytes(frames: list[AudioFrame]) -> bytes:
    return b"".join(frame.to_ndarray().tobytes() for frame in frames)


def opened(device: str | None) -> Microphone:
    """Open a microphone.

    Args:
        device: As the system names it: "plughw:1" of ALSA, the number or the name of AVFoundation, the name of
            DirectShow. None takes the default one.

    Raises:
        Failure: It cannot be opened.
    """
    name = f"The microphone {device}" if device else "The default microphone"
    form, hint = FORMATS.get(sys.platform, "alsa"), HINTS.get(sys.platform, "")
    prepare_sound()
    with av.logging.Capture() as logged:
        av.logging.set_level(av.logging.ERROR)
        try:
            source = av.open(_url(form, device), format=form, options={"channels": "1"} if form == "alsa" else {})
        except (av.FFmpegError, ValueError) as error:  # ValueError: an FFmpeg that was built without such devices
            why = "; ".join(message.strip() for _, _, message in logged) or str(error)
            raise Failure(f"{name} cannot be opened: {why}.", hint=hint) from error
        finally:
            av.logging.set_level(None)
    return Microphone(cast("Source", source), name)


def _url(form: str, device: str | None) -> str:
    if form == "avfoundation":
        return ":" + (device or "default").removeprefix(":")  # the part before the colon names a camera
    if form == "dshow":
        return "audio=" + (device or "").removeprefix("audio=")  # DirectShow has no default device
    return device or "default"


@contextlib.contextmanager
def _first_interrupt(call: Callable[[], object]) -> Iterator[None]:
    """Call a function at the first SIGINT instead of the handler, which is restored then."""

    def handle(number: int, stack: FrameType | None) -> None:
        signal.signal(signal.SIGINT, before)
        call()

    before = signal.signal(signal.SIGINT, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
