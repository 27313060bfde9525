"""Decodes untrusted pictures within limits, and encodes them without metadata.

The format comes from the content. All limits are checked on the header, before a pixel is decoded. The result is plain
RGB, upright, without metadata.
"""

from __future__ import annotations

import io
import struct
import threading
import warnings
import zlib
from collections.abc import Set
from dataclasses import dataclass
from typing import Final

import numpy as np
import pi_heif
from PIL import Image, ImageOps

from models.errors import BrokenMedia, InvalidInput, TooLarge, UnsupportedMedia
from models.media.formats import IMAGE_NAMES, MediaFormat, MediaKind, detect, is_avif
from models.media.inspection import inspect
from models.media.jpeg_quality import HIGHEST, quality_of
from models.media.pixel_modes import fit, to_rgb
from models.media.pixels import Pixels
from models.media.structure import png_apple
from models.reasons import Reason

MIB: Final = 1024 * 1024

JPEG: Final = MediaFormat.JPEG.mime
PNG: Final = MediaFormat.PNG.mime

JPEG_QUALITY: Final = 90
LOSSLESS_PIXELS: Final = 9_000_000
"""A page of A4 at 300 dots per inch has 8.7 million."""
READ_BYTES: Final = 64 * 1024
"""What Pillow reads at a time; it gets a JPEG whole. It reads as much for each strip of a TIFF, and thousands may lie
in the same place."""

READ_SIDE: Final = 2_000
"""Longest side of a picture while the OCR looks for print and reads it, in pixels."""
HALVED_SIDE: Final = 1_920
"""A JPEG is decoded at a half or a quarter of its size while its longest side stays as long as this: of cameras, 3,840
pixels and more. ``READ_SIDE`` would leave out those that have a little less than twice as much."""
SHOWN_SIDE: Final = 2_048
"""Longest side of a picture that a person sees. What is too small for the OCR must be too small for a person as well
(docs/evaluation/pictures, "Small print and small codes"). It is a little more than ``READ_SIDE``, because half of a
phone's 4,032 or 4,080 pixels need not be scaled again."""

SMALLER: Final = "Photograph it with a lower resolution."

CLEAN_PNG_LEVEL: Final = 1
MAX_CLEAN_PNG_BYTES: Final = 32 * MIB
"""A PNG that would be larger is a photo, and becomes JPEG."""

pi_heif.register_heif_opener()  # teaches Pillow HEIC, and not AVIF
pi_heif.options.DECODE_THREADS = 1

_FORMATS: Final = frozenset(found for found in MediaFormat if found.kind is MediaKind.IMAGE)
_PILLOW_NAMES: Final = {MediaFormat.HEIF: "HEIF"}
"""Where Pillow calls a format by another name than ``MediaFormat.label``."""

_MANY_PICTURES: Final = frozenset({MediaFormat.JPEG, MediaFormat.HEIF, MediaFormat.TIFF})
"""Further pictures in these are previews, depth maps and the like; the first one, or the primary one, counts. A TIFF
with further pages was refused before: see ``inspect``."""

# Errors that Pillow's decoders raise on hostile input.
_DECODER_ERRORS: Final = (
    OSError,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    SyntaxError,
    EOFError,
    OverflowError,
    ZeroDivisionError,
    AttributeError,
    RuntimeError,
    struct.error,
    zlib.error,
)
# Pillow warns about damaged metadata. Warning filters are process-wide, so one decode at a time changes them.
_WARNING_FILTERS = threading.Lock()


@dataclass(frozen=True, slots=True)
class ImageLimits:
    """Bounds on one picture.

    Attributes:
        file_bytes: Size of the encoded file.
        pixels: Width times height of the encoded picture; 64 million covers the large mode of current phones.
        side: Longest side of the encoded picture.
        frames: Pages or animation frames.
        working_side: Larger pictures are scaled down to this longest side.
        large_pixels: Pictures with more pixels are scaled down to ``SHOWN_SIDE`` at once, which saves memory and time.
    """

    file_bytes: int = 25 * MIB
    pixels: int = 64_000_000
    side: int = 16_384
    frames: int = 1
    working_side: int = SHOWN_SIDE
    large_pixels: int = 16_000_000


@dataclass(frozen=True, slots=True)
class DecodedImage:
    """A picture ready for the OCR.

    Attributes:
        pixels: RGB, upright, longest side at most ``working_side``.
        mime: Media type of the file.
        width: Upright width of the encoded picture, before scaling down.
        height: Upright height of the encoded picture, before scaling down.
    """

    pixels: Pixels
    mime: str
    width: int
    height: int


def image_format(data: bytes) -> MediaFormat:
    """The format by content.

    Raises:
        UnsupportedMedia: We do not read this format.
        BrokenMedia: There are no bytes.
    """
    if not data:
        raise BrokenMedia("The file is empty.", reason=Reason.EMPTY_FILE, hint="Send the picture again.")
    found = detect(data)
    if found is not None and found.kind is MediaKind.IMAGE:
        return found
    if is_avif(data):
        raise UnsupportedMedia("AVIF pictures are not read.", hint=f"Send {IMAGE_NAMES}.")
    raise UnsupportedMedia("This is no picture that can be read.", hint=f"Send {IMAGE_NAMES}.")


def decode(data: bytes, limits: ImageLimits, formats: Set[MediaFormat] = _FORMATS) -> DecodedImage:
    """Decode a picture from untrusted bytes.

    Args:
        data: The file.
        limits: Bounds.
        formats: Those that are accepted; of what the sandbox made, only ``formats.CLEAN_PICTURES``.

    Raises:
        TooLarge: A bound of ``limits`` is passed.
        UnsupportedMedia: The type is not one that we read, or the file holds something else besides.
        BrokenMedia: The content is truncated or damaged.
    """
    if len(data) > limits.file_bytes:
        raise TooLarge(
            f"The picture has {len(data)} bytes, {limits.file_bytes} are allowed.", reason=Reason.IMAGE_TOO_LARGE
        )
    found = image_format(data)
    if found is MediaFormat.PDF:
        raise UnsupportedMedia("A PDF is no single picture.", hint="Send each page as a JPEG or PNG picture.")
    if found not in formats:
        raise UnsupportedMedia(f"A {found.label} picture is not accepted here.")
    inspect(data, found)
    rgb, full = _guarded(data, found, limits)
    return DecodedImage(np.array(rgb, dtype=np.uint8), found.mime, *full)


def clean(data: bytes, found: MediaFormat, limits: ImageLimits) -> bytes:
    """Decode a picture, and encode it anew: upright, without metadata.

    PNG stays PNG. Other pictures of up to ``LOSSLESS_PIXELS``, such as scans, become TIFF, which loses nothing: of
    receipts that were JPEG once more, the OCR read 0.6 % fewer words. Larger ones become JPEG, with the quality that
    they came with if they are not scaled down here.

    Args:
        data: The file; ``inspect`` has seen it.
        found: Its format by content.
        limits: Bounds; the longest side becomes at most ``working_side``.

    Raises:
        TooLarge, BrokenMedia: As ``decode``.
    """
    rgb, full = _guarded(data, found, limits)
    quality = quality_of(rgb) if rgb.size == full else HIGHEST
    rgb.info = {}  # Pillow writes what stands there: comments, colour profiles, the compression of the file
    out = io.BytesIO()
    if found is MediaFormat.PNG:
        rgb.save(out, "PNG", compress_level=CLEAN_PNG_LEVEL)
    elif full[0] * full[1] <= LOSSLESS_PIXELS:
        rgb.copy().save(out, "TIFF")  # a copy, because an opened TIFF has tags that Pillow would write again
    return out.getvalue() if 0 < out.tell() <= MAX_CLEAN_PNG_BYTES else _jpeg(rgb, quality)


class _Chunks(io.BytesIO):
    """A file that keeps what is written as it is."""

    def __init__(self) -> None:
        super().__init__()
        self.chunks: list[bytes] = []

    def write(self, chunk: bytes, /) -> int:  # type: ignore[override]  # Pillow writes nothing but bytes
        self.chunks.append(chunk)
        return len(chunk)


def _jpeg(picture: Image.Image, quality: int) -> bytes:
    """The picture as a JPEG, which is not copied if Pillow writes it in one piece."""
    file = _Chunks()
    picture.save(file, "JPEG", quality=quality)
    return b"".join(file.chunks)


def _guarded(data: bytes, found: MediaFormat, limits: ImageLimits) -> tuple[Image.Image, tuple[int, int]]:
    """The upright RGB picture, and the upright size before scaling. Errors of the decoder become ours."""
    with _WARNING_FILTERS, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with Image.open(io.BytesIO(data), formats=(_PILLOW_NAMES.get(found, found.label),)) as picture:
                picture.decodermaxblock = len(data) if found is MediaFormat.JPEG else READ_BYTES
                _check(picture, found, limits)
                if found is MediaFormat.PNG and png_apple.is_apple(data):
                    with Image.open(io.BytesIO(png_apple.as_standard(data)), formats=("PNG",)) as standard:
                        return _upright(png_apple.in_standard_order(standard), found, limits)
                return _upright(picture, found, limits)
        except Image.DecompressionBombError as exc:
            raise TooLarge("The picture has far too many pixels.", reason=Reason.IMAGE_TOO_LARGE) from exc
        except MemoryError as exc:
            raise TooLarge(
                "The picture needs too much memory to be decoded.", reason=Reason.IMAGE_TOO_LARGE, hint=SMALLER
            ) from exc
        except _DECODER_ERRORS as exc:
            # `from None`: a decoder's message can quote bytes of the file.
            raise BrokenMedia(f"The {found.label} picture is damaged ({type(exc).__name__}).") from None


def encode(pixels: Pixels, mime: str) -> bytes:
    """Encode pixels as JPEG or PNG without any metadata.

    Raises:
        InvalidInput: The type is neither JPEG nor PNG.
    """
    if mime not in {JPEG, PNG}:
        raise InvalidInput("Pictures are encoded as image/jpeg or image/png.", reason=Reason.UNSUPPORTED_OUTPUT)
    picture = Image.fromarray(pixels)
    if mime == JPEG:
        return _jpeg(picture, JPEG_QUALITY)
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()


def output_mime(mime: str) -> str:
    """Media type of the masked picture: PNG stays PNG, everything else becomes JPEG."""
    return PNG if mime == PNG else JPEG


def _check(picture: Image.Image, found: MediaFormat, limits: ImageLimits) -> None:
    width, height = picture.size
    if width * height > limits.pixels or max(width, height) > limits.side:
        raise TooLarge(
            f"The picture has {width} x {height} pixels; {limits.pixels} pixels and {limits.side} a side are allowed.",
            reason=Reason.IMAGE_TOO_LARGE,
            hint=SMALLER,
        )
    frames = 1 if found in _MANY_PICTURES else getattr(picture, "n_frames", 1)
    if frames > limits.frames:
        raise TooLarge(
            f"The file has {frames} pages or frames; {limits.frames} allowed.",
            reason=Reason.TOO_MANY_PAGES,
            hint="Send each page as its own picture.",
        )


def _upright(picture: Image.Image, found: MediaFormat, limits: ImageLimits) -> tuple[Image.Image, tuple[int, int]]:
    full = picture.size
    large = full[0] * full[1] > limits.large_pixels
    side = min(limits.working_side, SHOWN_SIDE) if large else limits.working_side
    if found is MediaFormat.JPEG:
        picture.draft("RGB", fit(full, min(side, HALVED_SIDE)))  # libjpeg is fast at 1/2, 1/4 or 1/8 of the size
    picture.load()
    if found is MediaFormat.TIFF:
        full = picture.size  # Pillow turns TIFF while loading
    before = picture.size
    ImageOps.exif_transpose(picture, in_place=True)
    if picture.size != before and picture.size == before[::-1]:
        full = full[::-1]
    return to_rgb(picture, side), full
