"""Something else in every kind of place of every container; ``gaps`` makes the files."""

from __future__ import annotations

import io
import random
import time
import wave

import numpy as np
import pytest
from PIL import Image

from models.errors import VestibuleError
from models.media.clean import MediaLimits, clean
from models.media.structure import flac
from tests.unit.media.gaps import PLACES
from tests.unit.media.made_files import wav_file, zip_file
from tests.unit.media.recordings_made import recording
from tests.unit.vision.pictures import DATA

LIMITS = MediaLimits()
NOISE = random.Random(9).randbytes(64 * 1024)
FOREIGN = {
    "zip": zip_file(),
    "elf": b"\x7fELF\x02\x01\x01" + bytes(57),
    "windows": b"MZ" + bytes(70) + b"This program cannot be run in DOS mode.\r\n" + bytes(20),
    "html": b"<html><body onload=alert(1)></body></html>",
}
EVERYWHERE = [(kind, place) for kind, places in PLACES.items() for place in places]

METADATA = {
    ("jpeg", "comments"),
    ("png", "text"),
    ("png", "unknown chunk"),
    ("webp", "unknown chunk"),
    ("webp", "second picture"),
    ("heic", "free box"),
    ("heic", "own box"),
    ("wav", "unknown chunk"),
    ("mp3", "tag in front"),
    ("flac", "application block"),
    ("m4a", "free box"),
    ("m4a", "own box"),
    ("m4a", "second sound"),
    ("webm", "void"),
}
"""Parts that a container has for data of others. What has no known signature may be there, and is thrown away."""

SPREAD = {("ogg", "between many pages"), ("mp3", "between many frames"), ("aac", "between many frames")}
"""A small file that is cut into these places is whole nowhere."""

IN_TEXT = {("pdf", "between objects"), ("pdf", "comment")}
"""A document may be about markup."""


def reason(data: bytes) -> str:
    """Why the file is refused; empty when it is not."""
    try:
        clean(data, LIMITS)
    except VestibuleError as error:
        return str(error.reason)
    return ""


@pytest.mark.parametrize(("kind", "place"), EVERYWHERE)
def test_a_known_format_is_noticed_everywhere(kind: str, place: str) -> None:
    if (kind, place) in SPREAD:
        return
    for name, foreign in FOREIGN.items():
        if (kind, place) in IN_TEXT and name == "html":
            continue
        expected = "UNSUPPORTED_MEDIA" if place == "before" else "FOREIGN_CONTENT"
        made = PLACES[kind][place](foreign)
        if (kind, place, name) == ("pdf", "embedded file", "html"):
            expected = "ACTIVE_CONTENT"
        assert (name, reason(made)) == (name, expected)


@pytest.mark.parametrize(("kind", "place"), EVERYWHERE)
def test_unknown_bytes_are_taken_in_metadata_only(kind: str, place: str) -> None:
    found = reason(PLACES[kind][place](NOISE))
    if (kind, place) in METADATA:
        assert found == ""
    else:
        assert found in {"TRAILING_DATA", "BROKEN_MEDIA", "FOREIGN_CONTENT", "ACTIVE_CONTENT", "UNSUPPORTED_MEDIA"}


@pytest.mark.parametrize("kind", PLACES)
def test_the_files_themselves_are_valid(kind: str) -> None:
    assert reason(PLACES[kind]["after"](b"")) == ""


# FLAC


@pytest.mark.parametrize("sample_format", ["s16", "s32"])
@pytest.mark.parametrize(
    ("seconds", "rate_hz", "layout"), [(0.1, 8_000, "mono"), (2.0, 96_000, "stereo"), (1.0, 48_000, "5.1")]
)
def test_a_flac_file_ends_with_its_last_frame(seconds: float, rate_hz: int, layout: str, sample_format: str) -> None:
    data = recording("flac", "flac", seconds, rate_hz, layout, sample_format=sample_format)
    assert flac.walk(data).end == len(data)
    assert flac.walk(data + NOISE[:400]).end == len(data)
    assert reason(data + NOISE) == "TRAILING_DATA"
    assert flac.walk(data[:-50]).end == len(data) - 50, "cut off is not appended"


def test_damaged_flac_is_left_to_the_decoder() -> None:
    data = (DATA / "visit.flac").read_bytes()
    chance = random.Random(8)
    for _ in range(40):
        damaged = bytearray(data)
        damaged[chance.randrange(4, len(data))] ^= 1 << chance.randrange(8)
        reason(bytes(damaged))
    assert flac.walk(b"fLaC").end == 4
    assert flac.walk(b"fLaC" + bytes(60)).end == 64


def test_a_cover_in_flac_is_no_gap() -> None:
    data = (DATA / "visit.flac").read_bytes()
    cover = b"\x06" + len(NOISE * 8).to_bytes(3, "big") + NOISE * 8
    assert reason(data[:42] + cover + data[42:]) == ""


def test_a_tag_between_two_joined_mp3_files_is_no_gap() -> None:
    data = recording("mp3", "libmp3lame")
    tag = b"APETAGEX" + (2_000).to_bytes(4, "little") + (len(NOISE)).to_bytes(4, "little") + bytes(16) + NOISE
    assert reason(data + tag + data) == ""
    assert reason(data + NOISE + data) == "TRAILING_DATA"


def test_a_tiff_that_states_no_lengths_of_its_strips_is_read() -> None:
    out = io.BytesIO()
    Image.effect_noise((400, 300), 40).save(out, "tiff")
    data = bytearray(out.getvalue())
    entries = int.from_bytes(data[4:8], "little") + 2
    [lengths] = [at for at in range(entries, len(data), 12) if data[at : at + 2] == (279).to_bytes(2, "little")][:1]
    assert int.from_bytes(data[lengths + 4 : lengths + 8], "little") == 1  # one strip, so its length is in the entry
    data[lengths + 8 : lengths + 12] = bytes(4)
    assert reason(bytes(data)) == ""


# WAV without a length


def endless(samples: bytes, width: int = 2) -> bytes:
    """A WAV file that states no length, as a recorder writes it into a pipe."""
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(width)
        file.setframerate(16_000)
        file.writeframes(samples)
    data = out.getvalue()
    at = data.index(b"data")
    return data[:4] + b"\xff" * 4 + data[8 : at + 4] + b"\xff" * 4 + data[at + 8 :]


def _steps(values: object) -> bytes:
    return np.asarray(values).clip(-32_768, 32_767).astype("<i2").tobytes()


COUNT = 64_000
SOUNDS = {
    "silence": bytes(2 * COUNT),
    "noise": _steps(np.random.default_rng(1).standard_normal(COUNT) * 8_000),
    "clipped noise": _steps(np.random.default_rng(1).standard_normal(COUNT) * 20_000),
    "saw": _steps(np.arange(COUNT) * 700 % 65_536 - 32_768),
    "loud tone": _steps(np.sin(np.arange(COUNT) * 0.3) * 32_767),
    "speech": wav_file(4.0)[44:],
}


@pytest.mark.parametrize("samples", SOUNDS.values(), ids=SOUNDS.keys())
def test_a_wav_without_length_passes(samples: bytes) -> None:
    assert reason(endless(samples)) == ""


@pytest.mark.parametrize("width", [1, 2, 3, 4])
def test_samples_of_any_size_pass_and_packed_bytes_do_not(width: int) -> None:
    tone = (np.sin(np.arange(COUNT) * 0.05) * 100).astype(np.int64) << 8 * (width - 1)
    raw = (tone + 128 if width == 1 else tone).astype("<i8").view(np.uint8).reshape(-1, 8)[:, :width].tobytes()
    assert reason(endless(raw, width)) == ""
    assert reason(endless(raw + NOISE, width)) == "FOREIGN_CONTENT"


def test_text_after_a_wav_without_length_is_no_sound() -> None:
    assert reason(endless(SOUNDS["noise"] + b"the quick brown fox jumps " * 800)) == "FOREIGN_CONTENT"


def test_many_headers_in_flac_cost_no_more_than_their_bytes() -> None:
    header = b"\xff\xf8\xf9\x70\x00"  # 32,768 samples in eight channels: half a megabyte may follow
    header += bytes([flac._crc8(header)])
    data = (DATA / "visit.flac").read_bytes()[:42] + header * 17_000
    began_s = time.process_time()
    flac.walk(data)
    assert time.process_time() - began_s < 5, "byte by byte for each header it takes more than a minute"
