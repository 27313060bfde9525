"""What people say before they answer where they are: a greeting, who they are, a question to the app, why they came."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from models.redaction.dialogue_context import answering
from models.redaction.redactor import LocalRedactor
from models.redaction.types import RedactionContext, RedactionScope
from models.text import RawText, RedactedText, TextSource
from server.flows.asking import answer_hints, asked_for, flow_words
from server.flows.phrases import GUIDE_PHRASES
from server.flows.progress import FieldState
from tests.unit.flows.test_dialogue import FLOWS, Talk


def said(text: str) -> RedactedText:
    """A redacted text with the counts of its tags."""
    return RedactedText.restore(text, Counter(re.findall(r"\[REDACTED_([A-Z]+)\]", text)), safe_for_llm=True)


@pytest.mark.parametrize(
    "text",
    [
        "hiya",
        "hey there",
        "morning!",
        "Good morning.",
        "hiya, it's [REDACTED_NAME] here about the boiler",
        "Hello, this is [REDACTED_NAME] speaking",
        "good evening, [REDACTED_NAME] speaking.",
        "It\u2019s [REDACTED_NAME] here.",
        "hi [REDACTED_NAME] here from the water board",
        "[REDACTED_NAME] from the council",
        "afternoon, [REDACTED_NAME] from the council, here to look at the boiler",
        "um hello this is [REDACTED_NAME] calling about the meter",
        "this is [REDACTED_NAME]",
        "hello, can you help me",
        "Can you help me please?",
        "please help",
        "I need some help please",
        "could somebody call me back",
        "what do i have to do",
        "What do I have to do?",
        "ok so what happens now",
        "how does this work",
        "who am i talking to",
        "is anybody there",
        "do you need my name",
        "i want to speak to a human",
        "speak to an operator please",
        "i'm here to read the meter",
        "I'm here about the boiler.",
        "I've come to fix the boiler",
        "it's about the boiler",
        "just calling about the meter",
        "my boiler is broken",
        "there's a problem with the boiler",
        "I'd like to report a meter reading",
        "I was told to register here",
        "the council sent me",
        "hello i want to sign in",
        "sign in please",
        "I'm lost",
        "I'm in a hurry",
        "good day everybody, this is [REDACTED_NAME] speaking",
        "um yeah hi this is [REDACTED_NAME] i'm calling about the boiler",
        "this is [REDACTED_NAME] about the boiler",
        "yeah so we're in trouble here, can somebody come",
        "are you a robot",
        "his number is [REDACTED_PHONE]",
    ],
)
def test_an_opening_is_no_site_and_the_question_stays_open(text: str) -> None:
    talk = Talk("site_visit")
    assert talk.say(said(text)) == "site_name"
    assert talk.value("site_name") == (FieldState.MISSING, "")


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("de", "Hallo, hier ist [REDACTED_NAME]"),
        ("de", "guten Tag, [REDACTED_NAME] mein Name, es geht um die Heizung"),
        ("de", "Tag, [REDACTED_NAME] von den Stadtwerken"),
        ("de", "können Sie mir helfen"),
        ("de", "was muss ich machen"),
        ("de", "die Heizung ist kaputt"),
        ("de", "ich bin der Hausmeister und rufe wegen der Heizung an"),
        ("es", "hola, necesito ayuda"),
        ("es", "aquí [REDACTED_NAME] al habla"),
        ("es", "vengo por la caldera"),
        ("es", "qué tengo que hacer"),
        ("fr", "bonjour, [REDACTED_NAME] à l'appareil"),
        ("fr", "pouvez-vous m'aider"),
        ("fr", "je viens pour la chaudière"),
        ("fr", "qu'est-ce que je dois faire"),
        ("pt", "olá, aqui é o [REDACTED_NAME]"),
        ("pt", "preciso de ajuda"),
        ("pt", "é sobre a caldeira"),
        ("pt", "o que eu tenho que fazer"),
        ("hi", "नमस्ते, [REDACTED_NAME] बोल रहा हूँ"),
        ("hi", "क्या आप मेरी मदद कर सकते हैं"),
        ("hi", "मैं मीटर के बारे में आया हूँ"),
    ],
)
def test_an_opening_is_no_site_in_any_language(language: str, text: str) -> None:
    talk = Talk("site_visit", language)
    assert talk.say(said(text)) == "site_name"


@pytest.mark.parametrize(
    ("text", "site"),
    [
        ("Riverside depot", "Riverside depot"),
        ("riverside depot", "riverside depot"),
        ("hi, I'm at the riverside depot", "riverside depot"),
        ("it's the pumping station", "pumping station"),
        ("i think it's the pumping station", "pumping station"),
        ("uh hello yes it's the pumping station", "pumping station"),
        ("oh hi, the riverside depot please", "the riverside depot"),
        ("sorry, it's the riverside depot", "riverside depot"),
        ("our site is riverside depot", "riverside depot"),
        ("hiya, it's [REDACTED_NAME] here, I'm at the riverside depot", "riverside depot"),
        ("hello this is [REDACTED_NAME] i'm at the riverside depot", "riverside depot"),
        ("my name is [REDACTED_NAME] and i'm at the north mill", "north mill"),
        ("i'm here to read the meter at the riverside depot", "the riverside depot"),
        ("it's [REDACTED_NAME] here about the meter, riverside depot", "riverside depot"),
        ("can you help me? I'm at pump station 7", "pump station 7"),
        ("riverside depot, can you help me?", "riverside depot"),
        ("riverside depot, this is [REDACTED_NAME] speaking", "riverside depot"),
        ("I'm calling from the riverside depot. the boiler is broken", "riverside depot"),
        ("i'm outside the riverside depot", "i'm outside the riverside depot"),
        ("water works i guess", "water works"),
        ("site is the water works", "water works"),
        ("currently at the north mill", "north mill"),
        ("The Old Bakery, Unit 4", "The Old Bakery, Unit 4"),
        ("Can-Do Centre", "Can-Do Centre"),
        ("Will Street works", "Will Street works"),
        ("Well House", "Well House"),
        ("our depot in hull", "our depot in hull"),
        ("the old mill by the river", "the old mill by the river"),
        ("next to the church", "next to the church"),
        ("the boiler house", "the boiler house"),
        ("help desk building", "help desk building"),
        ("hi tech park", "hi tech park"),
        ("building i", "building i"),
        ("Where the old mill was", "Where the old mill was"),
        ("pump station 7 this morning", "pump station 7"),
        ("council offices", "council offices"),
        ("it's [REDACTED_NAME] and sons", "[REDACTED_NAME] and sons"),
        ("we're in the middle mill", "middle mill"),
        ("it's [REDACTED_NAME] garage", "[REDACTED_NAME] garage"),
        ("[REDACTED_NAME], Hull", "[REDACTED_NAME], Hull"),
        ("number [REDACTED_ADDRESS] depot", "number [REDACTED_ADDRESS] depot"),
    ],
)
def test_a_site_is_taken_beside_what_is_none(text: str, site: str) -> None:
    talk = Talk("site_visit")
    talk.say(said(text))
    assert talk.value("site_name") == (FieldState.ANSWERED, site)


@pytest.mark.parametrize(
    ("language", "text", "site"),
    [
        ("de", "Hallo, [REDACTED_NAME] hier, ich bin am Pumpwerk 7", "Pumpwerk 7"),
        ("de", "wir stehen vor dem Pumpwerk", "wir stehen vor dem Pumpwerk"),
        ("de", "das Pumpwerk", "das Pumpwerk"),
        ("es", "hola, necesito ayuda, estoy en la estación de bombeo", "estación de bombeo"),
        ("fr", "bonjour, je suis à la station de pompage", "station de pompage"),
        ("pt", "olá, estou na estação de bombeamento", "estação de bombeamento"),
        ("hi", "नमस्ते, मैं नए पंप घर पर हूँ", "नए पंप घर"),
    ],
)
def test_a_site_is_taken_in_any_language(language: str, text: str, site: str) -> None:
    talk = Talk("site_visit", language)
    talk.say(said(text))
    assert talk.value("site_name") == (FieldState.ANSWERED, site)


@pytest.mark.parametrize(
    "text", ["hello this is [REDACTED_NAME] speaking", "can you help me", "it's [REDACTED_NAME] here"]
)
def test_a_greeting_a_name_and_a_call_for_help_are_no_report(text: str) -> None:
    talk = Talk("incident_report")
    talk.say("damage")
    assert talk.say(said(text)) == "what_happened"


@pytest.mark.parametrize(
    "text",
    [
        "it's [REDACTED_NAME] here, the gate fell on me",
        "I need help moving the pump because it fell over",
        "Can you hear the noise? The pump burst",
        "[REDACTED_NAME] from the council drove into the gate",
        "I was told to read the meter and the gate fell",
    ],
)
def test_a_report_keeps_all_its_words(text: str) -> None:
    talk = Talk("incident_report")
    talk.say("damage")
    talk.say(said(text))
    assert talk.value("what_happened") == (FieldState.ANSWERED, text)


def test_an_introduction_is_not_said_to_be_a_hidden_answer() -> None:
    for language, text in (
        ("en", "hiya, it's [REDACTED_NAME] here about the boiler"),
        ("de", "Hallo, hier ist [REDACTED_NAME]"),
        ("fr", "bonjour, [REDACTED_NAME] à l'appareil"),
    ):
        talk = Talk("site_visit", language)
        talk.say(said(text))
        assert GUIDE_PHRASES[language].hidden not in talk.replies[-1]
    talk = Talk("site_visit")
    talk.say(said("it's [REDACTED_NAME]"))
    assert GUIDE_PHRASES["en"].hidden in talk.replies[-1], "it may have been a site"


@pytest.mark.models
@pytest.mark.parametrize(
    ("texts", "site"),
    [
        (["hiya, it's Jonny Abernathy-Osei here about the boiler"], ""),
        (["hello, can you help me"], ""),
        (["Good morning, this is Jonny Abernathy speaking"], ""),
        (["Jonny Abernathy from the council"], ""),
        (["you can reach me at 07700 900 986", "oh wait it's 07700 900 987 sorry"], ""),
        (["hi, I'm at the riverside depot"], "riverside depot"),
        (["hiya, it's Jonny here, I'm at the riverside depot"], "riverside depot"),
        (["it's the pumping station"], "pumping station"),
        (["Riverside depot"], "Riverside depot"),
    ],
)
def test_what_a_person_types_first_is_understood_after_redaction(
    real_redactor: LocalRedactor, texts: list[str], site: str
) -> None:
    talk, flow = Talk("site_visit"), FLOWS["site_visit"]
    field = flow.fields["site_name"]
    context = RedactionContext(TextSource.TYPED, "en", scope=RedactionScope(flow_words=flow_words(flow)))
    for text in texts:
        answer = answering(context, asked_for(field), answer_hints(field, flow, "en"))
        talk.say(real_redactor.redact(RawText(text), answer).text)
    assert talk.value("site_name") == ((FieldState.ANSWERED, site) if site else (FieldState.MISSING, ""))
