"""From a picture to redacted text and a painted picture.

Each line is judged three times: alone, with the cells beside it, and with the line below it, because OCR cuts a name
or an address wherever there is a gap. What any of them finds counts. To that come columns whose header says what is in
them, print that the OCR read so badly that nobody can tell what it is, faces, and codes with something personal in
them.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from models.media.images import JPEG, ImageLimits, decode, encode, output_mime
from models.media.pixels import Pixels
from models.redaction.types import RedactionContext, Redactor
from models.text import Entity, RawText, RedactedText, TextSource
from models.vision.barcodes import Code, CodeReader, personal_codes
from models.vision.faces import Face, FaceDetector
from models.vision.geometry import centre, rows, span_x, span_y, text_height
from models.vision.masking import boxes_of, cover_code, cover_face, paint_over
from models.vision.tables import personal_cells
from models.vision.types import METER_DOCUMENT, Box, OcrEngine, OcrLine, RedactedLine, RedactedPage

UNREADABLE: Final = "UNREADABLE"
LEAST_WORD_SCORE: Final = 0.5
CLEAR_SCORE: Final = 0.8
SURE_FACE: Final = 0.65  # of 29 meters, seven have dials that look like faces, three of them surely
LEAST_WORD_LETTERS: Final = 4
# A worn roller scores low and identifies nobody; more digits than a register has could be a telephone number.
_METER_DIGITS: Final = re.compile(r"[\d.,]{1,8}")
_SPACE: Final = RedactedText.literal(" ")


@dataclass(frozen=True, slots=True)
class _Piece:
    """Where one line stands in a text that is judged."""

    line: int
    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class _Passage:
    """One or more lines that are judged together."""

    text: str
    pieces: tuple[_Piece, ...]


@dataclass(frozen=True, slots=True)
class Detectors:
    """What looks at a picture: all three, so that none is forgotten."""

    print: OcrEngine
    faces: FaceDetector
    codes: CodeReader


@dataclass(frozen=True, slots=True)
class Beside:
    """What was seen in a picture beside its lines of print."""

    unread: Sequence[OcrLine] = ()
    faces: Sequence[Face] = ()
    codes: Sequence[Code] = ()


NOTHING_BESIDE: Final = Beside()

_Spot = tuple[str, list[Box]]
"""What is painted over: its kind, and boxes that belong together."""


def read_and_redact(
    data: bytes, limits: ImageLimits, sights: Detectors, redactor: Redactor, document_type: str = ""
) -> RedactedPage:
    """Decode, read, redact and paint one picture.

    Raises:
        TooLarge: A bound is passed.
        MediaError: The bytes are no picture that can be read.
        RedactionFailed: The text could not be judged; nothing comes out.
    """
    began = time.perf_counter()
    picture = decode(data, limits)
    pixels = picture.pixels
    seen = sights.print.look(pixels)
    beside = Beside(seen.unread, sights.faces.find(pixels), sights.codes.find(pixels))
    mime = output_mime(picture.mime)
    page = redact_page(pixels, seen.lines, redactor, document_type, mime=mime, beside=beside)
    return replace(page, compute_s=time.perf_counter() - began)


def redact_page(
    pixels: Pixels,
    lines: Sequence[OcrLine],
    redactor: Redactor,
    document_type: str = "",
    *,
    mime: str = JPEG,
    beside: Beside = NOTHING_BESIDE,
) -> RedactedPage:
    """Redact the text of a picture that was read, and paint the same words over, with faces and personal codes.

    Args:
        pixels: RGB, upright.
        lines: What the OCR read in it.
        redactor: Judges every text.
        document_type: ``visitor_register``, ``meter``, ... or empty.
        mime: Type of the painted picture, ``image/jpeg`` or ``image/png``.
        beside: Faces, codes and unread print in it.

    Raises:
        RedactionFailed: A recognizer broke.
    """
    began = time.perf_counter()
    context = RedactionContext(source=TextSource.OCR, document_type=document_type)
    row_indices = rows(lines)
    found = _judge(lines, row_indices, redactor, context)
    for cell in personal_cells(lines, row_indices):
        found[cell.line].append(Entity(cell.type, cell.start, cell.end, 1.0, "column"))
    for index, line in enumerate(lines):
        found[index] += _unreadable(line, document_type)
    merged = [merge(entities) for entities in found]
    texts, extra = _redacted_texts(lines, merged, redactor, context)

    found_twice = [[*entities, *more] for entities, more in zip(merged, extra, strict=True)]
    spots = [*_print_spots(lines, found_twice), *_other_spots(pixels, lines, beside, redactor, context)]
    painted = paint_over(pixels, [boxes for _, boxes in spots])
    shown = [not _only_unreadable(line, entities) for line, entities in zip(lines, merged, strict=True)]
    out = [RedactedLine(texts[i], lines[i].box, lines[i].score) for row in row_indices for i in row if shown[i]]
    row_texts = [RedactedText.join((texts[i] for i in row if shown[i]), " | ") for row in row_indices]
    return RedactedPage(
        lines=tuple(out),
        text=RedactedText.join(row_texts, "\n"),
        image=encode(painted, mime),
        image_mime=mime,
        width=painted.shape[1],
        height=painted.shape[0],
        painted=len(spots),
        compute_s=time.perf_counter() - began,
        painted_kinds=Counter(kind for kind, _ in spots),
    )


def _print_spots(lines: Sequence[OcrLine], found: Sequence[Sequence[Entity]]) -> list[_Spot]:
    """Words to paint over."""
    return [
        ("unread" if entity.type == UNREADABLE else "text", boxes_of(line, entity.start, entity.end))
        for line, entities in zip(lines, found, strict=True)
        for entity in entities
    ]


def _other_spots(
    pixels: Pixels, lines: Sequence[OcrLine], beside: Beside, redactor: Redactor, context: RedactionContext
) -> list[_Spot]:
    """What to paint over beside the words."""
    document_type = context.document_type
    spots: list[_Spot] = [("unread", [u.box]) for u in beside.unread if not _may_be_reading(u, document_type)]
    spots += [("face", cover_face(face.box)) for face in beside.faces if not _is_dial(face, lines, document_type)]
    spots += [("code", cover_code(pixels, code)) for code in personal_codes(beside.codes, redactor, context)]
    return spots


def merge(entities: Iterable[Entity]) -> list[Entity]:
    """Sorted, overlaps united; the type of a union is that of its longest part, the surer one where two are as long."""
    merged: list[Entity] = []
    for entity in sorted(entities, key=lambda e: (e.start, -e.end)):
        if merged and entity.start < merged[-1].end:
            last = merged[-1]
            best = max(
                last, entity, key=lambda e: (e.type != UNREADABLE, e.end - e.start, e.replacement != "", e.score)
            )
            merged[-1] = replace(best, start=last.start, end=max(last.end, entity.end))
        else:
            merged.append(entity)
    return merged


def _judge(
    lines: Sequence[OcrLine], row_indices: Sequence[Sequence[int]], redactor: Redactor, context: RedactionContext
) -> list[list[Entity]]:
    """What the redactor finds in each line, in whichever passage it stands; offsets in the line."""
    passages = list(_passages(lines, row_indices))
    found: list[list[Entity]] = [[] for _ in lines]
    redactions = redactor.redact_many([RawText(p.text) for p in passages], context)
    for passage, redaction in zip(passages, redactions, strict=True):
        for entity in redaction.entities:
            for piece in passage.pieces:
                start = max(entity.start - piece.offset, 0)
                end = min(entity.end - piece.offset, piece.length)
                if start < end and not _is_remainder(passage, entity, start + piece.offset, end + piece.offset):
                    found[piece.line].append(replace(entity, start=start, end=end))
    return found


def _is_remainder(passage: _Passage, entity: Entity, start: int, end: int) -> bool:
    """Whether this part of an entity is the beginning of a word in the next cell: "238 Cedar Road | 11" of 11:30."""
    crosses = (start, end) != (entity.start, entity.end)
    return crosses and end < len(passage.text) and not passage.text[end].isspace()


def _passages(lines: Sequence[OcrLine], row_indices: Sequence[Sequence[int]]) -> Iterator[_Passage]:
    for index in range(len(lines)):
        yield _passage(lines, (index,))
    for row in row_indices:
        if len(row) > 1:
            yield _passage(lines, row)
    for index, line in enumerate(lines):
        if (below := _line_below(lines, line)) is not None:
            yield _passage(lines, (index, below))


def _passage(lines: Sequence[OcrLine], members: Sequence[int]) -> _Passage:
    pieces, parts, offset = [], [], 0
    for index in members:
        text = lines[index].text.reveal()
        pieces.append(_Piece(index, offset, len(text)))
        parts.append(text)
        offset += len(text) + 1
    return _Passage(" ".join(parts), tuple(pieces))


def _line_below(lines: Sequence[OcrLine], line: OcrLine) -> int | None:
    """The nearest line that goes on under this one: less than two heights further down, beginning within its width."""
    height = text_height(line.box)
    left, right = span_x(line.box)
    best: tuple[float, int] | None = None
    for index, other in enumerate(lines):
        step = centre(other.box)[1] - centre(line.box)[1]
        start, end = span_x(other.box)
        if 0.6 * height < step and span_y(other.box)[0] - span_y(line.box)[1] < height and start < right and left < end:
            best = min(best or (step, index), (step, index))
    return best[1] if best else None


def _unreadable(line: OcrLine, document_type: str) -> list[Entity]:
    """Words with letters or digits that the OCR is not sure of."""
    text, position, doubtful = line.text.reveal(), 0, []
    for word in line.words:
        value = word.text.reveal()
        start = text.index(value, position)
        position = start + len(value)
        if word.score >= LEAST_WORD_SCORE or not any(c.isalnum() for c in value):
            continue
        if document_type == METER_DOCUMENT and _METER_DIGITS.fullmatch(value):
            continue
        doubtful.append(Entity(UNREADABLE, start, position, 1.0 - word.score, "ocr-score"))
    return doubtful


def _may_be_reading(line: OcrLine, document_type: str) -> bool:
    """Whether print that nobody could read may be a meter's register: short, and no word in it."""
    letters = sum(c.isalpha() for c in line.text.reveal())
    (x0, y0), (x1, y1), _, _ = line.box
    length = ((x1 - x0) ** 2 + (y1 - y0) ** 2) ** 0.5
    return document_type == METER_DOCUMENT and letters < LEAST_WORD_LETTERS and length < 8 * text_height(line.box)


def _is_dial(face: Face, lines: Sequence[OcrLine], document_type: str) -> bool:
    """Whether a face is that of a meter: doubtful, or with clear print all over it."""
    if document_type != METER_DOCUMENT or face.score < SURE_FACE:
        return document_type == METER_DOCUMENT
    (left, top), (right, bottom) = face.box[0], face.box[2]
    clear = [centre(line.box) for line in lines if line.score >= CLEAR_SCORE]
    return sum(left < x < right and top < y < bottom for x, y in clear) >= 2


def _only_unreadable(line: OcrLine, entities: Sequence[Entity]) -> bool:
    """Whether nothing of the line could be read; the picture shows its bars, the text would be noise."""
    covered = sum(e.end - e.start for e in entities)
    return (
        bool(entities) and all(e.type == UNREADABLE for e in entities) and covered >= len(line.text) - len(line.words)
    )


def _redacted_texts(
    lines: Sequence[OcrLine], found: Sequence[Sequence[Entity]], redactor: Redactor, context: RedactionContext
) -> tuple[list[RedactedText], list[list[Entity]]]:
    """The lines with tags, and what the redactor found on top in what was left between the tags."""
    texts = [line.text.reveal() for line in lines]
    rests = [(i, start, end) for i, entities in enumerate(found) for start, end in _rests(texts[i], entities)]
    redactions = redactor.redact_many([RawText(texts[i][start:end]) for i, start, end in rests], context)
    parts = [[(e.start, e.end, RedactedText.in_place_of(e)) for e in entities] for entities in found]
    extra: list[list[Entity]] = [[] for _ in lines]
    for (i, start, end), redaction in zip(rests, redactions, strict=True):
        parts[i].append((start, end, redaction.text))
        extra[i] += [replace(e, start=e.start + start, end=e.end + start) for e in redaction.entities]
    return [_compose(p) for p in parts], extra


def _rests(text: str, entities: Sequence[Entity]) -> list[tuple[int, int]]:
    """What lies between the entities, without the spaces around it."""
    borders = [0, *(n for e in entities for n in (e.start, e.end)), len(text)]
    spans = []
    for start, end in zip(borders[::2], borders[1::2], strict=True):
        piece = text[start:end]
        if core := piece.strip():
            first = start + len(piece) - len(piece.lstrip())
            spans.append((first, first + len(core)))
    return spans


def _compose(parts: Sequence[tuple[int, int, RedactedText]]) -> RedactedText:
    """Parts of one line in order; where they do not touch, a space stood between them."""
    pieces: list[RedactedText] = []
    position = 0
    for start, end, text in sorted(parts, key=lambda part: part[0]):
        if pieces and position < start:
            pieces.append(_SPACE)
        pieces.append(text)
        position = end
    return RedactedText.join(pieces, "")
