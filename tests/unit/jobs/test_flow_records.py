"""Records of the shipped flows, by the fallback and by the stand-in LLM over real HTTP, and what their check costs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest
import yaml

from models.sealed_values import SealedValue
from models.text import RedactedText
from server.flows.asking import flow_words
from server.flows.loader import parse_flow
from server.ledger import audit, sessions
from server.ledger.columns import Cursor
from server.ledger.types import Origin, RecommendationRow, RecommendationState, SessionRow, SessionState
from server.llm.assistant import OpenAiAssistant
from server.llm.code_fields import with_code_fields
from server.llm.record_schema import canonical_json, content_hash, stored_record
from server.llm.types import Confidence, FindingKind, OnboardingRecord, RecordField, SourceItem
from server.llm.upstream import Patience
from server.records.session_material import material
from tests.fakes.gateway import redacted
from tests.fakes.guide import GUIDE
from tests.unit.jobs.conftest import JPEG, World
from tests.unit.jobs.recommendation_helpers import propose
from tests.unit.ledger.stored import events_of_session
from tests.unit.llm.assistants import upstream_at
from tests.unit.llm.scripted_upstream import KEY, ScriptedUpstream, run_upstream

SURE, UNSURE = Confidence.SURE, Confidence.UNSURE
PATIENCE = Patience(10.0, 10.0, 10.0)

STAFF = (
    "Hello, I will work in the warehouse. My first day is December 1, 2026. It will be 38 hours a week.",
    "I am [REDACTED_NAME], call me on [REDACTED_PHONE].",
)
INCIDENT = (
    "There is damage at the north gate. The gate hit the fence and the lower hinge of PMP-0042 is bent.",
    "It was on November 12, 2026, and the repair may cost 250 EUR.",
)


@dataclass
class Told:
    """What a proposal has."""

    row: RecommendationRow
    record: OnboardingRecord

    def field(self, name: str) -> RecordField:
        return next(field for field in self.record.fields if field.name == name)

    @property
    def values(self) -> dict[str, str]:
        return {field.name: field.value for field in self.record.fields}


@pytest.fixture(scope="module")
def scripted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ScriptedUpstream]:
    with run_upstream(tmp_path_factory.mktemp("upstream") / "received") as upstream:
        yield upstream


@pytest.fixture
async def model(world: World, scripted: ScriptedUpstream) -> AsyncIterator[ScriptedUpstream]:
    """The world asks the stand-in LLM, for records and for their checks."""
    scripted.script("answer")
    upstream = upstream_at(f"{scripted.url}/v1", KEY, patience=PATIENCE)
    assistant = OpenAiAssistant([upstream], checkers=[upstream], turn_s=10.0)
    world.recommender._assistant = world.recommender._builder._assistant = assistant
    yield scripted
    await assistant.aclose()


async def begin(world: World, flow: str, *said: str, facts: dict[str, str] | None = None) -> None:
    now = world.clock()
    row = SessionRow(
        str(uuid4()),
        "app",
        str(uuid4()),
        SessionState.STARTED,
        now,
        now,
        language="en",
        flow=flow,
        flow_version=1,
        facts=facts or {},
    )
    await world.ledger.write(lambda cursor: sessions.insert_or_get(cursor, row))
    world.session_id = row.id
    for text in said:
        world.clock.advance(1)
        await world.say(text)


async def proposed(world: World) -> Told:
    row = await propose(world)
    record = stored_record(row.record.value)
    assert row.content_hash == content_hash(record), "the hash covers all that is shown"
    assert canonical_json(record) == row.record.value
    return Told(row, record)


async def test_the_fallback_writes_a_record_of_the_flow(world: World) -> None:
    world.assistant.is_configured = False
    world.recommender._builder._assistant = OpenAiAssistant([])
    await begin(world, "staff_onboarding", *STAFF)
    told = await proposed(world)
    assert told.row.origin is Origin.FALLBACK
    assert told.values == {
        "department": "warehouse",
        "start_date": "2026-12-01",
        "hours_per_week": "38",
        "full_name": "[REDACTED_NAME]",
        "phone": "yes",
    }
    assert told.record.missing == ("document_photo",)
    assert [told.field(name).confidence for name in ("department", "hours_per_week", "phone")] == [UNSURE, UNSURE, SURE]
    await begin(world, "incident_report", *INCIDENT)
    told = await proposed(world)
    assert told.values == {
        "incident_type": "damage",
        "asset_code": "PMP-0042",
        "incident_date": "2026-11-12",
        "estimated_cost": "250",
    }
    assert told.record.missing == ("what_happened", "place", "photos")
    assert told.record.summary == (
        "Incident report: kind of incident damage; number of the asset PMP-0042; day 2026-11-12; "
        "estimated cost 250 EUR."
    )


async def answered(world: World, field: str, value: str) -> None:
    """The app answers a field with a value."""

    def write(cursor: Cursor) -> None:
        session = sessions.get(cursor, world.session_id)
        GUIDE.answer(cursor, session, field, RedactedText.literal(value), world.clock())

    await world.ledger.write(write)


async def test_what_was_answered_is_in_the_record_of_the_fallback(world: World) -> None:
    """Rules find no place, and they do not know what a bare "yes" answers."""
    world.recommender._builder._assistant = OpenAiAssistant([])
    await begin(world, "incident_report", *INCIDENT)
    await answered(world, "place", "At the north gate")
    await answered(world, "estimated_cost", "260")
    told = await proposed(world)
    assert told.values["place"] == "At the north gate"
    assert told.values["estimated_cost"] == "260", "the app has the last word"
    assert [told.field(name).confidence for name in ("place", "estimated_cost")] == [SURE, UNSURE]
    assert [finding.value for finding in told.field("estimated_cost").findings] == ["250"], "but 250 was said"
    assert list(told.values) == ["incident_type", "asset_code", "incident_date", "place", "estimated_cost"]
    assert told.record.missing == ("what_happened", "photos")


async def test_what_a_model_overlooks_is_in_its_record(world: World, model: ScriptedUpstream) -> None:
    await begin(world, "staff_onboarding", "I will work in the workshop.")
    await answered(world, "hours_per_week", "38.5")
    told = await proposed(world)
    assert told.row.origin is Origin.MODEL
    assert told.values["hours_per_week"] == "38.5"
    assert told.field("hours_per_week").confidence is SURE


@pytest.mark.parametrize(
    ("keep", "expected"),
    [("tag", "[REDACTED_PHONE]"), ("hash", "[REDACTED_PHONE_0a1b2c3d]"), ("sealed", "sealed")],
)
def test_a_personal_field_is_kept_as_its_flow_says(keep: str, expected: str) -> None:
    field = {"name": "phone", "kind": "personal", "entities": ["PHONE"], "keep": keep, "ask": "Which number?"}
    if keep == "sealed":
        field["seal_to"] = "office"
    steps = [{"name": "person", "fields": [field]}]
    flow = parse_flow(yaml.safe_dump({"name": "calls", "version": 1, "title": "Calls", "steps": steps}))
    item = SourceItem("turn-1", "turn", redacted("Call me on [REDACTED_PHONE]."))
    value = SealedValue("PHONE", "phone", "office", b"cipher", "0a1b2c3d" * 8)
    record = with_code_fields(OnboardingRecord("Calls.", ()), flow, [item], {}, {"turn-1": [value]})
    assert record.fields == (RecordField("phone", expected, "turn-1"),)


async def test_a_model_writes_a_record_of_the_flow_with_two_calls(world: World, model: ScriptedUpstream) -> None:
    await begin(world, "incident_report", *INCIDENT)
    before = model.asked()
    told = await proposed(world)
    assert model.asked() - before == 2, "one writes it, and one checks it"
    assert told.row.origin is Origin.MODEL
    assert told.values["asset_code"] == "PMP-0042"
    assert told.values["place"] == "the north gate"
    doubted = {field.name: field.findings for field in told.record.fields if field.confidence is not SURE}
    assert doubted == {}
    await begin(world, "staff_onboarding", *STAFF)
    told = await proposed(world)
    assert told.values["phone"] == "yes"
    assert told.values["full_name"] == "[REDACTED_NAME]", "code sets it, no model does"
    assert told.field("full_name").confidence is SURE
    assert model.asked() - before == 4


async def test_photographs_are_counted_even_without_text(world: World, model: ScriptedUpstream) -> None:
    await world.start()
    await begin(world, "incident_report", *INCIDENT)
    world.gateway.printed = ()
    for number in range(2):
        await world.upload(JPEG + bytes([number]), kind="site")
    await world.settle()
    told = await proposed(world)
    assert (told.values["photos"], told.field("photos").confidence) == ("2", SURE)
    assert "photos" not in told.record.missing


async def test_a_dead_checker_leaves_all_fields_of_the_model_unsure(world: World, model: ScriptedUpstream) -> None:
    dead = upstream_at("http://127.0.0.1:9/v1", KEY, patience=PATIENCE)
    writer = upstream_at(f"{model.url}/v1", KEY, patience=PATIENCE)
    assistant = world.recommender._builder._assistant = OpenAiAssistant([writer], checkers=[dead], turn_s=10.0)
    await begin(world, "staff_onboarding", *STAFF)
    told = await proposed(world)
    await assistant.aclose()
    assert told.row.origin is Origin.MODEL
    by_model = [field for field in told.record.fields if field.name != "full_name"]
    assert {field.confidence for field in by_model} == {UNSURE}
    assert all(FindingKind.UNCHECKED in [finding.kind for finding in field.findings] for field in by_model)


async def test_facts_of_the_session_are_checked(world: World, model: ScriptedUpstream) -> None:
    said = "I am at the Riverside site. The meter reads 4821 m3."
    await begin(world, "site_visit", said, facts={"last_reading": "5000"})
    told = await proposed(world)
    [finding] = told.field("meter_reading").findings
    assert (finding.kind, finding.check) == (FindingKind.CHECK, "not_below_last_reading")
    assert told.field("site_name").confidence is SURE
    assert told.record.missing == ("contact_given",)


async def test_other_values_in_findings_are_redacted(world: World, tmp_path: Path) -> None:
    await begin(world, "site_visit", "The meter reads 48217 m3.")
    world.gateway.secrets = {"48217": "PHONE"}
    world.assistant.script_record(OnboardingRecord("A visit.", (RecordField("meter_reading", "5000"),)))
    told = await proposed(world)
    assert "48217" not in told.row.record.value
    assert [finding.value for finding in told.field("meter_reading").findings] == ["", "[REDACTED_PHONE]"]


async def test_only_values_that_a_field_may_have_are_stored_without_the_redactor(world: World) -> None:
    await begin(world, "site_visit", "The meter reads 48217 m3.")
    world.gateway.secrets = {"Anna Maier": "NAME"}
    builder = world.recommender._builder
    held = await world.read(lambda cursor: material(cursor, world.session_id))
    flow = builder.flow_of(held.session)
    values = [("contact_given", "call Anna Maier"), ("contact_given", "yes"), ("meter_unit", "Anna Maier")]
    told = await builder._values(values, held, flow, {})
    assert [text.value for text in told] == ["call [REDACTED_NAME]", "yes", "[REDACTED_NAME]"]


CHEAP = (INCIDENT[0], "It was on November 12, 2026, and the repair may cost 80 EUR.")


async def with_photographs(world: World, *said: str) -> None:
    await world.start()
    await begin(world, "incident_report", *said)
    for number in range(2):
        await world.upload(JPEG + bytes([number]), kind="site")
    await world.settle()


async def test_pictures_and_records_are_redacted_with_the_words_of_the_flow(
    world: World, model: ScriptedUpstream
) -> None:
    await with_photographs(world, *CHEAP)
    await proposed(world)
    known = flow_words(GUIDE.flow(await world.session()))
    calls = [*world.gateway.called("read_picture"), *world.gateway.called("redact")]
    assert {call.method for call in calls} == {"read_picture", "redact"}
    assert all(call.scope.flow_words == known for call in calls)


async def test_a_record_beyond_doubt_is_approved_by_policy(world: World, model: ScriptedUpstream) -> None:
    await with_photographs(world, *CHEAP)
    told = await proposed(world)
    assert told.row.state is RecommendationState.APPROVED
    assert (told.row.decided_subject, told.row.decided_by) == ("server", "")
    assert (await world.session()).state is SessionState.COMPLETED
    found = await world.read(lambda cursor: events_of_session(cursor, world.session_id))
    [event] = [event for event in found if event.name == "record_decided"]
    assert event.properties["reason"].value == "approved_by_policy"
    entries = await world.read(lambda cursor: audit.rows_after(cursor, 0, 100))
    assert [(row.action, row.subject, row.object_id, row.reason) for row in entries] == [
        ("approve", "server", told.row.id, "approved_by_policy")
    ]


async def test_a_record_with_a_day_that_counts_from_when_it_was_said_needs_nobody(
    world: World, model: ScriptedUpstream
) -> None:
    await with_photographs(world, CHEAP[0], "It was yesterday, and the repair may cost 80 EUR.")
    world.clock.advance(3 * 86_400)
    told = await proposed(world)
    assert told.values["incident_date"] == "2026-11-23"
    assert told.row.state is RecommendationState.APPROVED


async def test_a_record_waits_for_a_person_while_an_upload_is_read(world: World, model: ScriptedUpstream) -> None:
    await with_photographs(world, *CHEAP)
    free = world.gateway.hold("read_picture")
    await world.upload(kind="site")
    assert (await proposed(world)).row.state is RecommendationState.PENDING
    free.set()
    await world.settle()  # the server itself proposes again
    assert [row.state for row in await world.recommendations()] == ["SUPERSEDED", "APPROVED"]


@pytest.mark.parametrize(("given", "state"), [("50", "PENDING"), ("80", "APPROVED"), ("80.0", "APPROVED")])
async def test_an_answer_of_the_app_that_differs_from_what_was_said_waits_for_a_person(
    world: World, model: ScriptedUpstream, given: str, state: str
) -> None:
    await with_photographs(world, *CHEAP)
    await answered(world, "estimated_cost", given)
    told = await proposed(world)
    assert told.values["estimated_cost"] == given
    assert told.row.state == state
    doubts = [(finding.kind, finding.value) for finding in told.field("estimated_cost").findings]
    assert doubts == ([(FindingKind.CONTRADICTED, "80")] if state == "PENDING" else [])


@pytest.mark.parametrize(
    ("said", "script"),
    [
        (INCIDENT, "answer"),  # 250 EUR
        ((CHEAP[0], CHEAP[1], "It may cost 95 EUR."), "answer"),  # which of them?
        ((CHEAP[0], "It was on November 12, 2026."), "answer"),  # no cost
        (("There is damage. The gate hit the fence. It may cost 80 EUR.",), "answer"),  # no day, no place
        (CHEAP, "error"),  # the fallback writes it
    ],
)
async def test_any_doubt_waits_for_a_person(
    world: World, model: ScriptedUpstream, said: tuple[str, ...], script: str
) -> None:
    await with_photographs(world, *said)
    model.script(script)
    told = await proposed(world)
    assert told.row.state is RecommendationState.PENDING
    assert told.row.approvals_needed == 1
    assert (await world.session()).state is SessionState.AWAITING_APPROVAL


async def test_an_unchecked_record_waits_for_a_person(world: World, model: ScriptedUpstream) -> None:
    writer = upstream_at(f"{model.url}/v1", KEY, patience=PATIENCE)
    dead = upstream_at("http://127.0.0.1:9/v1", KEY, patience=PATIENCE)
    assistant = world.recommender._builder._assistant = OpenAiAssistant([writer], checkers=[dead], turn_s=10.0)
    await with_photographs(world, *CHEAP)
    assert (await proposed(world)).row.state is RecommendationState.PENDING
    await assistant.aclose()


async def test_a_flow_asks_for_two_people(world: World, model: ScriptedUpstream) -> None:
    await begin(world, "staff_onboarding", *STAFF)
    assert (await proposed(world)).row.approvals_needed == 2
