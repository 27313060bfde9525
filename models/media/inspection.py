"""Inspects a whole file before anything decodes it: its structure, what follows its end, and what else it holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from models.media.foreign import ForeignSearch, check_foreign, foreign_content, holds_foreign, holds_script
from models.media.formats import MediaFormat, MediaKind
from models.media.structure import flac, frames, iso_boxes, jpeg, png, riff, streams, tiff
from models.media.structure.layout import MAX_METADATA_BYTES, Layout
from models.media.trailers import check_trailer

_WALKERS: Final[Mapping[MediaFormat, Callable[[bytes], Layout]]] = {
    MediaFormat.JPEG: jpeg.walk,
    MediaFormat.PNG: png.walk,
    MediaFormat.WEBP: riff.walk,
    MediaFormat.TIFF: tiff.walk,
    MediaFormat.HEIF: iso_boxes.walk,
    MediaFormat.WAV: riff.walk,
    MediaFormat.OGG: streams.walk_ogg,
    MediaFormat.WEBM: streams.walk_ebml,
    MediaFormat.MP4: iso_boxes.walk,
    MediaFormat.MP3: frames.walk_mp3,
    MediaFormat.AAC: frames.walk_adts,
    MediaFormat.FLAC: flac.walk,
}
"""PDF has checks of its own."""

EARLY_BYTES: Final = 64 * 1024
"""When the metadata of a stream are searched first: titles and comments mostly stand at its beginning."""

MOST_KEPT_BYTES: Final = 8 * 1024 * 1024
"""Of a stream that is in memory for this search: twice the metadata that a file may have."""


def inspect(data: bytes, found: MediaFormat) -> None:
    """Refuse what is hidden in a file, and what would make its decoder work too hard.

    Args:
        data: The whole file.
        found: Its format by its first bytes.

    Raises:
        UnsupportedMedia: FOREIGN_CONTENT, TRAILING_DATA.
        BrokenMedia: A picture is cut off or damaged.
        TooLarge: MEDIA_TOO_COMPLEX, DECOMPRESSION_BOMB, IMAGE_TOO_LARGE, TOO_MANY_PAGES.
    """
    if found is MediaFormat.TIFF:
        tiff.check_compression(data)
    check_foreign(data, found)
    layout = _search_metadata(data, found)
    if layout is not None:
        check_trailer(data, layout.end, found)


def _search_metadata(data: bytes, found: MediaFormat) -> Layout | None:
    walk = _WALKERS.get(found)
    if walk is None:
        return None
    layout = walk(data)
    # After the sound there may be tags; what else there is is refused by its caller.
    tags = data[layout.end :][:MAX_METADATA_BYTES] if found.kind is MediaKind.RECORDING else b""
    texts = (*layout.unpacked, *layout.texts, tags)
    if any(holds_foreign(piece, found) for piece in layout.unpacked) or any(map(holds_script, texts)):
        raise foreign_content(found)
    return layout


class StreamInspection:
    """Inspects a stream while it arrives. What follows its end does not count: it may end anywhere.

    Each piece is searched for other formats. Its metadata are searched for scripts once ``EARLY_BYTES`` have arrived,
    and at its end, because tags may also stand there. Of a stream longer than ``MOST_KEPT_BYTES`` that many bytes are
    searched so, and the last ``EARLY_BYTES`` as if they were text: an hour of sound may have hundreds of megabytes.

    Args:
        found: The format of the stream.
    """

    def __init__(self, found: MediaFormat) -> None:
        self._found = found
        self._search = ForeignSearch(found)
        self._kept = bytearray()
        self._searched_bytes = 0
        self._is_long = False

    def feed(self, piece: bytes) -> None:
        """Look into the next piece.

        Raises:
            UnsupportedMedia: FOREIGN_CONTENT.
            TooLarge: MEDIA_TOO_COMPLEX.
        """
        self._search.feed(piece)
        self._kept += piece
        if not self._is_long and len(self._kept) >= MOST_KEPT_BYTES:
            self.finish()
            self._is_long = True
        elif not self._searched_bytes and len(self._kept) >= EARLY_BYTES:
            self.finish()
        if self._is_long:
            del self._kept[:-EARLY_BYTES]

    def finish(self) -> None:
        """Search the metadata of what is kept of the stream. Raises as ``feed``."""
        if self._is_long:
            if holds_script(bytes(self._kept)):
                raise foreign_content(self._found)
        elif len(self._kept) > self._searched_bytes:
            self._searched_bytes = len(self._kept)
            _search_metadata(bytes(self._kept), self._found)
