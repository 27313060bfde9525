from __future__ import annotations

from pathlib import Path

import pytest

from models.media.formats import HEAD_BYTES, MediaKind, declared_kind, detect

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
def test_unsupported_formats_are_not_detected(head: bytes) -> None:
    assert detect(head) is None


@pytest.mark.parametrize(
    ("declared", "kind"),
    [
        ("image/heic", MediaKind.IMAGE),
        ("IMAGE/JPEG", MediaKind.IMAGE),
        ("audio/webm;codecs=opus", MediaKind.RECORDING),
        ("video/webm", MediaKind.RECORDING),
        ("application/octet-stream", None),
        ("", None),
        ("nonsense", None),
    ],
)
def test_declared_media_types_map_to_their_kind(declared: str, kind: MediaKind | None) -> None:
    assert declared_kind(declared) is kind
