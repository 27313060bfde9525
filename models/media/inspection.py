"""Inspects a whole file before anything decodes it: its structure, what follows its end, and what else it holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from models.media.foreign import check_foreign, foreign_content, holds_foreign, holds_script
from models.media.formats import MediaFormat
from models.media.structure import flac, frames, iso_boxes, jpeg, png, riff, streams, tiff
from models.media.structure.layout import Layout
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
    check_foreign(data, found)
    walk = _WALKERS.get(found)
    if walk is None:
        return
    layout = walk(data)
    texts = (*layout.unpacked, *layout.texts)
    if any(holds_foreign(piece, found) for piece in layout.unpacked) or any(map(holds_script, texts)):
        raise foreign_content(found)
    check_trailer(data, layout.end, found)
