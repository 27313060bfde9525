"""The words around a spoken street, with the classifier: some sentences with a number are no streets, addresses go."""

from __future__ import annotations

import pytest

from models.redaction.redactor import LocalRedactor
from models.text import TextSource
from tests.unit.redaction.helpers import found


@pytest.fixture(scope="module")
def redactor(real_redactor: LocalRedactor) -> LocalRedactor:
    return real_redactor


SENTENCES = [
    ("de", "wir liefern am freitag sieben filter"),
    ("de", "die lieferung kommt im oktober neun kisten"),
    ("de", "die adresse steht im anhang vier"),
    ("de", "wir wohnen im stock sechs"),
    ("it", "via internet abbiamo ricevuto nove richieste"),
    ("pt", "a praça tem vinte bancos"),
]
ADDRESSES = [
    ("de", "ich wohne am alten deich sieben", "alten deich sieben"),
    ("de", "ich wohne am alten deich sieben berlin", "alten deich sieben"),
    ("de", "ich wohne am alten deich sieben und bin da", "alten deich sieben"),
    ("de", "bitte liefern sie an den bremer platz vier", "bremer platz vier"),
    ("es", "ayer en la calle del olmo ocho con mi hermano", "calle del olmo ocho"),
    ("es", "es en la calle del olmo ocho madrid", "calle del olmo ocho"),
    ("es", "vivo en la calle del olmo ocho burgos", "calle del olmo ocho"),
    ("it", "mi trovo in via del pino nove milano", "via del pino nove"),
    ("pt", "é na rua do pinho onze lisboa", "rua do pinho onze"),
    ("fr", "j'habite au neuf cours de la gare", "neuf cours de la gare"),
    ("de", "ich wohne am alten deich sieben klingeln sie bitte", "alten deich sieben"),
    ("de", "ich wohne am alten deich sieben meine tochter auch", "alten deich sieben"),
    ("es", "calle del olmo ocho entonces", "calle del olmo ocho"),
    ("pt", "rua são joão doze", "rua são joão doze"),
    ("fr", "c'est au neuf cours de nantes", "neuf cours de nantes"),
    ("fr", "neuf cours du port", "neuf cours du port"),
    ("fr", "neuf cours de Nantes", "neuf cours de Nantes"),
    ("en", "it is number fourteen heron row", "fourteen heron row"),
    ("en", "come to number three heron row", "three heron row"),
    ("en", "it is number three heron drive", "three heron drive"),
]


@pytest.mark.parametrize(("language", "text"), SENTENCES)
def test_a_sentence_with_a_number_is_not_a_street(language: str, text: str) -> None:
    assert found(text, TextSource.SPEECH, language) == []


@pytest.mark.parametrize(("language", "text", "address"), ADDRESSES)
def test_a_street_is_redacted(redactor: LocalRedactor, language: str, text: str, address: str) -> None:
    hidden = " ".join(value for _type, value in found(text, TextSource.SPEECH, language, redactor))
    assert address.lower() in hidden.lower()
