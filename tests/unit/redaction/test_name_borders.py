"""Where a name begins and ends: underscores, brackets that look like tags, particles after a title, logins."""

from __future__ import annotations

import pytest

from models.redaction.redactor import LocalRedactor
from models.text import TextSource
from tests.fakes.classifier import WordListClassifier
from tests.unit.redaction.helpers import found

NAMES = {"anna": "GIVEN_NAME", "carter": "SURNAME", "berg": "SURNAME"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ask anna_carter for it", [("NAME", "anna_carter")]),
        ("the file Carter_2024_v2 is here", [("NAME", "Carter")]),
        ("[REDACTED_Anna] wrote", [("NAME", "Anna")]),
        ("[REDACTED_NAME_Berg] wrote", [("NAME", "Berg")]),
        ("[REDACTED_NAME_3f9a01d4] and [REDACTED_NAME] wrote", []),
        ("[REDACTED_NAME_3f9a] is Anna", [("NAME", "Anna")]),
        ("[REDACTED_PHONE_3f9a] and [REDACTED_NAME_3f9a] wrote", []),
    ],
)
def test_underscores_end_words(text: str, expected: list[tuple[str, str]]) -> None:
    assert found(text, redactor=LocalRedactor(WordListClassifier(NAMES))) == expected


@pytest.mark.parametrize(
    ("language", "text", "expected"),
    [
        ("de", "am apparat ist herr van den heuvel", ["van den heuvel"]),
        ("de", "Frau von der Aue ruft zurück", ["von der Aue"]),
        ("de", "guten Tag Frau Dr. zu Hohenstein", ["Frau Dr. zu Hohenstein"]),
        ("fr", "bonjour madame du bellay", ["du bellay"]),
        ("fr", "c'est monsieur le gall", ["le gall"]),
        ("es", "le atiende señora de la torre", ["de la torre"]),
        ("es", "pregunta por la señora Rocío del Valle", ["Rocío del Valle"]),
        ("es", "el señor de la Vega llamó", ["de la Vega"]),
        ("en", "put me through to mrs van houten please", ["van houten"]),
        ("en", "Dr. de Vries signed", ["de Vries"]),
        ("de", "herr zu guttenberg ist da", ["zu guttenberg"]),
        ("fr", "bonjour madame le petit", ["le petit"]),
        # words of every day, somebody who is described, and offices
        ("de", "die frau von der kasse war nett", []),
        ("de", "Meine Frau von der Arbeit abholen", []),
        ("fr", "le monsieur du gaz est passé", []),
        ("fr", "madame la présidente est absente", []),
        ("es", "la señora de la tienda dijo que no", []),
        ("fr", "il a fait don de sang au maître de cérémonie", []),
        ("en", "the dr is in the house", []),
    ],
)
@pytest.mark.parametrize("source", [TextSource.TYPED, TextSource.SPEECH])
def test_particles_after_a_title_belong_to_the_name(
    language: str, text: str, expected: list[str], source: TextSource
) -> None:
    assert [piece for _type, piece in found(text, source, language)] == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("my username is blue_fox.91", ["blue_fox.91"]),
        ("Benutzername: jkl42", ["jkl42"]),
        ("kite_7 is my login", ["kite_7"]),
        ("the login is broken", []),
        ("the user id is missing in step 4", []),
        ("usuario: nuevo", []),
    ],
)
def test_logins_are_found_as_handles(text: str, expected: list[str]) -> None:
    assert [piece for type_, piece in found(text) if type_ == "HANDLE"] == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Wilo, Anna", ["Wilo", "Anna"]),
        ("Guest: Anna, Kamstrup", ["Anna", "Kamstrup"]),
        ("visitor: Kamstrup", ["Kamstrup"]),
        ("please ask for Wilo at the desk", ["Wilo"]),
        ("Contact: Wilo", ["Wilo"]),
        ("Besucherin: Kamstrup", ["Kamstrup"]),
        ("visiteur : Wilo", ["Wilo"]),
        ("the Wilo pump and the Kamstrup meter", []),
        ("Wilo, Kamstrup", []),
        ("please contact Wilo about the pump", []),
    ],
)
def test_brand_names_after_a_given_name_are_surnames(text: str, expected: list[str]) -> None:
    labels = {"anna": "GIVEN_NAME", "wilo": "SURNAME", "kamstrup": "SURNAME"}
    entities = found(text, TextSource.OCR, redactor=LocalRedactor(WordListClassifier(labels)))
    assert [piece for _type, piece in entities] == expected


def test_the_number_of_a_reference_is_not_a_postcode() -> None:
    redactor = LocalRedactor(WordListClassifier({"90713": "ZIP_CODE"}))
    assert found("he wrote, reference is 90713, thanks", redactor=redactor) == []
    assert found("he lives in 90713, thanks", redactor=redactor) == [("ADDRESS", "90713")]
