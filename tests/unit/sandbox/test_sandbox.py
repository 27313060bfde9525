"""Real processes: files are made clean and streams decoded in children, whose trouble stays theirs."""

from __future__ import annotations

import asyncio
import io
import queue
import signal
import struct
from dataclasses import replace

import numpy as np
import psutil
import pytest
from PIL import Image

from models.errors import BrokenMedia, Overloaded, TooLarge, UnsupportedMedia, VestibuleError
from models.media.audio_decoder import AudioLimits, StreamDecoder, decode
from models.media.formats import MediaFormat
from models.media.pages import unpack
from models.media.samples import Samples
from server.sandbox import client
from server.sandbox.jobs import WHOLE_BYTES
from server.sandbox.sandbox import MediaSandbox
from tests.unit.media.made_files import box, heic_file, long_m4a, pdf_file, with_jpeg_segment, zip_file
from tests.unit.sandbox.sandboxes import MIB, OPTIONS, cleaned, fork_server
from tests.unit.vision.pictures import DATA, corners, encoded

CONTAINERS = ["visit.ogg", "visit.webm", "visit.mp3", "visit.flac", "visit.m4a", "visit.aac"]


def reason(sandbox: MediaSandbox, data: bytes) -> str:
    with pytest.raises(VestibuleError) as caught:
        cleaned(sandbox, data)
    return str(caught.value.reason)


def streamed(sandbox: MediaSandbox, data: bytes, size: int = 4_000) -> Samples:
    with StreamDecoder(AudioLimits(), open_container=sandbox.open_stream) as stream:
        fed = [stream.feed(data[at : at + size]) for at in range(0, len(data), size)]
        return np.concatenate([*fed, stream.finish()])


def test_files_of_each_kind_are_made_clean(sandbox: MediaSandbox) -> None:
    picture, clean_form = cleaned(sandbox, heic_file(corners()))
    assert (picture.found, Image.open(io.BytesIO(clean_form)).size) == (MediaFormat.HEIF, (40, 20))
    document, clean_form = cleaned(sandbox, pdf_file(2, text="Meter 4711"))
    assert document.pages == len(unpack(clean_form)) == 2


@pytest.mark.parametrize("name", ["JPEG", "PNG", "TIFF", "WEBP", "HEIF"])
def test_large_pictures_of_each_format_are_made_clean(sandbox: MediaSandbox, name: str) -> None:
    with Image.open(DATA / "register.jpg") as opened:
        picture = opened.convert("RGB").resize((450, 338)).resize((3_600, 2_700))  # smooth, so it is soon packed
    data = heic_file(picture) if name == "HEIF" else encoded(picture, name)
    with Image.open(io.BytesIO(cleaned(sandbox, data)[1])) as clean_form:
        assert clean_form.size == picture.size


@pytest.mark.parametrize("name", [*CONTAINERS, "visit.wav"])
def test_recordings_of_each_format_are_made_clean(sandbox: MediaSandbox, name: str) -> None:
    data = (DATA / name).read_bytes()
    recording, clean_form = cleaned(sandbox, data)
    assert recording.audio_s == len(decode(clean_form)) / 16_000 == len(decode(data)) / 16_000


def test_refusals_come_with_their_class_reason_and_hint(sandbox: MediaSandbox) -> None:
    with pytest.raises(UnsupportedMedia) as caught:
        cleaned(sandbox, with_jpeg_segment(0xFE, b"<script>alert(1)</script>"))
    assert (caught.value.reason, "export" in caught.value.hint) == ("FOREIGN_CONTENT", True)
    with pytest.raises(BrokenMedia):
        cleaned(sandbox, encoded(corners(), "JPEG")[:-40])
    with pytest.raises(TooLarge) as too_large:
        cleaned(sandbox, pdf_file(6))
    assert too_large.value.reason == "TOO_MANY_PAGES"
    assert reason(sandbox, zip_file() * 30) == "FOREIGN_CONTENT"


@pytest.mark.parametrize("name", CONTAINERS)
def test_a_stream_gives_the_same_samples_as_in_this_process(sandbox: MediaSandbox, name: str) -> None:
    data = (DATA / name).read_bytes()
    with StreamDecoder() as stream:
        here = np.concatenate([stream.feed(data[at : at + 4_000]) for at in range(0, len(data), 4_000)])
        here = np.concatenate([here, stream.finish()])
    assert np.array_equal(streamed(sandbox, data), here)


def test_a_short_stream_is_decoded_at_its_end(sandbox: MediaSandbox) -> None:
    data = (DATA / "visit.mp3").read_bytes()[:900]
    assert len(streamed(sandbox, data, 20)) == len(decode(data))


def test_a_long_container_whose_index_comes_last_is_decoded_in_parts(sandbox: MediaSandbox) -> None:
    data = long_m4a(200)
    assert data.index(b"mdat") < data.index(b"moov")
    assert len(streamed(sandbox, data, 60_000)) == len(decode(data)) > 199 * 16_000


def test_samples_come_while_the_stream_runs(sandbox: MediaSandbox) -> None:
    data = (DATA / "visit.ogg").read_bytes()
    with StreamDecoder(open_container=sandbox.open_stream) as stream:
        assert len(stream.feed(data[: len(data) // 2])) > 8_000


@pytest.mark.parametrize("piece_bytes", [3, 2_000])
def test_another_format_in_a_stream_ends_it(sandbox: MediaSandbox, piece_bytes: int) -> None:
    data = (DATA / "visit.ogg").read_bytes()
    with pytest.raises(UnsupportedMedia) as caught:
        streamed(sandbox, data[:8_000] + zip_file() + data[8_000:], piece_bytes)
    assert caught.value.reason == "FOREIGN_CONTENT"


def test_a_script_in_the_comments_of_a_stream_ends_it(sandbox: MediaSandbox) -> None:
    data = (DATA / "visit.mp3").read_bytes() + b"TAG" + b"<?=system($_GET[0]);?>".ljust(125)
    with pytest.raises(UnsupportedMedia) as caught:
        streamed(sandbox, data)
    assert caught.value.reason == "FOREIGN_CONTENT"


def test_an_mp4_whose_index_comes_last_may_be_so_large_as_a_stream(sandbox: MediaSandbox) -> None:
    begin = box(b"ftyp", b"M4A \0\0\0\0M4A ") + struct.pack(">I4s", 0x7FFF_FFFF, b"mdat")
    with StreamDecoder(AudioLimits(), open_container=sandbox.open_stream) as stream:
        stream.feed(begin)
        for _ in range(WHOLE_BYTES // MIB - 1):
            stream.feed(bytes(MIB))
        with pytest.raises(TooLarge) as caught:
            stream.feed(bytes(2 * MIB))
    assert caught.value.reason == "AUDIO_TOO_LARGE"


def test_streams_have_a_memory_of_their_own_and_the_largest_mp4_fits_into_it(sandbox: MediaSandbox) -> None:
    recording = long_m4a(2)
    whole = recording + box(b"free", bytes(WHOLE_BYTES - len(recording) - 8))
    assert len(streamed(sandbox, whole, MIB)) == len(decode(recording))
    least = MediaSandbox(replace(OPTIONS, child=replace(OPTIONS.child, stream_memory_bytes=24 * MIB)))
    try:
        with pytest.raises(VestibuleError) as caught:
            streamed(least, whole, MIB)
    finally:
        asyncio.run(least.close())
    assert caught.value.reason == "MEDIA_NOT_DECODABLE"


def test_a_stream_that_is_closed_leaves_no_process(sandbox: MediaSandbox) -> None:
    stream = StreamDecoder(open_container=sandbox.open_stream)
    stream.feed((DATA / "visit.ogg").read_bytes()[:8_000])
    [child] = fork_server(sandbox).children()
    stream.close()
    child.wait(60)
    stream.close()


def test_a_file_that_needs_too_much_memory_is_refused() -> None:
    small = MediaSandbox(replace(OPTIONS, child=replace(OPTIONS.child, memory_bytes=64 * MIB)))
    large = encoded(Image.new("RGB", (6_000, 6_000)), "PNG")
    try:
        assert reason(small, large) == "IMAGE_TOO_LARGE"
        assert cleaned(small, encoded(corners(), "PNG"))[0].pages == 1
    finally:
        asyncio.run(small.close())


def test_a_child_that_dies_is_an_error_of_its_stream_only(sandbox: MediaSandbox) -> None:
    data = (DATA / "visit.ogg").read_bytes()
    with StreamDecoder(open_container=sandbox.open_stream) as stream:
        stream.feed(data[:8_000])
        [child] = fork_server(sandbox).children()
        child.send_signal(signal.SIGSEGV)
        with pytest.raises(BrokenMedia) as caught:
            stream.feed(data[8_000:16_000])
    assert caught.value.reason == "MEDIA_NOT_DECODABLE"
    assert cleaned(sandbox, encoded(corners(), "PNG"))[0].pages == 1


def test_a_death_is_told(own_sandbox: MediaSandbox) -> None:
    died: queue.SimpleQueue[int] = queue.SimpleQueue()
    own_sandbox._on_death = died.put
    stream = StreamDecoder(open_container=own_sandbox.open_stream)
    stream.feed((DATA / "visit.ogg").read_bytes()[:8_000])
    [child] = fork_server(own_sandbox).children()
    child.send_signal(signal.SIGSEGV)
    child.wait(60)
    cleaned(own_sandbox, encoded(corners(), "PNG"))
    stream.close()
    assert died.get(timeout=60) == signal.SIGSEGV
    assert died.empty()


def test_a_child_that_hangs_is_ended(sandbox: MediaSandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "WALL_FACTOR", 0.02)
    data = (DATA / "visit.ogg").read_bytes()
    stream = StreamDecoder(open_container=sandbox.open_stream)
    stream.feed(data[:8_000])
    [child] = fork_server(sandbox).children()
    child.suspend()
    with pytest.raises(Overloaded) as caught:
        stream.feed(data[8_000:])
    assert caught.value.reason == "DECODERS_BUSY"
    child.wait(60)


def test_a_fork_server_that_ended_is_replaced(own_sandbox: MediaSandbox) -> None:
    first = fork_server(own_sandbox)
    first.kill()
    first.wait(60)
    assert cleaned(own_sandbox, encoded(corners(), "PNG"))[0].pages == 1
    assert own_sandbox.pid not in (None, first.pid)


def test_the_fork_server_has_one_thread_and_no_secrets(sandbox: MediaSandbox) -> None:
    process = fork_server(sandbox)
    assert process.num_threads() == 1
    assert set(process.environ()) <= {
        "GLIBC_TUNABLES",
        "LC_CTYPE",
        "MALLOC_ARENA_MAX",
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "PILLOW_BLOCK_SIZE",
        "PYTHONDONTWRITEBYTECODE",
        "PYTHONPATH",
    }


def test_nothing_is_left_after_the_end() -> None:
    started = MediaSandbox(OPTIONS)
    asyncio.run(started.start())
    stream = StreamDecoder(open_container=started.open_stream)
    stream.feed((DATA / "visit.ogg").read_bytes()[:8_000])
    process = fork_server(started)
    children = process.children()
    asyncio.run(started.close())
    stream.close()
    psutil.wait_procs([process, *children], timeout=60)
    assert not process.is_running()
    assert not any(child.is_running() for child in children)
