"""Words of a flow that are names, too: hidden in the place of a name, readable elsewhere. Postcodes after labels."""

from __future__ import annotations

import pytest

from models.redaction.dialogue_context import AnswerHints, answering
from models.redaction.flow_words import FlowWords
from models.redaction.redactor import LocalRedactor
from models.redaction.types import RedactionContext, RedactionScope
from models.text import RawText, TextSource


@pytest.fixture(scope="module")
def redactor(real_redactor: LocalRedactor) -> LocalRedactor:
    return real_redactor


_NAMES_TOO = FlowWords(
    (
        ("de", frozenset({"Mercedes", "Ford", "rosa", "braun", "schwarz"})),
        ("en", frozenset({"Mercedes", "Ford", "rose", "violet", "brown", "black", "km driven"})),
        ("es", frozenset({"Mercedes", "rosa", "negro"})),
    )
)


@pytest.mark.models
@pytest.mark.parametrize(
    ("language", "said", "hidden"),
    [
        ("es", "Mi hija Mercedes conducía", "Mercedes"),
        ("es", "Mi mujer se llama rosa", "rosa"),
        ("es", "Soy Mercedes", "Mercedes"),
        ("de", "Meine Tochter Mercedes ist gefahren", "Mercedes"),
        ("de", "Mein Bruder Schwarz", "Schwarz"),
        ("de", "Die Fahrerin hieß Mercedes", "Mercedes"),
        ("de", "Nachname: Braun", "Braun"),
        ("de", "Nachname braun", "braun"),
        ("de", "Vorname: Rosa, Nachname: Braun", "Braun"),
        ("de", "rosa braun", "braun"),
        ("en", "My wife Rose drove", "Rose"),
        ("en", "my husband ford was driving", "ford"),
        ("en", "violet brown", "violet"),
    ],
)
def test_a_word_of_the_flow_in_the_place_of_a_name_is_a_name(
    redactor: LocalRedactor, language: str, said: str, hidden: str
) -> None:
    context = RedactionContext(TextSource.TYPED, language, scope=RedactionScope(flow_words=_NAMES_TOO))
    assert hidden not in redactor.redact(RawText(said), context).text.value


@pytest.mark.models
@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("de", "Ein schwarzer Ford"),
        ("de", "Das Auto ist schwarz"),
        ("de", "meine Tochter fährt einen Ford"),
        ("en", "It is a black Mercedes"),
        ("en", "My wife drove the Ford"),
        ("es", "Es un Mercedes negro"),
        ("es", "Mi hija conducía el Mercedes"),
    ],
)
def test_it_stays_readable_elsewhere(redactor: LocalRedactor, language: str, said: str) -> None:
    context = RedactionContext(TextSource.TYPED, language, scope=RedactionScope(flow_words=_NAMES_TOO))
    assert redactor.redact(RawText(said), context).text.value == said


@pytest.mark.models
@pytest.mark.parametrize(
    ("language", "said", "number", "stays"),
    [
        ("en", "km driven from 90210", "90210", False),
        ("de", "Kilometerstand in 10115 Berlin", "10115", False),
        ("de", "Die Kilometer von 80331 München", "80331", False),
        ("en", "the km driven is 48213", "48213", True),
        ("de", "ein Kilometerstand von 48213", "48213", True),
        ("de", "der Kilometerstand lag bei 48213", "48213", True),
    ],
)
def test_the_label_of_a_number_does_not_make_a_postcode_readable(
    redactor: LocalRedactor, language: str, said: str, number: str, stays: bool
) -> None:
    hints = AnswerHints(number_names=frozenset({"km driven", "Kilometerstand", "Kilometer", "km"}))
    context = answering(RedactionContext(TextSource.TYPED, language), (), hints)
    assert (number in redactor.redact(RawText(said), context).text.value) is stays
