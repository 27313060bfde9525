"""Words of every day and makers are no names in German, Spanish and French; people who are called like them are."""

from __future__ import annotations

import pytest

from models.redaction.ner.stopwords import is_stop_word, uses_capitals
from models.redaction.normalize.view import original
from models.redaction.redactor import LocalRedactor
from models.redaction.types import RedactionContext
from models.text import RawText, TextSource
from tests.fakes.classifier import WordListClassifier
from tests.unit.redaction.helpers import found


def _names(language: str, text: str, names: str, source: TextSource = TextSource.TYPED) -> list[str]:
    """What is hidden where the classifier takes all these words for names."""
    classifier = WordListClassifier(dict.fromkeys(names.lower().split(), "SURNAME"))
    return [piece for _type, piece in found(text, source, language, LocalRedactor(classifier))]


@pytest.mark.parametrize(
    ("language", "word", "cased", "everyday"),
    [
        ("de", "Kühlschrank", True, True),
        ("de", "Kühlwasserpumpe", True, True),
        ("de", "Spannungsabfall", False, True),
        ("de", "Niebuhr", True, False),
        ("de", "Hiestand", True, False),
        ("de", "Keller", True, False),
        ("es", "Albarán", True, True),
        ("es", "cuesta", True, True),
        ("es", "Cuesta", True, False),
        ("es", "cuesta", False, False),
        ("fr", "Commande", True, True),
        ("fr", "robinet", True, True),
        ("fr", "Robinet", True, False),
        ("en", "commande", True, False),
        ("hi", "voshar", False, True),  # as a Hindi word is read
        ("hi", "sharma", False, False),
    ],
)
def test_stop_words_are_recognized(language: str, word: str, cased: bool, everyday: bool) -> None:
    assert is_stop_word(original(word), 0, len(word), language, cased=cased) is everyday


@pytest.mark.parametrize(
    ("language", "text", "uses"),
    [
        ("de", "Der Herd ist aus", True),
        ("de", "Hier ist lena aus dem büro", False),
        ("de", "der herd ist aus", False),
        ("es", "No hay agua", True),
        ("es", "no hay agua", False),
    ],
)
def test_texts_with_capitals_are_recognized(language: str, text: str, uses: bool) -> None:
    assert uses_capitals(original(text), language) is uses


@pytest.mark.parametrize(
    ("language", "text", "names"),
    [
        ("es", "Balay cuesta poco", "Balay cuesta"),
        ("es", "Caldera Junkers sin presión", "Caldera Junkers"),
        ("es", "la lavadora Brandt gotea", "Brandt"),
        ("fr", "Moulinex répond mal", "Moulinex répond"),
        ("fr", "le four Sauter chauffe trop", "Sauter"),
        ("fr", "mon sèche-linge beko est mort", "sèche linge beko"),
        ("de", "Die Spülmaschine von Miele tropft", "Miele tropft"),
        ("de", "Bosch Geschirrspüler im Flur", "Bosch Geschirrspüler"),
        ("de", "Werk Nord meldet Spannungsabfall", "meldet Spannungsabfall"),
    ],
)
def test_brands_and_objects_are_kept(language: str, text: str, names: str) -> None:
    assert _names(language, text, names) == []


@pytest.mark.parametrize(
    ("language", "text", "names", "hidden"),
    [
        ("de", "Katrin Bosch war da", "Katrin Bosch", ["Katrin Bosch"]),
        ("de", "Familie Bosch war da", "Bosch", ["Bosch"]),
        ("de", "Kunde: Miele", "Miele", ["Miele"]),
        ("de", "gestern war Brandt hier", "Brandt", ["Brandt"]),
        ("es", "Elena Cuesta firmó el albarán", "Elena Cuesta albarán", ["Elena Cuesta"]),
        ("es", "vino Cuesta por la tarde", "vino Cuesta", ["Cuesta"]),
        ("fr", "Sauter a réparé le four", "Sauter four", ["Sauter"]),
        ("fr", "hier robinet est passé, dit-elle", "robinet", ["robinet"]),
    ],
)
def test_people_named_like_brands_are_redacted(language: str, text: str, names: str, hidden: list[str]) -> None:
    assert _names(language, text, names) == hidden


@pytest.mark.parametrize(
    ("language", "text", "names", "hidden"),
    [
        ("es", "Ha llamado marta Bosch por la fuga.", "marta bosch", ["marta Bosch"]),
        ("de", "Anna Elster kommt.", "anna elster", ["Anna Elster"]),
        ("es", "La lavadora Balay cuesta mucho.", "balay cuesta", []),
        ("hi", "Motor Singh ka ghar", "motor singh", ["Motor Singh"]),
        ("hi", "Shaam ji aaye the", "shaam", ["Shaam"]),
        ("hi", "Motor kharab hai", "motor", []),
        ("es", "Mi hermana Consolación abre.", "consolación", ["Consolación"]),
        ("es", "Avisad a casado ahora.", "casado", ["casado"]),
        ("fr", "Prévenez esmée au troisième.", "esmée", ["esmée"]),
    ],
)
def test_names_that_are_stop_words_are_redacted(language: str, text: str, names: str, hidden: list[str]) -> None:
    assert _names(language, text, names) == hidden


def test_case_is_ignored_in_speech() -> None:
    assert _names("es", "Hoy vino rosa cuesta", "rosa cuesta", TextSource.SPEECH) == ["rosa cuesta"]


@pytest.fixture(scope="module")
def redactor(real_redactor: LocalRedactor) -> LocalRedactor:
    return real_redactor


@pytest.mark.models
@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("de", "Heizung bleibt kalt, obwohl der Regler auf fünf steht."),
        ("de", "Wir haben seit Montag kein Wasser in der Küche."),
        ("es", "Placa: 220 V, 1800 W."),
        ("es", "La tele Samsung no enciende."),
        ("fr", "De l'eau marron sort du robinet."),
        ("fr", "Notre robot Moulinex fait du bruit."),
        ("hi", "gate yahan se 18 kilometre door hai highway ke paas"),
    ],
)
def test_whole_harmless_sentences_are_kept(redactor: LocalRedactor, language: str, text: str) -> None:
    assert redactor.redact(RawText(text), RedactionContext(language=language)).text.value == text


@pytest.mark.models
@pytest.mark.parametrize(
    ("language", "text", "name"),
    [
        ("de", "Hier ist lena aus dem büro", "lena"),
        ("de", "Gestern kam jürgen mit den Schlüsseln", "jürgen"),
        ("de", "Unterschrift: Markus Keller", "Markus Keller"),
        ("es", "Mi vecina rosa vio la fuga", "rosa"),
        ("fr", "Mon voisin karim a vu la fuite", "karim"),
    ],
)
def test_lower_case_names_and_names_that_are_words_are_redacted(
    redactor: LocalRedactor, language: str, text: str, name: str
) -> None:
    assert name not in redactor.redact(RawText(text), RedactionContext(language=language)).text.value
