"""Countries are data: their identifiers, checksums, context words and telephone regions."""

from __future__ import annotations

import pytest

from models.redaction.countries.loader import CountryInvalid, countries, parsed, phone_regions
from models.redaction.patterns.checksums import checksum
from models.text import TextSource
from tests.unit.redaction.helpers import found

PART = "identifiers:\n  nin:\n    pattern: '\\d{11}'\n    score: 0.2\n    context: ['nin']\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("identifiers: [", "xx.yaml is no YAML"),
        (PART.replace("score: 0.2", "score: 2"), "xx.yaml does not fit: identifiers.0.score"),
        (PART.replace("\\d{11}", "(\\d{11}"), "identifiers.0.pattern: .* no regular expression"),
        (PART + "    checksum: mod13\n", "identifiers.0.checksum: .*there is no checksum mod13"),
        (PART + "    checksum: es.nothing\n", "there is no checksum es.nothing"),
        (PART + "    entity: IDX\n", "there is no entity IDX"),
        (PART + "    patterns: x\n", "identifiers.0.patterns: Extra inputs"),
        (PART.replace("['nin']", "[]"), "identifiers.0.context"),
        ("languages: [english]\n", "languages.0"),
    ],
)
def test_a_broken_file_is_refused_with_its_name_and_key(text: str, message: str) -> None:
    with pytest.raises(CountryInvalid, match=message):
        parsed(text, "xx.yaml")


def test_every_country_has_a_code_and_loads() -> None:
    assert {"de", "in", "ng", "us"} <= set(countries())
    assert all(len(code) == 2 and (country.languages or country.identifiers) for code, country in countries().items())
    assert {"US", "GB", "IN", "NG"} == set(phone_regions("en"))


@pytest.mark.parametrize(
    ("name", "right", "wrong"),
    [
        ("luhn", "4111-1111-1111-1111", "4111-1111-1111-1112"),
        ("verhoeff", "2363", "2364"),
        ("mod97", "777", "778"),
        ("mod11", "0-306-40615-2", "0-306-40615-3"),
        ("mod11", "080442957X", "X804429570"),
        ("es.dni", "54362315K", "54362315A"),
        ("vin", "1HGBH41JXMN109186", "1HGBH41J1MN109186"),
        ("vin", "1KGCM82613A004350", "1\u212aGCM82613A004350"),
        ("us.rtn", "021000021", "021000022"),
        ("npi", "1245319599", "1245319598"),
        ("dea", "AB1234563", "AB1234564"),
        ("kvnr", "A123456780", "A123456781"),
    ],
)
def test_checksums_by_name(name: str, right: str, wrong: str) -> None:
    check = checksum(name)
    assert check is not None
    assert check(right) is True
    assert check(wrong) is False


def test_there_is_no_test_without_a_checksum_and_none_of_an_unknown_name() -> None:
    assert checksum("none") is None
    with pytest.raises(LookupError):
        checksum("mod12")


TYPED = [
    ("My NIN is 48213957206.", "ID", "48213957206"),
    ("NIN: 4821 395 7206", "ID", "4821 395 7206"),
    ("my BVN na 22148213957", "ID", "22148213957"),
    ("Bank verification: 2214 821 3957", "ID", "2214 821 3957"),
    ("call me for 0803 482 1395", "PHONE", "0803 482 1395"),
    ("My phone na 08034821395", "PHONE", "08034821395"),
    ("+234 803 482 1395", "PHONE", "+234 803 482 1395"),
    ("TIN 48213957-0001 of the owner", "ID", "48213957-0001"),
]
DOCUMENTS = [
    ("MORGA657054SM9IJ", "LICENCE"),
    ("MORGA699054SM9IJ", None),
    ("MH12 20110062821", "LICENCE"),
    ("XX12 20110062821", None),
    ("MH 12 AB 1234", "PLATE"),
    ("QQ 12 AB 1234", None),
]
"""A British licence holds a day of birth, Indian ones begin with a state."""
SAID = [
    ("my nin is four eight two one three nine five seven two zero six", "ID"),
    ("my NIN na four eight two, one three nine, five seven two zero six", "ID"),
    ("my BVN na double two one four eight two one three nine five seven", "ID"),
    ("my bank verification is two two one four eight two one three nine five seven", "ID"),
    ("my number na oh eight oh three four eight two one three nine five", "PHONE"),
    ("abeg call me on zero eight zero three four eight two one three nine five", "PHONE"),
    ("plus two three four eight zero three four eight two one three nine five", "PHONE"),
]
HARMLESS = [
    "The meter serial 48213957206 is in the shed.",
    "Na 250 naira for the tin of paint.",
    "Na three bags of cement, 50 kg each.",
]


@pytest.mark.parametrize(("text", "kind", "value"), TYPED)
def test_nigerian_numbers_that_are_typed(text: str, kind: str, value: str) -> None:
    assert found(text) == [(kind, value)]


@pytest.mark.parametrize(("text", "kind"), DOCUMENTS)
def test_documents_with_a_distinctive_form_need_no_word(text: str, kind: str | None) -> None:
    assert (kind, text) in found(text) if kind else not {"LICENCE", "PLATE"} & {of for of, _ in found(text)}


@pytest.mark.parametrize(("text", "kind"), SAID)
def test_nigerian_numbers_that_are_said(text: str, kind: str) -> None:
    entities = found(text, TextSource.SPEECH)
    assert [of for of, _ in entities] == [kind]
    assert text.endswith(entities[0][1])


@pytest.mark.parametrize("text", HARMLESS)
def test_numbers_of_things_stay(text: str) -> None:
    assert found(text) == []
