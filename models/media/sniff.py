"""What a file is, judged by its first bytes. Names and declared types are claims; this is the evidence."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

HEAD_BYTES = 4096
"""How much of a file's beginning is looked at; every signature below sits in the first 40 bytes or so."""


class Family(StrEnum):
    """What can be done with a file."""

    IMAGE = "image"
    RECORDING = "recording"


@dataclass(frozen=True, slots=True)
class MediaType:
    """A format that we read."""

    name: str
    family: Family


_Test = Callable[[bytes], bool]


def _starts(*signatures: bytes) -> _Test:
    return lambda head: head.startswith(signatures)


def _riff(form: bytes) -> _Test:
    return lambda head: head[:4] == b"RIFF" and head[8:12] == form


def _is_mp4_audio(head: bytes) -> bool:
    """ISO base media. HEIC and AVIF pictures share the container, and are told apart by the brand."""
    return head[4:8] == b"ftyp" and head[8:12] in _MP4_BRANDS


_MP4_BRANDS = frozenset(
    {b"M4A ", b"M4B ", b"mp41", b"mp42", b"isom", b"iso2", b"iso4", b"iso5", b"iso6", b"dash", b"MSNV", b"avc1"}
    | {b"3gp4", b"3gp5", b"3gp6", b"3g2a", b"qt  "}
)


def _is_adts(head: bytes) -> bool:
    """AAC in ADTS frames: 12 bits of sync, layer 0, a sampling rate that exists."""
    return len(head) >= 7 and head[0] == 0xFF and head[1] & 0xF6 == 0xF0 and (head[2] >> 2) & 0xF < 13


def _is_mpeg_audio(head: bytes) -> bool:
    """MP3 without a tag: 11 bits of sync, a known version, layer III, a bit rate and a sampling rate that exist."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return False
    known_version = (head[1] >> 3) & 3 != 1
    layer_three = (head[1] >> 1) & 3 == 1
    return known_version and layer_three and head[2] >> 4 not in (0, 15) and (head[2] >> 2) & 3 != 3


_TABLE: tuple[tuple[MediaType, _Test], ...] = (
    (MediaType("image/jpeg", Family.IMAGE), _starts(b"\xff\xd8\xff")),
    (MediaType("image/png", Family.IMAGE), _starts(b"\x89PNG\r\n\x1a\n")),
    (MediaType("image/webp", Family.IMAGE), _riff(b"WEBP")),
    (MediaType("image/tiff", Family.IMAGE), _starts(b"II*\x00", b"MM\x00*")),
    (MediaType("audio/wav", Family.RECORDING), _riff(b"WAVE")),
    (MediaType("audio/ogg", Family.RECORDING), _starts(b"OggS\x00")),
    (MediaType("audio/flac", Family.RECORDING), _starts(b"fLaC")),
    # Matroska and WebM share the EBML header; the decoder sorts them out.
    (MediaType("audio/webm", Family.RECORDING), _starts(b"\x1a\x45\xdf\xa3")),
    (MediaType("audio/mp4", Family.RECORDING), _is_mp4_audio),
    (MediaType("audio/mpeg", Family.RECORDING), _starts(b"ID3")),
    (MediaType("audio/aac", Family.RECORDING), _is_adts),
    (MediaType("audio/mpeg", Family.RECORDING), _is_mpeg_audio),
)


def sniff(head: bytes) -> MediaType | None:
    """Type by content, from the first ``HEAD_BYTES`` of a file; None when it is none that we read."""
    for media_type, matches in _TABLE:
        if matches(head):
            return media_type
    return None


def declared_family(declared: str) -> Family | None:
    """Family that a declared type claims; None when it claims nothing in particular.

    Phones label recordings as video when the container could hold one, so ``video/webm`` counts as a recording.
    """
    main = declared.partition("/")[0].strip().lower()
    if main == "image":
        return Family.IMAGE
    return Family.RECORDING if main in ("audio", "video") else None
