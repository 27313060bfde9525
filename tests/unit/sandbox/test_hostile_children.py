"""A decoder that was taken over: what it sends is stored only if it may be a clean form, and cannot harm the server."""

from __future__ import annotations

import itertools
import json
import socket

import numpy as np
import pytest

from models.errors import BrokenMedia, TooLarge, Unavailable, VestibuleError
from models.media.audio_headers import AudioLimits
from models.media.clean import MediaLimits
from models.media.formats import MediaFormat
from models.media.pages import pack
from server.sandbox.client import CleanedFile, FileInChild, StreamInChild
from server.sandbox.frames import JSON_BYTES, Kind, receive, send, send_json
from server.sandbox.jobs import PART_SAMPLES
from tests.unit.media.made_files import heic_file, pdf_file
from tests.unit.sandbox.hostile import Child, HostileProcess
from tests.unit.sandbox.sandboxes import OPTIONS
from tests.unit.vision.pictures import DATA, corners, encoded

PNG, TIFF, JPEG = (encoded(corners(), name) for name in ("PNG", "TIFF", "JPEG"))
WEBP, HEIC, PDF = encoded(corners(), "WEBP"), heic_file(corners()), pdf_file(2)
OGG, FLAC, WAV = ((DATA / f"visit.{name}").read_bytes() for name in ("ogg", "flac", "wav"))
PAGES = pack([JPEG, JPEG])
MINUTE = np.zeros(PART_SAMPLES + 1, np.float32).tobytes()


def answers(form: bytes, result: bytes) -> Child:
    """A child that says it is done, and sends this as the clean form."""

    def child(connection: socket.socket) -> None:
        receive(connection)
        receive(connection)
        send(connection, Kind.RESULT, result)
        if form:
            send(connection, Kind.DATA, form)
        send(connection, Kind.END)

    return child


def result(found: str, pages: str = "1", audio_s: str = "0.0") -> bytes:
    return f'{{"found": "{found}", "pages": {pages}, "audio_s": {audio_s}}}'.encode()


def run(child: Child, data: bytes) -> tuple[CleanedFile, bytes]:
    written = bytearray()
    file = FileInChild(HostileProcess(child), MediaLimits(), OPTIONS.child).run(data, written.extend)
    return file, bytes(written)


@pytest.mark.parametrize(
    ("data", "found", "form"),
    [
        *[(PNG, "PNG", form) for form in (b"", b"\x89", HEIC, WEBP, PDF, OGG, WAV, FLAC, PAGES, b"no media at all")],
        *[(OGG, "OGG", form) for form in (b"", OGG, WAV, PNG, PAGES)],
        *[(PDF, "PDF", form) for form in (b"", PDF, HEIC, FLAC)],
        (PNG, "HEIF", PNG),
        (b"no media at all", "PNG", PNG),
    ],
)
def test_what_is_no_clean_form_of_the_file_is_not_written(data: bytes, found: str, form: bytes) -> None:
    written = bytearray()
    file = FileInChild(HostileProcess(answers(form, result(found))), MediaLimits(), OPTIONS.child)
    with pytest.raises(BrokenMedia) as caught:
        file.run(data, written.extend)
    assert (str(caught.value.reason), bytes(written)) == ("MEDIA_NOT_DECODABLE", b"")


@pytest.mark.parametrize(
    ("data", "found", "form"),
    [*[(PNG, "PNG", form) for form in (PNG, TIFF, JPEG)], (PDF, "PDF", PAGES), (PDF, "PDF", JPEG), (OGG, "OGG", FLAC)],
)
def test_a_clean_form_is_written(data: bytes, found: str, form: bytes) -> None:
    assert run(answers(form, result(found)), data) == (CleanedFile(MediaFormat[found], 1, 0.0), form)


@pytest.mark.parametrize(
    "content",
    [
        result("PNG", pages="Infinity"),
        result("PNG", audio_s="1" + "0" * 400),
        result("PNG", pages="null"),
        b'{"a":' * 600,
        b"[" * JSON_BYTES,
        b" " * (JSON_BYTES + 1) + result("PNG"),
        b"\xff",
    ],
)
@pytest.mark.parametrize("kind", [Kind.RESULT, Kind.ERROR])
def test_a_result_or_an_error_that_is_nonsense_is_a_refusal(content: bytes, kind: Kind) -> None:
    def child(connection: socket.socket) -> None:
        receive(connection)
        receive(connection)
        send(connection, kind, content)
        send(connection, Kind.DATA, PNG)
        send(connection, Kind.END)

    with pytest.raises(BrokenMedia) as caught:
        run(child, PNG)
    assert caught.value.reason == "MEDIA_NOT_DECODABLE"


def test_the_longest_error_of_an_honest_child_is_short_enough() -> None:
    def child(connection: socket.socket) -> None:
        error = {"class": "TooLarge", "reason": "TOO_MANY_PAGES", "message": "\u00e9" * 300, "hint": "\u00e9" * 300}
        send_json(connection, Kind.ERROR, error)

    with pytest.raises(TooLarge) as caught:
        run(child, PNG)
    assert len(json.dumps(caught.value.message + caught.value.hint)) > 3_600


def test_a_child_that_could_not_be_started_is_no_fault_of_its_file() -> None:
    with pytest.raises(Unavailable) as caught:
        run(lambda connection: send(connection, Kind.NOT_STARTED), PNG)
    assert (caught.value.reason, caught.value.retry_after_s) == ("DECODER_UNAVAILABLE", 5.0)


def flooding(part: bytes, sent: list[int]) -> Child:
    """A child that sends samples without end."""

    def child(connection: socket.socket) -> None:
        receive(connection)
        for number in itertools.count(1):
            send(connection, Kind.PART, part)
            sent.append(number)

    return child


@pytest.mark.parametrize(
    ("part", "limit_s", "reason", "most_parts"),
    [
        (b"", 3_600.0, "MEDIA_NOT_DECODABLE", None),
        (bytes(4), 3_600.0, "MEDIA_NOT_DECODABLE", None),
        (b"\0\0\xc0\x7f" * (PART_SAMPLES + 1), 3_600.0, "MEDIA_NOT_DECODABLE", 2),
        (MINUTE, 3_600.0, "DECOMPRESSION_BOMB", 4),
        (MINUTE, 90.0, "MEDIA_NOT_DECODABLE", 3),
    ],
    ids=["empty", "one sample", "not a number", "too much for its bytes", "too much for a stream"],
)
def test_a_child_that_floods_the_server_with_samples_is_ended(
    part: bytes, limit_s: float, reason: str, most_parts: int | None
) -> None:
    sent: list[int] = []
    process = HostileProcess(flooding(part, sent))
    stream = StreamInChild(process, MediaFormat.OGG, AudioLimits(max_s=limit_s), False, OPTIONS.child)
    with pytest.raises(VestibuleError) as caught:
        stream.feed(OGG[:2_000])
    stream.close()
    assert caught.value.reason == reason
    assert most_parts is None or len(sent) <= most_parts


def test_what_all_calls_of_a_stream_bring_is_bounded() -> None:
    def child(connection: socket.socket) -> None:
        receive(connection)
        while receive(connection):
            send(connection, Kind.WANTS_MORE, MINUTE)

    stream = StreamInChild(HostileProcess(child), MediaFormat.OGG, AudioLimits(max_s=121.0), False, OPTIONS.child)
    assert [len(stream.feed(OGG)) for _ in range(2)] == [PART_SAMPLES + 1] * 2
    with pytest.raises(BrokenMedia) as caught:
        stream.feed(OGG)
    stream.close()
    assert caught.value.reason == "MEDIA_NOT_DECODABLE"
