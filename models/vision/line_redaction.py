"""Finds the personal words in lines of print, and writes the lines with tags.

The redactor sees each line three times: alone, with the other cells of its row, and with the line below it, because OCR
splits a name or an address wherever there is a gap. Columns add what their header says about them. Words that the OCR
could hardly read count as personal.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

from models.redaction.normalize.words import WORD
from models.redaction.types import CLASSIFIER, LAID_OUT, OF_OWN_MODEL, RedactionContext, Redactor
from models.text import Entity, RawText, RedactedText, TextSource
from models.vision.document_kind import ALIGNED, REGISTER, document_kind
from models.vision.geometry import rows
from models.vision.layout import has_label_for_a_person, is_label_of_thing, labelled_values, layout_words
from models.vision.passages import Passage, are_far, passages
from models.vision.tables import Cell, personal_cells
from models.vision.types import METER_DOCUMENT, OcrLine

UNREADABLE: Final = "UNREADABLE"
MIN_WORD_SCORE: Final = 0.5
"""A word with a lower score is unreadable."""
# A worn drum scores low and identifies nobody; more digits than a meter has could be a telephone number.
_METER_DIGITS: Final = re.compile(r"[\d.,]{1,8}")
_NAME_PATTERNS: Final = frozenset({"titled-name", "introduced-name"})
_NUMBER_FIRST: Final = ("street:number-", "street:city")
"""Beginnings of the names of recognizers of streets that begin with the number of the house."""
_TITLE_AND_NAME: Final = 2
"""Words of a name that may go on in the next cell."""
_MAX_NAME_WORDS: Final = 4
_IN_CELLS: Final = LAID_OUT | {REGISTER}
"""Kinds of documents in which cells side by side may have nothing to do with each other."""
_AMOUNT: Final = re.compile(r"\D{0,2}\d{1,6}[.,]\d{2}")
_SPACE: Final = RedactedText.literal(" ")


@dataclass(frozen=True, slots=True)
class RedactedLines:
    """Lines of print after redaction.

    Attributes:
        texts: Each line with tags.
        entities: What was found in each line and stands as a tag in its text.
        more: What was found only in the text between the tags.
    """

    texts: list[RedactedText]
    entities: list[list[Entity]]
    more: list[list[Entity]]


def redact_lines(
    lines: Sequence[OcrLine],
    row_indices: Sequence[Sequence[int]],
    redactor: Redactor,
    context: RedactionContext,
    given: str = "",
) -> RedactedLines:
    """Find what is personal in the lines of a page, and write them with tags.

    Args:
        lines: All lines of the page.
        row_indices: Indices into them, row by row, left to right (``geometry.rows``).
        redactor: Finds entities in text.
        context: Of the page.
        given: The kind that the sender gave. Unreadable words follow it only, never a kind that was recognised.

    Raises:
        RedactionFailed: A recognizer broke.
    """
    words = layout_words(lines, row_indices, context.document_type)
    context = replace(context, explained=words.explained, answers=words.answers)
    found = _find_entities(lines, row_indices, redactor, context)
    for cell in personal_cells(lines, row_indices, aligned=context.document_type in ALIGNED):
        if context.document_type in LAID_OUT and _is_no_name(cell, lines[cell.line].text.reveal()):
            continue
        found[cell.line].append(Entity(cell.type, cell.start, cell.end, 1.0, "column"))
    for index, start, end, kind in labelled_values(lines, row_indices):
        found[index].append(Entity(kind, start, end, 1.0, "label"))
    for index, line in enumerate(lines):
        found[index] += _unreadable(line, given)
    merged = [merge(entities) for entities in found]
    texts, more = _redacted_texts(lines, merged, redactor, context)
    for index in _doubted_without_own(lines, found, redactor, context):
        texts[index] = replace(texts[index], safe_for_llm=False)
    return RedactedLines(texts, merged, more)


def redact_page_lines(lines: Sequence[OcrLine], redactor: Redactor, given: str = "") -> tuple[str, RedactedLines]:
    """The kind of a page and its redacted lines.

    Args:
        lines: All lines of the page.
        redactor: Finds entities in text.
        given: The kind that the sender gave.

    Raises:
        RedactionFailed: A recognizer broke.
    """
    kind = document_kind(lines, given)
    context = RedactionContext(source=TextSource.OCR, document_type=kind)
    return kind, redact_lines(lines, rows(lines), redactor, context, given)


def merge(entities: Iterable[Entity]) -> list[Entity]:
    """Sort entities and unite overlapping ones. A union has the type of its longest part, else of the higher score."""
    merged: list[Entity] = []
    for entity in sorted(entities, key=lambda e: (e.start, -e.end)):
        if merged and entity.start < merged[-1].end:
            last = merged[-1]
            best = max(last, entity, key=lambda e: (e.type != UNREADABLE, e.end - e.start, _is_rewritten(e), e.score))
            merged[-1] = replace(best, start=last.start, end=max(last.end, entity.end))
        else:
            merged.append(entity)
    return merged


def _is_rewritten(entity: Entity) -> bool:
    """Whether the policy writes something other than a plain tag."""
    return bool(entity.replacement or entity.identity)


def _find_entities(
    lines: Sequence[OcrLine], row_indices: Sequence[Sequence[int]], redactor: Redactor, context: RedactionContext
) -> list[list[Entity]]:
    """What the redactor finds in each line, in any passage; offsets in the line."""
    in_cells = context.document_type in _IN_CELLS
    seen = list(passages(lines, row_indices, in_cells=in_cells))
    found: list[list[Entity]] = [[] for _ in lines]
    redactions = redactor.redact_many([RawText(p.text) for p in seen], context)
    alone: list[set[str]] = [set() for _ in lines]
    for passage, redaction in zip(seen, redactions, strict=True):
        if len(passage.pieces) == 1:
            alone[passage.pieces[0].line] = {entity.type for entity in redaction.entities}
        for entity in redaction.entities:
            if in_cells and _is_from_neighbours(passage, lines, entity, alone):
                continue
            for piece in passage.pieces:
                start = max(entity.start - piece.offset, 0)
                end = min(entity.end - piece.offset, piece.length)
                span = start + piece.offset, end + piece.offset
                if start < end and not _is_foreign(passage, lines, entity, span, context.explained):
                    found[piece.line].append(replace(entity, start=start, end=end))
    return found


def _is_foreign(
    passage: Passage, lines: Sequence[OcrLine], entity: Entity, span: tuple[int, int], explained: frozenset[str]
) -> bool:
    """Whether this part of an entity that crosses cells belongs to another cell.

    It is the start of a word in the next cell ("238 Cedar Road | 11" of 11:30), a cell after a whole name ("Dr. Ana
    Lopez | Date"), words that the layout explains, words before the number of a house ("Yearly cost | 2 Elm Place"),
    or one of several short numbers far apart ("2.13 | 2 | 1"). A model of the operator's own judges each word
    by itself.
    """
    start, end = span
    if span == (entity.start, entity.end) or entity.recognizer.startswith(OF_OWN_MODEL):
        return False
    words = WORD.findall(passage.text[start:end].casefold())
    if entity.recognizer.startswith((CLASSIFIER, "street:")) and explained.issuperset(words):
        return True
    if entity.recognizer.startswith(_NUMBER_FIRST) and _is_before_number(passage.text, entity, span):
        return True
    if end < len(passage.text) and not passage.text[end].isspace():
        return True
    if entity.recognizer in _NAME_PATTERNS:
        return start > entity.start and len(passage.text[entity.start : start].split()) > _TITLE_AND_NAME
    return not entity.recognizer.startswith(CLASSIFIER) and _is_row_of_numbers(passage, lines, entity)


def _is_no_name(cell: Cell, text: str) -> bool:
    """Whether a cell below a header for a name is a label, or too long: the table of a form ends without a mark."""
    return cell.type == "NAME" and (is_label_of_thing(text) or len(text.split()) > _MAX_NAME_WORDS)


def _is_from_neighbours(passage: Passage, lines: Sequence[OcrLine], entity: Entity, alone: Sequence[set[str]]) -> bool:
    """Whether the classifier found something only because of the other lines of a passage.

    That is an address of lines of which none is one alone, or a name in a line that has none alone, and no label for a
    person is there. A name that runs on in the next line counts.
    """
    if not entity.recognizer.startswith(CLASSIFIER):
        return False
    touched = [p.line for p in passage.pieces if p.touches(entity.start, entity.end)]
    if any(entity.type in alone[line] for line in touched):
        return False
    if entity.type != "NAME" or len(touched) > 1:
        return entity.type == "ADDRESS"
    return not any(has_label_for_a_person(lines[piece.line].text.reveal()) for piece in passage.pieces)


def _is_before_number(text: str, entity: Entity, span: tuple[int, int]) -> bool:
    """Whether the first part of an address has no digit, and the next cell goes on with a number and a street."""
    start, end = span
    rest = text[end : entity.end].lstrip()
    whole = rest[:1].isdigit() and any(c.isalpha() for c in rest)
    return start == entity.start and whole and not any(c.isdigit() for c in text[start:end])


def _is_row_of_numbers(passage: Passage, lines: Sequence[OcrLine], entity: Entity) -> bool:
    """Whether an entity consists of whole cells with few digits each, far apart or with amounts among them."""
    touched = [p for p in passage.pieces if p.touches(entity.start, entity.end)]
    texts = [passage.text[p.offset : p.offset + p.length] for p in touched]
    if any(c.isalpha() for text in texts for c in text):
        return False
    boxes = [lines[p.line].box for p in touched]
    return all(are_far(*pair) for pair in pairwise(boxes)) or any(_AMOUNT.fullmatch(text) for text in texts)


def _unreadable(line: OcrLine, document_type: str) -> list[Entity]:
    """Words with letters or digits that have a low OCR score."""
    text, position, found = line.text.reveal(), 0, []
    for word in line.words:
        value = word.text.reveal()
        start = text.index(value, position)
        position = start + len(value)
        if word.score >= MIN_WORD_SCORE or not any(c.isalnum() for c in value):
            continue
        if document_type == METER_DOCUMENT and _METER_DIGITS.fullmatch(value):
            continue
        found.append(Entity(UNREADABLE, start, position, 1.0 - word.score, "ocr-score"))
    return found


def _redacted_texts(
    lines: Sequence[OcrLine], found: Sequence[Sequence[Entity]], redactor: Redactor, context: RedactionContext
) -> tuple[list[RedactedText], list[list[Entity]]]:
    """The lines with tags, and what the redactor found in the text between the tags."""
    texts = [line.text.reveal() for line in lines]
    rests = [(i, start, end) for i, entities in enumerate(found) for start, end in _rests(texts[i], entities)]
    redactions = redactor.redact_many([RawText(texts[i][start:end]) for i, start, end in rests], context)
    parts = [[(e.start, e.end, RedactedText.in_place_of(e)) for e in entities] for entities in found]
    more: list[list[Entity]] = [[] for _ in lines]
    for (i, start, end), redaction in zip(rests, redactions, strict=True):
        parts[i].append((start, end, redaction.text))
        more[i] += [replace(e, start=e.start + start, end=e.end + start) for e in redaction.entities]
    return [_compose(p) for p in parts], more


def _doubted_without_own(
    lines: Sequence[OcrLine], found: Sequence[Sequence[Entity]], redactor: Redactor, context: RedactionContext
) -> set[int]:
    """The lines that are unsafe for the LLM if what a model of the operator's own found there is not hidden.

    It clears no doubt (``safety.check_safety``), and parts of a number are judged one by one between the tags.
    """
    built_in = [[e for e in entities if not e.recognizer.startswith(OF_OWN_MODEL)] for entities in found]
    texts = [line.text.reveal() for line in lines]
    rests = [
        (index, texts[index][start:end])
        for index, entities in enumerate(built_in)
        if len(entities) < len(found[index])
        for start, end in _rests(texts[index], merge(entities))
    ]
    redactions = redactor.redact_many([RawText(text) for _, text in rests], context) if rests else []
    return {index for (index, _), redacted in zip(rests, redactions, strict=True) if not redacted.text.safe_for_llm}


def _rests(text: str, entities: Sequence[Entity]) -> list[tuple[int, int]]:
    """The spans between the entities, without the spaces around them."""
    edges = [0, *(n for e in entities for n in (e.start, e.end)), len(text)]
    spans = []
    for start, end in zip(edges[::2], edges[1::2], strict=True):
        piece = text[start:end]
        if core := piece.strip():
            first = start + len(piece) - len(piece.lstrip())
            spans.append((first, first + len(core)))
    return spans


def _compose(parts: Sequence[tuple[int, int, RedactedText]]) -> RedactedText:
    """Join the parts of one line in order; parts that do not touch had a space between them."""
    pieces: list[RedactedText] = []
    position = 0
    for start, end, text in sorted(parts, key=lambda part: part[0]):
        if pieces and position < start:
            pieces.append(_SPACE)
        pieces.append(text)
        position = end
    return RedactedText.join(pieces, "")
