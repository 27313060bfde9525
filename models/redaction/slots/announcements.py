"""Words that announce a value, compiled from the word lists of a language: "my number is", "call me on".

English is understood in every language, because people mix it in.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from operator import itemgetter
from typing import Final

from models.redaction.lexicons.loader import LexiconInvalid, Lists, languages, word_lists
from models.redaction.normalize.view import TextView
from models.redaction.patterns.literal_search import LiteralSearch
from models.redaction.patterns.required_literals import required_pieces
from models.redaction.slots.sounds import SoundIndex, Sounding, sound_of

SUBJECT: Final = "announcements"
_BEGIN, _END = r"(?<![^\W_])", r"(?![^\W_])"
_NOUNS, _VAGUE, _REQUESTS, _BACK = "nouns", "vague", "requests", "back"
"""Prefix of the names of the lists with announcements."""
_SOUNDS: Final = "sounds_"
_THINGS: Final = "things"
_QUOTES: Final = "quotes_back"
_LINKS: Final = "links"
_MISHEARD: Final = "misheard_verbs"
_NAMES: Final = "names"
_TOLD, _BARE = "told", "bare"
_REQUIRED: Final = ("owners", "articles", "verbs", "points_back", "hesitations", "stops", "times", "remarks", "objects")
"""The lists that every language with announcements must have."""
_SHORTEST_PHRASE_SOUNDS: Final = 5


@dataclass(frozen=True, slots=True)
class Announcement:
    """Words that announce a value.

    Attributes:
        type: Entity type of the value.
        start: Of the words.
        end: Of the words; the value stands after it, or before ``start`` if the words point back.
        told: Whether the words have an owner and a verb, or are a request. A noun alone needs a code right after it.
        last_word: The last of the words.
        requested: Whether the words ask for a call or a letter instead of naming the value.
        vague: Whether the noun is one that things have, too: "my number is".
        back: Whether the value stands before the words.
    """

    type: str
    start: int
    end: int
    told: bool
    last_word: str = ""
    requested: bool = False
    vague: bool = False
    back: bool = False


class _Alternatives:
    """Expressions that match as the alternatives of one do. Only those whose literals are in the text are tried."""

    def __init__(self, expressions: Iterable[str]) -> None:
        self._patterns: Final = [re.compile(expression) for expression in expressions]
        self._search: Final = LiteralSearch([required_pieces(pattern) for pattern in self._patterns])

    def finditer(self, view: TextView) -> Iterator[re.Match[str]]:
        """Matches that do not overlap, the leftmost first; of those at one place, that of the first expression."""
        numbers = self._search.may_match(view.keyed)
        waiting = {number: self._patterns[number].search(view.lower) for number in numbers}
        while found := [(match.start(), number, match) for number, match in waiting.items() if match]:
            _start, _number, first = min(found, key=itemgetter(0, 1))
            yield first
            for start, number, _match in found:
                if start < first.end():
                    waiting[number] = self._patterns[number].search(view.lower, first.end())


@dataclass(frozen=True)
class Announcements:
    """What announces a value in one language and in English.

    Attributes:
        hesitation: A pause or a correction inside a value.
        nouns: Nouns that are recognized by their sound, each with its type.
        owner: A word of an owner: "my".
        articles: "the".
        stops: Words that end a value.
        times: Words of times and days.
        remarks: Words of remarks about an e-mail address, a telephone or an account.
        objects: Words of things that have numbers: "gate", "meter".
        counted: Words of what is counted or measured: "lines".
        possession: Words before a count: "has".
        alternatives: Words between alternatives: "or".
    """

    _before: _Alternatives
    _after: _Alternatives
    hesitation: re.Pattern[str]
    _repairs: frozenset[str]
    _names: _Alternatives
    nouns: SoundIndex
    owner: re.Pattern[str]
    articles: frozenset[str]
    stops: frozenset[str]
    times: frozenset[str]
    remarks: frozenset[str]
    objects: frozenset[str]
    counted: frozenset[str]
    possession: frozenset[str]
    alternatives: frozenset[str]

    def of(self, view: TextView) -> Iterator[Announcement]:
        """Those that stand before their values, then those that point back, each in order."""
        yield from _found(self._before, view, back=False)
        yield from _found(self._after, view, back=True)

    def introductions(self, view: TextView) -> list[int]:
        """Where the words end that introduce a name: "my name is"."""
        return [match.end() for match in self._names.finditer(view)]

    def is_repair(self, words: str) -> bool:
        """Whether words sound like a correction: "scratched at"."""
        return sound_of(words) in self._repairs


def _found(alternatives: _Alternatives, view: TextView, *, back: bool) -> Iterator[Announcement]:
    for match in alternatives.finditer(view):
        mode, _number, kind = (match.lastgroup or "").split("_")
        yield Announcement(
            kind,
            *match.span(),
            told=mode != _BARE,
            last_word=match[0].split()[-1],
            requested=mode == _REQUESTS,
            vague=mode == _VAGUE,
            back=back,
        )


@lru_cache(maxsize=16)
def announcements_of(language: str) -> Announcements:
    """The announcements of a language, by its ISO 639-1 code, with those of English.

    Raises:
        LexiconInvalid: A list that is required is missing.
    """
    own = language[:2].lower()
    tables = [_lists_of(code) for code in dict.fromkeys((own, "en")) if code in languages(SUBJECT)]
    return Announcements(
        _Alternatives(chain.from_iterable(_forward(table, n) for n, table in enumerate(tables))),
        _Alternatives(chain.from_iterable(_backward(table, n) for n, table in enumerate(tables))),
        re.compile(rf"(?:{_all(tables, 'hesitations')}){_END}"),
        frozenset(key for key in map(sound_of, _words(tables, "repairs")) if len(key) >= _SHORTEST_PHRASE_SOUNDS),
        _Alternatives(f"{_BEGIN}(?:{entry}){_END}" for table in tables for entry in table.get(_NAMES, ())),
        SoundIndex(chain.from_iterable(map(_sounds, tables))),
        re.compile(_all(tables, "owners")),
        frozenset(re.findall(r"[^\W_]+", _all(tables, "articles"))),
        _words(tables, "stops"),
        _words(tables, "times"),
        _words(tables, "remarks"),
        _words(tables, "objects"),
        _words(tables, "counted"),
        _words(tables, "possession"),
        _words(tables, "alternatives"),
    )


def _lists_of(language: str) -> Lists:
    lists = word_lists(language, SUBJECT)
    if missing := [name for name in _REQUIRED if name not in lists]:
        raise LexiconInvalid(f"{language}/{SUBJECT} lacks {', '.join(missing)}")
    return lists


def _all(tables: Iterable[Lists], name: str) -> str:
    return "|".join(chain.from_iterable(table[name] for table in tables))


def _words(tables: Iterable[Lists], name: str) -> frozenset[str]:
    return frozenset(chain.from_iterable(table.get(name, ()) for table in tables))


def _sounds(table: Lists) -> Iterator[tuple[Sounding, str]]:
    for name, entries in table.items():
        if name.startswith(_SOUNDS):
            yield from ((Sounding.of(entry), name.removeprefix(_SOUNDS)) for entry in entries)


def _forward(table: Lists, number: int) -> Iterator[str]:
    """One alternative for each type and mode; its group is named ``mode_number_TYPE``."""
    things = "".join(rf"(?<!{word} )" for word in table.get(_THINGS, ()))
    owners, articles, verbs = (f"(?:{'|'.join(table[name])})" for name in ("owners", "articles", "verbs"))
    links = "|".join(table.get(_LINKS, ()))
    of = rf"(?: (?:{links}) (?:(?:{owners}|{articles}) )?[^\W\d_]+)?" if links else ""
    told = rf"{of}(?:['\u2019]s{_END}|(?: ?[,?])? {verbs}{_END}|[:?])(?: {articles}{_END})?"
    for name, entries in table.items():
        mode, _, kind = name.partition("_")
        words = f"{things}(?:{'|'.join(entries)})"
        if mode == _REQUESTS:
            yield rf"(?P<{mode}_{number}_{kind}>{_BEGIN}{words}{_END})"
        elif mode == _VAGUE:
            yield rf"(?P<{mode}_{number}_{kind}>{_BEGIN}(?:{owners}|{articles}) {words}{told})"
        elif mode == _NOUNS:
            # The noun alone comes last: Python takes the first alternative that matches.
            yield rf"(?P<{_TOLD}_{number}_{kind}>{_BEGIN}(?:{owners} )?{words}{told})"
            misheard = "|".join(table.get(_MISHEARD, ()))
            verb = rf"(?: (?:{misheard}){_END})?" if misheard else ""
            yield rf"(?P<{_BARE}_{number}_{kind}>{_BEGIN}{words}{_END}{verb})"


def _backward(table: Lists, number: int) -> Iterator[str]:
    owners, articles = (f"(?:{'|'.join(table[name])})" for name in ("owners", "articles"))
    points = f"(?:{'|'.join((*table.get(_QUOTES, ()), *table['points_back']))})"
    for name, entries in table.items():
        mode, _, kind = name.partition("_")
        words = f"(?:{'|'.join(entries)})"
        if mode in (_NOUNS, _VAGUE, _BACK):
            owned = rf"(?:{owners}|{articles}) " if mode == _VAGUE else rf"(?:{owners} |{articles} )?"
            yield rf"(?P<{mode}_{number}_{kind}>{_BEGIN}{points} {owned}{words}{_END})"
