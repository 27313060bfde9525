"""The name of a site, in answers that say more than the name, and in answers of which a part is hidden."""

from __future__ import annotations

import pytest

from server.flows.briefing import Briefing
from server.flows.phrases import GUIDE_PHRASES
from server.flows.progress import FieldState
from tests.unit.flows.test_dialogue import Talk
from tests.unit.llm.texts import redacted


@pytest.mark.parametrize(
    ("language", "text", "site"),
    [
        ("en", "I have a delivery for the Northgate Depot", "Northgate Depot"),
        ("en", "We are at Pump Station 7 today", "Pump Station 7"),
        ("en", "I am at Riverside", "Riverside"),
        ("en", "Hello, I\u2019m at the north gate right now.", "north gate"),
        ("en", "this is Riverside, thanks", "Riverside"),
        ("en", "At the Riverside site", "Riverside"),
        ("en", "At Riverside.", "Riverside"),
        ("en", "Pump station 7", "Pump station 7"),
        ("en", "The Hague", "The Hague"),
        ("en", "Today Street 4", "Today Street 4"),
        ("en", "The gate beside the mill, where we are at home", "The gate beside the mill, where we are at home"),
        ("de", "Wir sind am Pumpwerk 7 heute.", "Pumpwerk 7"),
        ("de", "Ich bin in der Halle Nord", "Halle Nord"),
        ("es", "Estoy en la estación norte hoy", "estación norte"),
        ("fr", "Je suis à l\u2019écluse nord aujourd\u2019hui", "écluse nord"),
        ("pt", "Estamos na represa velha", "represa velha"),
        ("hi", "मैं नए पंप घर पर हूँ", "नए पंप घर"),
        ("hi", "मैं नए पंप घर पर हूँ।", "नए पंप घर"),
        ("hi", "यहाँ पंप स्टेशन 7", "यहाँ पंप स्टेशन 7"),
        ("hi", "हमारा पंप घर", "हमारा पंप घर"),
        ("de", "Am Hafen 3", "Am Hafen 3"),
        ("de", "am Hafen 3", "Hafen 3"),
        ("fr", "Au Vieux Moulin", "Au Vieux Moulin"),
        ("en", "It's raining", "It's raining"),
        ("en", "It's Riverside", "Riverside"),
        ("en", "it is the north gate", "north gate"),
    ],
)
def test_the_words_around_the_name_of_a_site_fall_away(language: str, text: str, site: str) -> None:
    talk = Talk("site_visit", language)
    talk.say(text)
    assert talk.value("site_name") == (FieldState.ANSWERED, site)


def test_a_corrected_site_is_the_name_alone() -> None:
    talk = Talk("site_visit")
    talk.say("I am at Riverside", "Sorry, we are at Northgate")
    assert talk.value("site_name") == (FieldState.ANSWERED, "Northgate")


def test_a_text_of_another_kind_stays_as_it_was_said() -> None:
    talk = Talk("incident_report")
    assert talk.say("damage") == "what_happened"
    talk.say("We are at the gate, which fell down today")
    assert talk.value("what_happened") == (FieldState.ANSWERED, "We are at the gate, which fell down today")


ADDRESS = redacted("[REDACTED_ADDRESS]", ADDRESS=1)


def test_a_reply_says_why_a_hidden_site_is_asked_for_again() -> None:
    talk = Talk("site_visit")
    talk.say(ADDRESS)
    hidden = GUIDE_PHRASES["en"].hidden
    assert talk.replies[-1] == f"{hidden} Which site are you at?"
    talk.say(redacted("I am at [REDACTED_ADDRESS]", ADDRESS=1))
    assert talk.replies[-1] == f"{hidden} I still need this: site. For example: Pump station 7"
    assert talk.value("site_name") == (FieldState.MISSING, "")


def test_a_reply_says_that_a_part_of_a_site_is_hidden() -> None:
    talk = Talk("site_visit")
    talk.say(redacted("I have a delivery for the [REDACTED_ADDRESS] Depot", ADDRESS=1))
    assert talk.value("site_name") == (FieldState.ANSWERED, "[REDACTED_ADDRESS] Depot")
    assert talk.replies[-1].startswith("Thank you, noted: site. A part of it was hidden as personal data. What does")


@pytest.mark.parametrize("said", ["Hello", "What do you mean?"])
def test_nothing_is_said_to_be_hidden_where_nothing_is(said: str) -> None:
    talk = Talk("site_visit")
    talk.say(said)
    assert "hidden" not in talk.replies[-1]


def test_a_model_is_told_what_is_hidden() -> None:
    talk = Talk("site_visit")
    for said in (ADDRESS, redacted("[REDACTED_ADDRESS] depot", ADDRESS=1)):
        talk.say(said)
        told = Briefing.after(talk.progress, f"turn-{talk.turns}", said).for_model("en").value
        assert "was hidden as personal data: say so" in told


@pytest.mark.parametrize("language", sorted(GUIDE_PHRASES))
def test_every_language_says_it(language: str) -> None:
    words = GUIDE_PHRASES[language]
    talk = Talk("site_visit", language)
    talk.say(ADDRESS)
    assert words.hidden in talk.replies[-1]
    talk.say(redacted("[REDACTED_ADDRESS] 7 Nord", ADDRESS=1))
    assert words.partly_hidden in talk.replies[-1]
