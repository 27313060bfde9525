"""The audio log of a stream: it grows across openings, and a torn end is told from damage."""

from __future__ import annotations

import os
import tracemalloc
from pathlib import Path
from uuid import uuid4

import pytest

from server.uploads.audio_log import LOG_PIECE_BYTES
from server.uploads.encrypted_frames import HEADER_BYTES
from server.uploads.spool import Spool
from tests.unit.uploads.upload_harness import reason_at_once

MEBIBYTE = 1024 * 1024


def audio(spool: Spool, stream: str, durable_bytes: int = 0) -> bytes:
    """What is in a log. Its length is checked too."""
    read = b"".join(spool.log_pieces(stream))
    assert spool.log_bytes(stream, durable_bytes=durable_bytes) == len(read)
    return read


def test_audio_can_be_appended_after_reopening(spool: Spool) -> None:
    stream = str(uuid4())
    pieces = [os.urandom(3200) for _ in range(20)]
    for piece in pieces:
        log = spool.open_log(stream)
        log.append(piece)
        log.sync()
        log.close()
    assert audio(spool, stream, 64_000) == b"".join(pieces)
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
    assert list(spool.log_pieces(stream)) == [b"", b"a" * 100, b"", b"", b"b" * 100, b""]
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
    assert audio(spool, stream, 100) == b"a" * 100
    log = spool.open_log(stream)
    assert log.size_bytes == 100
    log.append(b"c" * 100)
    log.close()
    assert audio(spool, stream) == b"a" * 100 + b"c" * 100


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
    assert audio(spool, stream) == b"a" * 100


@pytest.mark.parametrize("content", [b"", b"VSP1", bytes(200)], ids=["empty", "cut header", "zeros"])
def test_a_log_killed_while_it_was_created_starts_empty(spool: Spool, tmp_path: Path, content: bytes) -> None:
    stream = str(uuid4())
    (tmp_path / "spool" / f"{stream}.log").write_bytes(content)
    assert audio(spool, stream) == b""
    log = spool.open_log(stream)
    log.append(b"a")
    log.close()
    assert audio(spool, stream) == b"a"


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
    assert reason_at_once(lambda: spool.log_bytes(stream)) == "SPOOL_CORRUPT"
    assert reason_at_once(lambda: list(spool.log_pieces(stream))) == "SPOOL_CORRUPT"
    assert reason_at_once(lambda: spool.open_log(stream)) == "SPOOL_CORRUPT"


@pytest.mark.parametrize("zeros", [4096, 600_000])
def test_bytes_after_zeros_are_damage(spool: Spool, tmp_path: Path, zeros: int) -> None:
    stream = str(uuid4())
    log = spool.open_log(stream)
    log.append(b"a" * 100)
    log.close()
    with (tmp_path / "spool" / f"{stream}.log").open("ab") as file:
        file.write(bytes(zeros) + b"x")
    assert reason_at_once(lambda: spool.log_bytes(stream)) == "SPOOL_CORRUPT"
    assert reason_at_once(lambda: list(spool.log_pieces(stream))) == "SPOOL_CORRUPT"
    assert reason_at_once(lambda: spool.open_log(stream)) == "SPOOL_CORRUPT"


def test_a_log_is_opened_measured_and_read_without_its_audio_in_memory(spool: Spool) -> None:
    stream, piece = str(uuid4()), bytes(MEBIBYTE)
    with spool.open_log(stream) as log:
        for _ in range(30):
            log.append(piece)
    tracemalloc.start()
    with spool.open_log(stream) as log:
        pass
    measured, read, longest = spool.log_bytes(stream), 0, 0
    for part in spool.log_pieces(stream):
        read, longest = read + len(part), max(longest, len(part))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (log.size_bytes, measured, read) == (30 * MEBIBYTE,) * 3
    assert longest == LOG_PIECE_BYTES
    assert peak < 3 * MEBIBYTE


def test_small_frames_are_read_together_up_to_the_next_mark(spool: Spool) -> None:
    stream = str(uuid4())
    with spool.open_log(stream) as log:
        for number in range(LOG_PIECE_BYTES // 1000 + 1):
            log.append(bytes([number]) * 1000)
        log.mark()
        log.append(b"z")
    whole = b"".join(bytes([number]) * 1000 for number in range(LOG_PIECE_BYTES // 1000 + 1))
    assert list(spool.log_pieces(stream)) == [whole[:LOG_PIECE_BYTES], whole[LOG_PIECE_BYTES:], b"", b"z"]


def test_missing_acknowledged_audio_raises_and_keeps_the_file(spool: Spool, tmp_path: Path) -> None:
    stream = str(uuid4())
    log = spool.open_log(stream)
    log.append(b"a" * 100)
    log.append(b"b" * 100)
    log.close()
    path = tmp_path / "spool" / f"{stream}.log"
    path.write_bytes(path.read_bytes()[:-1])
    before = path.read_bytes()
    assert reason_at_once(lambda: spool.log_bytes(stream, durable_bytes=200)) == "SPOOL_CORRUPT"
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
    assert audio(spool, stream) == b"a" * 100 + b"c" * 100


def test_a_missing_log_raises(spool: Spool) -> None:
    missing = str(uuid4())
    assert reason_at_once(lambda: spool.log_bytes(missing)) == "SPOOL_MISSING"
    assert reason_at_once(lambda: next(spool.log_pieces(missing))) == "SPOOL_MISSING"
