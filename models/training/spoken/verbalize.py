"""How a text with marks is said: tokens, each with the spoken and the written form."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from models.training.spoken.grammar import Grammar

DIGIT, LETTER, WORD, SIGN, PAUSE = "d", "l", "w", "s", "p"
"""Kinds of tokens."""

_PIECE = re.compile(r"<(\w):([^>]*)>|([,.?!…])|([^\s<>,.?!…]+)")


@dataclass(frozen=True, slots=True)
class Token:
    """A word, number, letter, sign or pause.

    Attributes:
        said: Spoken words.
        written: As a careful listener writes it.
        kind: ``DIGIT``, ``LETTER``, ``WORD``, ``SIGN`` or ``PAUSE``.
        group: Number of the span that it belongs to; 0 is none.
    """

    said: str
    written: str
    kind: str
    group: int = 0


@dataclass(frozen=True, slots=True)
class Style:
    """How one speaker says numbers and letters.

    Attributes:
        digits: ``single``, ``pairs``, ``mixed`` or ``number``.
        repeats: Whether equal digits become "double five".
        zero: Word for the digit 0.
        letters: ``plain``, ``code`` ("bravo") or ``as_in`` ("B as in boy").
        pauses: Sign after each part: a comma, or nothing.
    """

    digits: str
    repeats: bool
    zero: str
    letters: str
    pauses: str


def random_style(grammar: Grammar) -> Style:
    """The habits of a speaker."""
    chance = grammar.chance
    return Style(
        digits=chance.choices(("single", "pairs", "mixed", "number"), (60, 14, 16, 10))[0],
        repeats=chance.random() < 0.25,
        zero=chance.choice(grammar.lists["zero"]),
        letters=chance.choices(("plain", "code", "as_in"), (72, 14, 14))[0],
        pauses=chance.choices((",", ""), (60, 40))[0],
    )


class Speaker:
    """Says texts with marks in one language."""

    def __init__(self, grammar: Grammar, style: Style) -> None:
        self._grammar = grammar
        self._style = style
        self._chance: random.Random = grammar.chance
        self._numbers: Final = grammar.lists["numbers"]

    def tokens(self, marked: str) -> list[Token]:
        """The tokens of a text with marks; a bar is a pause of the speaker's style."""
        return [token for mark, text in self._pieces(marked) for token in self._say(mark, text)]

    def _pieces(self, marked: str) -> Iterator[tuple[str, str]]:
        for found in _PIECE.finditer(marked):
            if found[1]:
                yield found[1], found[2]
            elif found[3]:
                yield PAUSE, found[3]
            elif found[4] == "|":
                if self._style.pauses:
                    yield PAUSE, self._style.pauses
            else:
                yield WORD, found[4]

    def _say(self, mark: str, text: str) -> list[Token]:
        if mark == "d":
            return self._digits(text)
        if mark == "l":
            return [token for letter in text if letter.isalpha() for token in self._letter(letter)]
        if mark in ("n", "y", "o"):
            return self._numeral(mark, text)
        if mark == "s":
            return [Token(self._chance.choice(self._sign(text)), text, SIGN)]
        return [Token(text, text, mark)]

    def _sign(self, sign: str) -> list[str]:
        names = dict(entry.split("=", 1) for entry in self._grammar.lists["sign_names"])
        return names[sign].split("/")

    def _numeral(self, mark: str, text: str) -> list[Token]:
        value = int(text)
        if mark == "o":
            return [Token(self._grammar.lists["ordinals"][value - 1], self._ordinal(value), DIGIT)]
        hundred = "".join(self._grammar.lists.get("years_in_hundreds", ()))
        if mark == "y" and hundred and value < 2000:
            return [Token(f"{self._numbers[value // 100]}{hundred} {self._numbers[value % 100]}", text, DIGIT)]
        if mark == "y" and self._grammar.lists.get("years_in_pairs") and not 2000 <= value <= 2009:
            return [Token(f"{self._numbers[value // 100]} {self._two(value % 100)}", text, DIGIT)]
        return [Token(self.cardinal(value), text, DIGIT)]

    def _ordinal(self, value: int) -> str:
        if self._grammar.language != "en":
            return f"{value}" + self._grammar.lists["ordinal_sign"][0]
        teen = 10 <= value <= 20
        return f"{value}{'th' if teen else {1: 'st', 2: 'nd', 3: 'rd'}.get(value % 10, 'th')}"

    def _two(self, value: int) -> str:
        return f"{self._grammar.lists['small_zero'][0]} {self._numbers[value]}" if value < 10 else self._numbers[value]

    def cardinal(self, value: int) -> str:
        """A number below a million in words."""
        words: list[str] = []
        if value >= 1000:
            names = self._grammar.lists["thousand"]
            one = value < 2000 and "thousand" in self._grammar.lists.get("bare_scales", ())
            words += [names[-1]] if one else [self.cardinal(value // 1000), names[0]]
            value %= 1000
        if value >= 100:
            words.append(self._hundreds(value // 100))
            value %= 100
            if value and (joiner := self._grammar.lists["hundred_and"]) and self._chance.random() < 0.6:
                words.append(joiner[0])
        if value or not words:
            words.append(self._numbers[value])
        return " ".join(words)

    def _hundreds(self, value: int) -> str:
        return self._grammar.lists["hundreds"][value - 1]

    def _digits(self, digits: str) -> list[Token]:
        style = self._style.digits
        if style == "mixed":
            style = self._chance.choice(("single", "pairs", "number", "single"))
        if style == "number" and len(digits) in (2, 3) and digits[0] != "0":
            return [Token(self.cardinal(int(digits)), digits, DIGIT)]
        if style == "pairs" and len(digits) > 1:
            return self._pairs(digits)
        return self._singles(digits)

    def _pairs(self, digits: str) -> list[Token]:
        odd = len(digits) % 2
        tokens = self._singles(digits[:odd])
        for at in range(odd, len(digits), 2):
            pair = digits[at : at + 2]
            tokens += self._singles(pair) if pair[0] == "0" else [Token(self._numbers[int(pair)], pair, DIGIT)]
        return tokens

    def _singles(self, digits: str) -> list[Token]:
        runs = [m[0] for m in re.finditer(r"(\d)\1*", digits)]
        return [token for run in runs for token in self._run(run)]

    def _run(self, run: str) -> list[Token]:
        repeats = self._grammar.lists["repeats"]
        if self._style.repeats and 2 <= len(run) <= len(repeats) + 1:
            return [Token(f"{repeats[len(run) - 2]} {self._digit(run[0])}", run, DIGIT)]
        return [Token(self._digit(digit), digit, DIGIT) for digit in run]

    def _digit(self, digit: str) -> str:
        return self._style.zero if digit == "0" else self._numbers[int(digit)]

    def _letter(self, letter: str) -> list[Token]:
        plain = Token(letter, letter, LETTER)
        names = [word for word in self._grammar.lists["code_words"] if word[0].upper() == letter]
        examples = [word for word in self._grammar.lists["as_in_words"] if word[0].upper() == letter]
        if self._style.letters == "code" and names:
            return [replace(plain, said=names[0])]
        if self._style.letters == "as_in" and examples and self._chance.random() < 0.7:
            joiner = self._chance.choice(self._grammar.lists["as_in"])
            words = [*joiner.split(), self._chance.choice(examples)]
            return [plain, *(Token(word, word, WORD) for word in words)]
        return [plain]
