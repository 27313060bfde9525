"""What a walker returns, and the bounds that all of them share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from models.errors import BrokenMedia, TooLarge
from models.reasons import Reason

EXPORT_AGAIN: Final = "Open it in an app and export it again."
"""The hint for a file that has more in it than a picture or a recording needs."""

MAX_METADATA_BYTES: Final = 4 * 1024 * 1024
"""EXIF, colour profiles, comments, XMP and covers together. A depth map of a phone has about 1 MB."""

MAX_PARTS: Final = 20_000
"""Chunks, boxes, segments or pages of one file. A recorder writes about one page a second."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Where a container ends.

    Attributes:
        end: Offset after its last byte.
        unpacked: Metadata that the file keeps compressed, unpacked.
        texts: Metadata that may be text: comments, descriptions, tags.
    """

    end: int
    unpacked: tuple[bytes, ...] = ()
    texts: tuple[bytes, ...] = ()


class MetadataBudget:
    """Counts the parts of one file and the bytes of its metadata, and keeps what may be text.

    Args:
        max_parts: How many parts it may have.
    """

    def __init__(self, max_parts: int = MAX_PARTS) -> None:
        self._max_parts = max_parts
        self._parts = 0
        self._bytes = 0
        self.texts: list[bytes] = []

    def part(self) -> None:
        """Count one more part.

        Raises:
            TooLarge: There are too many.
        """
        self._parts += 1
        if self._parts > self._max_parts:
            raise TooLarge(f"The file has more than {self._max_parts} parts.", reason=Reason.MEDIA_TOO_COMPLEX)

    def metadata(self, size_bytes: int) -> None:
        """Count the bytes of a part that is neither picture nor sound.

        Raises:
            TooLarge: There are too many.
        """
        self._bytes += size_bytes
        if self._bytes > MAX_METADATA_BYTES:
            raise TooLarge(
                f"The file has more than {MAX_METADATA_BYTES} bytes of metadata.", reason=Reason.MEDIA_TOO_COMPLEX
            )

    def text(self, piece: bytes) -> None:
        """Count a part that may be text, and keep it in ``texts``.

        Raises:
            TooLarge: There are too many bytes of metadata.
        """
        self.metadata(len(piece))
        self.texts.append(piece)


def cut_off(label: str) -> BrokenMedia:
    """The error for a file that ends before its container does."""
    return BrokenMedia(f"The {label} file is cut off.")
