"""The server's ends of the children: one for a file, one for a stream. They block, so they run in threads."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from models.errors import BrokenMedia, InvalidInput, MediaError, TooLarge, UnsupportedMedia, VestibuleError
from models.media.audio_headers import AudioLimits
from models.media.clean import CleanMedia, MediaLimits
from models.media.formats import HEAD_BYTES, MediaFormat, MediaKind, detect
from models.media.samples import Samples
from models.media.structure.layout import EXPORT_AGAIN
from models.reasons import Reason
from server.sandbox.frames import Kind, receive, send
from server.sandbox.jobs import limits_as_json
from server.sandbox.process import ForkServerProcess, Job

WALL_FACTOR: Final = 3
"""A child may wait for a CPU; after so many times its CPU seconds it is killed."""

MAX_MESSAGE_CHARS: Final = 300
_ERRORS: Final[Mapping[str, type[VestibuleError]]] = {
    kind.__name__: kind for kind in (BrokenMedia, InvalidInput, MediaError, TooLarge, UnsupportedMedia)
}


@dataclass(frozen=True, slots=True)
class ChildLimits:
    """Limits of each child.

    Attributes:
        memory_bytes: Memory on top of what the fork server has.
        picture_cpu_s: CPU seconds for a picture or a document.
        recording_cpu_s: CPU seconds for a recording or a stream.
    """

    memory_bytes: int
    picture_cpu_s: int
    recording_cpu_s: int


def clean_in_child(process: ForkServerProcess, data: bytes, limits: MediaLimits, child: ChildLimits) -> CleanMedia:
    """Make a file clean in a child.

    Raises:
        UnsupportedMedia, BrokenMedia, TooLarge: See ``models.media.clean``; MEDIA_NOT_DECODABLE when the child died,
            hung or answered nonsense.
        Unavailable: DECODER_UNAVAILABLE.
    """
    found = detect(data[:HEAD_BYTES])
    recording = found is not None and found.kind is MediaKind.RECORDING
    cpu_s = child.recording_cpu_s if recording else child.picture_cpu_s
    request = {
        "job": "clean",
        "memory_bytes": child.memory_bytes,
        "cpu_s": cpu_s,
        "threads": found is MediaFormat.HEIF,  # the decoder of HEVC cannot do without one
        "images": limits_as_json(limits.images),
        "documents": limits_as_json(limits.documents),
        "audio": limits_as_json(limits.audio),
    }
    with Conversation(process, request, cpu_s * WALL_FACTOR) as child_end:
        child_end.send(Kind.DATA, data)
        result = child_end.result()
        content = child_end.expect(Kind.DATA)
        try:
            return CleanMedia(MediaFormat[result["found"]], content, int(result["pages"]), float(result["audio_s"]))
        except (KeyError, TypeError, ValueError):
            raise not_decodable() from None


class StreamInChild:
    """Decodes a container in a child while its bytes arrive; see ``models.media.audio_decoder.ContainerStream``."""

    def __init__(
        self, process: ForkServerProcess, found: MediaFormat, limits: AudioLimits, whole: bool, child: ChildLimits
    ) -> None:
        request = {
            "job": "stream",
            "memory_bytes": child.memory_bytes,
            "cpu_s": child.recording_cpu_s,
            "threads": False,
            "found": found.name,
            "whole": whole,
            "audio": limits_as_json(limits),
        }
        self._child = Conversation(process, request, child.picture_cpu_s * WALL_FACTOR)
        self._end_s = child.recording_cpu_s * WALL_FACTOR
        self._ended = False

    def feed(self, data: bytes) -> Samples:
        """Take more bytes, and wait until they are decoded."""
        if self._ended or not data:
            return np.zeros(0, np.float32)
        self._child.send(Kind.DATA, data)
        return self._samples()

    def finish(self) -> Samples:
        """Decode to the end."""
        if self._ended:
            return np.zeros(0, np.float32)
        self._child.wait(self._end_s)  # a container that can only be decoded when it is complete is decoded now
        self._child.send(Kind.END)
        return self._samples()

    def close(self) -> None:
        """End the child. Safe to call twice."""
        self._child.close()

    def _samples(self) -> Samples:
        parts = []
        while (answer := self._child.answer())[0] is Kind.PART:
            parts.append(_checked(answer[1]))
        kind, content = answer
        if kind is Kind.RESULT:
            self._ended = True
            content = self._child.expect(Kind.DATA)
        elif kind is not Kind.WANTS_MORE:
            raise not_decodable()
        return np.concatenate([*parts, _checked(content)])


def _checked(content: bytes) -> Samples:
    """The samples in a message; the child may be in other hands."""
    if len(content) % np.dtype(np.float32).itemsize:
        raise not_decodable()
    samples = np.frombuffer(content, "<f4")
    if not np.isfinite(samples).all():
        raise not_decodable()
    return samples


class Conversation:
    """The messages with one child. Whatever goes wrong is an error of its file.

    Args:
        process: Where the child is forked.
        request: The first message.
        wait_s: How long an answer may take.
    """

    def __init__(self, process: ForkServerProcess, request: Mapping[str, Any], wait_s: float) -> None:
        self._process = process
        self._job: Job | None = process.start_job()
        self._job.connection.settimeout(wait_s)
        self.send(Kind.REQUEST, json.dumps(request).encode())

    def wait(self, wait_s: float) -> None:
        """Change how long an answer may take."""
        self._open().connection.settimeout(wait_s)

    def send(self, kind: Kind, content: bytes = b"") -> None:
        """Send one message. A child that is gone is noticed when it should answer."""
        try:
            send(self._open().connection, kind, content)
        except TimeoutError:
            raise self._failed() from None
        except OSError:
            pass

    def result(self) -> dict[str, Any]:
        """The JSON of a result."""
        try:
            value = json.loads(self.expect(Kind.RESULT))
        except ValueError:
            raise self._failed() from None
        if not isinstance(value, dict):
            raise self._failed()
        return value

    def expect(self, wanted: Kind) -> bytes:
        """The content of an answer of this kind."""
        kind, content = self.answer()
        if kind is not wanted:
            raise self._failed()
        return content

    def answer(self) -> tuple[Kind, bytes]:
        """The next answer.

        Raises:
            VestibuleError: The child refused the file; MEDIA_NOT_DECODABLE when there is no answer.
        """
        try:
            kind, content = receive(self._open().connection)
        except (OSError, EOFError, ValueError):  # TimeoutError is an OSError
            raise self._failed() from None
        if kind is Kind.ERROR:
            raise self._refusal(content)
        return kind, content

    def close(self) -> None:
        """End the child. Safe to call twice."""
        job, self._job = self._job, None
        if job is not None:
            self._process.kill(job)
            job.connection.close()

    def __enter__(self) -> Conversation:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _open(self) -> Job:
        if self._job is None:
            raise not_decodable()
        return self._job

    def _failed(self) -> BrokenMedia:
        self.close()
        return not_decodable()

    def _refusal(self, content: bytes) -> VestibuleError:
        self.close()
        try:
            answer = json.loads(content)
            kind, reason = _ERRORS[answer["class"]], Reason[answer["reason"]]
            return kind(
                str(answer["message"])[:MAX_MESSAGE_CHARS], reason=reason, hint=str(answer["hint"])[:MAX_MESSAGE_CHARS]
            )
        except (ValueError, KeyError, TypeError):
            return not_decodable()


def not_decodable() -> BrokenMedia:
    """The error for a file whose child died, hung or answered nonsense."""
    return BrokenMedia(
        "The content cannot be decoded within the limits.", reason=Reason.MEDIA_NOT_DECODABLE, hint=EXPORT_AGAIN
    )
