"""Values with each separator that people and programs put between their parts. The classifier knows nothing here."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from stdnum import iban, luhn, verhoeff

from models.redaction.normalize.view import spaced
from models.redaction.redactor import LocalRedactor
from models.redaction.types import RedactionContext
from models.text import RawText, TextSource
from tests.unit.redaction.helpers import patterns_only

EACH = 12
UNDERSCORES = ("_", "__")
SPACES = ("\u00a0", "\u2009", "\u202f", "\u2007")
"""No-break, thin, narrow no-break and figure space."""

Make = Callable[[random.Random], list[str]]


def digits(chance: random.Random, count: int) -> str:
    return "".join(chance.choice("0123456789") for _ in range(count))


def hexadecimal(chance: random.Random) -> str:
    return f"{chance.randint(0, 255):02X}"


def phone(chance: random.Random) -> list[str]:
    return [
        chance.choice(("415", "212", "303", "617")),
        chance.choice("23456789") + digits(chance, 2),
        digits(chance, 4),
    ]


def international_phone(chance: random.Random) -> list[str]:
    return ["+49", chance.choice(("151", "160")), digits(chance, 4), digits(chance, 4)]


def card(chance: random.Random) -> list[str]:
    number = "4" + digits(chance, 14)
    number += luhn.calc_check_digit(number)
    return [number[at : at + 4] for at in range(0, 16, 4)]


def amex(chance: random.Random) -> list[str]:
    number = "37" + digits(chance, 12)
    number += luhn.calc_check_digit(number)
    return [number[:4], number[4:10], number[10:]]


def account(chance: random.Random) -> list[str]:
    rest = digits(chance, 18)
    number = f"DE{iban.calc_check_digits('DE00' + rest)}{rest}"
    return [number[at : at + 4] for at in range(0, 22, 4)]


def ssn(chance: random.Random) -> list[str]:
    return [f"{chance.randint(100, 665)}", f"{chance.randint(1, 99):02}", f"{chance.randint(1, 9999):04}"]


def birth_date(chance: random.Random) -> list[str]:
    return [f"{chance.randint(13, 28)}", f"{chance.randint(1, 12):02}", f"{chance.randint(1950, 2005)}"]


def birth_date_iso(chance: random.Random) -> list[str]:
    return birth_date(chance)[::-1]


def passport(chance: random.Random) -> list[str]:
    return [chance.choice("CFGHJKLMNPR") + digits(chance, 2), digits(chance, 3), digits(chance, 3)]


def plate(chance: random.Random) -> list[str]:
    letters = "".join(chance.choice("ABEKMX") for _ in range(2))
    return [chance.choice(("B", "M", "HH", "KA")), letters, f"{chance.randint(100, 9999)}"]


def indian_plate(chance: random.Random) -> list[str]:
    return [
        chance.choice(("KA", "MH", "DL")),
        f"{chance.randint(1, 50):02}",
        "A" + chance.choice("BM"),
        digits(chance, 4),
    ]


def aadhaar(chance: random.Random) -> list[str]:
    number = chance.choice("23456789") + digits(chance, 10)
    number += verhoeff.calc_check_digit(number)
    return [number[:4], number[4:8], number[8:]]


def nino(chance: random.Random) -> list[str]:
    return [chance.choice(("AB", "JK", "PW")), *(digits(chance, 2) for _ in range(3)), chance.choice("ABCD")]


def mac(chance: random.Random) -> list[str]:
    return [hexadecimal(chance) for _ in range(6)]


VALUES: dict[str, tuple[str, Make]] = {
    "phone": ("My phone number is", phone),
    "international phone": ("Reach me on", international_phone),
    "card": ("My card is", card),
    "amex": ("My card is", amex),
    "iban": ("My IBAN is", account),
    "ssn": ("My SSN is", ssn),
    "birth date": ("I was born on", birth_date),
    "birth date, ISO": ("My date of birth is", birth_date_iso),
    "passport": ("My passport number is", passport),
    "plate": ("My licence plate is", plate),
    "Indian plate": ("My number plate is", indian_plate),
    "Aadhaar": ("My Aadhaar is", aadhaar),
    "nino": ("My National Insurance number is", nino),
    "mac": ("The MAC address is", mac),
}
ALONE = ("phone", "international phone", "card", "amex", "iban", "Aadhaar", "nino", "Indian plate")
"""Found without a word that introduces them."""


@pytest.fixture(scope="module")
def redactor() -> LocalRedactor:
    return patterns_only()


def hidden(redactor: LocalRedactor, text: str, value: str) -> bool:
    """Whether no letter and no digit of the value is left."""
    start = text.index(value)
    covered: set[int] = set()
    for entity in redactor.redact(RawText(text), RedactionContext(TextSource.TYPED, "en")).entities:
        covered.update(range(entity.start, entity.end))
    return all(at in covered for at in range(start, start + len(value)) if text[at].isalnum())


def left(redactor: LocalRedactor, name: str, separator: str, frame: str) -> list[str]:
    """The texts in which something of a value is left."""
    cue, make = VALUES[name]
    chance = random.Random(name)
    values = [separator.join(make(chance)) for _ in range(EACH)]
    texts = [(frame.format(cue=cue, value=value), value) for value in values]
    return [text for text, value in texts if not hidden(redactor, text, value)]


@pytest.mark.parametrize("name", VALUES)
def test_an_underscore_and_a_space_are_separators_as_a_dash_is(redactor: LocalRedactor, name: str) -> None:
    frame = "{cue} {value}."
    by_dash, by_space = (set(range(len(left(redactor, name, sep, frame)))) for sep in ("-", " "))
    assert min(len(by_dash), len(by_space)) == 0, "neither is found"
    assert left(redactor, name, "_", frame) == []
    for space in SPACES:
        assert len(left(redactor, name, space, frame)) == len(by_space)


@pytest.mark.parametrize("frame", ["maria_lopez_{value}", "see {value}_note please", "{value}"])
@pytest.mark.parametrize("name", ALONE)
def test_a_value_that_underscores_join_to_words_is_found(redactor: LocalRedactor, name: str, frame: str) -> None:
    for separator in ("_", "-", " "):
        assert left(redactor, name, separator, frame) == []


@pytest.mark.parametrize("separator", [".", "/"])
@pytest.mark.parametrize("name", ["phone", "card", "amex", "iban", "birth date", "nino"])
def test_full_stops_and_slashes_are_separators_too(redactor: LocalRedactor, name: str, separator: str) -> None:
    assert left(redactor, name, separator, "{cue} {value}.") == []


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("john.doe@example.com_backup", "john.doe@example.com"),
        ("reach_me_at_john.doe@example.com", "john.doe@example.com"),
        ("tel_0655014217", "0655014217"),
        ("maria_lopez_555_123_4567", "555_123_4567"),
    ],
)
def test_an_address_or_a_number_ends_at_an_underscore(redactor: LocalRedactor, text: str, value: str) -> None:
    assert hidden(redactor, text, value)


@pytest.mark.parametrize(
    "text",
    [
        "The file report_2024_11_15_final.pdf is there.",
        "meter_serial_7316_2048",
        "sha_256 x86_64",
        "step_3_of_12",
        "v_2_0_1",
    ],
)
def test_names_of_programs_stay(text: str) -> None:
    assert not patterns_only().redact(RawText(text), RedactionContext(TextSource.TYPED, "en")).entities


def test_an_underscore_becomes_a_dash_within_a_code_only() -> None:
    view = spaced("maria_lopez_555_123_4567\u2009AB_12_C")
    assert view is not None
    assert view.text == "maria lopez 555-123-4567 AB-12-C"
    assert spaced("no_digits_here") is None
    assert spaced("555 123 4567") is None
