"""The media formats that we know, told from a file's first bytes. File names and declared types are only claims."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, StrEnum

HEAD_BYTES = 4096
"""Bytes of a file's beginning that ``detect`` should see when there is no longer ID3 tag."""

LEAST_HEAD_BYTES = 64
"""Enough for every signature below, unless an ID3 tag stands before it."""

AUDIO_NAMES = "webm, ogg, wav, mp3, aac, m4a or flac"
"""The recordings that we read, for a person."""

IMAGE_NAMES = "JPEG, PNG, WebP, HEIC, a one-page TIFF or a PDF of a few pages"
"""The pictures that we read, for a person."""


class MediaKind(StrEnum):
    """Whether a file is a picture or a recording."""

    IMAGE = "image"
    RECORDING = "recording"


class MediaFormat(Enum):
    """A format that we read. For recordings it is the container; the codec may be any that FFmpeg decodes.

    Attributes:
        label: Short name in messages.
        mime: Media type.
        kind: Picture or recording. A PDF counts as a picture: its pages are drawn.
    """

    JPEG = ("JPEG", "image/jpeg", MediaKind.IMAGE)
    PNG = ("PNG", "image/png", MediaKind.IMAGE)
    WEBP = ("WEBP", "image/webp", MediaKind.IMAGE)
    TIFF = ("TIFF", "image/tiff", MediaKind.IMAGE)
    HEIF = ("HEIC", "image/heic", MediaKind.IMAGE)
    PDF = ("PDF", "application/pdf", MediaKind.IMAGE)
    WAV = ("wav", "audio/wav", MediaKind.RECORDING)
    OGG = ("ogg", "audio/ogg", MediaKind.RECORDING)
    FLAC = ("flac", "audio/flac", MediaKind.RECORDING)
    WEBM = ("webm", "audio/webm", MediaKind.RECORDING)
    MP4 = ("m4a", "audio/mp4", MediaKind.RECORDING)
    MP3 = ("mp3", "audio/mpeg", MediaKind.RECORDING)
    AAC = ("aac", "audio/aac", MediaKind.RECORDING)

    def __init__(self, label: str, mime: str, kind: MediaKind) -> None:
        self.label = label
        self.mime = mime
        self.kind = kind


CLEAN_PICTURES = frozenset({MediaFormat.PNG, MediaFormat.TIFF, MediaFormat.JPEG})
"""What a clean picture, or a page of a clean document, can be; see ``models.media.clean``."""

CLEAN_RECORDINGS = frozenset({MediaFormat.FLAC})
"""What a clean recording can be."""


def detect(head: bytes) -> MediaFormat | None:
    """Detect the format from the first ``needed_bytes`` bytes, or more; None for a format that we do not read."""
    for found, matches in _SIGNATURES:
        if matches(head):
            return found
    return _after_id3(head) if head.startswith(_ID3) else _mpeg_frame(head)


def needed_bytes(head: bytes | bytearray) -> int:
    """How many bytes ``detect`` needs, given the first ones: the audio's signature comes after an ID3 tag."""
    if head[:3] == _ID3 and len(head) >= 10 and _id3_bytes(head) <= _LONGEST_TAG_BYTES:
        return _id3_bytes(head) + LEAST_HEAD_BYTES
    return LEAST_HEAD_BYTES


def is_avif(head: bytes) -> bool:
    """Whether it is an AVIF picture, which we do not read. It shares the container of HEIC and MP4."""
    return head[4:8] == b"ftyp" and bool({head[8:12], *_compatible_brands(head)} & _AVIF_BRANDS)


_Test = Callable[[bytes], bool]


def _starts(*signatures: bytes) -> _Test:
    return lambda head: head.startswith(signatures)


def _riff(form: bytes) -> _Test:
    return lambda head: head[:4] == b"RIFF" and head[8:12] == form


def _compatible_brands(head: bytes) -> list[bytes]:
    end = min(int.from_bytes(head[:4], "big"), _LONGEST_BRANDS_BYTES, len(head))
    return [head[at : at + 4] for at in range(16, end - 3, 4)]


def _is_heif(head: bytes) -> bool:
    return head[4:8] == b"ftyp" and head[8:12] in _HEIF_BRANDS and not is_avif(head)


def _is_mp4(head: bytes) -> bool:
    """Whether it is ISO base media whose brand is not that of a picture."""
    return head[4:8] == b"ftyp" and head[8:12] not in _HEIF_BRANDS | _AVIF_BRANDS


def _is_pdf(head: bytes) -> bool:
    """Whether it is a PDF. Readers accept 1,024 bytes of anything before the header; we accept a mark and blanks."""
    return head.removeprefix(b"\xef\xbb\xbf")[:16].lstrip().startswith(b"%PDF-")


_HEIF_BRANDS = frozenset({b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1"})
_AVIF_BRANDS = frozenset({b"avif", b"avis"})
_LONGEST_BRANDS_BYTES = 256

_SIGNATURES: tuple[tuple[MediaFormat, _Test], ...] = (
    (MediaFormat.JPEG, _starts(b"\xff\xd8\xff")),
    (MediaFormat.PNG, _starts(b"\x89PNG\r\n\x1a\n")),
    (MediaFormat.WEBP, _riff(b"WEBP")),
    (MediaFormat.TIFF, _starts(b"II*\x00", b"MM\x00*")),
    (MediaFormat.WAV, _riff(b"WAVE")),
    (MediaFormat.OGG, _starts(b"OggS")),
    (MediaFormat.FLAC, _starts(b"fLaC")),
    (MediaFormat.WEBM, _starts(b"\x1a\x45\xdf\xa3")),  # EBML: Matroska and WebM; the decoder sorts them out
    (MediaFormat.HEIF, _is_heif),
    (MediaFormat.MP4, _is_mp4),
    (MediaFormat.PDF, _is_pdf),
)

_ID3 = b"ID3"
_LONGEST_TAG_BYTES = 1 << 20
"""Album covers fit. After a longer tag the format is assumed to be MP3."""


def _id3_bytes(head: bytes | bytearray) -> int:
    """Length of the tag with its header: 28 bits in four bytes, so that it never looks like a sync word."""
    size = sum((byte & 0x7F) << shift for byte, shift in zip(head[6:10], (21, 14, 7, 0), strict=False))
    return 10 + size


def _after_id3(head: bytes) -> MediaFormat:
    """MP3, AAC or FLAC after an ID3 tag; MP3 when the tag is longer than the head."""
    rest = head[_id3_bytes(head) :].lstrip(b"\0")
    if len(rest) < 4:
        return MediaFormat.MP3
    return MediaFormat.FLAC if rest.startswith(b"fLaC") else (_mpeg_frame(rest) or MediaFormat.MP3)


def _mpeg_frame(head: bytes) -> MediaFormat | None:
    """MP3 or AAC without a tag: a frame header has 11 set bits, then version and layer."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    layer, version = head[1] >> 1 & 3, head[1] >> 3 & 3
    if layer == 0:  # ADTS; its sync has 12 bits
        return MediaFormat.AAC if head[1] & 0xF0 == 0xF0 and head[2] >> 2 & 15 <= 12 else None
    bitrate, rate = head[2] >> 4, head[2] >> 2 & 3
    # Layer I (3) is left out: nobody records it, and UTF-16 text also begins with FF FE.
    if layer == 3 or version == 1 or bitrate in (0, 15) or rate == 3:
        return None
    return MediaFormat.MP3
