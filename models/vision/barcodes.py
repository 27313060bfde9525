"""Finds barcodes of all kinds, reads them, and decides which are personal.

A barcode can hold a whole business card. It is personal if its format is, if the redactor finds something in it, or if
it cannot be checked because it was not decoded or holds an opaque token. The number of a product or a meter is not.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol

import cv2
import numpy as np

from models.errors import WorkTooLong
from models.media.pixels import Pixels
from models.reasons import Reason
from models.redaction.types import RedactionContext, Redactor
from models.text import RawText
from models.vision.bars import Grey, whole_bars
from models.vision.types import METER_DOCUMENT, Box

ZOOM: Final = 2.0
"""A picture is searched as it is, and enlarged so much, because a person can enlarge what is shown
(docs/evaluation/pictures, "Small print and small codes")."""
MOST_CPU_S: Final = 4.0
"""Of one search in the enlarged picture. It usually takes 0.06 s, which is four times that in the picture as it is."""
MOST_ROUNDS: Final = 6
"""ZXing misses copies of a barcode that lie close. What was found is filled, and the search begins again."""
MAX_NUMBER_DIGITS: Final = 40
"""Digits of the longest GS1 element string in common use; Aadhaar's QR barcode has thousands."""
MAX_OPAQUE_CHARACTERS: Final = 64
"""Characters without a space that may still be a product number; longer ones are tokens, signatures or ciphertext."""

# Formats with a distinct finder pattern: a failed checksum means a damaged barcode. Others, such as Data Matrix, are
# found in any texture.
_TRUSTED_WHEN_DAMAGED: Final = ("QR Code", "Aztec", "PDF417", "Code 128", "EAN-13", "EAN-8", "UPC-A")

_TILT_SIDE_PX: Final = 400
_TILT_WINDOW: Final = (11, 11)
_MIN_STRIPES_PX: Final = 170
_LEVEL_DEGREES: Final = 4.0
"""ZXing reads stacked barcodes up to this tilt."""
_MATRIX_NAMES: Final = ("QR", "Aztec", "PDF417", "Matrix", "MaxiCode")

# Formats of contacts, cards, accounts and access, personal whatever their fields hold.
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
# GS1 reserves these prefixes of retail numbers for shops, for example for customer cards and coupons.
_IN_STORE: Final = re.compile(r"(?:2|0?2|04)\d+|9[89]\d+")

# A linear barcode on a meter is its serial number; it may have leading letters or zeros.
_METER_NUMBER: Final = re.compile(r"[A-Z]{0,4}[ .-]?\d[\d ./-]{2,18}[A-Z]?")

_PAPER: Final = 255
_QUIET_PX: Final = 9


@dataclass(frozen=True, slots=True)
class Barcode:
    """One barcode in a picture.

    Attributes:
        box: Its corners in pixels of the picture.
        format: ``QR Code``, ``Code 128``, ...; empty when it was found but not identified.
        text: Its content; None when it could not be decoded, or is not text.
        retail: Whether it is an EAN or UPC with a valid check digit.
        linear: Whether it is made of bars; then the box may mark a single scan line across them.
    """

    box: Box
    format: str
    text: RawText | None
    retail: bool = False
    linear: bool = False


class BarcodeReader(Protocol):
    """Finds and reads barcodes."""

    def detect(self, pixels: Pixels) -> list[Barcode]:
        """Every barcode in the picture, also those that cannot be decoded.

        Raises:
            WorkTooLong: PAGE_TOO_SLOW.
        """
        ...


class ZxingBarcodeReader:
    """Reads with ZXing-C++, and finds undecoded linear barcodes with OpenCV. Safe to call from several threads."""

    def detect(self, pixels: Pixels) -> list[Barcode]:
        """See ``BarcodeReader``."""
        grey = np.asarray(cv2.cvtColor(np.ascontiguousarray(pixels), cv2.COLOR_RGB2GRAY), np.uint8)
        read = _read_all(grey)
        if (tilt := _tilt_of_stripes(grey)) is not None:
            read += _stacked(grey, tilt)
        barcodes: list[Barcode] = []
        for barcode in sorted(read, key=lambda c: c.text is None):
            if barcode.text is not None or not _covered(barcode.box, barcodes):
                barcodes.append(barcode)
        for box in _linear_boxes(grey):
            if not _covered(box, barcodes):
                barcodes.append(_straightened(grey, box))
        return barcodes


def personal_barcodes(barcodes: Sequence[Barcode], redactor: Redactor, context: RedactionContext) -> list[Barcode]:
    """Those that must be painted over.

    Raises:
        RedactionFailed: A recognizer broke.
    """
    decisions = [(barcode, _is_personal(barcode, context.document_type)) for barcode in barcodes]
    undecided = [barcode.text for barcode, decision in decisions if decision is None and barcode.text is not None]
    answers = iter(redactor.redact_many(undecided, context)) if undecided else iter(())
    return [
        barcode for barcode, decision in decisions if (bool(next(answers).entities) if decision is None else decision)
    ]


def _is_personal(barcode: Barcode, document_type: str) -> bool | None:
    """Whether it is personal; None when the redactor must decide."""
    if barcode.text is None:
        return True
    text = barcode.text.reveal()
    if _PERSONAL_KINDS.match(text):
        return True
    if document_type == METER_DOCUMENT and barcode.linear and _METER_NUMBER.fullmatch(text):
        return False
    if barcode.retail and not _IN_STORE.fullmatch(text):
        return False
    if text.isdigit():
        return True if len(text) > MAX_NUMBER_DIGITS else None
    longest = max((len(word) for word in text.split()), default=0)
    return True if longest > MAX_OPAQUE_CHARACTERS and "://" not in text else None


def _read(grey: Grey, **options: Any) -> list[Barcode]:
    """What ZXing finds, damaged barcodes included."""
    import zxingcpp

    found = zxingcpp.read_barcodes(grey, return_errors=True, **options)
    return [barcode for r in found if (barcode := _to_barcode(r)) is not None]


def _read_all(grey: Grey) -> list[Barcode]:
    """Barcodes of the picture as it is, and those that are read only in the enlarged one, or once others are filled."""
    rest, read = grey.copy(), list[Barcode]()
    for _ in range(MOST_ROUNDS):
        began = time.thread_time()
        plain = _read(rest)
        if (expected_s := (time.thread_time() - began) * ZOOM * ZOOM) > MOST_CPU_S:
            raise WorkTooLong(
                f"The search for barcodes would take more than {expected_s:.0f} s of CPU.", reason=Reason.PAGE_TOO_SLOW
            )
        found = [code for code in plain if code.text is not None]
        if not found:
            large = np.asarray(cv2.resize(rest, None, fx=ZOOM, fy=ZOOM, interpolation=cv2.INTER_CUBIC), np.uint8)
            found = [*plain, *(replace(code, box=_scaled(code.box, ZOOM)) for code in _read(large))]
        if not found:
            break
        read += found
        for place in [whole_bars(rest, code.box) if code.linear else code.box for code in found]:
            corners = np.round(cv2.convexHull(np.array(place, np.float32))).astype(np.int32)
            cv2.fillConvexPoly(rest, corners, _PAPER)
            cv2.polylines(rest, [corners], True, _PAPER, thickness=_QUIET_PX)
    return read


def _to_barcode(read: Any) -> Barcode | None:
    """ZXing's result as a barcode; None when it is texture that looks like a damaged one."""
    import zxingcpp

    name = str(read.format)
    p = read.position
    box = _scaled([(q.x, q.y) for q in (p.top_left, p.top_right, p.bottom_right, p.bottom_left)])
    linear = not any(matrix in name for matrix in _MATRIX_NAMES)
    if read.error is not None and read.error.type != zxingcpp.ErrorType.NONE:
        whole = len(set(box)) == 4  # ZXing gives corners that it did not find the same place
        return Barcode(box, name, None, linear=linear) if whole and name in _TRUSTED_WHEN_DAMAGED else None
    if not read.text.strip() or read.content_type == zxingcpp.ContentType.Binary:
        return Barcode(box, name, None, linear=linear)
    retail = name in {"EAN-13", "EAN-8", "UPC-A", "UPC-E"}
    return Barcode(box, name, RawText(read.text), retail, linear)


def _tilt_of_stripes(grey: Grey) -> float | None:
    """The tilt of the stripes of a stacked barcode, in degrees from level.

    None when there are few stripes, or when they are nearly level or upright, so that ZXing reads them. The structure
    tensor of the picture, summed over small windows, tells how much the gradients agree.
    """
    shrink = min(1.0, _TILT_SIDE_PX / max(grey.shape))
    height, width = (max(1, round(side * shrink)) for side in grey.shape)
    small = cv2.resize(grey, (width, height), interpolation=cv2.INTER_AREA).astype(np.float32)
    dx, dy = cv2.Sobel(small, cv2.CV_32F, 1, 0), cv2.Sobel(small, cv2.CV_32F, 0, 1)
    xx, yy, xy = (cv2.boxFilter(part, -1, _TILT_WINDOW) for part in (dx * dx, dy * dy, dx * dy))
    strength = xx + yy
    agreement = np.hypot(xx - yy, 2 * xy) / (strength + 1e-6)
    stripes = (agreement > 0.6) & (strength > 0.15 * strength.max())
    if stripes.sum() < _MIN_STRIPES_PX:
        return None
    tilts = np.degrees(np.arctan2(2 * xy[stripes], (xx - yy)[stripes])) / 2
    counts, edges = np.histogram(tilts, bins=60, range=(-90, 90), weights=strength[stripes])
    smooth = counts + np.roll(counts, 1) + np.roll(counts, -1)
    near = (edges[int(smooth.argmax())] + 1.5 - tilts + 90) % 180 - 90
    close = np.abs(near) < 5
    tilt = float(edges[int(smooth.argmax())] + 1.5 - np.average(near[close], weights=strength[stripes][close]))
    return tilt if abs((tilt + 45) % 90 - 45) > _LEVEL_DEGREES else None


def _stacked(grey: Grey, tilt: float) -> list[Barcode]:
    """Stacked barcodes, as on licences, after turning the picture: ZXing reads them only when they are nearly level."""
    import zxingcpp

    height, width = grey.shape
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), tilt, 1.0)
    cos, sin = abs(matrix[0, 0]), abs(matrix[0, 1])
    size = (round(height * sin + width * cos), round(height * cos + width * sin))
    matrix[:, 2] += ((size[0] - width) / 2, (size[1] - height) / 2)
    level = np.asarray(cv2.warpAffine(grey, matrix, size, borderMode=cv2.BORDER_REPLICATE), np.uint8)
    back = cv2.invertAffineTransform(matrix)
    pdf417 = zxingcpp.BarcodeFormats(zxingcpp.BarcodeFormat.PDF417)
    barcodes = _read(level, formats=pdf417, try_rotate=False, try_invert=False)
    quads = [np.array(barcode.box) @ back[:, :2].T + back[:, 2] for barcode in barcodes]
    return [
        replace(barcode, box=_scaled([(float(x), float(y)) for x, y in quad]))
        for barcode, quad in zip(barcodes, quads, strict=True)
    ]


def _linear_boxes(grey: Grey) -> list[Box]:
    found, corners = cv2.barcode.BarcodeDetector().detectMulti(grey)
    if not found or corners is None:
        return []
    return [_scaled([(float(x), float(y)) for x, y in quad]) for quad in np.asarray(corners).reshape(-1, 4, 2)]


def _straightened(grey: Grey, box: Box) -> Barcode:
    """A second try at a linear barcode, cropped and turned level: ZXing reads it only within a few degrees.

    Args:
        grey: The picture that was searched.
        box: The bars in it.
    """
    import zxingcpp

    centre, size, angle = cv2.minAreaRect(np.array(box, np.float32))
    side = round(2.4 * max(size))
    matrix = cv2.getRotationMatrix2D(centre, angle, 2.0)
    matrix[:, 2] += np.array([side - centre[0], side - centre[1]])
    level = cv2.warpAffine(grey, matrix, (2 * side, 2 * side), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    # The middle half holds this barcode and its quiet zone.
    found = zxingcpp.read_barcodes(level[side // 2 : -side // 2, side // 2 : -side // 2], try_downscale=False)
    if len(found) == 1 and (barcode := _to_barcode(found[0])) is not None:
        return replace(barcode, box=box)
    return Barcode(box, "", None, linear=True)


def _scaled(corners: Sequence[tuple[float, float]], scale: float = 1.0) -> Box:
    a, b, c, d = ((x / scale, y / scale) for x, y in corners)
    return a, b, c, d


def _covered(box: Box, barcodes: Sequence[Barcode]) -> bool:
    """Whether the centre of the box lies in one of the barcodes, whose own boxes can be thin lines."""
    x, y = sum(x for x, _ in box) / 4, sum(y for _, y in box) / 4
    for barcode in barcodes:
        hull = cv2.convexHull(np.array(barcode.box, np.float32))
        reach = max(abs(barcode.box[i][n] - barcode.box[i - 1][n]) for i in range(4) for n in range(2)) / 4
        if cv2.pointPolygonTest(hull, (x, y), True) >= -reach:
            return True
    return False
