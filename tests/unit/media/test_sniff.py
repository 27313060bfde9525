from __future__ import annotations

from pathlib import Path

import pytest

from models.media.sniff import HEAD_BYTES, Family, declared_family, sniff

DATA = Path(__file__).parents[2] / "data"


@pytest.mark.parametrize(
    ("name", "media_type", "family"),
    [
        ("register.jpg", "image/jpeg", Family.IMAGE),
        ("visit.wav", "audio/wav", Family.RECORDING),
        ("visit.ogg", "audio/ogg", Family.RECORDING),
        ("visit.webm", "audio/webm", Family.RECORDING),
        ("visit.mp3", "audio/mpeg", Family.RECORDING),
        ("visit.flac", "audio/flac", Family.RECORDING),
        ("visit.m4a", "audio/mp4", Family.RECORDING),
        ("visit.aac", "audio/aac", Family.RECORDING),
    ],
)
def test_real_files(name: str, media_type: str, family: Family) -> None:
    found = sniff((DATA / name).read_bytes()[:HEAD_BYTES])
    assert found is not None
    assert (found.name, found.family) == (media_type, family)


@pytest.mark.parametrize(
    ("head", "media_type"),
    [
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "image/png"),
        (b"RIFF\x24\0\0\0WEBPVP8 ", "image/webp"),
        (b"II*\0\x08\0\0\0", "image/tiff"),
        (b"MM\0*\0\0\0\x08", "image/tiff"),
        (b"\xff\xfb\x90\x64\0\0\0\0", "audio/mpeg"),
        (b"ID3\x04\0\0\0\0\0\0", "audio/mpeg"),
        (b"\0\0\0\x20ftypisom\0\0\x02\0", "audio/mp4"),
    ],
)
def test_made_heads(head: bytes, media_type: str) -> None:
    found = sniff(head)
    assert found is not None
    assert found.name == media_type


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"\xff",
        b"%PDF-1.7\n",
        b"MZ\x90\0\x03",
        b"PK\x03\x04",
        b"<svg xmlns='http://www.w3.org/2000/svg'>",
        b"GIF89a",
        b"RIFF\x24\0\0\0AVI LIST",
        b"RIFFWAVE",
        b"\0\0\0\x20ftypheic\0\0\0\0",
        b"\0\0\0\x20ftypavif\0\0\0\0",
        b"\xff\xfe<\0h\0t\0m\0l\0",
        b"\xff\xff\xff\xff\xff\xff\xff\xff",
        bytes(64),
        b"\x89PNG\n\x1a\n",
    ],
)
def test_what_is_not_read(head: bytes) -> None:
    assert sniff(head) is None


@pytest.mark.parametrize(
    ("declared", "family"),
    [
        ("image/heic", Family.IMAGE),
        ("IMAGE/JPEG", Family.IMAGE),
        ("audio/webm;codecs=opus", Family.RECORDING),
        ("video/webm", Family.RECORDING),
        ("application/octet-stream", None),
        ("", None),
        ("nonsense", None),
    ],
)
def test_declared_family(declared: str, family: Family | None) -> None:
    assert declared_family(declared) is family
