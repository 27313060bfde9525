"""Decisions about fields: what they change is another record, and the one before cannot be approved any more."""

from __future__ import annotations

import json

import pytest

from server.access.caller import acting_as
from server.ledger.reviews_decisions import FieldDecision
from server.ledger.types import Origin, RecommendationRow, SessionState
from server.llm.record_schema import content_hash, stored_record
from server.llm.types import OnboardingRecord, RecordField
from server.records.reviews_values import FieldChoice
from tests.unit.jobs.recommendation_helpers import APPROVED, PENDING, SUPERSEDED, propose
from tests.unit.reviews.conftest import ANN, BEN, STRANGER, ReviewWorld, accept, correct, refusal, reject


async def test_a_correction_makes_a_record_with_another_hash_that_waits(world: ReviewWorld) -> None:
    row = await world.proposed()
    world.clock.advance(30)
    with world.pubsub.subscribe(world.session_id) as news:
        made = await world.decide(ANN, row, correct("meter_reading", "4812"), accept("site_name"), staff="staff-7")
        assert list(news._waiting.values()) == [made]
    assert made.id != row.id
    assert made.content_hash != row.content_hash
    assert made.content_hash == content_hash(stored_record(made.record.value))
    assert (made.state, made.origin, made.expire_time) == (PENDING, Origin.MODEL, row.expire_time)
    assert [stored.state for stored in await world.recommendations()] == [SUPERSEDED, PENDING]
    record = json.loads(made.record.value)
    assert [field["value"] for field in record["fields"]] == ["Pendlewick", "4812"]
    assert record["summary"] == "The meter at Pendlewick reads 4812."
    assert (await world.session()).state is SessionState.AWAITING_APPROVAL


async def test_the_summary_follows_where_it_names_that_value_and_nothing_else(world: ReviewWorld) -> None:
    summary = "4821, not 4821.5 or 14821 or 3.4821, with 3 visitors."
    made = await corrected(world, summary, correct("meter_reading", "4812"))
    assert told(made) == "4812, not 4821.5 or 14821 or 3.4821, with 3 visitors."


@pytest.mark.parametrize(
    ("summary", "choices"),
    [
        ("4821 with 3 visitors.", {"visitor_count": "4"}),
        ("4821 with three visitors.", {"visitor_count": "4"}),
        ("[REDACTED_NAME] read 4821.", {"contact": "front desk"}),
        ("Meter 4,821 at Pendlewick.", {"meter_reading": "4812"}),
        ("Meter 4821 at Pendlewick.", {"meter_reading": "4812", "visitor_count": "4"}),
        ("Meter 4821, 77 and 4812.", {"meter_reading": "4812", "contact": "4821"}),
        ("kWh, once more kWh.", {"meter_unit": "m3", "site_name": "kWh"}),
    ],
)
async def test_a_summary_that_may_tell_a_value_that_is_gone_is_written_anew(
    world: ReviewWorld, summary: str, choices: dict[str, str]
) -> None:
    made = await corrected(world, summary, *(correct(name, value) for name, value in choices.items()))
    now = {"site_name": "Pendlewick", "meter_reading": "4821", "meter_unit": "kWh", "visitor_count": "3"} | choices
    unit = {"kWh": "kilowatt hours", "m3": "cubic metres"}[now["meter_unit"]]
    listed = "Site visit: site {site_name}; meter reading {meter_reading}; unit {unit}; visitors {visitor_count}."
    assert told(made) == listed.format(unit=unit, **now)
    assert made.content_hash == content_hash(stored_record(made.record.value))
    assert made.record.safe_for_llm


@pytest.mark.parametrize("summary", ["Pendlewick has 3 visitors.", "They were at pendlewick.", "A visit."])
async def test_a_rejected_value_does_not_stay_in_the_summary(world: ReviewWorld, summary: str) -> None:
    made = await corrected(world, summary, reject("site_name"))
    assert told(made).startswith("Site visit: meter reading 4821; ")
    assert "pendlewick" not in told(made).casefold()


async def corrected(world: ReviewWorld, summary: str, *choices: FieldChoice) -> RecommendationRow:
    """A record with this summary after the choices of a reviewer."""
    turn = await world.say("Words.")
    fields = (
        RecordField("site_name", "Pendlewick", turn.id),
        RecordField("meter_reading", "4821", turn.id),
        RecordField("meter_unit", "kWh", turn.id),
        RecordField("contact", "[REDACTED_NAME]", turn.id),
        RecordField("visitor_count", "3", turn.id),
    )
    world.assistant.script_record(OnboardingRecord(summary, fields))
    return await world.decide(ANN, await propose(world), *choices)


def told(row: RecommendationRow) -> str:
    """The summary of a record."""
    return stored_record(row.record.value).summary


async def of_onboarding(world: ReviewWorld, department: str) -> RecommendationRow:
    """A proposed record of the flow for new staff, with one field alone."""
    await world.ledger.write(
        lambda cursor: cursor.execute("UPDATE sessions SET flow = 'staff_onboarding' WHERE id = ?", [world.session_id])
    )
    return await world.proposed(RecordField("department", department), RecordField("note", "by bus"))


@pytest.mark.parametrize(
    ("before", "after", "asked"), [("office", "field_service", True), ("field_service", "office", False)]
)
async def test_what_is_missing_follows_a_correction_on_which_a_step_depends(
    world: ReviewWorld, before: str, after: str, asked: bool
) -> None:
    row = await of_onboarding(world, before)
    first = stored_record(row.record.value).missing
    assert ("drives" in first) != asked
    made = await world.decide(ANN, row, correct("department", after))
    assert ("drives" in stored_record(made.record.value).missing) == asked
    back = await world.decide(ANN, made, correct("department", before))
    assert stored_record(back.record.value).missing == first


async def test_a_rejected_field_stays_missing_also_where_the_flow_does_not_require_it(world: ReviewWorld) -> None:
    row = await of_onboarding(world, "office")
    made = await world.decide(ANN, row, reject("note"))
    again = await world.decide(ANN, made, correct("department", "field_service"))
    assert stored_record(again.record.value).missing.count("note") == 1
    assert (await world.decide(ANN, again, accept("department"))).id == again.id, "nothing changed"
    filled = await world.decide(ANN, again, correct("note", "by train"))
    assert "note" not in stored_record(filled.record.value).missing


async def test_an_approval_needs_the_hash_of_the_corrected_record(world: ReviewWorld) -> None:
    row = await world.proposed()
    made = await world.decide(ANN, row, correct("meter_reading", "4812"))
    with acting_as(BEN):
        old_hash = world.recommender.decide(made.id, row.content_hash, "", approve=True)
        assert (await refusal(old_hash)).reason == "CONTENT_CHANGED"
    assert (await refusal(world.approve(BEN, row))).reason == "WRONG_STATE"
    assert (await world.approve(BEN, made)).state is APPROVED


async def test_a_rejected_field_is_missing_and_a_missing_one_is_filled_in(world: ReviewWorld) -> None:
    row = await world.proposed(missing=("visitor_count",))
    made = await world.decide(ANN, row, reject("site_name"), correct("visitor_count", "3", "counted"))
    record = stored_record(made.record.value)
    assert [(field.name, field.value) for field in record.fields] == [("meter_reading", "4821"), ("visitor_count", "3")]
    assert record.missing == ("site_name", "contact_given")
    gone = await world.field(made, "site_name")
    assert (gone.missing, gone.value, gone.proposed) == (True, "", "Pendlewick")
    assert gone.decision is not None
    assert (gone.decision.decision, gone.decision.reason) == (FieldDecision.REJECTED, "not_there")


async def test_what_is_accepted_changes_nothing_and_is_remembered(world: ReviewWorld) -> None:
    row = await world.proposed()
    assert await world.decide(ANN, row, accept("meter_reading"), staff="staff-7") == row
    field = await world.field(row, "meter_reading")
    assert field.decision is not None
    assert (field.decision.decision, field.decision.decided_by) == (FieldDecision.ACCEPTED, "staff-7")
    assert (await world.field(row, "site_name")).decision is None
    made = await world.decide(BEN, row, correct("site_name", "Harrow Lane"))
    kept = await world.field(made, "meter_reading")
    assert kept.decision is not None
    assert kept.decision.subject == ANN.subject


async def test_a_correction_to_the_same_value_accepts_it(world: ReviewWorld) -> None:
    row = await world.proposed()
    assert await world.decide(ANN, row, correct("meter_reading", " 4821 ")) == row
    assert world.counted("vestibule_field_decisions_total", field="meter_reading", decision="accepted") == 1
    assert world.counted("vestibule_field_decisions_total", field="meter_reading", decision="corrected") is None


async def test_the_value_before_is_that_of_the_first_proposal(world: ReviewWorld) -> None:
    row = await world.proposed()
    second = await world.decide(ANN, row, correct("meter_reading", "4812"))
    third = await world.decide(BEN, second, correct("meter_reading", "4813", "typing_error"))
    field = await world.field(third, "meter_reading")
    assert (field.value, field.proposed) == ("4813", "4821")
    assert field.decision is not None
    assert (field.decision.subject, field.decision.reason) == (BEN.subject, "typing_error")


async def test_a_new_proposal_begins_without_decisions(world: ReviewWorld) -> None:
    row = await world.proposed()
    await world.decide(ANN, row, correct("meter_reading", "4812"))
    world.clock.advance(1)
    again = await world.proposed()
    field = await world.field(again, "meter_reading")
    assert (field.decision, field.value) == (None, "4821")


async def test_what_a_corrector_writes_is_redacted(world: ReviewWorld) -> None:
    world.gateway.secrets = {"Maria Lopez": "NAME"}
    row = await world.proposed()
    made = await world.decide(ANN, row, correct("site_name", "House of Maria Lopez"))
    assert "Maria" not in made.record.value
    assert (await world.field(made, "site_name")).value == "House of [REDACTED_NAME]"
    assert made.record.counts == {"NAME": 2}, "in the summary, too"
    assert not await world.rows("FROM recommendations WHERE record LIKE '%Maria%'")


async def test_a_unit_that_a_source_has_is_no_name(world: ReviewWorld) -> None:
    """Alone, the classifier takes it for one."""
    world.gateway.secrets = {"kWh": "NAME", "furlong": "NAME"}
    row = await world.proposed(RecordField("meter_unit", "m3"))
    await world.say("It counts kWh.")
    again = await world.proposed(RecordField("meter_unit", "m3"))
    assert row.id != again.id
    made = await world.decide(ANN, again, correct("meter_unit", "kWh"))
    assert (await world.field(made, "meter_unit")).value == "kWh"
    error = await refusal(world.decide(ANN, made, correct("meter_unit", "furlong")))
    assert error.reason == "INVALID_RECORD", "it is none of the options of the flow"


@pytest.mark.parametrize(
    ("choice", "reason"),
    [
        (correct("meter_reading", "about 48"), "INVALID_RECORD"),
        (correct("meter_reading", "  "), "INVALID_ARGUMENT"),
        (correct("meter_reading", "\u0007"), "INVALID_ARGUMENT"),
        (correct("meter_reading", "4812", ""), "INVALID_ARGUMENT"),
        (reject("meter_reading", ""), "INVALID_ARGUMENT"),
        (correct("visitor_count", "-3"), "INVALID_RECORD"),
        (correct("badge", "3"), "FIELD_NOT_IN_RECORD"),
        (accept("visitor_count"), "FIELD_NOT_IN_RECORD"),
        (correct("site_name", "x" * 2001), "INVALID_RECORD"),
    ],
)
async def test_a_choice_that_breaks_a_rule_changes_nothing(world: ReviewWorld, choice: object, reason: str) -> None:
    row = await world.proposed()
    error = await refusal(world.decide(ANN, row, choice))  # type: ignore[arg-type]  # a FieldChoice of the table
    assert error.reason == reason
    assert "about 48" not in error.message
    assert await world.recommendations() == [row]
    assert not await world.rows("FROM field_decisions")


async def test_a_field_is_decided_once_in_a_request(world: ReviewWorld) -> None:
    row = await world.proposed()
    error = await refusal(world.decide(ANN, row, accept("site_name"), reject("site_name")))
    assert error.reason == "INVALID_ARGUMENT"


async def test_values_that_stay_need_not_follow_the_rules_of_values_that_are_given(world: ReviewWorld) -> None:
    row = await world.proposed(RecordField("visitor_count", "[REDACTED_PHONE]"), RecordField("site_name", "Pendlewick"))
    made = await world.decide(ANN, row, correct("site_name", "Harrow Lane"))
    assert made.id != row.id


async def test_a_record_that_would_become_too_large_is_refused(world: ReviewWorld) -> None:
    row = await world.proposed(*(RecordField(f"note_{n}", "x" * 1900) for n in range(10)))
    filled = [correct(f"note_{n}", "ö" * 2000) for n in range(10)]
    assert (await refusal(world.decide(ANN, row, *filled))).reason == "INVALID_RECORD"


async def test_a_repeated_request_returns_what_it_led_to(world: ReviewWorld) -> None:
    row = await world.proposed()
    made = await world.decide(ANN, row, correct("meter_reading", "4812"))
    assert await world.decide(ANN, row, correct("meter_reading", "4812")) == made
    assert len(await world.recommendations()) == 2
    for who, choice in ((BEN, correct("meter_reading", "4812")), (ANN, correct("meter_reading", "4813"))):
        assert (await refusal(world.decide(who, row, choice))).reason == "WRONG_STATE"


async def test_a_repeated_request_that_changes_nothing_is_stored_once(world: ReviewWorld) -> None:
    row = await world.proposed()
    both = (accept("meter_reading"), correct("site_name", "Pendlewick"))
    for choices in (both, both, both[:1]):
        assert await world.decide(ANN, row, *choices, staff="staff-7") == row
    for table, number in (("field_decisions", 2), ("audit", 1)):
        assert len(await world.rows(f"FROM {table}")) == number
    assert len(await world.rows("FROM events WHERE name = 'field_decided'")) == 2
    assert world.counted("vestibule_field_decisions_total", field="meter_reading", decision="accepted") == 1
    await world.decide(BEN, row, accept("meter_reading"), staff="staff-7")
    await world.decide(ANN, row, accept("meter_reading"), staff="staff-8")
    assert len(await world.rows("FROM field_decisions")) == 4, "another person has decided, too"


async def test_a_stranger_an_expired_and_a_decided_record(world: ReviewWorld) -> None:
    row = await world.proposed()
    assert (await refusal(world.decide(STRANGER, row, accept("site_name")))).reason == "RECOMMENDATION_NOT_FOUND"
    world.clock.advance(86_400)
    assert (await refusal(world.decide(ANN, row, accept("site_name")))).reason == "RECOMMENDATION_EXPIRED"


async def test_corrections_by_field_are_events_a_view_and_an_audit(world: ReviewWorld) -> None:
    row = await world.proposed()
    world.clock.advance(12)
    made = await world.decide(ANN, row, correct("meter_reading", "4812"), reject("site_name"))
    listed = await world.rows(
        "SELECT field, decision, reason, value_before, value_after, shown_s, result_id FROM v_field_decisions "
        "ORDER BY field",
    )
    assert [tuple(line.values()) for line in listed] == [
        ("meter_reading", "CORRECTED", "misread", "4821", "4812", 12.0, made.id),
        ("site_name", "REJECTED", "not_there", "Pendlewick", None, 12.0, made.id),
    ]
    found = await world.rows("SELECT took_s, properties FROM events WHERE name = 'field_decided' ORDER BY id")
    assert [(line["took_s"], json.loads(line["properties"])) for line in found] == [
        (12.0, {"field": "meter_reading", "decision": "corrected", "origin": "MODEL", "reason": "misread"}),
        (12.0, {"field": "site_name", "decision": "rejected", "origin": "MODEL", "reason": "not_there"}),
    ]
    assert [line["action"] for line in await world.rows("SELECT action FROM audit")] == ["fields_decided"]
