"""Words for digits, signs and letters, from the word lists of each language.

English is understood everywhere, because people mix it in. A word that is a common word of another language ("do" is
two in Hinglish) counts only under its own language code.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from models.redaction.itn.spelling_alphabets import PHONETIC
from models.redaction.lexicons.loader import ANY, languages, word_lists, word_tables, words

OPENINGS = frozenset("o+(").union(*(pair.split() for pair in word_lists(ANY, "spoken_words")["openings"]))
"""What may begin a number besides digits and number words."""


@dataclass(frozen=True, slots=True)
class Lexicon:
    """Spoken words of one or more languages.

    Attributes:
        numbers: Word to digits, ``forty`` to ``40``.
        scales: Word to zeros that it appends, ``hundred`` to 2.
        repeats: ``double`` to 2.
        signs: Word to the character that it names.
        letters: Word to a letter, names of letters as some languages write them.
        letter_words: Names of letters that are common words too.
        joiners: Words that may stand between two numbers that belong together.
        phonetic: Words of the spelling alphabet; they count only in a run of such words.
        letters_as_words: Letters that are also words: "il y a trois" is no spelling.
        begins: Words that can begin a run of digits or letters, besides digits and letters themselves.
        ats: Words for the at sign.
    """

    numbers: dict[str, str] = field(default_factory=dict)
    scales: dict[str, int] = field(default_factory=dict)
    repeats: dict[str, int] = field(default_factory=dict)
    signs: dict[str, str] = field(default_factory=dict)
    letters: dict[str, str] = field(default_factory=dict)
    joiners: frozenset[str] = frozenset()
    phonetic: dict[str, str] = field(default_factory=dict)
    letter_words: dict[str, str] = field(default_factory=dict)
    letters_as_words: frozenset[str] = frozenset()
    begins: frozenset[str] = field(init=False, default=frozenset())
    ats: frozenset[str] = field(init=False, default=frozenset())

    def __post_init__(self) -> None:
        plus = {word for word, sign in self.signs.items() if sign == "+"}
        named = (self.numbers, self.repeats, self.letters, self.letter_words, self.phonetic, PHONETIC)
        object.__setattr__(self, "begins", frozenset().union(OPENINGS, plus, *named))
        object.__setattr__(self, "ats", frozenset({"@", *(w for w, sign in self.signs.items() if sign == "@")}))

    def __or__(self, other: Lexicon) -> Lexicon:
        return Lexicon(
            self.numbers | other.numbers,
            self.scales | other.scales,
            self.repeats | other.repeats,
            self.signs | other.signs,
            self.letters | other.letters,
            self.joiners | other.joiners,
            self.phonetic | other.phonetic,
            self.letter_words | other.letter_words,
            self.letters_as_words | other.letters_as_words,
        )


_TABLES: Final = "spoken"
_LISTS: Final = "spelling"


def word_values(language: str, table: str) -> dict[str, str]:
    """Each word of one table of a language's spoken words, with the value that it stands for."""
    values = word_tables(language, _TABLES).get(table, {})
    return {word: value for value, entries in values.items() for word in entries}


def _counts(language: str, table: str) -> dict[str, int]:
    return {word: int(value) for word, value in word_values(language, table).items()}


def _lexicon(language: str, numbers: Mapping[str, str] | None = None) -> Lexicon:
    """The words that only this language has; ``numbers`` are added to its list."""
    lists = word_lists(language, _LISTS)
    return Lexicon(
        numbers=word_values(language, "numbers") | dict(numbers or {}),
        scales=_counts(language, "scales"),
        repeats=_counts(language, "repeats"),
        signs=word_values(language, "signs"),
        letters=word_values(language, "letters"),
        joiners=words(language, _LISTS, "joiners"),
        # The words that English has are understood everywhere, see PHONETIC.
        phonetic={} if language == "en" else {word: word[0] for word in lists.get("phonetic", ())},
        letter_words=word_values(language, "letter_words"),
        letters_as_words=words(language, _LISTS, "letters_as_words"),
    )


def _german_compounds() -> dict[str, str]:
    """Numbers up to 999 that German writes as one word: "dreiundzwanzig", "zweihundertfünf"."""
    listed = word_values("de", "numbers")
    digits = {word: value for word, value in listed.items() if len(value) == 1 and value != "0" and word != "eine"}
    few = {word: value for word, value in digits.items() if word != "eins"}
    units = {word: value for word, value in digits.items() if word != "ein"}
    tens = {word: value for word, value in listed.items() if len(value) == 2 and value[1] == "0" and value != "10"}
    below_hundred = {f"{unit}und{ten}": tens[ten][0] + value for unit, value in few.items() for ten in tens}
    two_digits = {word: value for word, value in listed.items() if len(value) == 2} | below_hundred
    rests = {"": "00", **{word: value.zfill(2) for word, value in units.items()}, **two_digits}
    hundreds = {
        f"{count}hundert{rest}": value + rest_value
        for count, value in [*few.items(), ("", "1")]
        for rest, rest_value in rests.items()
        if count or rest  # "hundert" alone multiplies
    }
    return below_hundred | hundreds


HOMOPHONES: Final = words(ANY, "spoken_words", "homophones")
"""Words that are digits or signs only between others. A sequence does not start with one."""

STARTING_DIGITS: Final = words(ANY, "spoken_words", "starting_digits")
"""The homophones with which a sequence may start or end."""

INNER_DIGITS: Final = word_values("en", "inner_digits")
"""What recognition writes for a digit. A word counts only between sure digits."""

_EN: Final = _lexicon("en")
_OWN: Final = {
    code: _lexicon(code, _german_compounds() if code == "de" else None) for code in languages(_TABLES) if code != "en"
}
_MERGED: Final = {code: _EN | own for code, own in _OWN.items()}


def lexicon_for(language: str) -> Lexicon:
    """The words of a language, English included."""
    return _MERGED.get(language[:2].lower(), _EN)


SERVICES: Final = words(ANY, "emails", "services")
"""Providers of e-mail."""

TOP_LEVEL: Final = words(ANY, "emails", "top_level")
"""Last parts of host names."""

FUNCTION_WORDS: Final = words(ANY, "emails", "address_function_words")
"""Words with which no address starts. The search to the left of "at" stops here."""

SHORT_WORDS: Final = words(ANY, "spoken_words", "short_words")
"""Words of two letters that are not pieces of a spelling."""
