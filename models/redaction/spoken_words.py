"""The words of a text, and what each may stand for when it is said: a digit, a letter, a sign."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from models.redaction.ner import WORD
from models.redaction.spoken_lexicon import Lexicon

_TOKEN = re.compile(rf"[AaPp]\.\s?[Mm](?![^\W_])\.?|{WORD.pattern}|[^\w\s]|_")


@dataclass(frozen=True, slots=True)
class Token:
    """One word or one punctuation mark.

    Attributes:
        start: First code point in the text.
        end: One past the last.
        text: Lower case, NFC.
        shape: The characters as they stand.
    """

    start: int
    end: int
    text: str
    shape: str


@dataclass(frozen=True, slots=True)
class Stretch:
    """Tokens [first, last) that read as ``form``.

    ``kind`` is ``address``, ``digits``, ``dictated``, ``counted``, ``spelled`` or nothing.
    """

    first: int
    last: int
    form: str
    kind: str


def tokens_of(text: str) -> list[Token]:
    """Words and marks, in order."""
    found = []
    for match in _TOKEN.finditer(text):
        shape = match.group()
        found.append(Token(match.start(), match.end(), unicodedata.normalize("NFC", shape).lower(), shape))
    return found


class Words:
    """Tokens read with the lexicon of a language."""

    def __init__(self, tokens: list[Token], lexicon: Lexicon) -> None:
        self.tokens = tokens
        self.lexicon = lexicon

    def sign(self, token: Token) -> str:
        """The character that the word names, or nothing."""
        if token.text in ("@", ".", "-", "_", "/", "+", ":"):
            return token.text
        return self.lexicon.signs.get(token.text, "")

    def digits(self, token: Token) -> str:
        """The digits that the word names, or nothing."""
        if token.text.isdigit():
            return token.text
        return "0" if token.text == "o" else self.lexicon.numbers.get(token.text, "")

    def letter(self, token: Token) -> str:
        """The letter that the word is or names, or nothing."""
        if len(token.text) == 1 and token.text.isalpha():
            return self.lexicon.letters.get(token.text, token.text)
        return self.lexicon.letters.get(token.text, "")

    def atom(self, token: Token) -> str:
        """A digit or a letter that is said on its own."""
        return self.letter(token) or self.digits(token)
