"""Uses each decoder once on a file of our own, because libraries import parts of themselves when these are first used.

A confined child cannot open a file, so it could not import them.
"""

from __future__ import annotations

import io
from typing import Final

import numpy as np
import pypdfium2 as pdfium
from PIL import Image, ImageFile

from models.media.clean import MediaLimits, clean
from models.media.foreign import check_foreign
from models.media.formats import MediaFormat
from models.media.recordings import FlacEncoder
from models.media.samples import SAMPLE_RATE_HZ

_WRITTEN_BYTES: Final = 8 * 1024 * 1024 - 128
"""With what Python and the C library add, a whole number of large pages. Else the kernel begins with small ones."""
_SEARCHED_BYTES: Final = 256 * 1024
_SEED: Final = 5


def warm_up() -> None:
    """Make files of each kind clean, and search noise for other formats."""
    Image.init()
    ImageFile.MAXBLOCK = _WRITTEN_BYTES  # Pillow writes most files in one piece; see images.READ_BYTES for reading
    # The search for other formats keeps the states that it has met. Compressed bytes look like noise.
    check_foreign(np.random.default_rng(_SEED).bytes(_SEARCHED_BYTES), MediaFormat.JPEG)
    for data in (*_pictures(), _document(), _recording()):
        clean(data, MediaLimits())


def _pictures() -> list[bytes]:
    made = []
    for kind, mode in (("JPEG", "RGB"), ("PNG", "RGBA"), ("WEBP", "RGB"), ("TIFF", "I;16")):
        out = io.BytesIO()
        Image.new(mode, (16, 16)).save(out, kind, exif=Image.Exif())
        made.append(out.getvalue())
    return made


def _document() -> bytes:
    out = io.BytesIO()
    with pdfium.PdfDocument.new() as document:
        document.new_page(100, 100).close()
        document.save(out)
    return out.getvalue()


def _recording() -> bytes:
    encoder = FlacEncoder()
    encoder.add(np.zeros(SAMPLE_RATE_HZ, np.float32))
    return encoder.finish()
