"""Finds bar codes and matrix codes, reads them and judges what they carry.

A code can hold a whole visiting card. What is personal by its kind, what the redactor objects to, and what cannot be
judged, because it could not be decoded or says nothing to a reader, is covered; the number of a product or of a meter
stays.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol

import cv2
import numpy as np
import numpy.typing as npt

from models.media.pixels import Pixels
from models.redaction.types import RedactionContext, Redactor
from models.text import RawText
from models.vision.types import METER_DOCUMENT, Box

MOST_PIXELS: Final = 2_000_000
"""Larger pictures are searched scaled down; a code that a phone can read is still readable."""
LONGEST_NUMBER: Final = 40
"""Digits of the longest GS1 element string in common use; Aadhaar's QR code has thousands."""
LONGEST_OPAQUE: Final = 64
"""Characters without a space that may still be a product code; longer ones are tokens, signatures or ciphertext."""

# Formats whose finder pattern is distinct enough for a failed checksum to mean a damaged code rather than texture;
# Data Matrix is found in every grid of dots.
_TRUSTED_WHEN_DAMAGED: Final = ("QR Code", "Aztec", "PDF417", "Code 128", "EAN-13", "EAN-8", "UPC-A")

_TILT_SIDE_PX: Final = 400
_TILT_WINDOW: Final = (11, 11)
_LEAST_STRIPES_PX: Final = 170
_LEVEL_DEGREES: Final = 4.0
"""ZXing reads stacked codes that lie askew by so much."""
_MATRIX_NAMES: Final = ("QR", "Aztec", "PDF417", "Matrix", "MaxiCode")

# What is made for people, cards, accounts and doors, whatever its fields say.
_PERSONAL_KINDS: Final = re.compile(
    r"""\s*(?:
        BEGIN:V(?:CARD|EVENT|CALENDAR) | MECARD: | BIZCARD: | N: | MATMSG: | MAILTO: | SMTP: | TEL: | SMS(?:TO)?: |
        FACETIME | WHATSAPP: | WIFI: | OTPAUTH | GEO: | BITCOIN: | ETHEREUM: | LITECOIN: | UPI:// |
        BCD\r?\n | SPC\r?\n | 000201 |     # payments: SEPA, Swiss QR bill, EMV
        @\s*\x1e?\r?\s*ANSI\ | ANSI\ 636 | # driving licences of North America
        M[1-4][A-Z]+/[A-Z] |               # boarding passes
        [PIAC][A-Z<][A-Z]{3}[A-Z0-9<]{20} |# machine readable zones
        HC1: | SHC:/ | <\?xml | \{
    )""",
    re.IGNORECASE | re.VERBOSE,
)
# GS1 allots these prefixes of retail codes to shops, for customer cards and coupons among others.
_IN_STORE: Final = re.compile(r"(?:2|0?2|04)\d+|9[89]\d+")

# The bars on a meter are its maker's number for it, long ones with leading letters or zeros included.
_METER_NUMBER: Final = re.compile(r"[A-Z]{0,4}[ .-]?\d[\d ./-]{2,18}[A-Z]?")

Grey = npt.NDArray[np.uint8]
"""Brightness, shape (height, width)."""


@dataclass(frozen=True, slots=True)
class Code:
    """One code in a picture.

    Attributes:
        box: Its corners in pixels of the picture.
        format: ``QR Code``, ``Code 128``, ...; empty when it was found but not recognised.
        text: What it carries; None when it could not be decoded, or carries bytes that are no text.
        retail: It is a product number with a valid check digit: EAN or UPC.
        linear: It is made of bars; the box may mark a single scan across them.
    """

    box: Box
    format: str
    text: RawText | None
    retail: bool = False
    linear: bool = False


class CodeReader(Protocol):
    """Finds and reads codes."""

    def find(self, pixels: Pixels) -> list[Code]:
        """Every code in the picture, also those that cannot be decoded."""
        ...


class ZxingCodeReader:
    """Reads with ZXing-C++; OpenCV points at linear codes that it could not decode. Safe to call from threads."""

    def find(self, pixels: Pixels) -> list[Code]:
        """See ``CodeReader``."""
        import zxingcpp

        grey = np.asarray(cv2.cvtColor(np.ascontiguousarray(pixels), cv2.COLOR_RGB2GRAY), np.uint8)
        scale = min(1.0, (MOST_PIXELS / grey.size) ** 0.5)
        if scale < 1:
            grey = np.asarray(cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)
        read = [code for r in zxingcpp.read_barcodes(grey, return_errors=True) if (code := _code(r, scale)) is not None]
        if (tilt := _tilt_of_stripes(grey)) is not None:
            read += _stacked(grey, tilt, scale)
        codes: list[Code] = []
        for code in sorted(read, key=lambda c: c.text is None):
            if code.text is not None or not _covered(code.box, codes):
                codes.append(code)
        for box in _linear_boxes(grey):
            whole = _scaled(box, scale)
            if not _covered(whole, codes):
                codes.append(_straightened(grey, box, whole))
        return codes


def personal_codes(codes: Sequence[Code], redactor: Redactor, context: RedactionContext) -> list[Code]:
    """Those that must be covered.

    Raises:
        RedactionFailed: A recognizer broke.
    """
    verdicts = [(code, _verdict(code, context.document_type)) for code in codes]
    open_ones = [code.text for code, verdict in verdicts if verdict is None and code.text is not None]
    answers = iter(redactor.redact_many(open_ones, context)) if open_ones else iter(())
    return [code for code, verdict in verdicts if (bool(next(answers).entities) if verdict is None else verdict)]


def _verdict(code: Code, document_type: str) -> bool | None:
    """Whether it is personal; None when the redactor must say."""
    if code.text is None:
        return True
    text = code.text.reveal()
    if _PERSONAL_KINDS.match(text):
        return True
    if document_type == METER_DOCUMENT and code.linear and _METER_NUMBER.fullmatch(text):
        return False
    if code.retail and not _IN_STORE.fullmatch(text):
        return False
    if text.isdigit():
        return True if len(text) > LONGEST_NUMBER else None
    longest = max((len(word) for word in text.split()), default=0)
    return True if longest > LONGEST_OPAQUE and "://" not in text else None


def _code(read: Any, scale: float) -> Code | None:
    """A code of ours, or nothing when it is texture that looks like a damaged one."""
    import zxingcpp

    name = str(read.format)
    p = read.position
    box = _scaled([(q.x, q.y) for q in (p.top_left, p.top_right, p.bottom_right, p.bottom_left)], scale)
    linear = not any(matrix in name for matrix in _MATRIX_NAMES)
    if read.error is not None and read.error.type != zxingcpp.ErrorType.NONE:
        whole = len(set(box)) == 4  # corners that ZXing did not find lie on each other
        return Code(box, name, None, linear=linear) if whole and name in _TRUSTED_WHEN_DAMAGED else None
    if not read.text.strip() or read.content_type == zxingcpp.ContentType.Binary:
        return Code(box, name, None, linear=linear)
    retail = name in {"EAN-13", "EAN-8", "UPC-A", "UPC-E"}
    return Code(box, name, RawText(read.text), retail, linear)


def _tilt_of_stripes(grey: Grey) -> float | None:
    """The direction in which stripes follow each other where they all run one way, in degrees from level.

    None when there are hardly any, or when they lie nearly level or upright and need no help. The structure tensor of
    the picture, summed over small windows, tells how much the gradients agree.
    """
    shrink = min(1.0, _TILT_SIDE_PX / max(grey.shape))
    small = cv2.resize(grey, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA).astype(np.float32)
    dx, dy = cv2.Sobel(small, cv2.CV_32F, 1, 0), cv2.Sobel(small, cv2.CV_32F, 0, 1)
    xx, yy, xy = (cv2.boxFilter(part, -1, _TILT_WINDOW) for part in (dx * dx, dy * dy, dx * dy))
    strength = xx + yy
    agreement = np.hypot(xx - yy, 2 * xy) / (strength + 1e-6)
    stripes = (agreement > 0.6) & (strength > 0.15 * strength.max())
    if stripes.sum() < _LEAST_STRIPES_PX:
        return None
    tilts = np.degrees(np.arctan2(2 * xy[stripes], (xx - yy)[stripes])) / 2
    counts, edges = np.histogram(tilts, bins=60, range=(-90, 90), weights=strength[stripes])
    smooth = counts + np.roll(counts, 1) + np.roll(counts, -1)
    near = (edges[int(smooth.argmax())] + 1.5 - tilts + 90) % 180 - 90
    close = np.abs(near) < 5
    tilt = float(edges[int(smooth.argmax())] + 1.5 - np.average(near[close], weights=strength[stripes][close]))
    return tilt if abs((tilt + 45) % 90 - 45) > _LEVEL_DEGREES else None


def _stacked(grey: Grey, tilt: float, scale: float) -> list[Code]:
    """Stacked codes, as on licences: ZXing reads them only when they lie level within a few degrees."""
    import zxingcpp

    height, width = grey.shape
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), tilt, 1.0)
    cos, sin = abs(matrix[0, 0]), abs(matrix[0, 1])
    size = (round(height * sin + width * cos), round(height * cos + width * sin))
    matrix[:, 2] += ((size[0] - width) / 2, (size[1] - height) / 2)
    level = cv2.warpAffine(grey, matrix, size, borderMode=cv2.BORDER_REPLICATE)
    back = cv2.invertAffineTransform(matrix)
    found = zxingcpp.read_barcodes(
        level,
        formats=zxingcpp.BarcodeFormats(zxingcpp.BarcodeFormat.PDF417),
        try_rotate=False,
        try_invert=False,
        return_errors=True,
    )
    codes = [code for r in found if (code := _code(r, 1.0)) is not None]
    quads = [np.array(code.box) @ back[:, :2].T + back[:, 2] for code in codes]
    return [
        replace(code, box=_scaled([(float(x), float(y)) for x, y in quad], scale))
        for code, quad in zip(codes, quads, strict=True)
    ]


def _linear_boxes(grey: Grey) -> list[Box]:
    found, corners = cv2.barcode.BarcodeDetector().detectMulti(grey)
    if not found or corners is None:
        return []
    return [_scaled([(float(x), float(y)) for x, y in quad], 1.0) for quad in np.asarray(corners).reshape(-1, 4, 2)]


def _straightened(grey: Grey, box: Box, whole: Box) -> Code:
    """A second try at a linear code, cut out and laid level: ZXing wants it within a few degrees.

    Args:
        grey: What was searched.
        box: Where the bars are in it.
        whole: The same in the picture.
    """
    import zxingcpp

    centre, size, angle = cv2.minAreaRect(np.array(box, np.float32))
    side = round(2.4 * max(size))
    matrix = cv2.getRotationMatrix2D(centre, angle, 2.0)
    matrix[:, 2] += np.array([side - centre[0], side - centre[1]])
    level = cv2.warpAffine(grey, matrix, (2 * side, 2 * side), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    # The middle half: this code and its quiet zone.
    found = zxingcpp.read_barcodes(level[side // 2 : -side // 2, side // 2 : -side // 2], try_downscale=False)
    if len(found) == 1 and (code := _code(found[0], 1.0)) is not None:
        return replace(code, box=whole)
    return Code(whole, "", None, linear=True)


def _scaled(corners: Sequence[tuple[float, float]], scale: float) -> Box:
    a, b, c, d = ((x / scale, y / scale) for x, y in corners)
    return a, b, c, d


def _covered(box: Box, codes: Sequence[Code]) -> bool:
    """Whether the middle of the box lies in one of the codes, whose own boxes can be thin lines."""
    x, y = sum(x for x, _ in box) / 4, sum(y for _, y in box) / 4
    for code in codes:
        hull = cv2.convexHull(np.array(code.box, np.float32))
        reach = max(abs(code.box[i][n] - code.box[i - 1][n]) for i in range(4) for n in range(2)) / 4
        if cv2.pointPolygonTest(hull, (x, y), True) >= -reach:
            return True
    return False
