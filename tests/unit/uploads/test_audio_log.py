"""The audio log of a stream: it grows across openings, and a torn end is told from damage."""

from __future__ import annotations

import os
import tracemalloc
from pathlib import Path
from uuid import uuid4

import pytest

from models.errors import InternalError
from server.uploads.encrypted_frames import HEADER_BYTES
from server.uploads.spool import Spool
from tests.unit.uploads.upload_harness import reason_at_once

MEBIBYTE = 1024 * 1024


def test_audio_can_be_appended_after_reopening(spool: Spool) -> None:
    stream = str(uuid4())
    pieces = [os.urandom(3200) for _ in range(20)]
    for piece in pieces:
        log = spool.open_log(stream)
        log.append(piece)
        log.sync()
        log.close()
    assert spool.read_log(stream, durable_bytes=64_000).data == b"".join(pieces)
    with spool.open_log(stream) as log:
        assert log.size_bytes == 64_000
    assert (spool.ids(), spool.log_ids()) == (set(), {stream})
    spool.delete_log(stream)
    assert spool.log_ids() == set()


def test_marks_keep_their_positions(spool: Spool) -> None:
    stream = str(uuid4())
    for piece in (b"a" * 100, b"b" * 100):
        with spool.open_log(stream) as log:
            log.mark()
            log.append(piece)
            log.mark()
    content = spool.read_log(stream)
    assert content.data == b"a" * 100 + b"b" * 100
    assert content.marks == (0, 100, 100, 200)
    with spool.open_log(stream) as log:
        assert log.size_bytes == 200


@pytest.mark.parametrize("kept", range(0, 132, 7))
def test_a_torn_last_frame_is_cut_off_and_appending_works(spool: Spool, tmp_path: Path, kept: int) -> None:
    stream = str(uuid4())
    log = spool.open_log(stream)
    log.append(b"a" * 100)
    log.append(b"b" * 100)
    log.close()
    path = tmp_path / "spool" / f"{stream}.log"
    path.write_bytes(path.read_bytes()[: HEADER_BYTES + 132 + kept])
    assert spool.read_log(stream, durable_bytes=100).data == b"a" * 100
    log = spool.open_log(stream)
    assert log.size_bytes == 100
    log.append(b"c" * 100)
    log.close()
    assert spool.read_log(stream).data == b"a" * 100 + b"c" * 100


@pytest.mark.parametrize(
    "tail", [bytes(4096), b"\0\0\0\x74" + bytes(12 + 116)], ids=["zeros", "a frame without content"]
)
def test_a_file_that_grew_without_its_content_is_torn(spool: Spool, tmp_path: Path, tail: bytes) -> None:
    stream = str(uuid4())
    log = spool.open_log(stream)
    log.append(b"a" * 100)
    log.close()
    with (tmp_path / "spool" / f"{stream}.log").open("ab") as file:
        file.write(tail)
    assert spool.read_log(stream).data == b"a" * 100


@pytest.mark.parametrize("content", [b"", b"VSP1", bytes(200)], ids=["empty", "cut header", "zeros"])
def test_a_log_killed_while_it_was_created_starts_empty(spool: Spool, tmp_path: Path, content: bytes) -> None:
    stream = str(uuid4())
    (tmp_path / "spool" / f"{stream}.log").write_bytes(content)
    assert spool.read_log(stream).data == b""
    log = spool.open_log(stream)
    log.append(b"a")
    log.close()
    assert spool.read_log(stream).data == b"a"


def test_damage_before_the_last_frame_is_an_error(spool: Spool, tmp_path: Path) -> None:
    stream = str(uuid4())
    log = spool.open_log(stream)
    for _ in range(3):
        log.append(b"a" * 100)
    log.close()
    path = tmp_path / "spool" / f"{stream}.log"
    content = bytearray(path.read_bytes())
    content[HEADER_BYTES + 50] ^= 1
    path.write_bytes(content)
    assert reason_at_once(lambda: spool.read_log(stream)) == "SPOOL_CORRUPT"
    assert reason_at_once(lambda: spool.open_log(stream)) == "SPOOL_CORRUPT"


@pytest.mark.parametrize("zeros", [4096, 600_000])
def test_bytes_after_zeros_are_damage(spool: Spool, tmp_path: Path, zeros: int) -> None:
    stream = str(uuid4())
    log = spool.open_log(stream)
    log.append(b"a" * 100)
    log.close()
    with (tmp_path / "spool" / f"{stream}.log").open("ab") as file:
        file.write(bytes(zeros) + b"x")
    assert reason_at_once(lambda: spool.read_log(stream)) == "SPOOL_CORRUPT"
    assert reason_at_once(lambda: spool.open_log(stream)) == "SPOOL_CORRUPT"


def test_a_log_is_opened_without_its_audio_in_memory(spool: Spool) -> None:
    stream, piece = str(uuid4()), bytes(MEBIBYTE)
    with spool.open_log(stream) as log:
        for _ in range(30):
            log.append(piece)
    tracemalloc.start()
    with spool.open_log(stream) as log:
        opened = tracemalloc.get_traced_memory()[1]
    tracemalloc.reset_peak()
    content = spool.read_log(stream)
    read = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (log.size_bytes, len(content.data), content.size_bytes) == (30 * MEBIBYTE,) * 3
    assert opened < 2 * MEBIBYTE
    assert read < 2.5 * 30 * MEBIBYTE, "once, and once more while its buffer grows"


def test_missing_acknowledged_audio_raises_and_keeps_the_file(spool: Spool, tmp_path: Path) -> None:
    stream = str(uuid4())
    log = spool.open_log(stream)
    log.append(b"a" * 100)
    log.append(b"b" * 100)
    log.close()
    path = tmp_path / "spool" / f"{stream}.log"
    path.write_bytes(path.read_bytes()[:-1])
    before = path.read_bytes()
    assert reason_at_once(lambda: spool.read_log(stream, durable_bytes=200)) == "SPOOL_CORRUPT"
    assert reason_at_once(lambda: spool.open_log(stream, durable_bytes=200)) == "SPOOL_CORRUPT"
    assert path.read_bytes() == before


def test_a_partly_written_frame_is_removed(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = str(uuid4())
    log = spool.open_log(stream)
    log.append(b"a" * 100)

    class Filling:
        def __init__(self) -> None:
            self.room = 50

        def write(self, data: memoryview) -> int:
            if not self.room:
                raise OSError(28, "No space left on device")
            written: int = real.write(data[: self.room])
            self.room -= written
            return written

        def truncate(self, size: int) -> int:
            return real.truncate(size)

    real = log._file
    monkeypatch.setattr(log, "_file", Filling())
    assert reason_at_once(lambda: log.append(b"b" * 100)) == "SPOOL_FULL"
    monkeypatch.setattr(log, "_file", real)
    log.append(b"c" * 100)
    log.close()
    assert spool.read_log(stream).data == b"a" * 100 + b"c" * 100


def test_a_missing_log_raises(spool: Spool) -> None:
    with pytest.raises(InternalError) as caught:
        spool.read_log(str(uuid4()))
    assert caught.value.reason == "SPOOL_MISSING"
