"""What a child does with its one file or stream. It runs confined: see ``confine``."""

from __future__ import annotations

import io
import json
import socket
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, Final, TypeVar

from models.errors import BrokenMedia, TooLarge, VestibuleError
from models.media.audio_headers import AudioLimits
from models.media.clean import MediaLimits, clean
from models.media.documents import DocumentLimits
from models.media.formats import MediaFormat
from models.media.images import ImageLimits
from models.media.inspection import StreamInspection
from models.media.pyav_frames import Collector, decode_container
from models.media.samples import SAMPLE_RATE_HZ
from models.reasons import Reason
from server.sandbox.frames import MAX_TEXT_CHARS, PIECE_BYTES, Kind, receive, send, send_json

L = TypeVar("L", ImageLimits, DocumentLimits, AudioLimits)

PART_SAMPLES: Final = 60 * SAMPLE_RATE_HZ
"""A child keeps no more samples than these, so that an hour of sound fits into its memory."""

WHOLE_BYTES: Final = 32 * 1024 * 1024
"""Of a stream that can only be decoded when it is complete, such as an hour of AAC at 64 kbit/s."""


def run(connection: socket.socket, request: Mapping[str, Any]) -> None:
    """Do one job, and answer with a result or an error."""
    try:
        if request["job"] == "clean":
            _clean(connection, request)
        else:
            _decode_stream(connection, request)
    except VestibuleError as error:
        _refuse(connection, error)
    except MemoryError:
        _refuse(
            connection,
            TooLarge("The file needs too much memory to be decoded.", reason=Reason.MEDIA_NOT_DECODABLE),
        )


def _refuse(connection: socket.socket, error: VestibuleError) -> None:
    message, hint = error.message[:MAX_TEXT_CHARS], error.hint[:MAX_TEXT_CHARS]
    answer = {"class": type(error).__name__, "reason": error.reason, "message": message, "hint": hint}
    send_json(connection, Kind.ERROR, answer)


def _clean(connection: socket.socket, request: Mapping[str, Any]) -> None:
    _, data = receive(connection)
    limits = MediaLimits(
        _limits(ImageLimits, request["images"]),
        _limits(DocumentLimits, request["documents"]),
        _limits(AudioLimits, request["audio"]),
    )
    made = clean(data, limits)
    result = {"found": made.found.name, "pages": made.pages, "audio_s": made.audio_s}
    send_json(connection, Kind.RESULT, result)
    with memoryview(made.content) as content:
        for start in range(0, len(content), PIECE_BYTES):
            send(connection, Kind.DATA, content[start : start + PIECE_BYTES])
    send(connection, Kind.END)


def _decode_stream(connection: socket.socket, request: Mapping[str, Any]) -> None:
    collector = Collector(_limits(AudioLimits, request["audio"]))
    found = MediaFormat[request["found"]]
    source = _Arriving(connection, collector, found)

    def send_part() -> None:
        if collector.waiting_samples > PART_SAMPLES:
            send(connection, Kind.PART, collector.take().tobytes())

    file = source.everything() if request["whole"] else source
    decode_container(file, found, collector, on_packet=send_part)
    send_json(connection, Kind.RESULT, {})
    send(connection, Kind.DATA, collector.take().tobytes())


class _Arriving:
    """The bytes of a stream as a file to read from. Before it waits for more, it sends the samples decoded so far."""

    def __init__(self, connection: socket.socket, collector: Collector, found: MediaFormat) -> None:
        self._connection = connection
        self._collector = collector
        self._inspection = StreamInspection(found)
        self._rest = b""
        self._ended = False
        self._asked = False

    def read(self, size: int = -1) -> bytes:
        """Up to ``size`` bytes; none at the end."""
        if not self._rest and not self._ended:
            self._rest = self._next()
        if not 0 <= size < len(self._rest):
            size = len(self._rest)
        piece, self._rest = self._rest[:size], self._rest[size:]
        return piece

    def everything(self) -> io.BytesIO:
        """All bytes up to the end, which are in memory once.

        Raises:
            TooLarge: More than ``WHOLE_BYTES``.
        """
        whole = io.BytesIO()
        while not self._ended:
            whole.write(self._next())
            if whole.tell() > WHOLE_BYTES:
                raise TooLarge(
                    f"The index of the MP4 comes last, so it may have {WHOLE_BYTES // 1024**2} MiB at most.",
                    reason=Reason.AUDIO_TOO_LARGE,
                    hint="Record with the index first, or as Ogg or WebM, which are decoded as they come.",
                )
        whole.seek(0)
        return whole

    def _next(self) -> bytes:
        if self._asked:
            send(self._connection, Kind.WANTS_MORE, self._collector.take().tobytes())
        self._asked = True
        kind, data = receive(self._connection)
        if kind is Kind.END:
            self._ended = True
            self._inspection.finish()
            return b""
        if kind is not Kind.DATA or not data:
            raise BrokenMedia("The stream is broken.")
        self._inspection.feed(data)
        return data


def limits_as_json(limits: ImageLimits | DocumentLimits | AudioLimits) -> dict[str, Any]:
    """The bounds as they travel to a child."""
    assert is_dataclass(limits)
    return {field.name: getattr(limits, field.name) for field in fields(limits)}


def _limits(kind: type[L], values: Mapping[str, Any]) -> L:
    return kind(**values)


def read_request(connection: socket.socket) -> Mapping[str, Any]:
    """The first message of a job."""
    _, content = receive(connection, 64 * 1024)
    request: Mapping[str, Any] = json.loads(content)
    return request
