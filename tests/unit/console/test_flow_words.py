"""A record is shown in the words of its flow."""

from __future__ import annotations

from vestibule.v1 import flow_pb2 as pb

from server.console.flow_words import FlowWords
from server.console.texts import texts_in
from server.flows.catalogue import shipped_catalogue
from server.services.flow_messages import flow_message


def words_of(flow: str, language: str) -> FlowWords:
    found = shipped_catalogue().newest(flow)
    return FlowWords(flow_message(found, language, default=False, whole=True), texts_in(language))


def test_fields_options_and_steps_have_the_words_of_the_flow() -> None:
    words = words_of("incident_report", "de")
    assert words.title == "Vorfallmeldung"
    assert words.label("incident_type") == "Art des Vorfalls"
    assert words.value("incident_type", "fault") == "Störung"
    assert ("fault", "Störung") in words.options("incident_type")
    assert words.value("injured", "no") == "nein"
    assert words.options("injured") == (("yes", "ja"), ("no", "nein"))
    assert "what" in words.steps


def test_numbers_have_their_unit_and_other_values_stay() -> None:
    field = pb.FieldDescription(name="mileage", kind=pb.FIELD_KIND_NUMBER, label="Mileage", unit="km")
    words = FlowWords(pb.Flow(steps=[pb.StepDescription(fields=[field])]), texts_in("en"))
    assert words.value("mileage", "48213") == "48213 km"
    assert words.value("mileage", "") == ""
    assert words.options("mileage") == ()


def test_what_the_flow_does_not_have_keeps_its_name() -> None:
    words = FlowWords(pb.Flow(name="car_return"), texts_in("en"))
    assert words.title == "car return"
    assert words.label("damage_code") == "damage code"
    assert words.value("damage_code", "A_1") == "A_1"
    assert words_of("incident_report", "en").value("incident_type", "theft_of_wheel") == "theft_of_wheel"
