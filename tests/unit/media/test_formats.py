from __future__ import annotations

from pathlib import Path

import pytest

from models.media.declared_types import agrees
from models.media.formats import HEAD_BYTES, MediaFormat, MediaKind, detect

DATA = Path(__file__).parents[2] / "data"


@pytest.mark.parametrize(
    ("name", "media_type", "kind"),
    [
        ("register.jpg", "image/jpeg", MediaKind.IMAGE),
        ("visit.wav", "audio/wav", MediaKind.RECORDING),
        ("visit.ogg", "audio/ogg", MediaKind.RECORDING),
        ("visit.webm", "audio/webm", MediaKind.RECORDING),
        ("visit.mp3", "audio/mpeg", MediaKind.RECORDING),
        ("visit.flac", "audio/flac", MediaKind.RECORDING),
        ("visit.m4a", "audio/mp4", MediaKind.RECORDING),
        ("visit.aac", "audio/aac", MediaKind.RECORDING),
    ],
)
def test_formats_of_real_files_are_detected(name: str, media_type: str, kind: MediaKind) -> None:
    found = detect((DATA / name).read_bytes()[:HEAD_BYTES])
    assert found is not None
    assert (found.mime, found.kind) == (media_type, kind)


@pytest.mark.parametrize(
    ("head", "media_type"),
    [
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "image/png"),
        (b"RIFF\x24\0\0\0WEBPVP8 ", "image/webp"),
        (b"II*\0\x08\0\0\0", "image/tiff"),
        (b"MM\0*\0\0\0\x08", "image/tiff"),
        (b"\xff\xfb\x90\x64\0\0\0\0", "audio/mpeg"),
        (b"\xff\xfd\x90\x04\0\0\0\0", "audio/mpeg"),  # Layer II
        (b"ID3\x04\0\0\0\0\0\0", "audio/mpeg"),
        (b"ID3\x04\0\0\0\0\0\x04tag\0fLaC\0\0\0\x22", "audio/flac"),
        (b"ID3\x04\0\0\0\0\0\x04tag\0\xff\xf1\x50\x80", "audio/aac"),
        (b"\0\0\0\x20ftypheic\0\0\0\0", "image/heic"),
        (b"\0\0\0\x1cftypmif1\0\0\0\0mif1heicmiaf", "image/heic"),
        (b"%PDF-1.7\n", "application/pdf"),
        (b"\xef\xbb\xbf%PDF-1.7\n", "application/pdf"),
        (b"\0\0\0\x20ftypisom\0\0\x02\0", "audio/mp4"),
        (b"\0\0\0\x20ftyp3g2c\0\0\x02\0", "audio/mp4"),
    ],
)
def test_formats_of_constructed_headers_are_detected(head: bytes, media_type: str) -> None:
    found = detect(head)
    assert found is not None
    assert found.mime == media_type


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"\xff",
        b"a header that is not at the beginning\n%PDF-1.7\n",
        b"MZ\x90\0\x03",
        b"PK\x03\x04",
        b"<svg xmlns='http://www.w3.org/2000/svg'>",
        b"GIF89a",
        b"RIFF\x24\0\0\0AVI LIST",
        b"RIFFWAVE",
        b"\0\0\0\x20ftypavif\0\0\0\0",
        b"\0\0\0\x1cftypmif1\0\0\0\0mif1avifmiaf",
        b"\xff\xfe<\0h\0t\0m\0l\0",
        b"\xff\xff\xff\xff\xff\xff\xff\xff",
        bytes(64),
        b"\x89PNG\n\x1a\n",
    ],
)
def test_unsupported_formats_are_not_detected(head: bytes) -> None:
    assert detect(head) is None


@pytest.mark.parametrize(
    ("declared", "found", "agreed"),
    [
        ("image/heic", MediaFormat.HEIF, True),
        ("IMAGE/JPEG", MediaFormat.JPEG, True),
        ("image/jpg", MediaFormat.JPEG, True),
        ("audio/webm;codecs=opus", MediaFormat.WEBM, True),
        ("video/webm", MediaFormat.WEBM, True),
        ("audio/x-m4a", MediaFormat.MP4, True),
        ("audio/aac", MediaFormat.MP4, True),
        ("application/pdf", MediaFormat.PDF, True),
        ("application/octet-stream", MediaFormat.PNG, True),
        ("", MediaFormat.WAV, True),
        ("image/png", MediaFormat.JPEG, False),
        ("image/jpeg", MediaFormat.PDF, False),
        ("audio/wav", MediaFormat.MP3, False),
        ("application/zip", MediaFormat.JPEG, False),
        ("application/x-msdownload", MediaFormat.JPEG, False),
        ("nonsense", MediaFormat.JPEG, False),
    ],
)
def test_a_declared_type_agrees_with_the_detected_one_or_not(declared: str, found: MediaFormat, agreed: bool) -> None:
    assert agrees(declared, found) is agreed


def test_every_format_may_be_declared_by_its_own_name() -> None:
    assert all(agrees(found.mime, found) for found in MediaFormat)
