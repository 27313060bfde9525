"""From the untrusted bytes of a file to a clean form of our own, which is all that any other part ever reads.

The steps: the format by content, the structure and what is hidden in it, then decoding and encoding anew. They belong
into a process of their own, see ``server.sandbox``.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from models.errors import BrokenMedia, UnsupportedMedia
from models.media import documents, images, recordings
from models.media.audio_headers import AudioLimits
from models.media.documents import DocumentLimits
from models.media.formats import (
    AUDIO_NAMES,
    CLEAN_PICTURES,
    CLEAN_RECORDINGS,
    HEAD_BYTES,
    IMAGE_NAMES,
    MediaFormat,
    MediaKind,
    detect,
)
from models.media.images import ImageLimits
from models.media.inspection import inspect
from models.media.pages import MARK, pack
from models.reasons import Reason

CLEAN_BYTES = 128 * 1024 * 1024
"""Largest clean form: an hour of noise as FLAC has 115 MB."""

CLEAN_SIDE = 6_400
"""Longest side of a clean picture. It may be three times that of the OCR, so that few pictures are scaled twice."""


@dataclass(frozen=True, slots=True)
class MediaLimits:
    """Bounds on one file."""

    images: ImageLimits = field(default_factory=lambda: ImageLimits(working_side=CLEAN_SIDE))
    documents: DocumentLimits = field(default_factory=DocumentLimits)
    audio: AudioLimits = field(default_factory=AudioLimits)


@dataclass(frozen=True, slots=True)
class CleanMedia:
    """The clean form of a file.

    Attributes:
        found: Format of the file that came.
        content: PNG, TIFF or JPEG; ``pack``ed JPEGs of a document's pages; or FLAC.
        pages: Pictures in it; 0 for a recording.
        audio_s: Length of a recording in seconds; 0 for anything else.
    """

    found: MediaFormat
    content: bytes = field(repr=False)
    pages: int = 0
    audio_s: float = 0.0


def clean(data: bytes, limits: MediaLimits) -> CleanMedia:
    """Check a file, decode it, and encode it anew.

    Raises:
        UnsupportedMedia: Not a format that we read; FOREIGN_CONTENT, TRAILING_DATA, ACTIVE_CONTENT, ENCRYPTED_DOCUMENT.
        BrokenMedia: The content is cut off or damaged.
        TooLarge: A bound is passed.
    """
    if not data:
        raise BrokenMedia("The file is empty.", reason=Reason.EMPTY_FILE)
    found = detect(data[:HEAD_BYTES])
    if found is None:
        raise UnsupportedMedia(
            "The format of the content is not supported.",
            hint=f"Send a picture as {IMAGE_NAMES}, a recording as {AUDIO_NAMES}.",
        )
    inspect(data, found)
    if found is MediaFormat.PDF:
        pages = documents.draw_pages(data, limits.documents)
        return CleanMedia(found, pack(pages), pages=len(pages))
    if found.kind is MediaKind.IMAGE:
        return CleanMedia(found, images.clean(data, found, limits.images), pages=1)
    content, audio_s = recordings.clean(data, found, limits.audio)
    return CleanMedia(found, content, audio_s=audio_s)


def is_clean_form(head: bytes, found: MediaFormat) -> bool:
    """Whether the first bytes are those of a clean form. They may come from a decoder that was taken over.

    Args:
        head: Its first bytes.
        found: Format of the file that it is made of.
    """
    if found.kind is MediaKind.RECORDING:
        return detect(head) in CLEAN_RECORDINGS
    if found is MediaFormat.PDF and head.startswith(MARK):
        return True
    return detect(head) in CLEAN_PICTURES
