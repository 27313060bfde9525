"""Input and output of the OCR."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

from models.media.pixels import Pixels
from models.sealed_values import SealedValue
from models.text import RawText, RedactedText
from models.vision.turns import PageWork

Box = tuple[tuple[float, float], tuple[float, float], tuple[float, float], tuple[float, float]]
"""Four corners (x, y) in pixels of the decoded picture, clockwise from the top left of the text."""

METER_DOCUMENT: Final = "meter"
"""Document type of the picture of a meter, whose reading and number stay legible."""


@dataclass(frozen=True, slots=True)
class OcrWord:
    """One word of a line with its own box and score in [0, 1]."""

    text: RawText
    box: Box
    score: float


@dataclass(frozen=True, slots=True)
class OcrLine:
    """One line of print as read.

    Attributes:
        score: In [0, 1].
        middles: Where the middle of each character lies, as a share of the line's length; empty if not known.
    """

    text: RawText
    box: Box
    score: float
    words: tuple[OcrWord, ...] = ()
    middles: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class OcrPage:
    """All print in a picture.

    Attributes:
        lines: Print that was read, from top to bottom.
        unread: Print that could not be read: low scores, texts that may be empty.
    """

    lines: tuple[OcrLine, ...]
    unread: tuple[OcrLine, ...] = ()


@dataclass(frozen=True, slots=True)
class RedactedLine:
    """One line after redaction; the box is that of the original line."""

    text: RedactedText
    box: Box
    score: float


@dataclass(frozen=True, slots=True)
class RedactedPage:
    """A picture after redaction.

    Attributes:
        lines: From top to bottom.
        text: The lines joined by newlines.
        image: Re-encoded picture without metadata, with everything personal painted over.
        image_mime: ``image/jpeg`` or ``image/png``.
        painted: Number of places painted over.
        painted_kinds: The same by kind: ``text``, ``unread`` print, ``face``, ``code``.
        compute_s: Decode, OCR, redaction and encode together.
        sealed: The values that were to be sealed.
    """

    lines: tuple[RedactedLine, ...]
    text: RedactedText
    image: bytes
    image_mime: str
    width: int
    height: int
    painted: int
    compute_s: float
    painted_kinds: Mapping[str, int] = field(default_factory=dict)
    sealed: tuple[SealedValue, ...] = ()


class OcrEngine(Protocol):
    """Reads print in pictures on local weights."""

    @property
    def name(self) -> str:
        """``rapidocr``."""
        ...

    @property
    def device(self) -> str:
        """``cpu`` or ``cuda``."""
        ...

    def read(self, pixels: Pixels) -> list[OcrLine]:
        """Read one picture, lines from top to bottom; empty when there is no print."""
        ...

    def read_page(self, pixels: Pixels, work: PageWork | None = None) -> OcrPage:
        """Read one picture; the page also holds print that could not be read.

        Args:
            pixels: RGB.
            work: Counts what the page uses, also of another look at it, and tells when to stop.
        """
        ...
