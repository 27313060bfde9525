"""The server's ends of the children: one for a file, one for a stream. They block, so they run in threads."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from models.media.audio_headers import AudioLimits
from models.media.clean import CLEAN_BYTES, MediaLimits, is_clean_form
from models.media.formats import HEAD_BYTES, MediaFormat, MediaKind, detect
from models.media.recordings import check_ratio
from models.media.samples import SAMPLE_RATE_HZ, Samples
from server.sandbox.conversation import Conversation
from server.sandbox.errors import not_decodable
from server.sandbox.frames import JSON_BYTES, PIECE_BYTES, Kind
from server.sandbox.jobs import PART_SAMPLES, limits_as_json
from server.sandbox.process import ForkServerProcess

WALL_FACTOR: Final = 3
"""A child may wait for a CPU; after so many times its CPU seconds it is killed."""

_SLACK_S: Final = 1.0
"""What a resampler may add to the longest stream."""

_SAMPLE_BYTES: Final = np.dtype(np.float32).itemsize

WritePiece = Callable[[memoryview], None]
"""Takes the next piece of a clean form; it may be overwritten afterwards. Called in a thread, so it may block."""


@dataclass(frozen=True, slots=True)
class ChildLimits:
    """Limits of each child.

    Attributes:
        memory_bytes: Memory on top of what the fork server has.
        stream_memory_bytes: The same for a stream. All streams may run at a time, and each has a child.
        picture_cpu_s: CPU seconds for a picture or a document.
        recording_cpu_s: CPU seconds for a recording or a stream.
    """

    memory_bytes: int
    stream_memory_bytes: int
    picture_cpu_s: int
    recording_cpu_s: int


@dataclass(frozen=True, slots=True)
class CleanedFile:
    """What is known of a file that was made clean; see ``models.media.clean.CleanMedia``."""

    found: MediaFormat
    pages: int
    audio_s: float


class FileInChild:
    """Makes one file clean in a child.

    Args:
        process: Where the child is forked.
        limits: Bounds on the file.
        child: Bounds on the child.
    """

    def __init__(self, process: ForkServerProcess, limits: MediaLimits, child: ChildLimits) -> None:
        self._process = process
        self._limits = limits
        self._limits_of_child = child
        self._lock = threading.Lock()
        self._child: Conversation | None = None
        self._stopped = False

    def run(self, data: bytes, write: WritePiece) -> CleanedFile:
        """Decode the file, and write its clean form piece by piece. Nothing is written before all of it was decoded.

        Raises:
            UnsupportedMedia, BrokenMedia, TooLarge: See ``models.media.clean``; MEDIA_NOT_DECODABLE when the child
                died or answered nonsense, which may be after some pieces.
            Overloaded: DECODERS_BUSY, the child waited too long for a CPU.
            Unavailable: DECODER_UNAVAILABLE.
            VestibuleError: From ``write``.
        """
        found = detect(data[:HEAD_BYTES])
        limits, child = self._limits, self._limits_of_child
        cpu_s = child.recording_cpu_s if is_recording(found) else child.picture_cpu_s
        request = {
            "job": "clean",
            "memory_bytes": child.memory_bytes,
            "cpu_s": cpu_s,
            "threads": found is MediaFormat.HEIF,  # the decoder of HEVC cannot do without one
            "images": limits_as_json(limits.images),
            "documents": limits_as_json(limits.documents),
            "audio": limits_as_json(limits.audio),
        }
        with Conversation(self._process, request, cpu_s * WALL_FACTOR) as conversation:
            self._began(conversation)
            conversation.send(Kind.DATA, data)
            result = conversation.result()
            if found is None or result.get("found") != found.name:
                raise not_decodable()
            _pass_on(conversation, write, found)
            try:
                return CleanedFile(found, int(result["pages"]), float(result["audio_s"]))
            except (KeyError, TypeError, ValueError, OverflowError):
                raise not_decodable() from None

    def stop(self) -> None:
        """End the child soon, from another thread, whether it was started or not."""
        with self._lock:
            self._stopped = True
            if self._child is not None:
                self._child.stop()

    def _began(self, conversation: Conversation) -> None:
        with self._lock:
            self._child = conversation
            if self._stopped:
                conversation.stop()


def is_recording(found: MediaFormat | None) -> bool:
    """Whether a file is a recording; one that nobody knows is refused as fast as a picture."""
    return found is not None and found.kind is MediaKind.RECORDING


def _pass_on(conversation: Conversation, write: WritePiece, found: MediaFormat) -> None:
    """Write the clean form. It must begin as one does, since the workers decode it without a sandbox."""
    left_bytes = CLEAN_BYTES
    with memoryview(bytearray(PIECE_BYTES)) as buffer:
        while (piece := conversation.piece(buffer)) is not None:
            first = left_bytes == CLEAN_BYTES
            left_bytes -= len(piece)
            if left_bytes < 0 or (first and not is_clean_form(bytes(piece[:HEAD_BYTES]), found)):
                raise not_decodable()
            with conversation.clock_stopped():
                write(piece)
    if left_bytes == CLEAN_BYTES:
        raise not_decodable()


class StreamInChild:
    """Decodes a container in a child while its bytes arrive; see ``models.media.audio_decoder.ContainerStream``."""

    def __init__(
        self, process: ForkServerProcess, found: MediaFormat, limits: AudioLimits, whole: bool, child: ChildLimits
    ) -> None:
        request = {
            "job": "stream",
            "memory_bytes": child.stream_memory_bytes,
            "cpu_s": child.recording_cpu_s,
            "threads": False,
            "found": found.name,
            "whole": whole,
            "audio": limits_as_json(limits),
        }
        self._wait_s = child.picture_cpu_s * WALL_FACTOR
        self._child = Conversation(process, request, self._wait_s)
        self._end_s = child.recording_cpu_s * WALL_FACTOR
        self._ended = False
        self._fed_bytes = 0
        self._left_samples = round((limits.max_s + _SLACK_S) * SAMPLE_RATE_HZ)
        self._given_samples = 0

    def feed(self, data: bytes) -> Samples:
        """Take more bytes, and wait until they are decoded."""
        if self._ended or not data:
            return np.zeros(0, np.float32)
        self._fed_bytes += len(data)
        self._child.within(self._wait_s)
        self._child.send(Kind.DATA, data)
        return self._samples()

    def finish(self) -> Samples:
        """Decode to the end."""
        if self._ended:
            return np.zeros(0, np.float32)
        self._child.within(self._end_s)  # a container that can only be decoded when it is complete is decoded now
        self._child.send(Kind.END)
        return self._samples()

    def close(self) -> None:
        """End the child. Safe to call twice."""
        self._child.close()

    def _samples(self) -> Samples:
        parts = []
        while (answer := self._answer())[0] is Kind.PART:
            parts.append(self._checked(answer[1]))
            if len(parts[-1]) < PART_SAMPLES:
                raise not_decodable()
        kind, content = answer
        if kind is Kind.RESULT:
            self._ended = True
            kind, content = self._answer()
            if kind is not Kind.DATA:
                raise not_decodable()
        elif kind is not Kind.WANTS_MORE:
            raise not_decodable()
        return np.concatenate([*parts, self._checked(content)])

    def _answer(self) -> tuple[Kind, bytes]:
        """The next answer, with no more samples than the stream may still bring."""
        return self._child.answer(max(JSON_BYTES, self._left_samples * _SAMPLE_BYTES))

    def _checked(self, content: bytes) -> Samples:
        """The samples in a message; the child may be in other hands."""
        if len(content) % _SAMPLE_BYTES:
            raise not_decodable()
        samples = np.frombuffer(content, "<f4")
        self._given_samples += len(samples)
        self._left_samples -= len(samples)
        if self._left_samples < 0 or not np.isfinite(samples).all():
            raise not_decodable()
        check_ratio(self._given_samples, self._fed_bytes)
        return samples
