"""Files of the spool: what is put is read, damage and mistakes are told apart."""

from __future__ import annotations

import os
import stat
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest

from models.errors import InvalidInput
from server.uploads.encrypted_frames import HEADER_BYTES
from server.uploads.spool import PIECE_BYTES, Spool
from tests.unit.uploads.upload_harness import KIB, reason_at_once


@pytest.mark.parametrize(
    "sizes",
    [[], [1], [64 * KIB], [256 * KIB], [300 * KIB], [1] * 200, [100, 70 * KIB, 3], [256 * KIB] * 5 + [17]],
    ids=str,
)
def test_stored_content_is_read_back(spool: Spool, sizes: list[int]) -> None:
    chunks = [os.urandom(n) for n in sizes]
    object_id = str(uuid4())
    spool.put(object_id, chunks)
    assert spool.read(object_id) == b"".join(chunks)
    assert spool.ids() == {object_id}
    spool.delete(object_id)
    spool.delete(object_id)
    assert spool.ids() == set()


def test_content_is_read_back_in_pieces(spool: Spool) -> None:
    content, object_id = os.urandom(2 * PIECE_BYTES + 5), str(uuid4())
    spool.put(object_id, [content])
    pieces = list(spool.pieces(object_id))
    assert b"".join(pieces) == content
    assert len(pieces) == 3


def test_files_are_encrypted_and_private(spool: Spool, tmp_path: Path) -> None:
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


def test_a_file_exists_only_after_commit(spool: Spool, tmp_path: Path) -> None:
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
def test_damage_is_detected(spool: Spool, tmp_path: Path, damage: Damage) -> None:
    object_id = str(uuid4())
    spool.put(object_id, [os.urandom(256 * KIB) for _ in range(3)])
    path = tmp_path / "spool" / object_id
    path.write_bytes(damage(bytearray(path.read_bytes())))
    assert reason_at_once(lambda: spool.read(object_id)) == "SPOOL_CORRUPT"


def test_files_cannot_be_swapped(spool: Spool, tmp_path: Path) -> None:
    one, other = str(uuid4()), str(uuid4())
    spool.put(one, [b"one"])
    (tmp_path / "spool" / one).rename(tmp_path / "spool" / other)
    assert reason_at_once(lambda: spool.read(other)) == "SPOOL_CORRUPT"
    assert reason_at_once(lambda: spool.read(one)) == "SPOOL_MISSING"


def test_a_wrong_key_is_distinguished_from_damage(spool: Spool, tmp_path: Path) -> None:
    object_id = str(uuid4())
    spool.put(object_id, [b"one"])
    assert reason_at_once(lambda: Spool(tmp_path / "spool", bytes(32)).read(object_id)) == "SPOOL_KEY_UNKNOWN"


def test_a_key_of_the_wrong_size_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput):
        Spool(tmp_path, b"short")


@pytest.mark.parametrize(
    "name",
    [
        "",
        "..",
        "../../etc/passwd",
        "photo.jpg",
        "{b51a2f4e-0c6d-4c1b-9d5e-7a3f2b1c0d9e}",
        "b51a2f4e0c6d4c1b9d5e7a3f2b1c0d9e",
    ],
)
def test_only_uuids_are_accepted_as_names(spool: Spool, name: str) -> None:
    assert reason_at_once(lambda: spool.writer(name)) == "INVALID_ID"
    assert reason_at_once(lambda: spool.open_log(name)) == "INVALID_ID"
    assert reason_at_once(lambda: spool.delete(name)) == "INVALID_ID"


def test_a_full_disk_raises_overloaded(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    # /dev/full answers every write as a full disk does.
    monkeypatch.setattr(
        "server.uploads.spool_writer.open_private", lambda _path, _flags: os.open("/dev/full", os.O_WRONLY)
    )
    assert reason_at_once(lambda: spool.writer(str(uuid4()))) == "SPOOL_FULL"


def test_a_long_file_is_in_memory_once_when_it_was_read(spool: Spool) -> None:
    object_id, size_bytes = str(uuid4()), 16 * 1024 * 1024
    spool.put(object_id, [bytes(1024 * 1024)] * 16)
    tracemalloc.start()
    try:
        content = spool.read(object_id)
        bytes_now, most_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(content) == size_bytes
    assert bytes_now < 1.1 * size_bytes
    assert most_bytes < 2.3 * size_bytes, "encrypted, and not"
