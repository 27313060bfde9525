"""The words of a text, and what each may stand for when it is said: a digit, a letter, a sign."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import NamedTuple

from models.redaction.itn.lexicon import Lexicon
from models.redaction.lexicons.loader import languages, word_tables
from models.redaction.normalize.words import WORD

_TOKEN = re.compile(rf"[AaPp]\.\s?[Mm](?![^\W_])\.?|{WORD.pattern}|[^\w\s]|_")


class Token(NamedTuple):
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
    if text.isascii():
        lower = text.lower()
        spans = [match.span() for match in _TOKEN.finditer(text)]
        return [Token(start, end, lower[start:end], text[start:end]) for start, end in spans]
    found = []
    for match in _TOKEN.finditer(text):
        shape = match.group()
        found.append(Token(match.start(), match.end(), unicodedata.normalize("NFC", shape).lower(), shape))
    return found


_TOGETHER = {
    tuple(entry.split()): sign
    for language in languages("spoken")
    for sign, entries in word_tables(language, "spoken").get("together", {}).items()
    for entry in entries
}
"""Several words that name one sign or letter, in any language, and the word that stands for them."""

_LONGEST_NAME = max(len(words) for words in _TOGETHER)
_FIRST_WORDS = frozenset(words[0] for words in _TOGETHER)


def together(tokens: list[Token]) -> list[Token]:
    """The tokens with signs that are named by several words as one."""
    if _FIRST_WORDS.isdisjoint([token.text for token in tokens]):
        return tokens
    joined: list[Token] = []
    at = 0
    while at < len(tokens):
        size = 1
        if tokens[at].text in _FIRST_WORDS:
            sizes = range(min(_LONGEST_NAME, len(tokens) - at), 1, -1)
            size = next((n for n in sizes if tuple(t.text for t in tokens[at : at + n]) in _TOGETHER), 1)
        group = tokens[at : at + size]
        name = _TOGETHER.get(tuple(t.text for t in group)) if size > 1 else None
        joined.append(Token(group[0].start, group[-1].end, name, name) if name else group[0])
        at += size
    return joined


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

    def letter_name(self, token: Token) -> str:
        """The letter whose name the word is, also where it is a common word; only other letters around decide."""
        return self.letter(token) or self.lexicon.letter_words.get(token.text, "")

    def letter(self, token: Token) -> str:
        """The letter that the word is or names, or nothing."""
        if len(token.text) == 1 and token.text.isalpha():
            return self.lexicon.letters.get(token.text, token.text)
        return self.lexicon.letters.get(token.text, "")

    def atom(self, token: Token) -> str:
        """A digit or a letter that is said on its own."""
        return self.letter_name(token) or self.digits(token)
