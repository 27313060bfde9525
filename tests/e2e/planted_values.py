"""A thousand invented people, what they say about themselves, and a search for their values in any bytes.

Every value holds something that occurs nowhere else: an invented surname, street or mailbox, or a unique number. So it
is enough to search for that part of each value.
"""

from __future__ import annotations

import base64
import random
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from server.cli.demo.planted import Planted
from server.cli.demo.probe import Hit

SEED: Final = 1_000
RAW: Final = "RAW"
"""Type of a piece of unredacted text, which is searched for as it is."""
# ruff: noqa: SIM905 -- words and syllables, kept as lists that a person can read
GIVEN: Final = (
    "Maria James Aisha Peter Helen Thomas Priya Daniel Laura Ahmed Sofia Robert Nadia George Emily Victor Grace Samuel "
    "Julia Omar Hannah Lucas Elena Martin Chloe Rahul Anna David Irene Paul Carmen Simon Leila Frank Monica Kevin"
).split()
_ONSETS: Final = "B Br C D Dr F G Gr H K Kr L M N P Pr R S St T Tr V W Z".split()
_MIDDLES: Final = "al am an ar av el em en er ev il im in ir ol om on or ov ul um un ur".split()
_JOINTS: Final = "b d f g k l m n p s t v z br dr gr kr st tr".split()
_ENDINGS: Final = (
    "akis ano berg dahl ekar elli enko eros escu ewski field holm idis man mann ovic ow sen son stein ton vik"
).split()
STREET_ENDS: Final = ("Street", "Road", "Avenue", "Lane", "Drive", "Court")
TOWNS: Final = (
    "Springfield, IL 62704",
    "Portland, OR 97205",
    "Austin, TX 78701",
    "Denver, CO 80203",
    "Boston, MA 02116",
)


@dataclass(frozen=True, slots=True)
class Person:
    """One invented person."""

    given: str
    surname: str
    phone: str
    email: str
    street: str
    card: str
    ssn: str
    iban: str
    passport: str


def people(count: int, seed: int = SEED) -> list[Person]:
    """Invented people; the same seed gives the same ones."""
    chance = random.Random(seed)
    words = _unique_words(chance, 3 * count)
    numbers: set[str] = set()
    found = []
    for n in range(count):
        surname, street, mailbox = words[3 * n : 3 * n + 3]
        given = chance.choice(GIVEN)
        found.append(
            Person(
                given=given,
                surname=surname,
                phone=_fresh(numbers, lambda: _phone(chance)),
                email=f"{given.lower()}.{mailbox.lower()}@example.{chance.choice(('com', 'org', 'net'))}",
                street=f"{chance.randint(2, 989)} {street} {chance.choice(STREET_ENDS)}",
                card=_fresh(numbers, lambda: _card(chance)),
                ssn=_fresh(numbers, lambda: _ssn(chance)),
                iban=_fresh(numbers, lambda: _iban(chance)),
                passport=_fresh(numbers, lambda: f"{chance.choice('CKLPX')}{chance.randint(10**7, 10**8 - 1)}"),
            )
        )
    return found


def _unique_words(chance: random.Random, count: int) -> list[str]:
    """Words that sound like surnames; none is a part of another."""
    words: list[str] = []
    while len(words) < count:
        word = "".join(chance.choice(part) for part in (_ONSETS, _MIDDLES, _JOINTS, _MIDDLES, _JOINTS, _ENDINGS))
        if len(word) >= 8 and not any(word.lower() in w.lower() or w.lower() in word.lower() for w in words):
            words.append(word)
    return words


def _fresh(taken: set[str], draw: object) -> str:
    while True:
        value = draw()  # type: ignore[operator]
        if squeezed(value) not in taken:
            taken.add(squeezed(value))
            return str(value)


def _phone(chance: random.Random) -> str:
    area, middle, last = (
        chance.choice((212, 312, 415, 503, 617, 713)),
        chance.randint(220, 989),
        chance.randint(1000, 9999),
    )
    return chance.choice((f"({area}) {middle}-{last}", f"{area}-{middle}-{last}", f"+1 {area} {middle} {last}"))


def _card(chance: random.Random) -> str:
    body = f"4{chance.randint(10**13, 10**14 - 1)}"
    total = sum(sum(divmod(2 * int(d), 10)) if n % 2 == 0 else int(d) for n, d in enumerate(reversed(body)))
    digits = body + str(-total % 10)
    return " ".join(digits[n : n + 4] for n in range(0, 16, 4))


def _ssn(chance: random.Random) -> str:
    return f"{chance.randint(110, 650)}-{chance.randint(11, 98)}-{chance.randint(1001, 9989)}"


def _iban(chance: random.Random) -> str:
    account = f"37040044{chance.randint(10**9, 10**10 - 1)}"
    check = 98 - int(account + "131400") % 97  # DE is 1314
    digits = f"DE{check:02d}{account}"
    return " ".join(digits[n : n + 4] for n in range(0, 22, 4))


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that somebody says, with the values in it."""

    text: str
    values: tuple[Planted, ...]


def lines_of(person: Person, chance: random.Random, medium: str) -> Iterator[Line]:
    """What a person says, one sentence a value."""
    whole = f"{person.given} {person.surname}"
    town = chance.choice(TOWNS)
    said = (
        ("NAME", whole, ("My name is {}.", "I am {}.", "This is {} speaking.", "Please register the visitor {}.")),
        ("PHONE", person.phone, ("You can call me on {}.", "My phone number is {}.", "Phone: {}")),
        ("EMAIL", person.email, ("My e-mail is {}.", "Write to {} please.", "E-mail: {}")),
        ("ADDRESS", f"{person.street}, {town}", ("I live at {}.", "My address is {}.", "Address: {}")),
        ("CC", person.card, ("Charge my credit card {}.", "Card number {}")),
        ("SSN", person.ssn, ("My SSN is {}.", "Social security number {}")),
        ("IBAN", person.iban, ("My IBAN is {}.", "IBAN {}")),
        ("PASSPORT", person.passport, ("My passport number is {}.", "Passport no. {}")),
    )
    for kind, value, templates in said:
        yield Line(chance.choice(templates).format(value), (Planted(kind, value, "", medium),))


def needle(value: Planted) -> str:
    """The part of the value that occurs nowhere else, squeezed."""
    if value.type == RAW:
        return squeezed(value.value)
    if value.type == "NAME":
        return squeezed(value.value.split()[-1])
    if value.type == "EMAIL":
        return squeezed(re.split(r"[._]", value.value.partition("@")[0])[-1])
    if value.type == "ADDRESS":
        return squeezed(value.value.split()[1])
    digits = squeezed(value.value)
    return digits[-10:] if value.type == "PHONE" else digits


def squeezed(text: str) -> str:
    """Lower-case letters and digits alone."""
    return re.sub(r"[^a-z0-9]", "", text.lower())


_ALIKE: Final = bytes.maketrans(b"oqdlizsbg", b"000112589")
"""Characters that OCR confuses, in capitals and in small letters."""


class ManyProbe:
    """Searches for many values at once, as ``Probe`` does for a few.

    Bytes are squeezed to letters and digits, which undoes case, separators, escapes and UTF-16; Base64 is decoded at
    all four offsets and searched as well. Times and ids become a letter before: the digits of thousands of them in a
    row hold one of a hundred numbers of nine digits by chance.

    Args:
        values: What to look for.
        look_alikes: Treat characters that OCR confuses as equal.
    """

    def __init__(self, values: Iterable[Planted], *, look_alikes: bool = False) -> None:
        self._alike = look_alikes
        self._needles = [(value, self._form(needle(value).encode())) for value in values]

    def search(self, data: bytes) -> list[Hit]:
        """Every value that is in the bytes."""
        squeezed_bytes = self._form(_NO_WORD.sub(b"", _MADE.sub(b"w", data.lower())))
        hits = [Hit(value, "text") for value, term in self._needles if term in squeezed_bytes]
        decoded = self._form(b" ".join(_decoded(data)))
        return hits + [Hit(value, "Base64") for value, term in self._needles if term in decoded]

    def _form(self, data: bytes) -> bytes:
        return data.translate(_ALIKE) if self._alike else data


_NO_WORD: Final = re.compile(rb"[^a-z0-9]+")
_MADE: Final = re.compile(rb"\d{4}-\d\d-\d\d[t ]\d\d:\d\d:\d\d(?:[.,]\d+)?|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_BASE64_RUN: Final = re.compile(rb"[A-Za-z0-9+/_-]{16,}")


def _decoded(data: bytes) -> Iterator[bytes]:
    for run in _BASE64_RUN.findall(data):
        plain = run.replace(b"-", b"+").replace(b"_", b"/")
        for offset in range(4):
            piece = plain[offset:]
            yield _NO_WORD.sub(b"", base64.b64decode(piece + b"A" * (-len(piece) % 4)).lower())


def by_kind(hits: Sequence[tuple[str, Hit]]) -> str:
    """A summary of leaks: place, type, number and a few examples; the values are invented."""
    said = []
    for place, kind in sorted({(place, hit.planted.type) for place, hit in hits}):
        values = sorted({hit.planted.value for where, hit in hits if (where, hit.planted.type) == (place, kind)})
        said.append(f"{place}: {len(values)} {kind}, e.g. {', '.join(values[:4])}")
    return "\n".join(said)
