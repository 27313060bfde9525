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
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from models.errors import BrokenMedia, InvalidInput, TooLarge, UnsupportedMedia
from models.media.formats import IMAGE_NAMES, MediaFormat, MediaKind, detect, is_heif, is_pdf
from models.media.pixels import Pixels
from models.reasons import Reason

MIB: Final = 1024 * 1024

JPEG: Final = MediaFormat.JPEG.mime
PNG: Final = MediaFormat.PNG.mime

JPEG_QUALITY: Final = 90
MAX_JPEG_SCANS: Final = 64  # progressive encoders write about ten; each scan costs a pass over the whole picture

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
    MemoryError,
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
        working_side: Larger pictures are scaled down to this longest side. Print stays legible.
    """

    file_bytes: int = 25 * MIB
    pixels: int = 64_000_000
    side: int = 16_384
    frames: int = 1
    working_side: int = 3_200


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


def _image_format(data: bytes) -> MediaFormat:
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
    if is_heif(data):
        raise UnsupportedMedia(
            "HEIC and AVIF pictures are not read yet.",
            hint="Send JPEG: on an iPhone choose Settings, Camera, Formats, Most Compatible.",
        )
    if is_pdf(data):
        raise UnsupportedMedia("PDF documents are not read yet.", hint="Send each page as a JPEG or PNG picture.")
    raise UnsupportedMedia("This is no picture that can be read.", hint=f"Send {IMAGE_NAMES}.")


def decode(data: bytes, limits: ImageLimits) -> DecodedImage:
    """Decode a picture from untrusted bytes.

    Raises:
        TooLarge: A bound of ``limits`` is passed.
        UnsupportedMedia: The type is not one that we read.
        BrokenMedia: The content is truncated or damaged.
    """
    if len(data) > limits.file_bytes:
        raise TooLarge(
            f"The picture has {len(data)} bytes, {limits.file_bytes} are allowed.", reason=Reason.IMAGE_TOO_LARGE
        )
    found = _image_format(data)
    if found is MediaFormat.JPEG and data.count(b"\xff\xda") > MAX_JPEG_SCANS:
        raise TooLarge(f"The JPEG has more than {MAX_JPEG_SCANS} scans.", reason=Reason.IMAGE_TOO_LARGE)
    with _WARNING_FILTERS, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with Image.open(io.BytesIO(data), formats=(found.label,)) as picture:
                _check(picture, found, limits)
                if found is MediaFormat.PNG:
                    _verify_png(data)
                return _upright(picture, found, limits)
        except Image.DecompressionBombError as exc:
            raise TooLarge("The picture has far too many pixels.", reason=Reason.IMAGE_TOO_LARGE) from exc
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
    out = io.BytesIO()
    if mime == JPEG:
        Image.fromarray(pixels).save(out, "JPEG", quality=JPEG_QUALITY)
    else:
        Image.fromarray(pixels).save(out, "PNG")
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
            hint="Photograph it with a lower resolution.",
        )
    # Further frames of a JPEG are a phone's depth map or preview.
    frames = 1 if found is MediaFormat.JPEG else getattr(picture, "n_frames", 1)
    if frames > limits.frames:
        raise TooLarge(
            f"The file has {frames} pages or frames; {limits.frames} allowed.",
            reason=Reason.TOO_MANY_PAGES,
            hint="Send each page as its own picture.",
        )


def _verify_png(data: bytes) -> None:
    """Check the checksums of all chunks; Pillow does not while it decodes."""
    with Image.open(io.BytesIO(data), formats=("PNG",)) as picture:
        picture.verify()


def _upright(picture: Image.Image, found: MediaFormat, limits: ImageLimits) -> DecodedImage:
    full = picture.size
    if found is MediaFormat.JPEG:
        # libjpeg decodes fast at 1/2, 1/4 or 1/8 of the size; it stays at least as large as needed.
        picture.draft("RGB", _fit(full, limits.working_side))
    picture.load()
    if found is MediaFormat.TIFF:
        full = picture.size  # Pillow turns TIFF while loading
    upright = ImageOps.exif_transpose(picture)
    if upright.size != picture.size and upright.size == picture.size[::-1]:
        full = full[::-1]
    rgb = _as_rgb(upright)
    size = _fit(rgb.size, limits.working_side)
    if size != rgb.size:
        rgb = rgb.resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0)
    return DecodedImage(np.array(rgb, dtype=np.uint8), found.mime, *full)


def _fit(size: tuple[int, int], side: int) -> tuple[int, int]:
    """The size scaled down so that the longest side is at most ``side``."""
    scale = min(1.0, side / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _as_rgb(picture: Image.Image) -> Image.Image:
    """Convert any mode to RGB. Transparent pixels become white, so that hidden colours do not show."""
    if picture.mode in {"F", "I"} or picture.mode.startswith("I;"):
        return Image.fromarray(_as_8_bit(np.asarray(picture, dtype=np.float64))).convert("RGB")
    if picture.mode in {"RGBA", "LA", "PA", "RGBa", "La"} or "transparency" in picture.info:
        rgba = picture.convert("RGBA")
        ground = Image.new("RGBA", rgba.size, (255, 255, 255, 255))
        return Image.alpha_composite(ground, rgba).convert("RGB")
    return picture.convert("RGB")


def _as_8_bit(values: npt.NDArray[np.float64]) -> npt.NDArray[np.uint8]:
    """Grey values of 16 bits, or of any range, as 0 to 255."""
    clean = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
    low, high = float(clean.min()), float(clean.max())
    if low >= 0 and high <= 65_535:
        low, high = 0.0, 65_535.0 if high > 255 else 255.0
    span = (high - low) or 1.0
    return ((clean - low) * (255.0 / span)).round().clip(0, 255).astype(np.uint8)
