"""The words and codes of a flow stay readable while it runs, and nothing personal stays with them."""

from __future__ import annotations

import pytest

from models.redaction.dialogue_context import answering
from models.redaction.flow_words import FlowWords
from models.redaction.redactor import LocalRedactor
from models.redaction.types import RedactionContext, RedactionScope
from models.text import RawText, TextSource
from models.vision.line_redaction import redact_page_lines
from server.cli.flow_examples import useless_examples
from server.cli.scoped_redactor import ScopedRedactor
from server.flows.asking import answer_hints, asked_for, flow_words
from server.flows.code_format import asks_for_letter
from server.flows.loader import parse_flow
from tests.unit.vision.pictures import line

FLOW_FILE = """
name: car_return
version: 1
languages: [de, en]
title: {de: Rückgabe, en: Return}
steps:
  - name: contract
    title: {de: Vertrag, en: Contract}
    fields:
      - name: contract_number
        kind: code
        label: {de: Vertragsnummer, en: Contract number}
        format: "MV-[0-9]{6}"
        ask: {de: "Wie ist die Nummer?", en: "What is the number?"}
        example: {de: Mein Vertrag ist MV-204815, en: My contract number is MV-204815}
      - name: key_number
        kind: code
        format: "[0-9]{6}"
        ask: {de: "Welche Nummer hat der Schlüssel?", en: "What is the number of the key?"}
      - name: driver
        kind: personal
        label: {de: Fahrer, en: Driver}
        entities: [NAME]
        ask: {de: "Wer hat das Auto gefahren?", en: "Who drove the car?"}
        expect: {de: [Wegner], en: [Wegner]}
  - name: tank
    title: {de: Tank, en: Tank}
    fields:
      - name: fuel
        kind: choice
        ask: {de: "Wie voll ist der Tank?", en: "How full is the tank?"}
        options:
          - {value: half, label: {de: halb, en: half}, words: {de: [vier Achtel], en: [four eighths]}}
          - {value: most, label: {de: dreiviertel, en: three quarters}, words: {de: [sechs Achtel], en: [six eighths]}}
          - {value: full, label: {de: voll, en: full}, words: {de: [randvoll, vollgetankt], en: [topped up]}}
  - name: damage
    title: {de: Schäden, en: Damage}
    fields:
      - name: damage_description
        kind: text
        ask: {de: "Was ist beschädigt?", en: "What is damaged?"}
        expect:
          de: [rechts, hinten, Stoßfänger, Felge]
          en: [bumper, wing, bonnet]
"""
FLOW = parse_flow(FLOW_FILE)
WORDS = flow_words(FLOW)
SOURCES = [TextSource.SPEECH, TextSource.TYPED]


@pytest.fixture(scope="module")
def redactor(real_redactor: LocalRedactor) -> LocalRedactor:
    return real_redactor


def redacted(redactor: LocalRedactor, source: TextSource, language: str, asked: str, said: str) -> str:
    """What is left of what was said while the flow asks for a field; for none if ``asked`` is empty."""
    context = RedactionContext(source, language, scope=RedactionScope(flow_words=WORDS))
    if asked:
        field = FLOW.fields[asked]
        context = answering(context, asked_for(field), answer_hints(field, FLOW, language))
    return redactor.redact(RawText(said), context).text.value


def test_the_words_of_all_fields_are_told_in_each_language() -> None:
    assert {"halb", "vier Achtel", "Stoßfänger", "Fahrer", "Vertragsnummer"} <= WORDS.phrases_in("de")
    assert WORDS.phrases_in("de").isdisjoint({"half", "bumper"})
    assert WORDS.phrases_in("en-GB") == WORDS.phrases_in("en")
    assert WORDS.phrases_in("fr") == WORDS.phrases_in("de"), "the flow is in German first"
    assert FlowWords().phrases_in("de") == frozenset()


def test_the_expected_words_of_a_personal_field_are_not_told() -> None:
    assert "Wegner" not in WORDS.phrases_in("de")


def test_only_formats_that_ask_for_a_letter_are_told() -> None:
    assert WORDS.code_formats == ("MV-[0-9]{6}",)


@pytest.mark.parametrize(
    ("code_format", "asks"),
    [
        ("MV-[0-9]{6}", True),
        ("[A-Z]{2}[0-9]{4}", False),
        ("(?:AB|CD)[0-9]{3}", True),
        ("([A-Z])[0-9]{3}", False),
        ("[A-Z]?[0-9]{6}", False),
        ("[A-Z0-9]{8}[0-9]", False),
        ("(?:AB|12)[0-9]{3}", False),
        ("[^0-9][0-9]{3}", False),
        (r"\w[0-9]{3}", False),
        ("[0-9]{6}", False),
    ],
)
def test_whether_a_format_names_a_letter_of_its_codes(code_format: str, asks: bool) -> None:
    assert asks_for_letter(code_format) is asks


@pytest.mark.models
@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("asked", ["fuel", "damage_description", "contract_number", ""])
@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("de", "halb voll"),
        ("de", "Halb voll, glaube ich"),
        ("de", "6 Achtel"),
        ("de", "randvoll"),
        ("de", "Vollgetankt"),
        ("de", "Dreiviertel voll"),
        ("de", "Der hintere Stoßfänger rechts ist verkratzt und eingedellt."),
        ("de", "der hintere stoßfänger rechts ist verkratzt"),
        ("en", "Wing bonnet"),
    ],
)
def test_words_of_the_flow_are_no_names(
    redactor: LocalRedactor, source: TextSource, asked: str, language: str, said: str
) -> None:
    assert redacted(redactor, source, language, asked, said) == said


@pytest.mark.models
@pytest.mark.parametrize("source", SOURCES)
def test_the_dashboard_that_a_question_names_is_nobody(redactor: LocalRedactor, source: TextSource) -> None:
    assert redacted(redactor, source, "de", "fuel", "Der Tacho zeigt es") == "Der Tacho zeigt es"


@pytest.mark.models
@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize(
    ("language", "asked", "said", "hidden"),
    [
        ("de", "fuel", "Ich heiße Voll", "Voll"),
        ("de", "fuel", "ich heiße felge", "felge"),
        ("de", "fuel", "Herr Voll ist da", "Voll"),
        ("de", "fuel", "Peter Voll", "Voll"),
        ("de", "fuel", "Voll, Peter", "Voll"),
        ("de", "fuel", "Voll Schulze", "Voll"),
        ("de", "damage_description", "Peter Felge war es, Felge sagte es mir", "Felge"),
        ("de", "damage_description", "Herr Wegner hat den Stoßfänger zerkratzt", "Wegner"),
        ("de", "driver", "Felge", "Felge"),
        ("de", "driver", "Voll", "Voll"),
        ("en", "damage_description", "my name is wing", "wing"),
        ("en", "damage_description", "It was Maria Wing", "Wing"),
    ],
)
def test_a_name_that_is_a_word_of_the_flow_is_hidden(
    redactor: LocalRedactor, source: TextSource, language: str, asked: str, said: str, hidden: str
) -> None:
    assert hidden not in redacted(redactor, source, language, asked, said)


@pytest.mark.models
@pytest.mark.parametrize(
    "said", ["On this list? Park and Mann were precision engineers.", "Hi Rose, it is done", "Rose Mann was there"]
)
def test_a_word_beside_a_name_or_after_a_greeting_is_a_name(redactor: LocalRedactor, said: str) -> None:
    words = FlowWords((("en", frozenset({"Park", "Rose"})),))
    context = RedactionContext(TextSource.TYPED, "en", scope=RedactionScope(flow_words=words))
    left = redactor.redact(RawText(said), context).text.value
    assert "Park" not in left and "Rose" not in left


@pytest.mark.models
@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("asked", ["contract_number", "fuel", ""])
@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("de", "Mein Vertrag ist MV-204815"),
        ("de", "Meine Vertragsnummer ist MV-204815, der Tank ist voll."),
        ("de", "Die Nummer lautet MV-204815"),
        ("en", "My contract number is MV-204815"),
        ("en", "My number is MV-204815"),
    ],
)
def test_a_code_of_the_flow_stays(
    redactor: LocalRedactor, source: TextSource, asked: str, language: str, said: str
) -> None:
    assert redacted(redactor, source, language, asked, said) == said


@pytest.mark.models
@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("de", "Die Nummer ist MV 204 815."),
        ("de", "MV Strich zwei null vier acht eins fünf"),
        ("en", "It's MV dash two zero four eight one five"),
    ],
)
def test_a_code_that_was_asked_for_stays_as_it_is_said(redactor: LocalRedactor, language: str, said: str) -> None:
    assert redacted(redactor, TextSource.SPEECH, language, "contract_number", said) == said


@pytest.mark.models
@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("asked", ["contract_number", "key_number", ""])
@pytest.mark.parametrize(
    ("language", "said", "hidden"),
    [
        ("de", "MV-204815, meine Handynummer ist 0171 2048155", "2048155"),
        ("de", "Mein Passwort ist MV-204815", "204815"),
        ("en", "My passport is MV-204815", "204815"),
        ("en", "My account number is MV-204815", "204815"),
        ("en", "My card is 4111 1111 1111 1111", "1111"),
        ("en", "My phone number is 415 555 0132", "0132"),
        ("de", "Meine PIN ist 204815", "204815"),
    ],
)
def test_what_is_personal_is_hidden_beside_a_code_and_in_its_shape(
    redactor: LocalRedactor, source: TextSource, asked: str, language: str, said: str, hidden: str
) -> None:
    assert hidden not in redacted(redactor, source, language, asked, said)


@pytest.mark.models
@pytest.mark.parametrize(
    ("code_format", "said", "hidden"),
    [
        ("X-[0-9]{16}", "It is X-4111111111111111", "4111111111111111"),
        ("[A-Z]{2}[0-9]{20}", "It is DE89370400440532013000", "370400440532013000"),
        ("[A-Z]{2}[0-9]{6}[A-D]", "It is AB123456C", "123456"),
    ],
)
@pytest.mark.parametrize("source", [*SOURCES, TextSource.OCR])
def test_a_number_with_a_right_checksum_is_no_code(
    redactor: LocalRedactor, source: TextSource, code_format: str, said: str, hidden: str
) -> None:
    scope = RedactionScope(flow_words=FlowWords(code_formats=(code_format,)))
    redaction = redactor.redact(RawText(said), RedactionContext(source, "en", scope=scope))
    assert hidden not in redaction.text.value


@pytest.mark.models
def test_a_code_stays_in_a_picture_and_words_of_the_flow_are_names_there(redactor: LocalRedactor) -> None:
    printed = ["Contract number", "MV-204815", "My contract number is MV-204815", "Voll, Peter"]
    lines = [line(text, 20, 40 * at) for at, text in enumerate(printed)]
    _, page = redact_page_lines(lines, ScopedRedactor(redactor, RedactionScope(flow_words=WORDS)))
    texts = [text.value for text in page.texts]
    assert texts[:3] == printed[:3]
    assert "Voll" not in texts[3]


@pytest.mark.models
def test_no_example_of_the_flow_is_hidden() -> None:
    assert useless_examples(FLOW) == []


@pytest.mark.models
@pytest.mark.parametrize(
    ("code_format", "example", "advice"),
    [
        ("[0-9]{6}", "My account number is 204815", "give the codes and their format letters of their own"),
        ("DE[0-9]{20}", "DE89370400440532013000", "correct the example or the format"),
    ],
)
def test_the_advice_for_a_hidden_code_fits_a_code(code_format: str, example: str, advice: str) -> None:
    text = FLOW_FILE.replace('"MV-[0-9]{6}"', f'"{code_format}"').replace(
        "{de: Mein Vertrag ist MV-204815, en: My contract number is MV-204815}", example
    )
    told = useless_examples(parse_flow(text))
    assert told and all(advice in each and "under expect" not in each for each in told)
