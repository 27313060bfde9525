"""Draws the pages of a PDF, each as one picture."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Final

import pypdfium2 as pdfium
from PIL import Image

from models.errors import BrokenMedia, TooLarge
from models.media.images import SHOWN_SIDE
from models.media.structure import pdf
from models.reasons import Reason

_POINTS_PER_INCH: Final = 72
_PASSWORD_ERROR: Final = 4
"""``FPDF_ERR_PASSWORD`` of PDFium."""


@dataclass(frozen=True, slots=True)
class DocumentLimits:
    """Bounds on one document.

    Attributes:
        pages: Pages of it.
        dots_per_inch: How fine a page is drawn; the OCR reads small print of 200.
        side: Longest side of the picture of a page; a larger page is drawn less finely.
        quality: Of the JPEG picture of a page.
    """

    pages: int = 5
    dots_per_inch: int = 200
    side: int = SHOWN_SIDE
    quality: int = 95


def draw_pages(data: bytes, limits: DocumentLimits) -> list[bytes]:
    """The pages of a document in order, as JPEG pictures.

    Raises:
        UnsupportedMedia: The document is encrypted, or does more than being shown.
        TooLarge: It has too many pages, or unpacks to too much.
        BrokenMedia: It is damaged, or has no pages.
    """
    pdf.check(data)
    try:
        with pdfium.PdfDocument(data) as document:
            if pdfium.raw.FPDF_GetSecurityHandlerRevision(document) >= 0:
                raise pdf.encrypted()
            _check_active(document)
            _check_pages(len(document), limits)
            return [_draw(document, index, limits) for index in range(len(document))]
    except pdfium.PdfiumError as exc:
        if exc.err_code == _PASSWORD_ERROR:
            raise pdf.encrypted() from None
        raise BrokenMedia("The PDF file is damaged.") from None


def _check_active(document: pdfium.PdfDocument) -> None:
    """PDFium is asked, too: it finds what is written in a way that ``pdf.check`` does not read."""
    scripts = pdfium.raw.FPDFDoc_GetJavaScriptActionCount(document)
    if scripts > 0 or pdfium.raw.FPDFDoc_GetAttachmentCount(document) > 0:
        raise pdf.active()


def _check_pages(count: int, limits: DocumentLimits) -> None:
    if count > limits.pages:
        raise TooLarge(
            f"The PDF has {count} pages; {limits.pages} are allowed.",
            reason=Reason.TOO_MANY_PAGES,
            hint="Send it in parts, or send the pages that matter as pictures.",
        )
    if not count:
        raise BrokenMedia("The PDF has no pages.")


def _draw(document: pdfium.PdfDocument, index: int, limits: DocumentLimits) -> bytes:
    page = document[index]
    longest = max(page.get_size())
    if not 0 < longest < float("inf"):
        raise BrokenMedia("A page of the PDF has no size.")
    scale = min(limits.dots_per_inch / _POINTS_PER_INCH, limits.side / longest)
    drawn = page.render(scale=scale, rev_byteorder=True, may_draw_forms=False).to_pil()
    page.close()
    out = io.BytesIO()
    _rgb(drawn).save(out, "JPEG", quality=limits.quality)
    return out.getvalue()


def _rgb(picture: Image.Image) -> Image.Image:
    return picture if picture.mode == "RGB" else picture.convert("RGB")
