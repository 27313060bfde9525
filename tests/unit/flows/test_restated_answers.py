"""An answer that is given again with another value is corrected; in doubt nothing is."""

from __future__ import annotations

from datetime import date
from typing import Final

import pytest

from models.text import RedactedText
from server.flows.dialogue import answers_in
from server.flows.loader import parse_flow
from server.flows.progress import Answer, FieldState, progress_of
from server.flows.reading.answer_text import AnswerText

_CAR: Final = """
name: car
version: 1
languages: [de]
title: Auto
steps:
  - name: car
    title: Auto
    fields:
      - {name: mileage, label: Kilometerstand, kind: number, unit: km, decimals: 0, ask: "Wie ist der Kilometerstand?"}
      - name: fuel
        label: Tankfüllung
        kind: choice
        ask: "Wie voll ist der Tank: voll, drei Viertel, halb, ein Viertel oder fast leer?"
        options:
          - {value: full, label: voll}
          - {value: three_quarters, label: drei Viertel, words: [dreiviertel, dreiviertel voll, drei Viertel voll]}
          - {value: half, label: halb voll, words: [halb, zur Hälfte]}
          - {value: quarter, label: ein Viertel, words: [viertel voll]}
          - {value: empty, label: fast leer, words: [leer]}
      - {name: damaged, label: Schaden, kind: yes_no, ask: "Gibt es einen neuen Schaden am Auto?"}
      - name: damage
        label: Beschreibung des Schadens
        kind: text
        when: {field: damaged, is: true}
        ask: Was ist beschädigt?
      - {name: keys, label: Zahl der Schlüssel, kind: number, decimals: 0, ask: "Wie viele Schlüssel geben Sie zurück?"}
"""
_SHELTER: Final = """
name: shelter
version: 1
languages: [en]
title: Shelter
steps:
  - name: animal
    title: Animal
    fields:
      - name: species
        kind: choice
        ask: Is it a dog, a cat, a rabbit or another animal?
        options:
          - {value: dog, words: [puppy]}
          - {value: cat, words: [kitten]}
          - {value: rabbit, words: [bunny]}
          - {value: other, label: another animal, words: [bird, hedgehog]}
      - {name: tag, label: tag code, kind: code, format: "AB[0-9]{2}-[0-9]{4}", ask: "What is the code on its tag?"}
      - {name: weight, kind: number, unit: kg, unit_words: [kilos], decimals: 1, ask: "How much does it weigh?"}
      - {name: found_on, label: day on which it was found, kind: date, ask: "On which day was it found?"}
      - {name: injured, kind: yes_no, ask: "Is the animal injured?"}
      - {name: injury, kind: text, when: {field: injured, is: true}, ask: "What is the injury?"}
      - {name: chip, label: chip number, kind: number, decimals: 0, ask: "What is the number of the chip?"}
"""
_FLOWS: Final = {"de": parse_flow(_CAR, "car.yaml"), "en": parse_flow(_SHELTER, "shelter.yaml")}
_TO_DAMAGED: Final = ("48203", "voll")
_TO_INJURED: Final = ("a cat", "AB12-0417", "4.2 kg", "24 November")


def after(language: str, *texts: str) -> dict[str, str]:
    """The value of each field, or its state, when each text is said to the question that is open then."""
    flow, rows = _FLOWS[language], list[Answer]()
    for number, text in enumerate(texts):
        material = AnswerText(RedactedText.literal(text), "text", language, date(2026, 11, 28))
        rows += answers_in(progress_of(flow, {}, rows), material, asked=True, source_id=f"turn-{number}")
    fields = progress_of(flow, {}, rows).fields
    return {one.field.name: one.value.value if one.state is FieldState.ANSWERED else one.state.value for one in fields}


@pytest.mark.parametrize(
    ("text", "field", "value"),
    [
        ("Nein, der Tank ist dreiviertel voll", "fuel", "three_quarters"),
        ("Nein, der Tank ist dreiviertel voll.", "fuel", "three_quarters"),
        ("Nein, halb voll", "fuel", "half"),
        ("Nein, der Tank ist nur noch halb voll", "fuel", "half"),
        ("nein der Tank ist halb voll", "fuel", "half"),
        ("Nein, es sind 48213 km", "mileage", "48213"),
        ("Nein, der Kilometerstand ist 48.213", "mileage", "48213"),
    ],
)
def test_a_no_before_another_value_of_another_field_is_no_answer(text: str, field: str, value: str) -> None:
    now = after("de", *_TO_DAMAGED, text)
    assert (now[field], now["damaged"]) == (value, "missing")


@pytest.mark.parametrize(
    ("text", "field", "value"),
    [
        ("No, it weighs 5.2 kg", "weight", "5.2"),
        ("No, it's 5.2 kilos.", "weight", "5.2"),
        ("No, it weighs five point two kilos", "weight", "5.2"),
        ("No, today it weighs only 5.2 kg", "weight", "5.2"),
        ("No, the tag code is AB12-0418", "tag", "AB12-0418"),
        ("No, it is a dog", "species", "dog"),
        ("No, it was found on 25 November", "found_on", "2026-11-25"),
        ("It weighs 5.2 kg", "weight", "5.2"),
        ("It was found yesterday", "found_on", "2026-11-27"),
    ],
)
def test_another_value_leaves_the_question_for_yes_or_no_open(text: str, field: str, value: str) -> None:
    now = after("en", *_TO_INJURED, text)
    assert (now[field], now["injured"]) == (value, "missing")


@pytest.mark.parametrize(
    "text",
    [
        "No",
        "No, it is fine",
        "No, it is not injured",
        "No, it is a cat",
        "No, it only has 3 kg of food with it",
        "No, I slept for 12 hours",
        "No, my neighbour has a dog",
        "No, and it is a cat",
        "No, the animal is not injured, it is a calm dog",
    ],
)
def test_any_other_no_answers_the_question(text: str) -> None:
    before = after("en", *_TO_INJURED)
    assert after("en", *_TO_INJURED, text) == {**before, "injured": "no"}


@pytest.mark.parametrize(
    ("start", "text", "field", "value"),
    [
        ("ja", "Es gibt doch keinen Schaden.", "damaged", "no"),
        ("ja", "Kein neuer Schaden", "damaged", "no"),
        ("ja", "Nein, es gibt keinen Schaden", "damaged", "no"),
        ("nein", "Ja, es gibt einen neuen Schaden.", "damaged", "yes"),
        ("nein", "Es gibt einen neuen Schaden am Auto.", "damaged", "yes"),
        ("nein", "Schaden: ja", "damaged", "yes"),
        ("nein", "Der Tank ist halb voll.", "fuel", "half"),
        ("nein", "Tankfüllung halb", "fuel", "half"),
        ("nein", "Der Tank ist jetzt drei Viertel voll", "fuel", "three_quarters"),
        ("nein", "Kilometerstand: 48213", "mileage", "48213"),
    ],
)
def test_a_field_that_is_named_is_corrected_without_a_no(start: str, text: str, field: str, value: str) -> None:
    said = (*_TO_DAMAGED, start, *(["Der Spiegel"] if start == "ja" else []), "2")
    assert after("de", *said, text) == {
        key: each for key, each in {**after("de", *said), field: value}.items() if value != "no" or key != "damage"
    } | ({"damage": "missing"} if (field, value) == ("damaged", "yes") else {})


@pytest.mark.parametrize(
    ("text", "field", "value"),
    [
        ("It is a dog, not a cat.", "species", "dog"),
        ("not a cat, a dog", "species", "dog"),
        ("It is 5.4 kg, not 4.2 kg", "weight", "5.4"),
        ("It was found on 25 November", "found_on", "2026-11-25"),
        ("Actually it was found on 25 November.", "found_on", "2026-11-25"),
        ("The species is rabbit", "species", "rabbit"),
        ("The animal is injured", "injured", "yes"),
    ],
)
def test_the_present_value_may_be_denied(text: str, field: str, value: str) -> None:
    said = (*_TO_INJURED, "no", "77")
    now = after("en", *said, text)
    assert now.pop("injury", "missing") == "missing"
    assert now == {**after("en", *said), field: value}


@pytest.mark.parametrize("text", ["Actually it is not injured.", "Sorry, it is not injured", "no, it is not injured"])
@pytest.mark.parametrize("more", [(), ("It limps", "77")])
def test_a_yes_is_taken_back(text: str, more: tuple[str, ...]) -> None:
    assert after("en", *_TO_INJURED, "yes", *more, text)["injured"] == "no"


@pytest.mark.parametrize(
    ("language", "said", "text"),
    [
        ("de", (*_TO_DAMAGED, "ja", "Der Spiegel", "2"), "Der Schaden ist nicht groß"),
        ("de", (*_TO_DAMAGED, "ja", "Der Spiegel", "2"), "Am Auto links ist kein Schaden"),
        ("de", (*_TO_DAMAGED, "nein", "2"), "Gibt es einen neuen Schaden am Auto"),
        ("de", (*_TO_DAMAGED, "nein", "2"), "Schaden"),
        ("de", (*_TO_DAMAGED, "nein", "2"), "Ist der Tank halb voll?"),
        ("de", (*_TO_DAMAGED, "nein", "2"), "Der Tank vom Nachbarn ist halb voll"),
        ("de", (*_TO_DAMAGED, "nein", "2"), "Der Tank ist nicht halb voll"),
        ("en", (*_TO_INJURED, "yes", "It limps", "77"), "It is not badly injured"),
        ("en", (*_TO_INJURED, "yes", "It limps", "77"), "I don't know whether it is injured"),
        ("en", (*_TO_INJURED, "no", "77"), "My dog found it on 25 November"),
        ("en", (*_TO_INJURED, "no", "77"), "Is it a dog, a cat, a rabbit or another animal"),
        ("en", (*_TO_INJURED, "no", "77"), "I have a dog"),
        ("en", (*_TO_INJURED, "yes", "It limps", "77"), "The injury is not bad"),
        ("de", (*_TO_DAMAGED, "ja", "Der Spiegel", "2"), "Der Schaden ist nicht neu"),
        ("en", (*_TO_INJURED, "no", "77"), "the dog of my sister is not like a cat"),
    ],
)
def test_in_doubt_nothing_changes(language: str, said: tuple[str, ...], text: str) -> None:
    assert after(language, *said, text) == after(language, *said)


def test_a_question_for_a_text_takes_a_sentence_that_corrects_nothing_by_its_words() -> None:
    assert after("de", *_TO_DAMAGED, "ja", "Der Tank ist leer")["damage"] == "Der Tank ist leer"


@pytest.mark.parametrize(
    "value", ["kind: choice, options: [{value: dent}, {value: scratch}]", "kind: number, unit: kg"]
)
def test_a_value_that_two_fields_may_have_needs_a_name(value: str) -> None:
    front, rear = (f"{{name: {name}, ask: {name.capitalize()}, {value}}}" for name in ("front", "rear"))
    fields = f"{front}, {{name: washed, ask: Clean, kind: yes_no}}, {rear}"
    flow = parse_flow(f"{{name: t, version: 1, title: T, steps: [{{name: one, fields: [{fields}]}}]}}", "t.yaml")
    first, second = ("a dent", "scratch") if "choice" in value else ("2 kg", "3 kg")

    def talk(*texts: str) -> list[str]:
        rows: list[Answer] = []
        for number, text in enumerate(texts):
            material = AnswerText(RedactedText.literal(text), "text", "en", date(2026, 11, 28))
            rows += answers_in(progress_of(flow, {}, rows), material, asked=True, source_id=f"turn-{number}")
        return [one.value.value for one in progress_of(flow, {}, rows).fields]

    was = talk(first)[0]
    assert talk(first, f"No, a {second}")[0] == was
    assert talk(first, f"No, the front is {second}")[:2] == [second.removesuffix(" kg"), ""]
