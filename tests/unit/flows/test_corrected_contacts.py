"""A personal value that is corrected while a text is asked for: it goes to its field, and the question stays open."""

from __future__ import annotations

import pytest

from server.flows.progress import FieldState
from server.flows.reading.fillers import tells_only_tags, words_besides
from tests.unit.flows.test_dialogue import Talk
from tests.unit.llm.texts import redacted

GIVEN = redacted("my number is [REDACTED_PHONE]", PHONE=1)
IN_OTHER_LANGUAGES = {
    "de": "meine Nummer ist [REDACTED_PHONE]",
    "es": "mi número es [REDACTED_PHONE]",
    "fr": "mon numéro est [REDACTED_PHONE]",
    "pt": "meu número é [REDACTED_PHONE]",
    "hi": "मेरा नंबर [REDACTED_PHONE] है",
}


@pytest.mark.parametrize(
    "text",
    [
        "oh wait it's [REDACTED_PHONE] sorry",
        "Sorry, [REDACTED_PHONE]",
        "no, it\u2019s [REDACTED_PHONE]",
        "Actually it's [REDACTED_PHONE], my bad",
        "oops, [REDACTED_PHONE] I meant",
        "wait wait, no, sorry, it should be [REDACTED_PHONE], thanks",
        "scratch that, make it [REDACTED_PHONE] please",
        "hang on, that's wrong, it is [REDACTED_PHONE]",
        "it's [REDACTED_EMAIL], sorry",
    ],
)
def test_a_corrected_contact_is_no_site(text: str) -> None:
    talk = Talk("site_visit")
    assert talk.say(GIVEN) == "site_name"
    assert talk.say(redacted(text, PHONE=1)) == "site_name"
    assert [(row.field, row.corrects) for row in talk.rows] == [("contact_given", False), ("contact_given", True)]


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("de", "ach nein, es ist [REDACTED_PHONE], Entschuldigung"),
        ("es", "perdón, es [REDACTED_PHONE]"),
        ("fr", "pardon, c'est [REDACTED_PHONE]"),
        ("pt", "desculpe, é [REDACTED_PHONE]"),
        ("hi", "माफ़ कीजिए, [REDACTED_PHONE] है"),
    ],
)
def test_a_contact_is_corrected_in_every_language(language: str, text: str) -> None:
    talk = Talk("site_visit", language)
    talk.say(redacted(IN_OTHER_LANGUAGES[language], PHONE=1))
    assert talk.say(redacted(text, PHONE=1)) == "site_name"
    assert [row.field for row in talk.rows] == ["contact_given", "contact_given"]


def test_a_correction_goes_to_the_field_that_it_fits_and_not_to_the_one_before() -> None:
    talk = Talk("site_visit")
    talk.say(GIVEN, "Riverside depot")
    assert talk.say(redacted("oh wait it's [REDACTED_PHONE] sorry", PHONE=1)) == "meter_reading"
    assert talk.rows[-1].field == "contact_given"
    assert talk.value("site_name") == (FieldState.ANSWERED, "Riverside depot")


@pytest.mark.parametrize(
    "text", ["oh wait it's [REDACTED_PHONE] sorry", "it's [REDACTED_PHONE]", "[REDACTED_NAME], hi"]
)
def test_nothing_but_a_personal_value_answers_no_text_and_replaces_none(text: str) -> None:
    talk = Talk("site_visit")
    assert talk.say(redacted(text, PHONE=1)) == "site_name"
    talk.say("Riverside depot")
    talk.say(redacted(text, PHONE=1))
    assert talk.value("site_name") == (FieldState.ANSWERED, "Riverside depot")


def test_a_correction_with_a_site_in_it_is_one() -> None:
    talk = Talk("site_visit")
    talk.say(GIVEN)
    assert talk.say("Sorry, Riverside depot") == "meter_reading"


def test_what_is_hidden_of_a_report_stays_a_part_of_it() -> None:
    talk = Talk("incident_report")
    talk.say("damage")
    told = "sorry, [REDACTED_NAME] drove into the gate"
    talk.say(redacted(told, NAME=1))
    assert talk.value("what_happened")[1] == told


@pytest.mark.parametrize(
    ("language", "text", "rest"),
    [
        ("en", "Oh wait, it's [REDACTED_PHONE]. Sorry!", []),
        ("en", "sorry, my number is [REDACTED_PHONE]", ["my", "number"]),
        ("en", "[REDACTED_NAME] depot", ["depot"]),
        ("en", "Waiting room [REDACTED_NAME]", ["waiting", "room"]),
        ("de", "Nein, das ist [REDACTED_NAME]", []),
        ("hi", "माफ़ कीजिए, [REDACTED_PHONE] है।", []),
    ],
)
def test_words_that_add_nothing_are_not_counted(language: str, text: str, rest: list[str]) -> None:
    assert words_besides(text, language) == rest


def test_a_tag_of_another_kind_is_not_only_one_of_these() -> None:
    assert tells_only_tags("it's [REDACTED_PHONE]", "en", {"PHONE"})
    assert not tells_only_tags("it's [REDACTED_ADDRESS]", "en", {"PHONE"})
    assert not tells_only_tags("it's here", "en", {"PHONE"})
