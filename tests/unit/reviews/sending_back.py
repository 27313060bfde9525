"""Records that a model writes, and that a reviewer sends back."""

from __future__ import annotations

from server.access.caller import acting_as
from server.ledger.types import RecommendationRow
from server.llm.record_schema import stored_record
from server.llm.types import OnboardingRecord, RecordField
from server.records.reviews_values import FieldChoice
from tests.unit.jobs.recommendation_helpers import propose
from tests.unit.reviews.conftest import ANN, ReviewWorld


async def write(
    world: ReviewWorld, source_id: str = "", *, summary: str = "A visit.", **fields: str
) -> RecommendationRow:
    """Propose what a model writes."""
    world.clock.advance(1)
    written = tuple(RecordField(name, value, source_id) for name, value in fields.items())
    world.assistant.script_record(OnboardingRecord(summary, written))
    return await propose(world)


async def send_back(world: ReviewWorld, row: RecommendationRow, *choices: FieldChoice, reason: str = "wrong") -> None:
    """Decide about fields, and reject the record that this leads to for another proposal."""
    world.clock.advance(1)
    made = await world.decide(ANN, row, *choices) if choices else row
    with acting_as(ANN):
        await world.recommender.decide(made.id, made.content_hash, "", approve=False, reason=reason, revise=True)


def values(row: RecommendationRow) -> dict[str, str]:
    """The values of a record, by field."""
    return {field.name: field.value for field in stored_record(row.record.value).fields}


def summary(row: RecommendationRow) -> str:
    """The summary of a record."""
    return stored_record(row.record.value).summary


def field_of(row: RecommendationRow, name: str) -> RecordField:
    """A field of a record."""
    return next(field for field in stored_record(row.record.value).fields if field.name == name)
