"""What a reviewer sees of a record: sources, comments, assignment; and what is written about it."""

from __future__ import annotations

from dataclasses import replace
from uuid import uuid4

import pytest
from vestibule.v1 import review_pb2 as pb

from models.errors import RedactionFailed
from server.access.caller import acting_as
from server.ledger import turns
from server.ledger.types import TurnRow, UploadRow
from server.llm.types import OnboardingRecord, RecordField
from server.records.machine_words import MachineWords
from server.services.review import ReviewService
from tests.fakes.gateway import page
from tests.unit.jobs.recommendation_helpers import propose
from tests.unit.reviews.conftest import ANN, BEN, STRANGER, ReviewWorld, refusal


def service(world: ReviewWorld) -> ReviewService:
    return ReviewService(world.reviews, world.fields, MachineWords(world.gateway))


async def shown(world: ReviewWorld, recommendation_id: str) -> pb.Review:
    """What the RPC gives."""
    with acting_as(ANN):
        request = pb.GetReviewRequest(recommendation_id=recommendation_id)
        return (await service(world).GetReview(request, None)).review


async def test_the_source_of_a_value_is_the_sentence_or_the_line_of_the_picture(world: ReviewWorld) -> None:
    await world.start()
    world.gateway.will("read_picture", page("WATER METER", "04821,7 m3", "[REDACTED_NAME]"))
    upload = await world.upload(kind="meter")
    await world.settle()
    turn = await world.say("I am at Pendlewick.")
    fields = (
        RecordField("meter_reading", "4821.7", upload.id),
        RecordField("meter_unit", "furlong", upload.id),
        RecordField("site_name", "Pendlewick", turn.id),
        RecordField("remark", "From both."),
    )
    world.assistant.script_record(OnboardingRecord("A visit.", fields, ("contact",)))
    review = await shown(world, (await propose(world)).id)
    site, reading, unit, remark, contact = review.fields
    assert (reading.source.upload_id, reading.source.text.value) == (upload.id, "04821,7 m3")
    box = reading.source.box
    assert (box.left, box.top, box.width) == (0.0, 1.0, 1.0), "the picture has one pixel, so its lines end with it"
    assert reading.source.has_redacted_image
    assert not unit.source.HasField("box")
    assert unit.source.text.value == "WATER METER\n04821,7 m3\n[REDACTED_NAME]"
    assert (site.source.turn_id, site.source.text.value) == (turn.id, "I am at Pendlewick.")
    assert not remark.HasField("source")
    assert (contact.name, contact.missing, contact.value) == ("contact_given", True, "")
    session = review.session
    assert (session.turn_count, session.upload_count, session.language) == (1, 1, "en")


async def test_text_that_the_redactor_does_not_vouch_for_is_not_shown(world: ReviewWorld) -> None:
    row = await world.proposed()
    [turn] = await world.read(lambda cursor: turns.list_of_session(cursor, world.session_id))
    unsafe: TurnRow = replace(turn, text=replace(turn.text, safe_for_llm=False))
    await world.ledger.write(lambda cursor: turns.replace_texts(cursor, unsafe))
    source = (await shown(world, row.id)).fields[0].source
    assert (source.turn_id, source.HasField("text")) == (turn.id, False)


async def test_a_superseded_record_names_the_one_that_waits(world: ReviewWorld) -> None:
    old = await world.proposed()
    new = await world.proposed()
    assert (await shown(world, old.id)).newer_recommendation_id == new.id
    assert (await shown(world, new.id)).newer_recommendation_id == ""
    assert not (await shown(world, old.id)).session.HasField("wait_time")


async def test_a_comment_is_redacted_and_stored_once(world: ReviewWorld) -> None:
    world.gateway.secrets = {"Maria Lopez": "NAME"}
    row = await world.proposed()
    comment_id = str(uuid4())
    with acting_as(ANN):
        first = await world.reviews.comment(row.id, comment_id, "staff-7", "Ask Maria Lopez.", "unreadable_photo")
        assert await world.reviews.comment(row.id, comment_id, "staff-7", "Again.", "") == first
        await world.reviews.comment(row.id, str(uuid4()), "", "", "seen")
    comments = (await shown(world, row.id)).comments
    assert [(one.text.value, one.word, one.reviewer, one.subject) for one in comments] == [
        ("Ask [REDACTED_NAME].", "unreadable_photo", "staff-7", ANN.subject),
        ("", "seen", "", ANN.subject),
    ]
    assert not comments[1].HasField("text")
    assert not await world.rows("FROM review_comments WHERE text LIKE '%Maria%'")
    assert [line["action"] for line in await world.rows("SELECT action FROM audit")] == ["review_commented"] * 2


async def test_without_the_redactor_no_comment_is_stored(world: ReviewWorld) -> None:
    row = await world.proposed()
    world.gateway.will("redact", RedactionFailed("The redactor failed."))
    with acting_as(ANN):
        error = await refusal(world.reviews.comment(row.id, str(uuid4()), "", "Ask Maria Lopez.", ""))
    assert error.reason == "REDACTION_FAILED"
    assert not await world.rows("FROM review_comments")


@pytest.mark.parametrize(
    ("assignee", "stored"),
    [("staff-7", "staff-7"), ("key:9f3c", "key:9f3c"), ("maria_lopez", "redacted"), ("jwt:maria.lopez", "jwt:hash:")],
)
async def test_an_assignment_names_a_staff_id_or_a_credential_and_no_person(
    world: ReviewWorld, assignee: str, stored: str
) -> None:
    world.gateway.secrets = {"maria lopez": "NAME"}
    row = await world.proposed()
    with acting_as(BEN):
        request = pb.AssignReviewRequest(recommendation_id=row.id, assignee=assignee)
        assert (await service(world).AssignReview(request, None)).assignment.assignee.startswith(stored)
        listed = await service(world).ListReviews(pb.ListReviewsRequest(assignee=assignee), None)
        assert [one.recommendation_id for one in listed.reviews] == [row.id]
        back = await service(world).AssignReview(pb.AssignReviewRequest(recommendation_id=row.id), None)
    assert not back.HasField("assignment")
    assert not (await shown(world, row.id)).HasField("assignment")


async def test_a_stranger_sees_nothing(world: ReviewWorld) -> None:
    row = await world.proposed()
    with acting_as(STRANGER):
        assert not (await service(world).ListReviews(pb.ListReviewsRequest(), None)).reviews
        for call in (
            world.reviews.view(row.id),
            world.reviews.assign(row.id, "staff-7"),
            world.reviews.release(row.id, ""),
            world.reviews.comment(row.id, str(uuid4()), "", "Seen.", ""),
        ):
            assert (await refusal(call)).reason == "RECOMMENDATION_NOT_FOUND"


async def test_a_caller_of_every_client_gets_the_id_by_which_the_picture_is_found(world: ReviewWorld) -> None:
    """Two clients may give the same id to an upload."""
    await world.start()
    upload: UploadRow = await world.upload(kind="meter")
    await world.settle()
    await world.ledger.write(
        lambda cursor: cursor.execute("UPDATE uploads SET given_id = 'given' WHERE id = ?", [upload.id])
    )
    world.assistant.script_record(OnboardingRecord("A visit.", (RecordField("remark", "VISITOR REGISTER", "given"),)))
    row = await propose(world)
    assert (await shown(world, row.id)).fields[0].source.upload_id == "given"
    request = pb.GetReviewRequest(recommendation_id=row.id)
    review = (await service(world).GetReview(request, None)).review  # the server itself acts for every client
    assert review.fields[0].source.upload_id == upload.id


async def test_decisions_are_counted(world: ReviewWorld) -> None:
    row = await world.proposed(needed=2)
    world.clock.advance(40)
    await world.approve(ANN, row)
    await world.approve(BEN, row)
    assert world.counted("vestibule_decisions_total", decision="approved") == 1
    assert world.counted("vestibule_decision_seconds_sum") == 40
    assert world.counted("vestibule_second_reviews_total", outcome="agreed") == 1
