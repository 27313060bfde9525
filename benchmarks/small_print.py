"""What a person who enlarges a masked picture can still read: small print, and small barcodes.

    python -m benchmarks.small_print [--sides 2048 3200] [--font FILE]

Pages as a phone takes them, of 4,000 x 3,000 pixels, with 40 names and 40 telephone numbers each, or with one barcode.
Each goes through the sandbox's decoder, the OCR, the redactor and the masks, and is then read once more by somebody who
looks at one part after the other, enlarged. SIDES are longest sides of the picture that is searched for barcodes and
shown; the first is ours. The OCR itself looks for print at 2,000 pixels, whatever is shown. FILE is a TrueType font; by
default it is that of Pillow.
"""

from __future__ import annotations

import argparse
import io
import random
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt
import zxingcpp
from PIL import Image, ImageDraw, ImageFont

from models.media import images
from models.media.clean import MediaLimits, clean
from models.media.images import SHOWN_SIDE, ImageLimits, decode
from models.media.pixels import Pixels
from models.redaction.redactor import build_redactor
from models.redaction.types import Redactor
from models.vision.barcodes import ZxingBarcodeReader
from models.vision.faces import YunetFaceDetector
from models.vision.ocr import RapidOcrEngine
from models.vision.redact import Detectors, read_and_redact
from server.settings import Settings

PRINT_PX: Final = (10, 9, 8, 7)
MODULE_PX: Final = (2.0, 2.5, 3.0, 3.5, 4.0, 6.0)
FORMATS: Final = ("QRCode", "Code128", "DataMatrix")
CARD: Final = "BEGIN:VCARD\nFN:Anna Kowalski\nTEL:+447700900123\nEND:VCARD"
NUMBER: Final = "7700900123456"
FIRST: Final = ("Anna", "Marcus", "Leila", "Tobias", "Ingrid", "Pavel", "Rosa", "Dmitri", "Hannah", "Felix", "Oskar")
LAST: Final = ("Kowalski", "Fernandez", "Lindqvist", "Hoffmann", "Petrov", "Marchetti", "Dubois", "Nakamura", "Weber")
ROWS: Final = 20
PART_PX: Final = 900
OVERLAP_PX: Final = 150


def main() -> None:
    """Print, for each size of print and of barcodes, what stays readable."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sides", type=int, nargs="+", default=[SHOWN_SIDE, 3_200], metavar="PIXELS")
    parser.add_argument("--font", metavar="FILE")
    arguments = parser.parse_args()
    sides: list[int] = arguments.sides
    weights = Settings().weights_dir
    ocr, codes = RapidOcrEngine(), ZxingBarcodeReader()
    detectors = Detectors(ocr, YunetFaceDetector(Path(weights)), codes)
    redactor = build_redactor(weights)
    print("print, height in the picture that came: values of 80 that can be read, once masked and without masks")
    for height in PRINT_PX:
        page, values = printed(height, arguments.font)
        for side in sides:
            hidden = readable(masked(page, side, detectors, redactor), values, ocr)
            print(
                f"  {height} pixels, shown at {side}: {hidden}, {readable(scaled(page, side), values, ocr)}", flush=True
            )
    print("barcodes, module in the picture that came: found by us, read by somebody who enlarges")
    for name in FORMATS:
        for module in MODULE_PX:
            page = jpeg(barcode(name, module))
            seen = [scaled(page, side) for side in sides]
            counts = [
                f"{bool(codes.detect(s))}, {enlarged_code(s)} at {side}" for s, side in zip(seen, sides, strict=True)
            ]
            print(f"  {name}, {module} pixels: " + "; ".join(counts), flush=True)


def printed(height: int, font_file: str | None) -> tuple[bytes, list[str]]:
    """A JPEG of a page with print of this height, and its values."""
    font = ImageFont.truetype(font_file, height) if font_file else ImageFont.load_default(height)
    rng = random.Random(height)
    page = Image.new("RGB", (4_000, 3_000), (236, 233, 226))
    draw, values = ImageDraw.Draw(page), []
    for row in range(2 * ROWS):
        name = f"{rng.choice(FIRST)} {rng.choice(LAST)}"
        number = f"+44 7{rng.randint(100, 999)} {rng.randint(100_000, 999_999)}"
        x, y = 200 + row % 2 * 1_800, 150 + row // 2 * 135
        for value, left in ((name, x), (number, x + 16 * height)):
            draw.text((left, y), value, font=font, fill=(40, 40, 50))
            values.append(value)
    return jpeg(np.asarray(page.convert("L"))), values


def barcode(name: str, module: float) -> npt.NDArray[np.uint8]:
    """A page with one barcode whose modules have so many pixels."""
    made = zxingcpp.create_barcode(NUMBER if name == "Code128" else CARD, getattr(zxingcpp.BarcodeFormat, name))
    drawn = np.array(made.to_image(scale=1))
    drawn = cv2.resize(drawn, None, fx=module, fy=module, interpolation=cv2.INTER_AREA)
    page = np.full((3_000, 4_000), 235, np.uint8)
    page[1_000 : 1_000 + drawn.shape[0], 1_500 : 1_500 + drawn.shape[1]] = drawn
    return page


def jpeg(grey: npt.NDArray[np.uint8]) -> bytes:
    """The page as a camera sees it: a little noisy and blurred."""
    noisy = grey + np.random.default_rng(1).normal(0.0, 5.0, grey.shape)
    seen = np.clip(cv2.GaussianBlur(noisy, (0, 0), 0.8), 0, 255).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(seen).convert("RGB").save(file, "JPEG", quality=88)
    return file.getvalue()


@contextmanager
def shown_at(side: int) -> Iterator[ImageLimits]:
    """Limits for pictures of this side. Above ours, a picture of a phone is not halved while it is decoded."""
    halved_side = images.HALVED_SIDE
    images.HALVED_SIDE = side if side > SHOWN_SIDE else halved_side  # type: ignore[misc]
    try:
        yield replace(ImageLimits(), working_side=side)
    finally:
        images.HALVED_SIDE = halved_side  # type: ignore[misc]


def scaled(page: bytes, side: int) -> Pixels:
    """The page as it is searched, with this longest side."""
    with shown_at(side) as limits:
        return decode(clean(page, MediaLimits()).content, limits).pixels


def masked(page: bytes, side: int, detectors: Detectors, redactor: Redactor) -> Pixels:
    """The picture that a reviewer sees."""
    with shown_at(side) as limits:
        content = clean(page, MediaLimits()).content
        return decode(read_and_redact(content, limits, detectors, redactor, "visitor_register").image, limits).pixels


def readable(shown: Pixels, values: Sequence[str], ocr: RapidOcrEngine) -> int:
    """How many of the values somebody reads who enlarges one part after the other."""
    text = " ".join(_letters(line.text.reveal()) for part in _parts(shown) for line in ocr.read(_enlarged(part, 2)))
    return sum(_letters(value) in text for value in values)


def enlarged_code(shown: Pixels) -> bool:
    """Whether somebody who enlarges and sharpens the picture reads a barcode in it."""
    for zoom in (1, 2, 3, 4):
        for part in _parts(shown):
            large = _enlarged(part, zoom)
            sharp = cv2.addWeighted(large, 2, cv2.GaussianBlur(large, (0, 0), 2 * zoom), -1, 0)
            if zxingcpp.read_barcodes(large) or zxingcpp.read_barcodes(sharp):
                return True
    return False


def _parts(shown: Pixels) -> Iterator[Pixels]:
    for top in range(0, shown.shape[0], PART_PX - OVERLAP_PX):
        for left in range(0, shown.shape[1], PART_PX - OVERLAP_PX):
            yield shown[top : top + PART_PX, left : left + PART_PX]


def _enlarged(part: Pixels, zoom: int) -> Pixels:
    return np.asarray(cv2.resize(part, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_CUBIC), np.uint8)


def _letters(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.lower())


if __name__ == "__main__":
    main()
