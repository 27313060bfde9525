"""Reads codes of things, typed or spelled: "P M P zero zero four two" is PMP0042."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from models.redaction.flow_words import spellings
from models.redaction.itn.view import spoken_view
from models.redaction.lexicons.loader import words
from server.flows.fields import LONGEST_CODE, CodeField
from server.flows.reading.answer_text import AnswerText

_MARKS: Final = {
    "-": "dash|hyphen|minus|bindestrich|strich|guion|guión|raya|tiret|hífen|traço",
    "/": "slash|schrägstrich|barra",
    ".": "dot|point|punkt|punto|ponto",
}
_NO_MARKS: Final = re.compile(r"[^A-Za-z0-9]")
_WORD: Final = re.compile(r"[A-Za-z0-9]+|[-/.]")
_FEW: Final = 3
"""In a text with so few words and numbers, a word in small letters may be a part of the code."""

_MOST_PIECES: Final = 24
"""As many letters, digits and marks may one code have that is spelled."""


def read_code(field: CodeField, material: AnswerText, *, asked: bool) -> str | None:
    """The one code in a text that has the format of the field; None for none and for several.

    One that was not asked for must stand there as it is written, with a letter and a digit.
    """
    written = {code for code in _written(field, material.plain) if asked or re.search(r"[A-Z].*\d|\d.*[A-Z]", code)}
    if len(written) == 1:
        return written.pop()
    if written or not asked:
        return None
    spelled = set(_spelled(field, material))
    longest = max((len(_NO_MARKS.sub("", code)) for code in spelled), default=0)
    found = {code for code in spelled if len(_NO_MARKS.sub("", code)) == longest}
    return found.pop() if len(found) == 1 else None


def _written(field: CodeField, text: str) -> Iterator[str]:
    for word in re.findall(r"[^\s,;:!?()\"']+", text.upper()):
        bare = word.strip(".")
        if not field.problem(bare):
            yield bare


def _spelled(field: CodeField, material: AnswerText) -> Iterator[str]:
    """Codes of consecutive pieces, with the marks of the format where they are not said."""
    pieces = _pieces(material)
    for first in range(len(pieces)):
        code = ""
        for piece in pieces[first : first + _MOST_PIECES]:
            if not piece or len(code) + len(piece) > LONGEST_CODE:
                break
            code += piece
            if fitting := next((each for each in _candidates(field, code) if not field.problem(each)), ""):
                yield fitting


def _pieces(material: AnswerText) -> list[str]:
    """Letters, digits and marks in capitals; an empty one where a common word stands.

    A word in small letters is a part of a code only beside digits that the redactor's reader has put together, or
    where the text has nothing else.
    """
    text = re.sub(r"(?<=\w)['\u2019]\w+", " ", material.plain)
    for mark, names in _MARKS.items():
        text = re.sub(rf"\s*\b(?:{names})\b\s*", mark, text, flags=re.IGNORECASE)
    view = spoken_view(text, material.code)
    found = _WORD.findall(text if view is None else view.text)
    common, few = words(material.code, "function_words"), len(found) <= _FEW
    return [
        word.upper()
        if len(word) == 1 or not word.isalpha() or word.isupper() or (few and word.lower() not in common)
        else ""
        for word in found
    ]


def _candidates(field: CodeField, code: str) -> Iterator[str]:
    """How a code may be written, the best first: with the marks of the example, as it is, and with others."""
    bare = _NO_MARKS.sub("", code)
    texts = (
        [] if field.example is None else [field.example] if isinstance(field.example, str) else field.example.values()
    )
    for example in texts:
        if len(_NO_MARKS.sub("", example)) == len(bare):
            left = iter(bare)
            yield "".join(next(left) if letter.isalnum() else letter for letter in example)
    yield code
    yield from spellings(bare)
