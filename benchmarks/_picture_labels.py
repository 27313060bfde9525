"""What is personal on the labelled forms and receipts: rules over the words that the sets give.

``PERSONAL`` are names of people, their telephone numbers and e-mail addresses. ``BUSINESS`` are a company's name,
address, tax and register number. Every other word is ``HARMLESS``. The rules were checked by eye on one half of the
sets only.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from models.vision.types import Box

PERSONAL: Final = "personal"
BUSINESS: Final = "business"
HARMLESS: Final = "harmless"


@dataclass(slots=True)
class PrintedWord:
    """A word of the truth.

    Attributes:
        text: As labelled.
        box: Its corners.
        label: ``PERSONAL``, ``BUSINESS`` or ``HARMLESS``.
        value: Number of the personal value that it belongs to; 0 for none.
    """

    text: str
    box: Box
    label: str = HARMLESS
    value: int = 0


_PERSON_QUESTION: Final = re.compile(
    r"\b(?:authorized to|to|from|attn|attention|cc|[a-z]+ed by|submitted to|signatures?|contact|liaison|investigators?"
    r"|personnel|return to|originator|manager|director|supervisor|coordinator|representative|copies to.*|names? of .*"
    r"|sender|recipient|name)\s*(?:\(s\))?\s*[:.]?\s*$",
    re.IGNORECASE,
)
_MAKER: Final = re.compile(r"\b(?:manufacturer|supplier|vendor|company)", re.IGNORECASE)
_NO_PERSON_QUESTION: Final = re.compile(
    r"(?:event|brand|project|product|study|company|file|account|chain|store|firm|agency|trade) name|shipped to",
    re.IGNORECASE,
)
_TITLE: Final = r"(?:Mr|Mrs|Ms|Miss|Dr|Prof)\b\.?"
_NAME: Final = r"[A-Z][\w'\u00c0-\u024f-]+"
_INITIALS: Final = r"(?:[A-Z]\. ?){1,3}"
_PEOPLE: Final = (
    re.compile(rf"{_TITLE} (?:{_INITIALS} ?|{_NAME} ){{0,2}}{_NAME}"),
    re.compile(
        rf"(?<![\w.&]){_INITIALS} ?(?!Inc|Co\b|Corp|Box|Angeles|York|Orleans)"
        r"[A-Z](?:[a-z]{2,}|[A-Z]{3,}\b)(?:[A-Z][a-z]+)?"
    ),
)
_LISTED: Final = re.compile(rf"\b{_NAME}, (?:{_NAME} [A-Z]\.|(?:[A-Z]\. ?){{1,2}})(?=[ ,;]|$)")
_IN_ANSWER: Final = re.compile(rf"(?:{_INITIALS} ?|{_NAME}[. ]){{0,3}}{_NAME}")
_PHONE_QUESTION: Final = re.compile(
    r"\b(?:tele)?(?:phone|fax|copier)|\b(?:tel|beeper|pager|facsimile)\b", re.IGNORECASE
)
_PHONE_ANSWER: Final = re.compile(r"[\d(][\d() ./-]{6,}\d")
_DATE: Final = re.compile(r"\w+[ ./-]{1,3}\w+[ .,/-]{1,3}\d{2,4}")
_SSN: Final = re.compile(r"(?<![\d-])\d{3} ?- ?\d{2} ?- ?\d{4}(?![\d-])")
_PHONE: Final = re.compile(
    r"(?:\(\d{3}\)[-. /]{0,3}|(?<![\d.,-])\d{3}[-. /]{1,3})\d{3}[-. /]{0,3}\d{4}\b|\(0?\d{2,3}\) ?-? ?\d{3,4} ?\d{4}\b"
    r"|(?:\+?6?0\d{1,2} ?- ?)\d{3,4} ?\d{3,4}\b"
)
_EMAIL: Final = re.compile(r"[\w.+-]+@[\w-]+\.[\w.]+")
_COMPANY: Final = re.compile(
    r"(?:[A-Z][\w&.'-]*,? ){1,4}(?:Inc|INC"
    r"|Corp(?:oration)?|CORPORATION|Co|CO|Company|COMPANY|Ltd|LTD|Laborator(?:y|ies)"
    r"|LABORATORIES|Associates|ASSOC|Tobacco Company)\b\.?"
)
_STATES: Final = (
    r"(?i:alabama|alaska|arizona|arkansas|california|colorado|connecticut|delaware|florida|georgia|hawaii|idaho|illinois"
    r"|indiana|iowa|kansas|kentucky|louisiana|maine|maryland|massachusetts|michigan|minnesota|mississippi|missouri"
    r"|montana|nebraska|nevada|new (?:hampshire|jersey|mexico|york)|(?:north|south) (?:carolina|dakota)|ohio|oklahoma"
    r"|oregon|pennsylvania|rhode island|tennessee|texas|utah|vermont|(?:west )?virginia|washington|wisconsin|wyoming)"
)
_STREET: Final = re.compile(
    r"\b\d{1,5} (?:[A-Z][\w.]* ){1,3}"
    r"(?i:street|st|avenue|ave|road|rd|drive|blvd|boulevard|place|lane|turnpike|parkway|square|highway|plaza|court)\b"
    rf"|\b(?:[A-Z][\w.]+ )?[A-Z]\w+,? (?:[A-Z]{{2}}|{_STATES})[.,]? \d{{5}}(?: ?- ?\d{{4}})?\b"
    r"|(?i:\bP\.? ?O\.? Box \d+)"
)
_STAFF: Final = re.compile(
    r"\b(?:cashier|operator|salesperson|sales ?person|served by|server|csh|op|staff"
    r"|attended by|counter|member|name)\s*[:\-]\s*"
    r"(?:[A-Z]*\d+\s*)?(?P<name>[A-Za-z][A-Za-z' .-]{2,30})",
    re.IGNORECASE,
)
_NO_STAFF: Final = re.compile(r"\b(?:card|discount|no|date|time|points?|cash|counter|pos)\b", re.IGNORECASE)
_CARD: Final = re.compile(
    r"\b(?:member|card|a/c|acc)[^:]{0,12}(?:no|number)?\s*[:#]\s*(?P<name>[\dXx*]{6,})", re.IGNORECASE
)
_REGISTERED: Final = re.compile(
    r"(?:GST|SST|CO|ROC|REG|COMPANY|BUSINESS|BRN|TAX)[A-Z .]*"
    r"(?:ID|NO|REG|NUMBER)[A-Z .]*[:# -]*\(?(?P<name>[\d -]{5,}[A-Z]?)\)?"
    r"|\(?(?P<name2>\d{5,9} ?- ?[A-Z])\)?",
    re.IGNORECASE,
)


def form_words(row: Mapping[str, Any]) -> list[PrintedWord]:
    """The words of one labelled form."""
    words = [PrintedWord(w["text"], _upright(w["box"])) for w in row["words"] if w["text"].strip()]
    marker = _Marker(words)
    for pattern, label in ((_COMPANY, BUSINESS), (_STREET, BUSINESS)):
        marker.mark_matches(pattern, label)
    for question, answer in row["qa"]:
        if _MAKER.search(question):
            marker.mark_parts(answer, BUSINESS)
        if _PERSON_QUESTION.search(question) and not _NO_PERSON_QUESTION.search(question):
            for name in _IN_ANSWER.finditer(answer.split(",")[0]):
                marker.mark_phrase(name.group())
        number_of = (
            _PHONE_ANSWER if _PHONE_QUESTION.search(question) else _DATE if "birth" in question.lower() else None
        )
        if number_of:
            for number in number_of.finditer(answer):
                marker.mark_matches(re.compile(rf"(?<!\d){re.escape(number.group())}(?!\d)"), PERSONAL)
    marker.spread(BUSINESS)
    for pattern in (*_PEOPLE, _LISTED, _PHONE, _SSN, _EMAIL):
        marker.mark_matches(pattern, PERSONAL)
    return words


def receipt_words(row: Mapping[str, Any]) -> list[PrintedWord]:
    """The words of one labelled receipt, whose lines are cut at their spaces."""
    words: list[PrintedWord] = []
    for line in row["lines"]:
        words += _cut(line["text"], line["box"])
    marker = _Marker(words)
    fields = row["fields"]
    for field in ("company", "address"):
        marker.mark_parts(fields.get(field) or "", BUSINESS)
    marker.mark_matches(_REGISTERED, BUSINESS)
    for pattern in (_PHONE, _EMAIL, _CARD):
        marker.mark_matches(pattern, PERSONAL)
    marker.mark_matches(_STAFF, PERSONAL, unless=_NO_STAFF)
    return words


class _Marker:
    """Sets the labels of words by what their text says, line after line."""

    def __init__(self, words: Sequence[PrintedWord]) -> None:
        self._words = words
        self._values = 0
        self._lines = list(_lines_of(words))

    def mark_matches(self, pattern: re.Pattern[str], label: str, unless: re.Pattern[str] | None = None) -> None:
        """Label every word that a match of the pattern touches; the groups ``name`` narrow it."""
        for line in self._lines:
            text = " ".join(word.text for word in line)
            for match in pattern.finditer(text):
                groups = [name for name in match.groupdict() if match[name]]
                start, end = match.span(groups[0]) if groups else match.span()
                if unless is None or not unless.search(text[start:end]):
                    self._mark(line, start, end, label)

    def mark_phrase(self, phrase: str) -> None:
        """Label a person's name, and its longer words wherever they stand."""
        longer = [re.escape(part) for part in re.findall(r"[^\W\d_]{4,}", phrase)]
        self.mark_matches(re.compile(rf"(?<!\w)(?:{'|'.join([re.escape(phrase), *longer])})(?!\w)"), PERSONAL)

    def spread(self, label: str) -> None:
        """Label every other mention of a long word that has this label."""
        long = {_folded(word.text) for word in self._words if word.label == label and len(word.text) >= 6}
        for word in self._words:
            if word.label == HARMLESS and _folded(word.text) in long:
                word.label = label

    def mark_parts(self, value: str, label: str) -> None:
        """Label the lines that are a part of a value that runs over several lines."""
        folded = _folded(value)
        for line in self._lines:
            own = _folded(" ".join(word.text for word in line))
            if len(own) > 3 and own in folded:
                for word in line:
                    word.label = label

    def _mark(self, line: Sequence[PrintedWord], start: int, end: int, label: str) -> None:
        at, self._values = 0, self._values + 1
        for word in line:
            if at < end and start < at + len(word.text):
                word.label, word.value = label, self._values if label == PERSONAL else 0
            at += len(word.text) + 1


def _lines_of(words: Sequence[PrintedWord]) -> Iterator[list[PrintedWord]]:
    """Words side by side in reading order; a wide gap ends a line."""
    left = sorted(words, key=lambda w: (w.box[0][1] + w.box[2][1]) / 2)
    rows: list[list[PrintedWord]] = []
    for word in left:
        middle, height = (word.box[0][1] + word.box[2][1]) / 2, word.box[2][1] - word.box[0][1]
        last = rows[-1][-1] if rows else None
        if last and abs((last.box[0][1] + last.box[2][1]) / 2 - middle) < 0.5 * max(height, 8):
            rows[-1].append(word)
        else:
            rows.append([word])
    for row in rows:
        line: list[PrintedWord] = []
        for word in sorted(row, key=lambda w: w.box[0][0]):
            if line and word.box[0][0] - line[-1].box[1][0] > 2.5 * (word.box[2][1] - word.box[0][1]):
                yield line
                line = []
            line.append(word)
        yield line


def _cut(text: str, corners: Sequence[float]) -> list[PrintedWord]:
    left, top, right, bottom = corners[0], corners[1], corners[4], corners[5]
    step = (right - left) / max(len(text), 1)
    return [
        PrintedWord(m.group(), _upright((left + step * m.start(), top, left + step * m.end(), bottom)))
        for m in re.finditer(r"\S+", text)
    ]


def _upright(corners: Sequence[float]) -> Box:
    left, top, right, bottom = corners
    return (left, top), (right, top), (right, bottom), (left, bottom)


def _folded(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "", text.casefold())
