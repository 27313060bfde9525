from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest

from models.errors import InternalError, InvalidInput, VestibuleError
from server.uploads.frames import HEADER_BYTES
from server.uploads.keys import load_or_create_spool_key
from server.uploads.spool import Spool

KIB = 1024


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "spool", bytes(range(32)))


def reason_of(call: Callable[[], object]) -> str:
    with pytest.raises(VestibuleError) as caught:
        call()
    return caught.value.reason


@pytest.mark.parametrize(
    "sizes",
    [[], [1], [64 * KIB], [256 * KIB], [300 * KIB], [1] * 200, [100, 70 * KIB, 3], [256 * KIB] * 5 + [17]],
    ids=str,
)
def test_what_is_put_is_read(spool: Spool, sizes: list[int]) -> None:
    chunks = [os.urandom(n) for n in sizes]
    object_id = str(uuid4())
    spool.put(object_id, chunks)
    assert spool.read(object_id) == b"".join(chunks)
    assert spool.ids() == {object_id}
    spool.delete(object_id)
    spool.delete(object_id)
    assert spool.ids() == set()


def test_nothing_readable_and_nothing_public_is_on_disk(spool: Spool, tmp_path: Path) -> None:
    object_id = str(uuid4())
    spool.put(object_id, [b"Maria Lindqvist " * 50])
    log = spool.open_log(object_id)
    log.append(b"Maria Lindqvist " * 50)
    log.close()
    files = list((tmp_path / "spool").iterdir())
    assert {f.stem for f in files} == {object_id}
    assert all(b"Maria" not in f.read_bytes() for f in files)
    assert all(stat.S_IMODE(f.stat().st_mode) == 0o600 for f in files)
    assert stat.S_IMODE((tmp_path / "spool").stat().st_mode) == 0o700


def test_a_file_is_there_only_after_commit(spool: Spool, tmp_path: Path) -> None:
    object_id = str(uuid4())
    writer = spool.writer(object_id)
    writer.write(b"x" * 100_000)
    assert spool.ids() == set()
    writer.abort()
    writer.abort()
    assert list((tmp_path / "spool").iterdir()) == []


def test_parts_left_by_a_kill_are_removed(spool: Spool, tmp_path: Path) -> None:
    object_id = str(uuid4())
    killed = spool.writer(object_id)
    killed.write(b"x" * 100_000)
    again = Spool(tmp_path / "spool", bytes(range(32)))
    assert again.part_ids() == {object_id}
    again.delete_part(object_id)
    assert list((tmp_path / "spool").iterdir()) == []
    killed.abort()


Damage = Callable[[bytearray], bytes | bytearray]
FRAME = 256 * KIB + 32


def flipped(at: int) -> Damage:
    def damage(content: bytearray) -> bytearray:
        content[at] ^= 1
        return content

    return damage


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda c: b"", id="empty"),
        pytest.param(lambda c: c[:10], id="within the header"),
        pytest.param(lambda c: c[:HEADER_BYTES], id="only the header"),
        pytest.param(lambda c: c[:-1], id="last byte missing"),
        pytest.param(lambda c: c[: HEADER_BYTES + 2 * FRAME], id="cut between frames"),
        pytest.param(lambda c: c[: HEADER_BYTES + FRAME] + c[HEADER_BYTES + 2 * FRAME :], id="a frame dropped"),
        pytest.param(
            lambda c: (
                c[:HEADER_BYTES]
                + c[HEADER_BYTES + FRAME : HEADER_BYTES + 2 * FRAME]
                + c[HEADER_BYTES : HEADER_BYTES + FRAME]
                + c[HEADER_BYTES + 2 * FRAME :]
            ),
            id="frames swapped",
        ),
        pytest.param(lambda c: c + c[HEADER_BYTES : HEADER_BYTES + FRAME], id="a frame appended"),
        pytest.param(lambda c: c + bytes(100), id="zeros appended"),
        pytest.param(flipped(0), id="magic"),
        pytest.param(flipped(4), id="kind"),
        pytest.param(flipped(15), id="salt"),
        pytest.param(flipped(HEADER_BYTES), id="length"),
        pytest.param(flipped(HEADER_BYTES + 5), id="nonce"),
        pytest.param(flipped(HEADER_BYTES + 1000), id="ciphertext"),
        pytest.param(flipped(-1), id="last tag"),
    ],
)
def test_damage_is_noticed(spool: Spool, tmp_path: Path, damage: Damage) -> None:
    object_id = str(uuid4())
    spool.put(object_id, [os.urandom(256 * KIB) for _ in range(3)])
    path = tmp_path / "spool" / object_id
    path.write_bytes(damage(bytearray(path.read_bytes())))
    assert reason_of(lambda: spool.read(object_id)) == "SPOOL_CORRUPT"


def test_files_cannot_pass_for_each_other(spool: Spool, tmp_path: Path) -> None:
    one, other = str(uuid4()), str(uuid4())
    spool.put(one, [b"one"])
    (tmp_path / "spool" / one).rename(tmp_path / "spool" / other)
    assert reason_of(lambda: spool.read(other)) == "SPOOL_CORRUPT"
    assert reason_of(lambda: spool.read(one)) == "SPOOL_MISSING"


def test_another_key_is_told_from_damage(spool: Spool, tmp_path: Path) -> None:
    object_id = str(uuid4())
    spool.put(object_id, [b"one"])
    assert reason_of(lambda: Spool(tmp_path / "spool", bytes(32)).read(object_id)) == "SPOOL_KEY_UNKNOWN"


@pytest.mark.parametrize("name", ["", "..", "../../etc/passwd", "photo.jpg", "{" + str(uuid4()) + "}", uuid4().hex])
def test_only_uuids_become_names(spool: Spool, name: str) -> None:
    assert reason_of(lambda: spool.writer(name)) == "INVALID_ID"
    assert reason_of(lambda: spool.open_log(name)) == "INVALID_ID"
    assert reason_of(lambda: spool.delete(name)) == "INVALID_ID"


class TestAudioLog:
    def test_it_grows_across_openings(self, spool: Spool) -> None:
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

    def test_it_keeps_marks_where_they_were_made(self, spool: Spool) -> None:
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
    def test_a_torn_last_frame_is_cut_off_and_writing_goes_on(self, spool: Spool, tmp_path: Path, kept: int) -> None:
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
    def test_a_file_that_grew_without_its_content_is_torn(self, spool: Spool, tmp_path: Path, tail: bytes) -> None:
        stream = str(uuid4())
        log = spool.open_log(stream)
        log.append(b"a" * 100)
        log.close()
        with (tmp_path / "spool" / f"{stream}.log").open("ab") as file:
            file.write(tail)
        assert spool.read_log(stream).data == b"a" * 100

    @pytest.mark.parametrize("content", [b"", b"VSP1", bytes(200)], ids=["empty", "cut header", "zeros"])
    def test_a_log_killed_at_birth_begins_anew(self, spool: Spool, tmp_path: Path, content: bytes) -> None:
        stream = str(uuid4())
        (tmp_path / "spool" / f"{stream}.log").write_bytes(content)
        assert spool.read_log(stream).data == b""
        log = spool.open_log(stream)
        log.append(b"a")
        log.close()
        assert spool.read_log(stream).data == b"a"

    def test_damage_before_the_end_is_no_tear(self, spool: Spool, tmp_path: Path) -> None:
        stream = str(uuid4())
        log = spool.open_log(stream)
        for _ in range(3):
            log.append(b"a" * 100)
        log.close()
        path = tmp_path / "spool" / f"{stream}.log"
        content = bytearray(path.read_bytes())
        content[HEADER_BYTES + 50] ^= 1
        path.write_bytes(content)
        assert reason_of(lambda: spool.read_log(stream)) == "SPOOL_CORRUPT"
        assert reason_of(lambda: spool.open_log(stream)) == "SPOOL_CORRUPT"

    def test_lost_audio_that_was_acknowledged_is_raised_and_left_as_it_is(self, spool: Spool, tmp_path: Path) -> None:
        stream = str(uuid4())
        log = spool.open_log(stream)
        log.append(b"a" * 100)
        log.append(b"b" * 100)
        log.close()
        path = tmp_path / "spool" / f"{stream}.log"
        path.write_bytes(path.read_bytes()[:-1])
        before = path.read_bytes()
        assert reason_of(lambda: spool.read_log(stream, durable_bytes=200)) == "SPOOL_CORRUPT"
        assert reason_of(lambda: spool.open_log(stream, durable_bytes=200)) == "SPOOL_CORRUPT"
        assert path.read_bytes() == before


def test_a_full_disk_is_overload(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    # /dev/full answers every write as a full disk does.
    monkeypatch.setattr("server.uploads.spool.open_private", lambda _path, flags: os.open("/dev/full", os.O_WRONLY))
    assert reason_of(lambda: spool.writer(str(uuid4()))) == "SPOOL_FULL"


def test_a_half_written_frame_is_taken_back(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
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
    assert reason_of(lambda: log.append(b"b" * 100)) == "SPOOL_FULL"
    monkeypatch.setattr(log, "_file", real)
    log.append(b"c" * 100)
    log.close()
    assert spool.read_log(stream).data == b"a" * 100 + b"c" * 100


class TestKey:
    def test_one_is_made_and_found_again(self, tmp_path: Path) -> None:
        path = tmp_path / "state" / "spool.key"
        key = load_or_create_spool_key("", path)
        assert len(key) == 32
        assert load_or_create_spool_key("", path) == key
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert [p.name for p in path.parent.iterdir()] == ["spool.key"]

    def test_the_setting_wins_and_leaves_no_file(self, tmp_path: Path) -> None:
        setting = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
        assert load_or_create_spool_key(setting, tmp_path / "key") == b"01234567890123456789012345678901"
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("setting", ["short", "not base64 at all!", "MDEyMw=="])
    def test_what_is_no_key_is_refused(self, tmp_path: Path, setting: str) -> None:
        with pytest.raises(InvalidInput) as caught:
            load_or_create_spool_key(setting, tmp_path / "key")
        assert caught.value.reason == "SPOOL_KEY_INVALID"
        assert setting not in caught.value.message

    def test_a_key_of_the_wrong_size_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(InvalidInput):
            Spool(tmp_path, b"short")


def test_missing_log_is_missing(spool: Spool) -> None:
    with pytest.raises(InternalError) as caught:
        spool.read_log(str(uuid4()))
    assert caught.value.reason == "SPOOL_MISSING"
