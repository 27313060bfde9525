"""What people write or say so that a pattern misses it, and what they say between and around digits."""

from __future__ import annotations

import pytest

from models.redaction.itn.view import spoken_view
from models.redaction.normalize.view import disguised
from models.text import TextSource
from tests.unit.redaction.helpers import found

KEYCAPS = "".join(digit + "\ufe0f\u20e3" for digit in "2125550187")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ring 212.555.O187", [("PHONE", "212.555.O187")]),
        ("ring 2l2-555-01B7 or 2l2-555-0l87", [("PHONE", "2l2-555-01B7"), ("PHONE", "2l2-555-0l87")]),
        (KEYCAPS, [("PHONE", KEYCAPS)]),
        ("b.quist (at) mill (dot) co (dot) uk", [("EMAIL", "b.quist (at) mill (dot) co (dot) uk")]),
        ("quist[at]mill[dot]org", [("EMAIL", "quist[at]mill[dot]org")]),
        ("quist {arroba} molino {punto} es", [("EMAIL", "quist {arroba} molino {punto} es")]),
        ("call 0161 ... 496 ... 0733", [("PHONE", "0161 ... 496 ... 0733")]),
        ("call 0161\u2026496 .. 0733, thanks", [("PHONE", "0161\u2026496 .. 0733")]),
        ("it is 5425... 2334... 3010... 9903", [("CC", "5425... 2334... 3010... 9903")]),
        ("wait ... 3 of 12 ... done", []),
        ("see you (at the shop) on Monday", []),
        ("valve Oil 10 and SOS", []),
        ("order 12OO, model Il5", []),
    ],
)
def test_disguised_values_in_typed_text_are_found(text: str, expected: list[tuple[str, str]]) -> None:
    assert found(text) == expected


def test_letters_count_as_digits_only_among_more_digits() -> None:
    assert disguised("I O 1 l O o I l") is None
    assert disguised("plain words (really)") is None


@pytest.mark.parametrize(
    ("language", "text", "form"),
    [
        ("es", "uno dos tres cuatro cinco seis siete ocho zeta", "12345678Z"),
        ("en", "bravo three one seven five two six nine", "B3175269"),
        ("en", "x three one seven five two six nine", "X3175269"),
        ("es", "cinco uno dos, sí, cuatro cuatro, eso, nueve cero uno uno", "512 44 9011"),
        ("en", "five one two yeah four four okay nine oh one one", "512449011"),
        ("de", "null drei ja eins sieben ähm vier vier neun acht", "03174498"),
        ("fr", "zéro un, euh, vingt-trois, oui, quarante-cinq, soixante-sept", "01 23 45 67"),
    ],
)
def test_letters_and_hesitations_around_spoken_digits_are_covered(language: str, text: str, form: str) -> None:
    view = spoken_view(text, language)
    assert view is not None
    assert " ".join(view.text.split()) == form


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "a table for two yes three people"),
        ("en", "seven yes I think so"),
        ("es", "a las dos, sí, tres personas"),
    ],
)
def test_an_answer_between_two_quantities_is_kept(language: str, text: str) -> None:
    assert found(text, TextSource.SPEECH, language) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("pressure 101325 Pa at 2900 rpm", []),
        ("phone 90713 please", [("PHONE", "90713")]),
        ("Tel. no. 9071 please", [("PHONE", "9071")]),
        ("ask for extension 9071 please", [("PHONE", "9071")]),
        ("Durchwahl: 9071, danke", [("PHONE", "9071")]),
        ("the phone 2024 edition", []),
        ("phone 9071 euros", []),
        ("the phone model 9071 is sold", []),
        ("barcode 7731905526, text me", [("PHONE", "7731905526")]),
        ("barcode 7731905526 is in stock", []),
        ("serial number 7731905526 again", []),
        ("item 2125550187 again", [("PHONE", "2125550187")]),
        ("id 77319055 hz, he said", [("ID", "77319055")]),
        ("spare part 5513-2240-07 is in stock", []),
        ("SKU 885909950805 in stock", []),
        ("SSN 536 22 1234", [("SSN", "536 22 1234")]),
        ("ref SSN-536221234", [("SSN", "-536221234")]),
    ],
)
def test_numbers_of_people_are_found_and_numbers_of_things_are_kept(text: str, expected: list[tuple[str, str]]) -> None:
    assert found(text) == expected
