"""What rules find in redacted text, and what the fallback makes of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date

import pytest

from models.text import RedactedText
from server.flows.briefing import Briefing
from server.flows.definition import FlowDefinition
from server.flows.dialogue import answers_in
from server.flows.extraction import meter_reading, site_name, visitor_count
from server.flows.loader import parse_flow, shipped_flows
from server.flows.progress import Answer, progress_of
from server.flows.reading.answer_text import AnswerText
from server.ledger.types import Origin
from server.llm.fallback import fallback_record, fallback_reply, reply_sentences, summary_of
from server.llm.phrases import PHRASES
from server.llm.record_schema import canonical_json, record_from_model
from server.llm.types import Exchange, RecordField, SourceItem
from tests.unit.llm.texts import METER, REGISTER, SITE_VISIT, VISIT, redacted


@pytest.mark.parametrize(
    ("text", "value", "unit"),
    [
        (METER.value, "04821.7", "m3"),
        (VISIT.value, "48217", "m3"),
        ("The meter reads 4-8-2-1-7 cubic metres", "48217", "m3"),
        ("the meter reads 4 8 2 1 7.", "48217", ""),
        ("The meter reads 4, 8, 2, 1, 7 cubic meters.", "48217", "m3"),
        ("The meter reads 4,8,2,1,7 cubic meters.", "48217", "m3"),
        ("The meter reads 48,217 cubic metres.", "48217", "m3"),
        ("Electricity meter shows 12345.6 kWh", "12345.6", "kWh"),
        ("Lectura del contador: 48217 metros cúbicos", "48217", "m3"),
        ("El contador marca cuatro ocho dos uno siete", "48217", ""),
        ("Le compteur indique quatre huit deux un sept mètres cubes", "48217", "m3"),
        ("Der Zählerstand ist 48.217 Kubikmeter.", "48217", "m3"),
        ("Der Wasserzähler zeigt vier acht zwei eins sieben", "48217", ""),
        ("मीटर रीडिंग ४८२१७ है", "48217", ""),
        ("O hidrômetro marca quatro oito dois um sete metros cúbicos", "48217", "m3"),
        ("Meter No. 73162048\nm3\n00412\nm3", "00412", "m3"),
    ],
)
def test_finds_the_reading(text: str, value: str, unit: str) -> None:
    reading = meter_reading(text)
    assert reading is not None
    assert (reading.value, reading.unit) == (value, unit)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "I have lived here for 1234 days",
        "Meter No. 73162048",
        "The meter is at [REDACTED_ADDRESS_12345]",
        "The meter is at [REDACTED_ADDRESS_1234]",
        "The meter is paid with ***4821",
        "We met at 08:15",
        "one two three, it goes",
        "The meter of 12.03.2024",
    ],
)
def test_finds_no_reading_where_there_is_none(text: str) -> None:
    assert meter_reading(text) is None


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (VISIT.value, "Riverside"),
        ("I came from the North Bridge plant today", "North Bridge"),
        ("Estoy en la planta de Sant Joan para leer", "Sant Joan"),
        ("Je suis au chantier de Belleville", "Belleville"),
        ("Ich bin am Standort Nordhafen", "Nordhafen"),
        ("Estou na obra da Vila Nova.", "Vila Nova"),
        ("मैं रिवरसाइड साइट पर हूँ", "रिवरसाइड"),
        ("I am at the site of something", ""),
        ("I am at [REDACTED_ADDRESS]", ""),
    ],
)
def test_finds_the_site(text: str, name: str) -> None:
    assert site_name(text) == name


@pytest.mark.parametrize(
    ("text", "count"),
    [
        (REGISTER, 4),
        (redacted("VISITOR REGISTER\nPlease print clearly"), 0),
        (redacted("[REDACTED_NAME] 08:15\n[REDACTED_NAME] 09:40"), 2),
        (redacted("[REDACTED_PHONE] [REDACTED_PHONE] 08:15", PHONE=2), 2),
        (redacted("[REDACTED_NAME_3f9a01d4] ***4821\n[REDACTED_NAME_0b11c2aa] ***4822", NAME=2, PHONE=2), 2),
        (redacted("[REDACTED_NAME_3f9a] 8:15\n[REDACTED_NAME_0b11] 9:40", NAME=0), 2),
    ],
)
def test_counts_visitors(text: RedactedText, count: int) -> None:
    assert visitor_count(text.value, text.counts) == count


def test_the_materials_of_the_demo_give_the_expected_record() -> None:
    materials = [
        SourceItem("turn-1", "turn", VISIT),
        SourceItem("upload-1", "visitor_register", REGISTER),
        SourceItem("upload-2", "meter", METER),
    ]
    proposed = fallback_record(materials, flow=SITE_VISIT, language="en")
    assert proposed.origin is Origin.FALLBACK
    assert proposed.record.fields == (
        RecordField("site_name", "Riverside", "turn-1"),
        RecordField("meter_reading", "04821.7", "upload-2"),
        RecordField("meter_unit", "m3", "upload-2"),
        RecordField("visitor_count", "4", "upload-1"),
        RecordField("contact_given", "yes", "turn-1"),
        RecordField("name_given", "yes", "turn-1"),
    )
    assert proposed.record.summary == (
        "Site visit: site Riverside; meter reading 04821.7; unit cubic metres; visitors 4; phone or e-mail given; "
        "name given."
    )


def test_a_later_statement_corrects_an_earlier_one() -> None:
    materials = [
        SourceItem("turn-1", "turn", redacted("The meter reads 11111 cubic metres")),
        SourceItem("turn-2", "turn", redacted("Sorry, the meter reads 22222 cubic metres")),
    ]
    written = fallback_record(materials, flow=SITE_VISIT, language="en").record
    assert written.fields[0] == RecordField("meter_reading", "22222", "turn-2")


@pytest.mark.parametrize("language", [*PHRASES, "pt-BR", "xx", ""])
@pytest.mark.parametrize("materials", [[], [SourceItem("turn-1", "turn", VISIT)], [SourceItem("u", "document", METER)]])
def test_every_fallback_record_passes_the_checks_of_a_model(language: str, materials: list[SourceItem]) -> None:
    record = fallback_record(materials, flow=SITE_VISIT, language=language).record
    content = json.loads(canonical_json(record))
    content.pop("missing")
    assert record_from_model(json.dumps(content), {"turn-1", "u"}, SITE_VISIT) == record


AT_SITE = redacted("I am at the Riverside site")
READING = redacted("The meter reads 48217 cubic metres")
CONTACT = redacted("Call me on [REDACTED_PHONE]", PHONE=1)


def briefing_after(*said: RedactedText, language: str = "en") -> Briefing:
    """What the reply to the last of these turns is told."""
    [flow] = [flow for flow in shipped_flows() if flow.name == "site_visit"]
    rows: list[Answer] = []
    for number, text in enumerate(said):
        material = AnswerText(text, "text", language, date(2026, 11, 28))
        progress = progress_of(flow, {}, rows)
        rows += answers_in(progress, material, asked=number > 0, source_id=str(number))
    return Briefing.after(progress_of(flow, {}, rows), str(len(said) - 1), said[-1])


async def said_in_reply(*said: RedactedText, history: Sequence[Exchange] = (), language: str = "en") -> str:
    briefing = briefing_after(*said, language=language)
    reply = fallback_reply(list(history), language=language, briefing=briefing)
    assert reply.origin is Origin.FALLBACK
    return "".join([piece async for piece in reply.pieces])


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ([redacted("Hello")], "All right. Which site are you at?"),
        ([AT_SITE], "Thank you, noted: site. What does the meter read?"),
        (
            [AT_SITE, READING],
            "Thank you, noted: meter reading and unit. Is there a visitor register that you can photograph?",
        ),
        ([CONTACT], "Thank you, noted: phone or e-mail. Which site are you at?"),
        (
            [VISIT],
            "Thank you, noted: site, meter reading, unit, phone or e-mail and name. "
            "Is there a visitor register that you can photograph?",
        ),
        (
            [VISIT, redacted("skip")],
            "All right. That is everything. Please check the record.",
        ),
    ],
)
async def test_asks_for_the_one_thing_that_is_missing(said: list[RedactedText], expected: str) -> None:
    assert await said_in_reply(*said) == expected


@pytest.mark.parametrize("language", PHRASES)
async def test_a_question_that_was_just_asked_is_not_repeated_as_it_is(language: str) -> None:
    first = await said_in_reply(redacted("x y"), language=language)
    history = [Exchange(redacted("x y"), redacted(first))]
    second = await said_in_reply(redacted("x y"), history=history, language=language)
    question = briefing_after(redacted("x y")).progress.fields[0].field.ask
    assert isinstance(question, dict)
    assert question[language] in first
    assert question[language] not in second


async def test_without_a_flow_it_only_acknowledges() -> None:
    reply = fallback_reply([], language="de")
    assert "".join([piece async for piece in reply.pieces]) == "Danke, das ist notiert."


@pytest.mark.parametrize(
    ("language", "said", "expected"),
    [
        ("es", "Lectura del contador: 48217", "Gracias, anotado: lectura del contador. ¿En qué sitio se encuentra?"),
        ("fr", "Je suis au chantier de Belleville", "Merci, c'est noté : site. Qu'indique le compteur ?"),
        ("de-AT", "Standort Nordhafen", "Danke, notiert: Standort. Was zeigt der Zähler an?"),
        ("hi", "मीटर रीडिंग ४८२१७", "धन्यवाद, दर्ज किया गया: मीटर रीडिंग। आप किस साइट पर हैं?"),
        ("pt", "Estou na obra da Vila Nova", "Obrigado, anotado: local. Quanto marca o medidor?"),
    ],
)
async def test_replies_in_the_language_of_the_person(language: str, said: str, expected: str) -> None:
    assert await said_in_reply(redacted(said), language=language) == expected


ONE_LANGUAGE = """
name: parcels
version: 1
languages: [{language}]
title: {title}
steps:
  - name: parcel
    fields:
      - name: damage
        kind: text
        label: {label}
        ask: {ask}
"""


def first_reply(flow: FlowDefinition, language: str, history: Sequence[Exchange] = ()) -> str:
    briefing = Briefing.after(progress_of(flow, {}, []), "0", RedactedText.literal("Hello"))
    return "".join(reply_sentences(list(history), language=language, briefing=briefing))


@pytest.mark.parametrize("language", ["fr", "hi", "pt-BR", "xx", ""])
def test_a_flow_without_the_language_of_the_person_is_answered_in_that_of_its_question(language: str) -> None:
    [incident] = [flow for flow in shipped_flows() if flow.name == "incident_report"]
    assert first_reply(incident, language) == first_reply(incident, "en") != first_reply(incident, "de")
    again = [Exchange(redacted("x y"), redacted(first_reply(incident, language)))]
    assert first_reply(incident, language, again) == first_reply(incident, "en", again)


def test_a_question_in_one_language_alone_is_asked_in_it_as_a_whole() -> None:
    told = ONE_LANGUAGE.format(language="de, en", title="{de: Pakete, en: Parcels}", label="Schaden", ask="Was fehlt?")
    assert first_reply(parse_flow(told), "en") == "In Ordnung. Was fehlt?"


def test_a_flow_in_a_language_without_phrases_asks_its_question_alone() -> None:
    flow = parse_flow(ONE_LANGUAGE.format(language="it", title="Pacchi", label="danno", ask="Che cosa manca?"))
    assert first_reply(flow, "en") == "Che cosa manca?"
    assert first_reply(flow, "it", [Exchange(redacted("x"), redacted("Che cosa manca?"))]) == "Che cosa manca?"


@pytest.mark.parametrize("language", ["fr", "hi"])
def test_a_summary_is_in_one_language(language: str) -> None:
    [incident] = [flow for flow in shipped_flows() if flow.name == "incident_report"]
    [answer] = [field.name for field in incident.fields.values() if field.kind == "yes_no"][:1]
    told = [(answer, redacted("yes"))]
    assert summary_of(incident, told, language) == summary_of(incident, told, "en")


@pytest.mark.parametrize("place", ["Hall 3", "Hall 3."])
def test_a_summary_has_one_full_stop_at_its_end(place: str) -> None:
    [incident] = [flow for flow in shipped_flows() if flow.name == "incident_report"]
    summary = summary_of(incident, [("place", redacted(place))], "en")
    assert summary.value == "Incident report: place Hall 3."
