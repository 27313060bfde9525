"""Decodes untrusted media in confined processes; see the package for how."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from models.media.audio_decoder import ContainerStream
from models.media.audio_headers import AudioLimits
from models.media.clean import MediaLimits
from models.media.formats import HEAD_BYTES, MediaFormat, detect
from models.media.second_opinion import SecondOpinion
from server.observability.log import get_logger
from server.records.status import Component
from server.sandbox.client import ChildLimits, CleanedFile, FileInChild, StreamInChild, WritePiece, is_recording
from server.sandbox.places import PlaceLimits, Places
from server.sandbox.process import FILTERED, UNFILTERED, ForkServerProcess

log = get_logger("sandbox")


@dataclass(frozen=True, slots=True)
class SandboxOptions:
    """How media are decoded.

    Attributes:
        pictures: Pictures and documents that are decoded at a time; streams come on top.
        recordings: Recordings that are decoded at a time.
        child: Limits of each child.
        media: Bounds on the files themselves.
    """

    pictures: PlaceLimits
    recordings: PlaceLimits
    child: ChildLimits
    media: MediaLimits


class Confinement:
    """Reports what the system does not allow the decoders to give up.

    Args:
        process: The fork server.
    """

    def __init__(self, process: ForkServerProcess) -> None:
        self._process = process

    @property
    def component(self) -> Component:
        """The state now."""
        detail = {None: "The decoders have not started yet.", True: FILTERED, False: UNFILTERED}
        return Component("sandbox", True, detail[self._process.filtered])


class MediaSandbox:
    """Makes files clean, and decodes streams.

    Args:
        options: See there.
        on_death: Told the signal that ended a child, from another thread; for metrics.
    """

    def __init__(self, options: SandboxOptions, on_death: Callable[[int], None] = lambda _signal: None) -> None:
        self._options = options
        self._on_death = on_death
        self._process = ForkServerProcess(self._died)
        self._pictures, self._recordings = Places(options.pictures), Places(options.recordings)
        # Whoever has a place has a thread at once.
        self._threads = ThreadPoolExecutor(options.pictures.places + options.recordings.places, "sandbox")
        self._opinion: SecondOpinion | None = None

    @property
    def pid(self) -> int | None:
        """Of the fork server, while it runs."""
        return self._process.pid

    @property
    def component(self) -> Component:
        """Its state, for the status report."""
        running = self.pid is not None
        if not running:
            return Component("media_decoders", False, "They are started by the next file.")
        pictures, recordings = self._options.pictures.places, self._options.recordings.places
        at_once = f"Up to {pictures} picture(s) and {recordings} recording(s) are decoded at a time."
        return Component("media_decoders", True, at_once)

    @property
    def confinement(self) -> Confinement:
        """How well the decoders are confined, for the status report."""
        return Confinement(self._process)

    async def start(self) -> None:
        """Start the fork server and load the second opinion, which takes about a second. Else the first file does it.

        Raises:
            Unavailable: DECODER_UNAVAILABLE.
        """
        await asyncio.get_running_loop().run_in_executor(self._threads, self._start)

    async def clean(self, data: bytes, write: WritePiece, client_id: str) -> CleanedFile:
        """Make a file clean: checked, decoded and encoded anew.

        If the caller is cancelled, the child is ended, and then its place is free. Until then ``write`` may be called.

        Args:
            data: The file as it came.
            write: Takes the clean form, in pieces.
            client_id: Whose file it is; places are shared among clients.

        Raises:
            UnsupportedMedia, BrokenMedia, TooLarge: The file is refused, with a reason.
            Overloaded: DECODERS_BUSY, it waited too long for its turn.
            Unavailable: DECODER_UNAVAILABLE.
            VestibuleError: From ``write``.
        """
        places = self._recordings if is_recording(detect(data[:HEAD_BYTES])) else self._pictures
        await places.acquire(client_id)
        file = FileInChild(self._process, self._options.media, self._options.child)
        try:
            work = asyncio.get_running_loop().run_in_executor(self._threads, self._clean, file, data, write)
        except RuntimeError:  # the threads were ended
            places.release(client_id)
            raise
        work.add_done_callback(lambda done: _ended(done, places, client_id))
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            asyncio.get_running_loop().run_in_executor(None, file.stop)  # may wait for the fork server to start
            raise

    def open_stream(self, found: MediaFormat, limits: AudioLimits, whole: bool) -> ContainerStream:
        """A decoder of one stream, in a child of its own; for ``models.media.audio_decoder.StreamDecoder``."""
        return StreamInChild(self._process, found, limits, whole, self._options.child)

    async def close(self) -> None:
        """End all processes; files that are being decoded are refused."""
        await asyncio.to_thread(self._process.close)
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _start(self) -> None:
        self._opinion = self._opinion or SecondOpinion()
        self._process.start()

    def _clean(self, file: FileInChild, data: bytes, write: WritePiece) -> CleanedFile:
        self._opinion = self._opinion or SecondOpinion()
        self._opinion.check(data)
        return file.run(data, write)

    def _died(self, signal_number: int) -> None:
        log.warning("sandbox_child_died", signal=signal_number)
        self._on_death(signal_number)


def _ended(work: asyncio.Future[CleanedFile], places: Places, client_id: str) -> None:
    places.release(client_id)
    if not work.cancelled():
        work.exception()  # the caller has it, unless it has left
