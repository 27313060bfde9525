"""What the layout of a page says about its words: a label and its value, a list of goods, a company's name.

The label words are data, ``labels.yaml`` and ``documents.yaml`` of each language in the lexicons.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise, takewhile
from typing import Final

from models.redaction.lexicons.loader import ANY, languages, word_lists, words
from models.redaction.normalize.words import WORD
from models.vision.document_kind import FORM, RECEIPT, REGISTER
from models.vision.geometry import span_x, text_height
from models.vision.tables import company_cells, folded, header_type, is_header
from models.vision.types import OcrLine

_MAX_DIGITS: Final = 7
"""A longer number is never explained: it may be a telephone number or an identity number."""
_MAX_VALUE_GAP: Final = 14.0
"""Between a label and its value, in heights of the print."""
_LABEL: Final = re.compile(
    r"(?:^|(?<=[\s;,(/])|(?<=\d)(?=[A-Z]))"
    r"(?P<label>[^\W\d_][^\W_]*(?:[ ./&'-]{1,2}[^\W_]+)*(?:\([^)]{1,30}\))?\.?) ?[:#]"
)
"""A label before its sign: words, and in brackets what is meant."""
_MAX_LABEL_WORDS: Final = 8
_MAX_OPENING_WORDS: Final = 9
_MAX_VALUE_WORDS: Final = 8
_AMOUNT: Final = re.compile(r"-?\d{1,6}[.,]\d{2}")
_SEGMENT: Final = re.compile(r"[^,;:()]+")
_TITLE: Final = re.compile(r"\b(?:mr|mrs|ms|miss|dr|prof|herr|frau|sr|sra|mme)\b")
_LINKS: Final = frozenset({"of", "for", "s"})
"""With one of these a label goes on: "Names of other persons:"."""
_NUMBER: Final = frozenset({"no", "nos", "number"})
_NAME_OF: Final = frozenset({"name", "names"})
_PLURAL: Final = re.compile(r" ?\(s\)", re.IGNORECASE)
_SUFFIXES: Final = words(ANY, "companies", "suffixes")


def _all(subject: str, name: str) -> frozenset[str]:
    lists = (word_lists(language, subject).get(name, ()) for language in languages(subject))
    return frozenset(folded(entry) for entries in lists for entry in entries)


_PERSON: Final = _all("labels", "person")
_THING: Final = _all("labels", "thing")
_TEXT: Final = _all("labels", "text")
_COLUMNS: Final = _all("labels", "column")
_GOODS: Final = _all("documents", "goods")
_TOTALS: Final = _all("documents", "totals")
_LABEL_WORDS: Final = frozenset(
    word
    for phrases in (
        _PERSON,
        _THING,
        _TEXT,
        _COLUMNS,
        _GOODS,
        _TOTALS,
        _all("documents", "form"),
        _all("documents", "receipt"),
    )
    for phrase in phrases
    for word in phrase.split()
)


@dataclass(frozen=True, slots=True)
class LayoutWords:
    """Words of a page in small letters.

    Attributes:
        explained: Words that the layout explains, so that they are no names and no personal numbers.
        answers: Words that stand after a label for a person; they are never explained.
    """

    explained: frozenset[str] = frozenset()
    answers: frozenset[str] = frozenset()


def layout_words(lines: Sequence[OcrLine], row_indices: Sequence[Sequence[int]], kind: str) -> LayoutWords:
    """What the layout of a page says about its words.

    Args:
        lines: All lines of the page.
        row_indices: Indices into them, row by row, left to right (``geometry.rows``).
        kind: Of the document; only forms, receipts and registers are explained.
    """
    if kind not in (FORM, RECEIPT, REGISTER):
        return LayoutWords()
    rows = [[lines[i] for i in row] for row in row_indices]
    explained = set(_LABEL_WORDS)
    for line in lines:
        explained |= _company_words(line.text.reveal())
    answers: set[str] = set()
    for row in rows:
        for label, value in _labelled(row):
            explained |= _label_words(label)
            if _is_person(label):
                answers |= set(_words(value))
            elif _is_thing(label) and _names_a_thing(value):
                explained |= set(_words(value))
    for cell in company_cells(lines, row_indices) if kind == REGISTER else ():
        explained |= set(_words(lines[cell.line].text.reveal()[cell.start : cell.end]))
    if kind == RECEIPT:
        explained |= {word for row in _goods_rows(rows) for word in row}
    answers -= _LABEL_WORDS
    return LayoutWords(frozenset(explained - answers), frozenset(answers))


def is_label_of_thing(text: str) -> bool:
    """Whether a text consists of label words, none of them for a person: "REVISIONS"."""
    found = set(_words(text))
    return bool(found) and found <= _LABEL_WORDS - _PERSON


def asks_for_a_person(text: str) -> bool:
    """Whether a cell is a label, or ends with one, whose value may stand in the next cell and be personal."""
    return is_header(text) or any(start >= end and _is_person(label) for label, start, end in _parts(text))


def has_label_for_a_person(text: str) -> bool:
    """Whether a line is a label for a person, or has one with its value: "CSH: Xq"."""
    return is_header(text) or any(_is_person(label) for label, _, _ in _parts(text))


def labelled_values(
    lines: Sequence[OcrLine], row_indices: Sequence[Sequence[int]]
) -> Iterator[tuple[int, int, int, str]]:
    """Values of personal labels such as "Name": index of the line, start and end of the value, entity type."""
    for row in row_indices:
        for place, index in enumerate(row):
            for label, start, end in _parts(lines[index].text.reveal()):
                kind = header_type(label)
                if kind is None:
                    continue
                if start < end:
                    yield index, start, end, kind
                elif place + 1 < len(row) and _is_value(lines[index], lines[row[place + 1]]):
                    yield row[place + 1], 0, len(lines[row[place + 1]].text), kind


def _parts(text: str) -> Iterator[tuple[str, int, int]]:
    """The labels of a line, each with the span of its value, which may be empty."""
    found = [m for m in _LABEL.finditer(text) if len(m["label"].split()) <= _MAX_LABEL_WORDS]
    for number, match in enumerate(found):
        end = found[number + 1].start() if number + 1 < len(found) else len(text)
        value = text[match.end() : end]
        yield match["label"], match.end() + len(value) - len(value.lstrip()), match.end() + len(value.rstrip())
    if not found:
        label = _opening_label(text)
        start = len(label) + len(text[len(label) :]) - len(text[len(label) :].lstrip())
        yield label, start, len(text)


def _opening_label(text: str) -> str:
    """A text without a colon up to a label for a thing that opens it, else the text.

    The label is in capitals ("BRAND Kestrel"), ends with the "(s)" of forms ("Brand(s) Kestrel"), or consists of
    several label words ("Project Name/ Description Kestrel").
    """
    if len(text.split()) > _MAX_OPENING_WORDS:
        return text
    ends = [m.end() for m in islice(WORD.finditer(text), 3) if m.group().isupper() and m.group().casefold() in _THING]
    if ends:
        return text[: ends[-1]]
    opening = list(
        takewhile(lambda m: len(m.group()) > 1 and m.group().casefold() in _LABEL_WORDS, WORD.finditer(text))
    )
    several = len(opening) > 1 and opening[-1].group().casefold() in _TEXT | _NAME_OF
    end = opening[-1].end() if opening else 0
    plural = _PLURAL.match(text, end)
    if not opening or not (several or plural) or _is_person(text[:end]):
        return text
    return text[: plural.end() if plural else end]


def _is_value(label: OcrLine, cell: OcrLine) -> bool:
    """Whether a cell to the right of a label is its value: near, and no label itself."""
    text = cell.text.reveal()
    gap = span_x(cell.box)[0] - span_x(label.box)[1]
    near = gap < _MAX_VALUE_GAP * text_height(label.box)
    return near and not is_header(text) and _LABEL.search(text) is None and not set(_words(text)) <= _LABEL_WORDS


def _labelled(row: Sequence[OcrLine]) -> Iterator[tuple[str, str]]:
    """Labels of a row with their values, which may be empty."""
    for place, line in enumerate(row):
        text = line.text.reveal()
        for label, start, end in _parts(text):
            if label == text and not _is_label(label):
                continue
            beside = start >= end and place + 1 < len(row) and _is_value(line, row[place + 1])
            yield label, row[place + 1].text.reveal() if beside else text[start:end]


def _label_words(label: str) -> set[str]:
    """The words of a label that has a known word: "Group leader:", but not "Ana Lopez:" or "Dr. Lopez (manager):".

    Words right after one for a person are a value without a sign: "Name Ana Lopez Date:".
    """
    found = _words(label)
    if _LABEL_WORDS.isdisjoint(found) or _TITLE.search(label.casefold()):
        return set()
    explained: set[str] = set()
    is_value = False
    for before, word in pairwise(["", *found]):
        if word in _LABEL_WORDS:
            is_value = False
        elif before in _PERSON:
            is_value = word not in _LINKS
        if not is_value:
            explained.add(word)
    return explained


def _names_a_thing(value: str) -> bool:
    """Whether a value is short and addresses nobody. A longer one is a sentence, which may mention people."""
    return len(value.split()) <= _MAX_VALUE_WORDS and _TITLE.search(value.casefold()) is None


def _is_label(text: str) -> bool:
    """Whether a text without a colon is a label: short, and it ends with a label word."""
    found = folded(text).split()
    if not 0 < len(found) <= _MAX_LABEL_WORDS or any(c.isdigit() for c in text):
        return False
    return (
        found[-1] in _PERSON or found[-1] in _THING or found[-1] in _NUMBER or (len(found) <= 2 and found[0] in _THING)
    )


def _is_person(label: str) -> bool:
    found = folded(label).split()
    of_things = (second in _NAME_OF and first in _THING for first, second in pairwise(["", *found]))  # "event name"
    return any(word in _PERSON and not of_thing for word, of_thing in zip(found, of_things, strict=True))


def _is_thing(label: str) -> bool:
    found = folded(label).split()
    return any(word in _THING for word in found) or bool(found and found[-1] in _NUMBER)


def _company_words(text: str) -> set[str]:
    """The words before a company's suffix, within their part of the line."""
    found: set[str] = set()
    for segment in _SEGMENT.finditer(text):
        line = segment.group().casefold()
        if _TITLE.search(line):
            continue
        spelled = [match.group() for match in WORD.finditer(line)]
        ends = [n for n, word in enumerate(spelled) if word in _SUFFIXES]
        if ends and len(spelled) <= 8:
            found |= set(spelled[: ends[-1] + 1])
    return found


def _goods_rows(rows: Sequence[Sequence[OcrLine]]) -> Iterator[list[str]]:
    """The words of each row of a list of goods and of its totals, without rows that have a label for a person."""
    texts = [[line.text.reveal() for line in row] for row in rows]
    heads = [n for n, row in enumerate(texts) if sum(_is_goods_header(cell) for cell in row) >= 2]
    priced = [n for n, row in enumerate(texts) if any(_AMOUNT.search(cell) for cell in row)]
    if not priced:
        return
    first = min(heads[0] if heads else priced[0], priced[0])
    for row in texts[first : priced[-1] + 1]:
        if not any(_is_person(label) for label in _labels_in(row)):
            yield [word for cell in row for word in _words(cell)]


def _labels_in(row: Sequence[str]) -> Iterator[str]:
    for cell in row:
        yield from (label for label, _, _ in _parts(cell) if label != cell)


def _is_goods_header(cell: str) -> bool:
    return any(word in _GOODS for word in folded(cell).split())


def _words(text: str) -> list[str]:
    """The words of a text in small letters, without long numbers."""
    found = (match.group() for match in WORD.finditer(text.casefold()))
    return [word for word in found if sum(c.isdigit() for c in word) <= _MAX_DIGITS]
