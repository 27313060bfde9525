"""From a picture to redacted text and a masked picture.

Painted over are personal words, print that the OCR could not read, faces, and barcodes with personal content.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Final

import numpy as np

from models.cancellation import NEVER, Cancellation
from models.media.formats import CLEAN_PICTURES
from models.media.images import JPEG, ImageLimits, decode, encode, output_mime
from models.media.pages import unpack
from models.media.pixels import Pixels
from models.redaction.sealing import Sealer
from models.redaction.types import RedactionContext, Redactor
from models.sealed_values import SealedValue
from models.text import Entity, RedactedText, TextSource
from models.tracing.names import SpanName
from models.tracing.spans import child_span
from models.vision.barcodes import Barcode, BarcodeReader, personal_barcodes
from models.vision.faces import Face, FaceDetector
from models.vision.geometry import centre, rows, text_height
from models.vision.line_redaction import UNREADABLE, redact_page_lines
from models.vision.masking import barcode_boxes, face_boxes, paint_over, word_boxes
from models.vision.orientation import read_upright
from models.vision.turns import PageWork
from models.vision.types import METER_DOCUMENT, Box, OcrEngine, OcrLine, RedactedLine, RedactedPage

CLEAR_SCORE: Final = 0.8
"""Print with at least this score is certain."""
MIN_FACE_SCORE_ON_METER: Final = 0.65
"""The dial of a meter can look like a face. Found in docs/evaluation/constants, "meter-dials"."""
MIN_WORD_LETTERS: Final = 4
"""Unread print with fewer letters may be a meter's digits."""


@dataclass(frozen=True, slots=True)
class Detectors:
    """The three detectors of a picture. All are required, so that none is forgotten."""

    ocr: OcrEngine
    faces: FaceDetector
    barcodes: BarcodeReader


@dataclass(frozen=True, slots=True)
class OtherDetections:
    """What was found in a picture besides its lines of print."""

    unread: Sequence[OcrLine] = ()
    faces: Sequence[Face] = ()
    barcodes: Sequence[Barcode] = ()


NO_OTHER_DETECTIONS: Final = OtherDetections()

_Mask = tuple[str, list[Box]]
"""What is painted over: its kind, and boxes that belong together."""


def read_and_redact(
    data: bytes,
    limits: ImageLimits,
    detectors: Detectors,
    redactor: Redactor,
    document_type: str = "",
    cancellation: Cancellation = NEVER,
    sealer: Sealer | None = None,
) -> RedactedPage:
    """Decode, read, redact and mask one picture, or the pages of a document. What lies on its side is turned upright.

    Only the formats of clean pictures are decoded: the sandbox makes no others, unless its decoder was taken over.

    The masked pictures of several pages come as one, one below the other.

    Raises:
        TooLarge: A bound is passed; PAGE_TOO_DENSE.
        WorkTooLong: PAGE_TOO_SLOW.
        Cancelled, DeadlineExceeded: As ``cancellation`` says.
        MediaError: The bytes are no picture that can be read.
        RedactionFailed: The text could not be judged; nothing comes out.
    """
    began = time.perf_counter()
    pages: list[_MaskedPage] = []
    work = PageWork(cancellation)
    for data_of_page in unpack(data):
        pages.append(_read_page(data_of_page, limits, detectors, redactor, document_type, work, sealer))
        work = work.next_page()
    cancellation.check()
    page = pages[0].encoded() if len(pages) == 1 else _joined(pages)
    return replace(page, compute_s=time.perf_counter() - began)


@dataclass(frozen=True, slots=True)
class _MaskedPage:
    """A page after redaction, its picture not encoded yet."""

    page: RedactedPage
    pixels: Pixels

    def encoded(self) -> RedactedPage:
        return replace(self.page, image=encode(self.pixels, self.page.image_mime))


def _read_page(
    data: bytes,
    limits: ImageLimits,
    detectors: Detectors,
    redactor: Redactor,
    document_type: str,
    work: PageWork,
    sealer: Sealer | None,
) -> _MaskedPage:
    picture = decode(data, limits, CLEAN_PICTURES)
    with child_span(SpanName.PICTURE_READING):
        pixels, print_page = read_upright(detectors.ocr, picture.pixels, work)
    work.cancellation.check()
    faces = detectors.faces.detect(pixels)
    work.cancellation.check()
    others = OtherDetections(print_page.unread, faces, detectors.barcodes.detect(pixels))
    work.cancellation.check()
    mime = output_mime(picture.mime)
    with child_span(SpanName.PICTURE_MASKING):
        return _masked_page(pixels, print_page.lines, redactor, document_type, mime, others, sealer)


def _joined(pages: Sequence[_MaskedPage]) -> RedactedPage:
    """The pages of a document as one: their texts one after the other, their pictures one below the other."""
    width = max(page.pixels.shape[1] for page in pages)
    tops = [0, *accumulate(page.pixels.shape[0] for page in pages)]
    sheet = np.full((tops[-1], width, 3), 255, np.uint8)
    for top, page in zip(tops, pages, strict=False):
        sheet[top : top + page.pixels.shape[0], : page.pixels.shape[1]] = page.pixels
    moved = [
        replace(line, box=_lower(line.box, top))
        for top, page in zip(tops, pages, strict=False)
        for line in page.page.lines
    ]
    kinds: Counter[str] = sum((Counter(page.page.painted_kinds) for page in pages), Counter())
    return RedactedPage(
        lines=tuple(moved),
        text=RedactedText.join((page.page.text for page in pages), "\n"),
        image=encode(sheet, JPEG),
        image_mime=JPEG,
        width=width,
        height=tops[-1],
        painted=sum(page.page.painted for page in pages),
        compute_s=0.0,
        painted_kinds=kinds,
        sealed=tuple(value for page in pages for value in page.page.sealed),
    )


def _lower(box: Box, down: int) -> Box:
    (x0, y0), (x1, y1), (x2, y2), (x3, y3) = box
    return (x0, y0 + down), (x1, y1 + down), (x2, y2 + down), (x3, y3 + down)


def redact_page(
    pixels: Pixels,
    lines: Sequence[OcrLine],
    redactor: Redactor,
    document_type: str = "",
    *,
    mime: str = JPEG,
    others: OtherDetections = NO_OTHER_DETECTIONS,
    sealer: Sealer | None = None,
) -> RedactedPage:
    """Redact the lines of a picture, and paint over the same words, unread print, faces and personal barcodes.

    Args:
        pixels: RGB, upright.
        lines: What the OCR read in it.
        redactor: Finds entities in text.
        document_type: ``visitor_register``, ``meter``, ... or empty; then the text is redacted by the kind that
            ``document_kind`` recognises. Faces, barcodes and unread print follow the given kind only.
        mime: Type of the masked picture, ``image/jpeg`` or ``image/png``.
        others: Faces, barcodes and unread print in it.
        sealer: Seals the values that are found; None seals nothing.

    Raises:
        RedactionFailed: A recognizer broke.
    """
    began = time.perf_counter()
    page = _masked_page(pixels, lines, redactor, document_type, mime, others, sealer).encoded()
    return replace(page, compute_s=time.perf_counter() - began)


def _masked_page(
    pixels: Pixels,
    lines: Sequence[OcrLine],
    redactor: Redactor,
    document_type: str,
    mime: str,
    others: OtherDetections,
    sealer: Sealer | None = None,
) -> _MaskedPage:
    context = RedactionContext(source=TextSource.OCR, document_type=document_type)
    row_indices = rows(lines)
    _, redacted = redact_page_lines(lines, redactor, document_type)
    texts = redacted.texts
    all_entities = [[*entities, *more] for entities, more in zip(redacted.entities, redacted.more, strict=True)]
    masks = [*_word_masks(lines, all_entities), *_other_masks(pixels, lines, others, redactor, context)]
    masked = paint_over(pixels, [boxes for _, boxes in masks])
    shown = [not _only_unreadable(line, entities) for line, entities in zip(lines, redacted.entities, strict=True)]
    shown_rows = [[i for i in row if shown[i]] for row in row_indices]
    page = RedactedPage(
        lines=tuple(RedactedLine(texts[i], lines[i].box, lines[i].score) for row in shown_rows for i in row),
        text=RedactedText.join((RedactedText.join((texts[i] for i in row), " | ") for row in shown_rows), "\n"),
        image=b"",
        image_mime=mime,
        width=masked.shape[1],
        height=masked.shape[0],
        painted=len(masks),
        compute_s=0.0,
        painted_kinds=Counter(kind for kind, _ in masks),
        sealed=_sealed(lines, all_entities, sealer),
    )
    return _MaskedPage(page, masked)


def _sealed(
    lines: Sequence[OcrLine], found: Sequence[Sequence[Entity]], sealer: Sealer | None
) -> tuple[SealedValue, ...]:
    """The values of the page that are to be sealed, line by line. One that runs over two lines is two values."""
    if sealer is None:
        return ()
    pairs = zip(lines, found, strict=True)
    values = (v for line, entities in pairs for v in sealer.values(line.text, entities, TextSource.OCR, ""))
    return tuple({(value.field, value.hash): value for value in values}.values())


def _word_masks(lines: Sequence[OcrLine], found: Sequence[Sequence[Entity]]) -> list[_Mask]:
    return [
        ("unread" if entity.type == UNREADABLE else "text", word_boxes(line, entity.start, entity.end))
        for line, entities in zip(lines, found, strict=True)
        for entity in entities
    ]


def _other_masks(
    pixels: Pixels, lines: Sequence[OcrLine], others: OtherDetections, redactor: Redactor, context: RedactionContext
) -> list[_Mask]:
    document_type = context.document_type
    masks: list[_Mask] = [("unread", [u.box]) for u in others.unread if not _may_be_reading(u, document_type)]
    masks += [("face", face_boxes(face.box)) for face in others.faces if not _is_dial(face, lines, document_type)]
    personal = personal_barcodes(others.barcodes, redactor, context)
    masks += [("code", barcode_boxes(pixels, barcode)) for barcode in personal]
    return masks


def _may_be_reading(line: OcrLine, document_type: str) -> bool:
    """Whether unread print may be the digits of a meter: it is short and holds no word."""
    letters = sum(c.isalpha() for c in line.text.reveal())
    (x0, y0), (x1, y1), _, _ = line.box
    length = ((x1 - x0) ** 2 + (y1 - y0) ** 2) ** 0.5
    return document_type == METER_DOCUMENT and letters < MIN_WORD_LETTERS and length < 8 * text_height(line.box)


def _is_dial(face: Face, lines: Sequence[OcrLine], document_type: str) -> bool:
    """Whether a face on the picture of a meter is its dial: it has a low score, or certain print in it."""
    if document_type != METER_DOCUMENT or face.score < MIN_FACE_SCORE_ON_METER:
        return document_type == METER_DOCUMENT
    (left, top), (right, bottom) = face.box[0], face.box[2]
    certain = [centre(line.box) for line in lines if line.score >= CLEAR_SCORE]
    return sum(left < x < right and top < y < bottom for x, y in certain) >= 2


def _only_unreadable(line: OcrLine, entities: Sequence[Entity]) -> bool:
    """Whether no word of the line could be read. Its text is left out, its masks are painted."""
    covered = sum(e.end - e.start for e in entities)
    return (
        bool(entities) and all(e.type == UNREADABLE for e in entities) and covered >= len(line.text) - len(line.words)
    )
