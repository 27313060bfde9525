"""An answer that breaks a check of its flow: the person is told and asked again, once, and may leave it as it is."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest

from models.text import RedactedText
from server.flows.briefing import Briefing
from server.flows.definition import FlowDefinition
from server.flows.dialogue import answers_in, answers_of_picture
from server.flows.loader import parse_flow
from server.flows.phrases import GUIDE_PHRASES
from server.flows.progress import Answer, AnswerStatus, FieldState, Progress, progress_of
from server.flows.questions import question
from server.flows.reading.answer_text import AnswerText
from tests.unit.flows.test_dialogue import TODAY
from tests.unit.llm.texts import redacted

CAR = parse_flow(
    """
name: car_return
version: 1
languages: [en, de]
title: {en: Car, de: Auto}
facts:
  - {name: mileage_out, kind: number, unit: km}
  - {name: returned_by, kind: date}
steps:
  - name: car
    pictures: [meter]
    fields:
      - name: mileage
        kind: number
        unit: km
        decimals: 0
        ask: {en: "What is the mileage?", de: "Wie ist der Kilometerstand?"}
      - {name: trips, kind: number, decimals: 0, required: false, ask: "How many trips?"}
  - name: damage
    fields:
      - name: kind
        kind: choice
        ask: Is it whole, scratched or dented?
        options: [{value: whole}, {value: scratched}, {value: dented}]
      - {name: drives, kind: yes_no, ask: "Can it be driven?"}
      - {name: what, kind: text, required: false, ask: "Anything else?"}
checks:
  - name: runs_forward
    require: {field: mileage, at_least: {field: mileage_out}}
    message: {en: The mileage is below that at the start., de: Der Kilometerstand liegt unter dem am Anfang.}
  - name: whole_cars_drive
    when: {field: kind, is: whole}
    require: {field: drives, is: true}
    message: A car without damage can be driven
    severity: warning
  - name: text_is_no_answer
    require: {field: what, is: nothing}
    message: It must be nothing.
""".replace("SKIPPABLE", "false")
)
"""A flow with a check against a fact, and one between two answers."""


@dataclass
class Talk:
    """One session, without storage, whose questions are known."""

    facts: dict[str, str] = field(default_factory=lambda: {"mileage_out": "48190"})
    language: str = "en"
    flow: FlowDefinition = CAR
    rows: list[Answer] = field(default_factory=list)
    replies: list[str] = field(default_factory=list)

    @property
    def progress(self) -> Progress:
        return progress_of(self.flow, self.facts, self.rows)

    @property
    def asks(self) -> str:
        return self.progress.asks

    def say(self, *texts: str | RedactedText, asked: bool = True) -> str:
        """Say something; returns what is asked then."""
        for text in texts:
            said = redacted(text) if isinstance(text, str) else text
            source = f"turn-{len(self.replies)}"
            material = AnswerText(said, "text", self.language, TODAY)
            self.rows += answers_in(self.progress, material, asked=asked, source_id=source)
            self.replies.append("".join(Briefing.after(self.progress, source).sentences(self.replies, self.language)))
        return self.asks

    def value(self, name: str) -> tuple[FieldState, str, str]:
        one = self.progress.find(name)
        assert one is not None
        return one.state, one.value.value, one.source_id


ANSWERED = FieldState.ANSWERED


@pytest.mark.parametrize(
    ("language", "reply"),
    [
        (
            "en",
            "Thank you, noted: mileage. The mileage is below that at the start. You said 40000 km. What is the "
            "mileage?",
        ),
        (
            "de",
            "Danke, notiert: mileage. Der Kilometerstand liegt unter dem am Anfang. Sie sagten 40000 km. Wie ist der "
            "Kilometerstand?",
        ),
    ],
)
def test_the_person_is_told_what_is_wrong_and_asked_again(language: str, reply: str) -> None:
    talk = Talk(language=language)
    assert talk.say("40000 km") == "mileage?runs_forward"
    assert talk.replies == [reply]
    assert talk.value("mileage") == (ANSWERED, "40000", "turn-0"), "the answer counts meanwhile"
    assert (talk.progress.done, [one.field.name for one in talk.progress.missing]) == (0, ["kind", "drives"])


@pytest.mark.parametrize(
    "again", ["yes", "Yes, that is correct", "40000", "It is 40000 km", "what I said", "skip", "well then it is"]
)
def test_an_answer_that_stays_is_asked_about_once(again: str) -> None:
    talk = Talk()
    assert talk.say("40000 km", again) == "trips"
    assert talk.value("mileage")[:2] == (ANSWERED, "40000")
    assert talk.say("go back") == "mileage"
    assert talk.say("39000") == "trips", "the check was told once"


def test_a_yes_leaves_the_answer_with_the_turn_that_says_it() -> None:
    talk = Talk()
    talk.say("40000 km", "yes")
    assert talk.value("mileage") == (ANSWERED, "40000", "turn-0")
    assert talk.replies[-1] == "All right. How many trips?"


@pytest.mark.parametrize("again", ["48500", "no, it is 48500", "Sorry, I meant 48500 km", "The mileage is 48500"])
def test_another_answer_replaces_it(again: str) -> None:
    talk = Talk()
    assert talk.say("40000 km", again) == "trips"
    assert talk.value("mileage") == (ANSWERED, "48500", "turn-1")


def test_a_bare_no_takes_the_answer_back() -> None:
    talk = Talk()
    assert talk.say("40000 km", "no") == "mileage"
    assert talk.value("mileage")[0] is FieldState.MISSING
    assert talk.replies[-1] == "I still need this: mileage."
    assert talk.say("40000 km") == "trips", "the check was told once"


@pytest.mark.parametrize("said", ["hello", "What do you mean?", "why?"])
def test_what_is_no_answer_leaves_the_question(said: str) -> None:
    talk = Talk()
    assert talk.say("40000 km", said) == "mileage?runs_forward"
    assert talk.replies[-1].endswith("The mileage is below that at the start. You said 40000 km. What is the mileage?")


def test_what_is_said_before_the_question_was_known_does_not_answer_it() -> None:
    talk = Talk()
    talk.say("40000 km")
    assert talk.say("there was nothing to see", asked=False) == "mileage?runs_forward"


@pytest.mark.parametrize("facts", [{}, {"returned_by": "2026-11-28"}, {"mileage_out": "39000"}])
def test_nothing_is_asked_where_nothing_is_broken_or_known(facts: dict[str, str]) -> None:
    assert Talk(facts).say("40000 km") == "trips"


def test_of_two_answers_the_newer_one_is_asked_about_and_either_may_mend_it() -> None:
    for mending, kind, drives in (("yes, it drives", "whole", "yes"), ("no, it is dented", "dented", "no")):
        talk = Talk()
        assert talk.say("48500", "none", "whole", "no") == "drives?whole_cars_drive"
        assert talk.replies[-1].endswith("A car without damage can be driven. You said no. Can it be driven?")
        assert talk.say(mending) == "what"
        assert (talk.value("kind")[1], talk.value("drives")[1]) == (kind, drives)


def test_to_a_question_for_yes_or_no_a_no_is_an_answer() -> None:
    talk = Talk()
    assert talk.say("48500", "none", "whole", "no", "no") == "what"
    assert talk.value("drives") == (ANSWERED, "no", "turn-4")


def test_a_text_is_not_quoted_back() -> None:
    assert Talk().say("48500", "none", "dented", "yes", "The mirror hangs.") == ""


def test_a_check_may_be_for_the_reviewer_alone() -> None:
    quiet = CAR.model_copy(update={"checks": [each.model_copy(update={"ask": False}) for each in CAR.checks]})
    assert Talk(flow=quiet).say("40000 km") == "trips"


def test_a_picture_and_an_app_are_not_asked() -> None:
    talk = Talk()
    picture = AnswerText(redacted("40000 km"), "picture", "en", TODAY, "meter")
    talk.rows += answers_of_picture(talk.progress, [picture], "upload-1", step=None)
    assert (talk.value("mileage")[1], talk.asks) == ("40000", "trips")
    by_app = Talk()
    by_app.rows.append(Answer("car", "mileage", AnswerStatus.ANSWERED, RedactedText.literal("40000"), "app", "id"))
    assert by_app.asks == "trips"


def test_a_picture_that_differs_is_asked_about_first() -> None:
    talk = Talk()
    talk.say("40000 km")
    picture = AnswerText(redacted("48213 km"), "picture", "en", TODAY, "meter")
    talk.rows += answers_of_picture(talk.progress, [picture], "upload-1", step=None)
    assert (talk.value("mileage")[0], talk.asks) == (FieldState.DISPUTED, "mileage")
    assert talk.say("what I said") == "trips"


def test_skipping_a_step_leaves_an_answer_in_doubt() -> None:
    step = CAR.steps[0].model_copy(update={"skippable": True})
    flow = CAR.model_copy(update={"steps": [step, *CAR.steps[1:]]})
    talk = Talk(flow=flow)
    assert talk.say("40000 km", "skip") == "trips"
    assert talk.value("mileage")[0] is ANSWERED


def test_an_answer_that_is_not_vouched_for_is_not_quoted() -> None:
    one = Talk()
    one.say("40000 km")
    current = one.progress.current
    assert current is not None
    unsure = replace(current, value=replace(current.value, safe_for_llm=False))
    assert question(unsure, "en").value == "The mileage is below that at the start. What is the mileage?"


def test_a_model_is_told_what_is_wrong_and_not_that_the_answer_is_missing() -> None:
    talk = Talk()
    talk.say("40000 km")
    told = Briefing.after(talk.progress, "turn-0").for_model("en").value
    assert "Still missing: trips; kind; drives; what." in told
    assert "The mileage is below that at the start. You said 40000 km. What is the mileage?" in told


@pytest.mark.parametrize("language", GUIDE_PHRASES)
def test_every_language_quotes_the_answer(language: str) -> None:
    assert GUIDE_PHRASES[language].you_said.count("{said}") == 1
