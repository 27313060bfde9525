from __future__ import annotations

import cv2
import numpy as np
import pytest
import zxingcpp
from zxingcpp import BarcodeFormat

from models.errors import RedactionFailed, WorkTooLong
from models.media.images import JPEG, ImageLimits, decode, encode
from models.media.pixels import Pixels
from models.reasons import Reason
from models.redaction.types import Redaction, RedactionContext
from models.text import RawText, TextSource
from models.vision import barcodes
from models.vision.barcodes import Barcode, ZxingBarcodeReader, personal_barcodes
from models.vision.masking import barcode_boxes, paint_over
from models.vision.types import METER_DOCUMENT, Box
from tests.data.make_badge import PRODUCT, VCARD, draw_code, put, turned
from tests.fakes.redactor import PhraseRedactor
from tests.unit.vision.pictures import box

OCR = RedactionContext(TextSource.OCR)
METER = RedactionContext(TextSource.OCR, document_type=METER_DOCUMENT)
READER = ZxingBarcodeReader()
NAMES = {"maria lopez": "NAME", r"\b\d{10}\b": "PHONE"}


def _page(code: Pixels, degrees: float = 0) -> tuple[Pixels, tuple[int, int, int, int]]:
    """A page with a code, which paper surrounds."""
    picture = turned(code, degrees) if degrees else code
    height, width = picture.shape[:2]
    page = np.full((height + 400, width + 400, 3), 235, np.uint8)
    return page, put(page, picture, 200, 200)


@pytest.mark.parametrize(
    ("text", "kind", "degrees"),
    [
        *((VCARD, BarcodeFormat.QRCode, degrees) for degrees in (0, 30, 90, 200)),
        *(("Maria Lopez, gate 2", BarcodeFormat.Aztec, degrees) for degrees in (0, 30, 90, 200)),
        *(("Maria Lopez, gate 2", BarcodeFormat.DataMatrix, degrees) for degrees in (0, 30, 90, 200)),
        *(("Maria Lopez, gate 2", BarcodeFormat.PDF417, degrees) for degrees in (0, 12, 45, 90, 200)),
        *(("4155550132", BarcodeFormat.Code128, degrees) for degrees in (0, 30, 90, 200)),
        *(("4155550132", BarcodeFormat.Code39, degrees) for degrees in (0, 30, 90, 200)),
    ],
)
def test_a_personal_code_is_covered_completely(text: str, kind: BarcodeFormat, degrees: float) -> None:
    page, _ = _page(draw_code(text, kind), degrees)
    codes = READER.detect(page)
    assert [c.text.reveal() for c in codes if c.text is not None] == [text]
    personal = personal_barcodes(codes, PhraseRedactor(NAMES), OCR)
    assert personal == codes
    painted = paint_over(page, [barcode_boxes(page, code) for code in personal])
    assert READER.detect(painted) == []
    assert _ink_left(page, painted) < 0.05


def _ink_left(page: Pixels, painted: Pixels) -> float:
    """The share of the code's ink that no paint lies on."""
    ink = page.max(axis=2) < 100
    return float((ink & (painted.max(axis=2) > 0)).sum() / ink.sum())


@pytest.mark.parametrize(
    ("code", "context", "personal"),
    [
        # What is made for people, whatever the redactor says of it.
        (Barcode(box(0, 0, 50), "QR Code", RawText("MECARD:N:Q,Z;;")), OCR, True),
        (Barcode(box(0, 0, 50), "QR Code", RawText("WIFI:T:WPA;S:home;P:secret;;")), OCR, True),
        (Barcode(box(0, 0, 50), "QR Code", RawText("mailto:someone")), OCR, True),
        (Barcode(box(0, 0, 50), "QR Code", RawText("otpauth://totp/x?secret=ABC")), OCR, True),
        (Barcode(box(0, 0, 50), "QR Code", RawText("BCD\n002\n1\nSCT\n\nSomebody\nDE02")), OCR, True),
        (Barcode(box(0, 0, 50), "QR Code", RawText("upi://pay?pa=someone@bank")), OCR, True),
        (Barcode(box(0, 0, 50), "PDF417", RawText("@\n\x1e\rANSI 636000080002DL")), OCR, True),
        (Barcode(box(0, 0, 50), "Aztec", RawText("M1DOE/JANE            EABC123 LISJFKTP 0203")), OCR, True),
        # What cannot be judged.
        (Barcode(box(0, 0, 50), "QR Code", None), OCR, True),
        (Barcode(box(0, 0, 50), "", None, linear=True), METER, True),
        (Barcode(box(0, 0, 50), "QR Code", RawText("7" * 400)), OCR, True),
        (Barcode(box(0, 0, 50), "QR Code", RawText("qL8" * 40)), OCR, True),
        # What the redactor decides.
        (Barcode(box(0, 0, 50), "QR Code", RawText("for Maria Lopez")), OCR, True),
        (Barcode(box(0, 0, 50), "QR Code", RawText("https://example.com/pump/7")), OCR, False),
        (Barcode(box(0, 0, 50), "Data Matrix", RawText("Pump P-7, hall 3")), OCR, False),
        (Barcode(box(0, 0, 50), "Code 128", RawText("9200053807"), linear=True), OCR, True),
        # Products, meters.
        (Barcode(box(0, 0, 50), "Code 128", RawText("9200053807"), linear=True), METER, False),
        (Barcode(box(0, 0, 50), "Code 128", RawText("ELS 0012 8817"), linear=True), METER, False),
        (Barcode(box(0, 0, 50), "Code 128", RawText("for Maria Lopez"), linear=True), METER, True),
        (Barcode(box(0, 0, 50), "EAN-13", RawText(PRODUCT), retail=True, linear=True), OCR, False),
        (Barcode(box(0, 0, 50), "EAN-13", RawText("2004155550132"), retail=True, linear=True), OCR, False),
    ],
)
def test_only_personal_codes_must_be_covered(code: Barcode, context: RedactionContext, personal: bool) -> None:
    harmless = Barcode(box(90, 90, 50), "EAN-8", RawText("96385074"), retail=True)
    found = personal_barcodes([harmless, code], PhraseRedactor(NAMES), context)
    assert found == ([code] if personal else [])


def test_customer_cards_are_told_from_product_codes() -> None:
    redactor = PhraseRedactor({"2004155550132": "ID"})
    card = Barcode(box(0, 0, 50), "EAN-13", RawText("2004155550132"), retail=True)
    assert personal_barcodes([card], redactor, OCR) == [card]


def test_a_damaged_code_is_found_and_covered() -> None:
    page, (left, top, right, bottom) = _page(draw_code(VCARD, BarcodeFormat.QRCode, 6))
    chance = np.random.default_rng(4)
    spoiled = page[top + 90 : bottom - 90, left + 90 : right - 90]
    spoiled[:] = chance.integers(0, 2, (*spoiled.shape[:2], 1), np.uint8).repeat(3, axis=2) * 255
    codes = READER.detect(page)
    assert [(c.format, c.text) for c in codes] == [("QR Code", None)]
    assert personal_barcodes(codes, PhraseRedactor({}), OCR) == codes


def test_undecodable_bars_are_found() -> None:
    page, (left, top, right, bottom) = _page(draw_code("4155550132", BarcodeFormat.Code128, 5))
    page[top:bottom, left:right] = cv2.GaussianBlur(page[top:bottom, left:right], (0, 0), 5.5)
    assert zxingcpp.read_barcodes(page) == []
    codes = READER.detect(page)
    assert [c.text for c in codes] == [None]
    assert personal_barcodes(codes, PhraseRedactor({}), METER) == codes
    x0, y0, x1, y1 = _hull(barcode_boxes(page, codes[0]))
    assert abs(x0 - left) < 90
    assert abs(x1 - right) < 90
    assert y0 < top + 40
    assert y1 > bottom - 40


def _hull(boxes: list[Box]) -> tuple[float, float, float, float]:
    xs, ys = zip(*(corner for quad in boxes for corner in quad), strict=True)
    return min(xs), min(ys), max(xs), max(ys)


@pytest.mark.parametrize("module", [3.0, 3.5])
@pytest.mark.parametrize(
    ("text", "kind"),
    [(VCARD, BarcodeFormat.QRCode), ("Maria Lopez 22", BarcodeFormat.Code128), (VCARD, BarcodeFormat.DataMatrix)],
)
def test_a_barcode_that_is_legible_only_enlarged_is_found(text: str, kind: BarcodeFormat, module: float) -> None:
    code = draw_code(text, kind, 1)
    large = np.asarray(cv2.resize(code, None, fx=module, fy=module, interpolation=cv2.INTER_AREA), np.uint8)
    photo = np.full((3000, 4000, 3), 235, np.uint8)
    left, top, right, bottom = (side / 2 for side in put(photo, large, 2000, 1900))
    [found] = READER.detect(decode(encode(photo, JPEG), ImageLimits()).pixels)
    assert found.text is not None
    assert found.text.reveal() == text
    x0, y0, x1, y1 = _hull([found.box])
    assert left < x0 < x1 < right
    assert top <= y0 <= y1 < bottom


@pytest.mark.parametrize(
    "kind", [BarcodeFormat.Code128, BarcodeFormat.Code39, BarcodeFormat.PDF417, BarcodeFormat.QRCode]
)
@pytest.mark.parametrize("shift", [0, 30, 120])
def test_copies_of_a_barcode_that_lie_close_are_all_covered(kind: BarcodeFormat, shift: int) -> None:
    page = np.full((900, 1100, 3), 255, np.uint8)
    code = draw_code("KOWALSKI77", kind, 2)[:90]
    for row in range(3):
        put(page, code, 100 + shift * row, 100 + (len(code) + 16) * row)
    painted = paint_over(page, [barcode_boxes(page, found) for found in READER.detect(page)])
    assert READER.detect(painted) == []


def test_a_picture_full_of_false_barcodes_ends_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(barcodes, "MOST_CPU_S", barcodes.MOST_CPU_S / 10)
    finder = np.full((8, 8), 255, np.uint8)
    finder[:7, :7], finder[1:6, 1:6], finder[2:5, 2:5] = 0, 255, 0
    page = np.repeat(np.tile(finder, (144, 144))[:, :, None], 3, axis=2)
    with pytest.raises(WorkTooLong) as refused:
        READER.detect(page)
    assert refused.value.reason is Reason.PAGE_TOO_SLOW


def test_a_failing_redactor_fails_the_classification() -> None:
    class Broken:
        def redact(self, text: RawText, context: RedactionContext) -> Redaction:
            raise RedactionFailed("A recognizer failed.")

        def redact_many(self, texts: list[RawText], context: RedactionContext) -> list[Redaction]:
            raise RedactionFailed("A recognizer failed.")

    with pytest.raises(RedactionFailed):
        personal_barcodes([Barcode(box(0, 0, 50), "QR Code", RawText("Pump P-7"))], Broken(), OCR)


@pytest.mark.parametrize("shape", [(1, 1), (2, 900), (900, 2), (1892, 1), (1, 3200)])
def test_pictures_without_codes_give_no_boxes(shape: tuple[int, int]) -> None:
    assert READER.detect(np.full((*shape, 3), 200, np.uint8)) == []
