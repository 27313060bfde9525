"""A corrected value fits its field or is refused; only free text is redacted; what does not apply leaves the record."""

from __future__ import annotations

import pytest

from models.text import RawText
from server.access.caller import acting_as
from server.ledger.reviews_decisions import FieldDecision
from server.ledger.types import RecommendationRow
from server.llm.record_schema import content_hash, stored_record
from server.llm.types import FindingKind, OnboardingRecord, RecordField, Severity
from tests.unit.jobs.recommendation_helpers import APPROVED, propose
from tests.unit.reviews.conftest import ANN, ReviewWorld, accept, correct, refusal, reject
from tests.unit.reviews.sending_back import values


async def proposed(world: ReviewWorld, **values: str) -> RecommendationRow:
    """A record with these values."""
    await world.say("Here is the car.")
    fields = tuple(RecordField(name, value) for name, value in values.items())
    world.assistant.script_record(OnboardingRecord("The car is back.", fields))
    return await propose(world)


@pytest.mark.parametrize(
    ("field", "written", "stored"),
    [
        ("fuel", "eighths_6", "eighths_6"),
        ("fuel", " EIGHTHS_6 ", "eighths_6"),
        ("fuel", "6/8", "eighths_6"),
        ("fuel", "Dreiviertel VOLL", "eighths_6"),
        ("fuel", "full", "eighths_8"),
        ("fuel", "not known", "not_known"),
        ("damaged", "yes", "yes"),
        ("damaged", "Nein", "no"),
        ("damaged", "sí", "yes"),
        ("damaged", "No", "no"),
        ("day", "2026-11-28", "2026-11-28"),
        ("hour", "14:30", "14:30"),
        ("photos", "2", "2"),
        ("customer", "Ja", "yes"),
    ],
)
async def test_a_value_that_fits_its_field_is_stored_and_not_redacted(
    rental: ReviewWorld, field: str, written: str, stored: str
) -> None:
    rental.gateway.secrets = dict.fromkeys(("eighths", "2026", "14", "yes", "no"), "NAME")
    row = await proposed(rental, plate="unknown")
    made = await rental.decide(ANN, row, correct(field, written))
    assert values(made)[field] == stored
    assert made.record.safe_for_llm


@pytest.mark.parametrize(
    ("field", "written", "stored"), [("mileage", "48213", "48213"), ("contract", "mv-204815", "MV-204815")]
)
async def test_a_number_and_a_code_are_read_as_the_answer_to_their_question(
    rental: ReviewWorld, field: str, written: str, stored: str
) -> None:
    """So the redactor takes them for what was asked for, and finds a telephone number all the same."""
    row = await proposed(rental, plate="unknown")
    made = await rental.decide(ANN, row, correct(field, written))
    assert values(made)[field] == stored
    call = rental.gateway.called("redact")[-1]
    assert (call.argument, call.asked_for) == ([RawText(stored)], ("READING",))


@pytest.mark.parametrize(("field", "value"), [("mileage", "491701"), ("contract", "MV-491701")])
async def test_a_number_or_a_code_that_looks_personal_is_refused(rental: ReviewWorld, field: str, value: str) -> None:
    """A record that is sent back goes to the LLM with its corrections."""
    rental.gateway.secrets = {"491701": "PHONE"}
    row = await proposed(rental, plate="unknown")
    error = await refusal(rental.decide(ANN, row, correct("note", "clean"), correct(field, value)))
    assert (error.reason, [one.field for one in error.violations]) == ("CORRECTION_REDACTED", ["choices[1].value"])
    assert field in error.message
    assert "491701" not in f"{error.message} {error.hint} {error.violations}"
    assert await rental.recommendations() == [row]
    assert not await rental.rows("FROM field_decisions")


async def test_a_number_that_stands_readable_in_a_source_may_be_given(rental: ReviewWorld) -> None:
    await rental.say("The mileage is 491701.")
    row = await proposed(rental, plate="unknown")
    rental.gateway.secrets = {"491701": "PHONE"}
    made = await rental.decide(ANN, row, correct("mileage", "491701"))
    assert values(made)["mileage"] == "491701"


@pytest.mark.parametrize(
    ("field", "written", "told", "fits"),
    [
        ("fuel", "[REDACTED_NAME]_6", "Fuel level", "eighths_6 (dreiviertel voll, 6/8), eighths_8 (voll, full)"),
        ("fuel", "three quarters", "Fuel level", "eighths_8"),
        ("damaged", "maybe", "New damage", "yes or no"),
        ("mileage", "48.213", "must be whole", "at most 999999"),
        ("mileage", "48,213", "Mileage", "without separators of thousands"),
        ("mileage", "1000000", "at most 999999", "in km"),
        ("day", "28.11.2026", "day", "2026-11-28"),
        ("hour", "half past two", "hour", "14:30"),
        ("contract", "204815", "Contract number", "MV-[0-9]{6}"),
        ("photos", "1", "at least 2", "number of photographs"),
        ("customer", "Maria Lopez", "customer", "reject the field"),
        ("note", "x" * 2001, "note", "2000 characters"),
    ],
)
async def test_a_value_that_does_not_fit_is_refused_with_what_would(
    rental: ReviewWorld, field: str, written: str, told: str, fits: str
) -> None:
    row = await proposed(rental, plate="unknown")
    calls = len(rental.gateway.called("redact"))
    error = await refusal(rental.decide(ANN, row, correct(field, written)))
    assert (error.reason, [one.field for one in error.violations]) == ("INVALID_RECORD", ["choices[0].value"])
    assert field in error.message
    assert told in error.message
    assert fits in error.hint
    assert written not in f"{error.message} {error.hint} {error.violations}"
    assert len(rental.gateway.called("redact")) == calls
    assert await rental.recommendations() == [row]


async def test_a_correction_that_redaction_undoes_is_refused(rental: ReviewWorld) -> None:
    rental.gateway.secrets = {"Bumper": "NAME"}
    row = await proposed(rental, damaged="yes", where="the rear [REDACTED_NAME]", note="clean")
    choices = (correct("where", "the rear Bumper"), correct("note", "dirty"))
    error = await refusal(rental.decide(ANN, row, *choices))
    assert (error.reason, [one.field for one in error.violations]) == ("CORRECTION_REDACTED", ["choices[0].value"])
    assert "where (Place)" in error.message
    assert "Bumper" not in f"{error.message} {error.hint}"
    assert await rental.recommendations() == [row]
    assert not await rental.rows("FROM field_decisions")


async def test_a_reviewer_is_told_what_redaction_left_of_a_correction(rental: ReviewWorld) -> None:
    rental.gateway.secrets = {"Bumper": "NAME"}
    row = await proposed(rental, damaged="yes", where="the side", note="clean")
    made = await rental.decide(ANN, row, correct("where", "the rear Bumper"), correct("note", "dirty"))
    fields = {field.name: field for field in stored_record(made.record.value).fields}
    assert fields["where"].value == "the rear [REDACTED_NAME]"
    [finding] = fields["where"].findings
    assert (finding.kind, finding.severity) == (FindingKind.REDACTED, Severity.WARNING)
    assert not fields["note"].findings
    decision = (await rental.field(made, "where")).decision
    assert decision is not None
    assert decision.decision is FieldDecision.CORRECTED
    assert await rental.decide(ANN, row, correct("where", "the rear Bumper"), correct("note", "dirty")) == made


async def test_a_value_that_is_given_as_it_was_shown_is_accepted_and_stays(rental: ReviewWorld) -> None:
    """Read alone, a part of it might be hidden."""
    row = await proposed(rental, damaged="yes", where="the rear bumper", fuel="eighths_6")
    rental.gateway.secrets = {"bumper": "NAME"}
    assert await rental.decide(ANN, row, correct("where", "the rear bumper"), correct("fuel", "6/8")) == row
    decided = (await rental.field(row, "where")).decision
    assert decided is not None
    assert decided.decision is FieldDecision.ACCEPTED


async def test_fields_that_no_longer_apply_leave_the_record(rental: ReviewWorld) -> None:
    row = await proposed(rental, damaged="yes", where="the rear bumper", repaired="not yet", note="clean")
    made = await rental.decide(ANN, row, correct("damaged", "no"), accept("repaired"))
    record = stored_record(made.record.value)
    assert values(made) == {"damaged": "no", "note": "clean"}
    assert not {"where", "repaired"} & set(record.missing)
    assert "bumper" not in made.record.value
    assert made.content_hash == content_hash(record)
    for name, before in (("where", "the rear bumper"), ("repaired", "not yet")):
        gone = await rental.field(made, name)
        assert (gone.value, gone.missing, gone.proposed) == ("", True, before)
        assert gone.decision is not None
        assert (gone.decision.decision, gone.decision.reason) == (FieldDecision.REMOVED, "")
        assert rental.counted("vestibule_field_decisions_total", field=name, decision="removed") == 1
    assert await rental.decide(ANN, row, correct("damaged", "no"), accept("repaired")) == made
    assert (await rental.approve(ANN, made)).state is APPROVED


async def test_a_filled_in_field_makes_another_one_not_apply(rental: ReviewWorld) -> None:
    row = await proposed(rental, plate="[REDACTED_PLATE]", damaged="no")
    made = await rental.decide(ANN, row, correct("contract", "MV-204815"))
    assert values(made) == {"contract": "MV-204815", "damaged": "no"}


async def test_what_is_not_known_takes_nothing_away(rental: ReviewWorld) -> None:
    """Whether there is damage is open, so its description may be right."""
    row = await proposed(rental, damaged="yes", where="the rear bumper", note="clean")
    made = await rental.decide(ANN, row, reject("damaged"))
    assert values(made) == {"where": "the rear bumper", "note": "clean"}


async def test_a_field_that_did_not_apply_before_stays_until_somebody_decides_about_it(rental: ReviewWorld) -> None:
    row = await proposed(rental, damaged="no", where="the rear bumper", note="clean")
    made = await rental.decide(ANN, row, correct("note", "dirty"))
    assert values(made) == {"damaged": "no", "where": "the rear bumper", "note": "dirty"}


async def test_a_value_for_a_field_that_does_not_apply_is_refused(rental: ReviewWorld) -> None:
    row = await proposed(rental, damaged="yes", where="the side", note="clean")
    for choices in (
        (correct("damaged", "no"), correct("where", "the front")),
        (correct("contract", "MV-204815"), correct("plate", "x")),
    ):
        error = await refusal(rental.decide(ANN, row, *choices))
        assert error.reason == "FIELD_NOT_APPLICABLE"
        assert error.violations[0].field == "choices[1].name"
    assert "plate" in error.message
    assert await rental.recommendations() == [row]


async def test_a_removed_field_comes_back_when_it_applies_again(rental: ReviewWorld) -> None:
    row = await proposed(rental, damaged="yes", where="the side", note="clean")
    made = await rental.decide(ANN, row, correct("damaged", "no"))
    again = await rental.decide(ANN, made, correct("damaged", "yes"))
    assert "where" in stored_record(again.record.value).missing
    filled = await rental.decide(ANN, again, correct("where", "the front"))
    assert values(filled)["where"] == "the front"


async def test_nobody_is_asked_again_for_what_a_correction_removed(rental: ReviewWorld) -> None:
    row = await proposed(rental, damaged="yes", where="the side", note="clean")
    rental.clock.advance(1)
    made = await rental.decide(ANN, row, correct("damaged", "no"))
    with acting_as(ANN):
        await rental.recommender.decide(made.id, made.content_hash, "", approve=False, reason="wrong", revise=True)
    assert not await rental.rows("FROM answers WHERE status = 'reopened'")
    rental.clock.advance(1)
    again = await proposed(rental, damaged="yes", where="the side", note="dirty")
    assert values(again) == {"damaged": "no", "note": "dirty"}
