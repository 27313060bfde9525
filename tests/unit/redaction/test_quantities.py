"""Amounts in Hindi are neither streets nor names, in digits and in words; names and houses beside them are."""

from __future__ import annotations

import pytest

from models.redaction.normalize.transliterate import transliterate_word
from models.redaction.redactor import LocalRedactor
from tests.fakes.classifier import WordListClassifier
from tests.unit.redaction.helpers import found


def _seen(text: str, **labels: str) -> list[tuple[str, str]]:
    """What is found where the classifier gives words these labels, in Latin letters as it reads them."""
    words = {transliterate_word(word) or word: label for word, label in labels.items()}
    return found(text, language="hi", redactor=LocalRedactor(WordListClassifier(words)))


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("कुल 1750 रुपये लगे", {"1750": "BUILDING_NUMBER", "रुपये": "STREET_NAME"}),
        ("पाँच हज़ार रुपये लगे", {"पाँच": "STREET_NAME", "हज़ार": "STREET_NAME", "रुपये": "STREET_NAME"}),
        ("रीडिंग चार पाँच है", {"चार": "STREET_NAME", "पाँच": "STREET_NAME"}),
        ("ऑर्डर नंबर 551209 है", {"551209": "GOVERNMENT_ID"}),
    ],
)
def test_amounts_are_not_addresses_or_names(text: str, labels: dict[str, str]) -> None:
    assert _seen(text, **labels) == []


@pytest.mark.parametrize(
    ("text", "labels", "expected"),
    [
        ("कुल 1750 रुपये मोहन ने दिए", {"1750": "BUILDING_NUMBER", "मोहन": "GIVEN_NAME"}, [("NAME", "मोहन")]),
        ("मोहन दस बजे आएगा", {"मोहन": "GIVEN_NAME"}, [("NAME", "मोहन")]),
        ("subir das aaye the", {"subir": "GIVEN_NAME", "das": "SURNAME"}, [("NAME", "subir das")]),
        ("14 गांधी है", {"14": "BUILDING_NUMBER", "गांधी": "STREET_NAME"}, [("ADDRESS", "14 गांधी")]),
    ],
)
def test_people_and_houses_beside_them_are_found(
    text: str, labels: dict[str, str], expected: list[tuple[str, str]]
) -> None:
    assert _seen(text, **labels) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("godown 12 kilometre door highway par hai", []),
        ("shaam 5 baje main road par milna", []),
        ("12 Miles Road", [("ADDRESS", "12 Miles Road")]),
    ],
)
def test_a_distance_or_a_time_is_not_a_house_number(text: str, expected: list[tuple[str, str]]) -> None:
    assert found(text, language="hi") == expected
