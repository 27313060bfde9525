"""The job that labels a picture which was read."""

from __future__ import annotations

import asyncio
import io
import uuid
from dataclasses import replace
from datetime import timedelta

import pytest
from PIL import Image

from models.errors import BreakerOpen, MediaError, RedactionFailed, Unavailable, UpstreamFailed
from models.reasons import Reason
from models.redaction.types import Redaction
from models.retry import POLICIES
from models.text import RedactedText, TextSource
from server.breakers.registry import Breakers
from server.breakers.types import BreakerBounds
from server.ledger import dead_letters, erasure, recommendations, retention
from server.ledger.columns import Cursor, fetch_all
from server.ledger.picture_labels import PictureLabel
from server.ledger.reviews_decisions import FieldDecision, FieldDecisionRow, insert_decisions
from server.ledger.types import JobState, RecommendationRow, RecommendationState, UploadRow, UploadState
from server.llm.history import source_items_of
from server.llm.labels import NO_LABELLER, RawLabel
from server.llm.types import PICTURE_LABELS, OnboardingRecord, RecordField
from server.observability.metrics import Metrics
from server.records.status import Component, StatusReporter
from server.rpc import convert
from tests.eventually import eventually
from tests.fakes.gateway import page, redacted
from tests.fakes.labeller import FakeLabeller
from tests.unit.jobs.conftest import WAV, World
from tests.unit.jobs.recommendation_helpers import propose, reason_of, until_asked
from tests.unit.ledger import makers
from tests.unit.ledger.makers import NOW
from tests.unit.ledger.stored import events_of_session

SHARED = {"Pendlewick": "NAME"}


def png(size: tuple[int, int] = (64, 48)) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, (200, 30, 30)).save(out, "PNG")
    return out.getvalue()


@pytest.fixture
def labeller(world: World) -> FakeLabeller:
    world.labeller = fake = FakeLabeller()
    world.gateway.secrets = SHARED
    return fake


async def read(world: World, *lines: str, kind: str = "meter") -> UploadRow:
    """Upload a picture, and run what is due."""
    world.gateway.will("read_picture", page(*(lines or ("No. 4821",)), image=png()))
    upload = await world.upload(kind=kind)
    await world.settle()
    return await world.uploaded(upload.id)


async def test_a_picture_that_was_read_gets_redacted_labels(world: World, labeller: FakeLabeller) -> None:
    labeller.answers.append([RawLabel("water meter", 0.9), RawLabel("sign of Pendlewick", 0.6)])
    await world.start()
    row = await read(world)
    assert row.state is UploadState.DONE
    assert row.labels == (
        PictureLabel(redacted("water meter"), 0.9),
        PictureLabel(redacted("sign of [REDACTED_NAME]"), 0.6),
    )
    (picture, language, retry), *rest = labeller.seen
    assert (picture.width, picture.height, language, retry, rest) == (64, 48, "en", False, [])
    (call,) = world.gateway.called("redact")
    assert (call.detail, call.scope.session_id) == (TextSource.ASSISTANT, world.session_id)
    assert sorted(job.kind for job in await world.jobs()) == ["label_picture", "read_picture"]
    assert {job.state for job in await world.jobs()} == {JobState.DONE}
    events = await world.read(lambda cursor: events_of_session(cursor, world.session_id))
    assert events[-1].name == "picture_labelled"
    shown = await world.read(
        lambda cursor: fetch_all(
            cursor, "SELECT position, label, confidence, kind, redactions FROM v_picture_labels ORDER BY position"
        )
    )
    assert [tuple(each.values()) for each in shown] == [
        (1, "water meter", 0.9, "meter", "{}"),
        (2, "sign of [REDACTED_NAME]", 0.6, "meter", '{"NAME":1}'),
    ]


async def test_the_app_sees_the_labels(world: World, labeller: FakeLabeller) -> None:
    await world.start()
    with world.pubsub.subscribe(world.session_id) as news:
        row = await read(world)
        told = [update for update in news._waiting.values() if isinstance(update, UploadRow)]
    assert told[-1].labels == row.labels
    message = convert.upload(row)
    assert [(label.text.value, round(label.confidence, 3)) for label in message.labels] == [
        ("water meter", 0.9),
        ("brick wall", 0.4),
    ]


async def test_labels_are_material_of_their_upload(world: World, labeller: FakeLabeller) -> None:
    await world.start()
    row = await read(world)
    await propose(world)
    items = world.assistant.asked_records[-1].materials
    assert [(item.id, item.kind, item.text.value) for item in items] == [
        (row.shown_id, "meter", "No. 4821"),
        (row.shown_id, PICTURE_LABELS, "water meter, brick wall"),
    ]


async def corrected_record(world: World, row: RecommendationRow) -> RecommendationRow:
    """The record that waits after a reviewer decided about a field, later than it was proposed."""
    world.clock.advance(5)
    made = replace(row, id=str(uuid.uuid4()), create_time=world.clock())
    decided = FieldDecisionRow(
        row.session_id, row.id, made.id, "meter_reading", FieldDecision.CORRECTED, "misread", "", "key:1", world.clock()
    )

    def write(cursor: Cursor) -> None:
        recommendations.supersede_pending(cursor, row.session_id)
        recommendations.insert_recommendation(cursor, made)
        insert_decisions(cursor, [decided])

    await world.ledger.write(write)
    return made


@pytest.mark.parametrize("corrected", [False, True])
@pytest.mark.parametrize(
    ("answer", "when", "is_another"),
    [
        ([RawLabel("water meter", 0.9)], "before the proposal", False),
        ([RawLabel("water meter", 0.9)], "before the decision", True),
        ([RawLabel("water meter", 0.9)], "after the decision", True),
        ([], "before the decision", False),
        ([], "after the decision", False),
    ],
)
async def test_labels_are_new_input_where_the_record_was_written_without_them(
    world: World, labeller: FakeLabeller, answer: list[RawLabel], when: str, is_another: bool, corrected: bool
) -> None:
    """The model writes the same values again, and names another source."""
    labeller.answers.append(answer)
    labeller.held = asyncio.Event()
    await world.start()
    world.gateway.will("read_picture", page("No. 4821", image=png()))
    upload = await world.upload(kind="meter")
    await eventually(lambda: labeller.seen)
    said = await world.say("The meter reads 4821.")
    world.clock.advance(1)

    async def label(at: str) -> None:
        world.clock.advance(5)
        if at == when:
            assert labeller.held is not None
            labeller.held.set()
            await world.settle()
            assert (await world.uploaded(upload.id)).labels is not None
            world.clock.advance(5)

    def written(source_id: str) -> None:
        world.assistant.script_record(OnboardingRecord("A visit.", (RecordField("meter_reading", "4821", source_id),)))

    await label("before the proposal")
    written(said.id)
    row = await propose(world)
    await label("before the decision")
    if corrected:
        row = await corrected_record(world, row)
    await world.recommender.decide(row.id, row.content_hash, "", approve=False, reason="wrong_reading", revise=True)
    await label("after the decision")
    for _ in range(2):
        written((await world.uploaded(upload.id)).shown_id)
    if is_another:
        assert (await propose(world)).state is RecommendationState.PENDING
    else:
        assert await reason_of(propose(world)) == "PROPOSAL_UNCHANGED"


async def test_labels_that_are_not_safe_or_empty_are_dropped(world: World, labeller: FakeLabeller) -> None:
    unsafe = RedactedText.restore("water meter", {}, safe_for_llm=False)
    texts = [unsafe, redacted("brick wall"), redacted("")]
    within = [redacted(f"Seen in the picture: a {text.value}") for text in texts]
    world.gateway.will("redact", [Redaction(text, ()) for text in [*texts, *within]])
    labeller.answers.append([RawLabel(name, 0.5) for name in ("a", "b", "c")])
    await world.start()
    row = await read(world)
    assert row.labels == (PictureLabel(redacted("brick wall"), 0.5),)


async def test_an_unsafe_text_keeps_the_picture_here(world: World, labeller: FakeLabeller) -> None:
    whole = page("No. 4821", image=png())
    unsafe = RedactedText.restore("No. 4821", {}, safe_for_llm=False)
    object.__setattr__(whole, "text", unsafe)
    world.gateway.will("read_picture", whole)
    await world.start()
    upload = await world.upload()
    await world.settle()
    assert (await world.uploaded(upload.id)).state is UploadState.DONE
    assert labeller.seen == []
    assert [job.kind for job in await world.jobs()] == ["read_picture"]


@pytest.mark.parametrize("error", [RedactionFailed("It broke."), MediaError("Broken."), Unavailable("Away.")])
async def test_a_picture_that_could_not_be_redacted_is_not_sent(
    world: World, labeller: FakeLabeller, error: Unavailable
) -> None:
    world.gateway.will("read_picture", *[error] * POLICIES["network"].attempts)
    await world.start()
    await world.upload()
    for _ in range(POLICIES["network"].attempts):
        await world.settle()
        world.clock.advance(300)
    assert labeller.seen == []


async def test_labels_that_cannot_be_redacted_are_stored_nowhere(world: World, labeller: FakeLabeller) -> None:
    world.gateway.will("redact", RedactionFailed("It broke."))
    labeller.answers.append([RawLabel("Pendlewick", 0.9)])
    await world.start()
    row = await read(world)
    assert row.labels is None
    waiting = [job for job in await world.jobs() if job.state is JobState.QUEUED]
    assert [(job.kind, job.last_reason) for job in waiting] == [("label_picture", Reason.REDACTION_FAILED)]


async def test_recordings_get_no_labels(world: World, labeller: FakeLabeller) -> None:
    await world.start()
    upload = await world.upload(WAV, kind="recording")
    await world.settle()
    assert (await world.uploaded(upload.id)).state is UploadState.DONE
    assert [job.kind for job in await world.jobs()] == ["read_recording"]


async def test_without_an_upstream_nobody_is_asked(world: World) -> None:
    await world.start()
    row = await read(world)
    assert row.labels is None
    assert [job.kind for job in await world.jobs()] == ["read_picture"]


@pytest.mark.parametrize("tried", [True, False])
async def test_a_job_is_kept_while_there_is_no_upstream_and_done_once_there_is_one(
    world: World, labeller: FakeLabeller, tried: bool
) -> None:
    labeller.answers.append(UpstreamFailed("It broke.", reason=Reason.UPSTREAM_ERROR))
    labeller.held = None if tried else asyncio.Event()
    await world.start()
    if tried:
        row = await read(world)
    else:
        world.gateway.will("read_picture", page("No. 4821", image=png()))
        row = await world.upload()
        await eventually(lambda: labeller.seen)
    await world.runner.stop(0)

    world.labeller = NO_LABELLER
    world.boot()
    await world.start()
    for _ in range(3):
        world.clock.advance(24 * 3600)
        await world.settle()
    assert [job.state for job in await world.jobs() if job.kind == "label_picture"] == [JobState.QUEUED]
    assert await part(world) == Component(
        "labels", True, "No vision upstream is configured; pictures get no labels. 1 job(s) wait until one is."
    )
    await world.runner.stop(0)

    world.labeller, labeller.held = labeller, None
    if tried:  # days without an upstream are no part of the time of the policy
        labeller.answers.append(UpstreamFailed("It broke.", reason=Reason.UPSTREAM_ERROR))
    world.boot()
    await world.start()
    for _ in range(2):
        await world.settle()
        world.clock.advance(60)
    assert (await world.uploaded(row.id)).labels is not None
    assert {job.state for job in await world.jobs()} == {JobState.DONE}


async def part(world: World) -> Component:
    """What the status says of the vision upstream."""
    breakers = Breakers(world.ledger, Metrics(), world.clock)
    breakers.build("vision_api", BreakerBounds())
    parts = (world.gateway, world.ledger, world.assistant, breakers, world.clock(), lambda: 0, ())
    report = await StatusReporter(*parts, labeller=world.labeller).report()
    return next(each for each in report.components if each.name == "labels")


async def test_a_session_that_ended_while_there_was_no_upstream_gets_no_labels(
    world: World, labeller: FakeLabeller
) -> None:
    labeller.answers.append(BreakerOpen("Paused.", retry_after_s=60.0))
    await world.start()
    row = await read(world)
    await world.runner.stop(0)
    world.labeller = NO_LABELLER
    world.boot()
    await world.start()
    proposed = await propose(world)
    await world.recommender.decide(proposed.id, proposed.content_hash, "x", approve=True)
    await world.runner.stop(0)
    world.labeller = labeller
    world.boot()
    await world.start()
    world.clock.advance(70)
    await world.settle()
    assert len(labeller.seen) == 1
    assert (await world.uploaded(row.id)).labels is None
    assert {job.state for job in await world.jobs()} == {JobState.DONE}


async def test_failures_follow_the_policy_and_end_in_a_letter_that_can_be_redriven(
    world: World, labeller: FakeLabeller
) -> None:
    policy = POLICIES["vision_api"]
    labeller.answers.extend([UpstreamFailed("It broke.", reason=Reason.UPSTREAM_ERROR)] * policy.attempts)
    await world.start()
    row = await read(world)
    for _ in range(policy.attempts):
        world.clock.advance(policy.total_s / policy.attempts)
        await world.settle()
    assert [retry for _, _, retry in labeller.seen] == [False, *[True] * policy.retries]
    (letter,), _ = await world.read(dead_letters.list_letters)
    assert (letter.kind, letter.reason, letter.policy) == ("label_picture", "UPSTREAM_ERROR", "vision_api")
    assert (await world.uploaded(row.id)).state is UploadState.DONE  # the upload is as good as without labels
    await world.runner.redrive(letter.id)
    await world.settle()
    assert (await world.uploaded(row.id)).labels is not None


async def test_other_pictures_are_read_while_labels_are_awaited(world: World, labeller: FakeLabeller) -> None:
    labeller.held = asyncio.Event()
    await world.start()
    for _ in range(3):
        world.gateway.will("read_picture", page("No. 4821", image=png()))
        with world.pubsub.subscribe(world.session_id) as news:
            await world.upload()
            async with asyncio.timeout(20):
                while not (isinstance(update := await anext(news), UploadRow) and update.state is UploadState.DONE):
                    pass
    await eventually(lambda: labeller.seen)
    labeller.held.set()


async def test_a_record_waits_for_labels_for_a_moment_only(world: World, labeller: FakeLabeller) -> None:
    world.label_wait_s = 0.05
    world.boot()
    labeller.held = asyncio.Event()
    await world.start()
    world.gateway.will("read_picture", page("No. 4821", image=png()))
    await world.upload(kind="meter")
    await eventually(lambda: labeller.seen)
    await propose(world, wait_s=5.0)
    assert [item.kind for item in world.assistant.asked_records[-1].materials] == ["meter"]
    labeller.held.set()


async def test_a_record_has_labels_that_come_in_time(world: World, labeller: FakeLabeller) -> None:
    world.label_wait_s = 30.0
    world.boot()
    labeller.held = asyncio.Event()
    await world.start()
    world.gateway.will("read_picture", page("No. 4821", image=png()))
    await world.upload(kind="meter")
    await eventually(lambda: labeller.seen)
    proposing = asyncio.create_task(propose(world, wait_s=30.0))
    labeller.held.set()
    await until_asked(world, 1)
    await proposing
    assert [item.kind for item in world.assistant.asked_records[-1].materials] == ["meter", PICTURE_LABELS]


async def test_erasure_and_retention_delete_labels(world: World, labeller: FakeLabeller) -> None:
    await world.start()
    row = await read(world)
    assert row.labels
    later = world.clock() + timedelta(days=1)
    await world.ledger.write(lambda cursor: retention.clear_artifacts(cursor, later))
    assert (await world.uploaded(row.id)).labels is None
    await world.ledger.write(lambda cursor: erasure.erase(cursor, frozenset({world.session_id})))
    assert await world.read(lambda cursor: fetch_all(cursor, "SELECT * FROM uploads")) == []


async def test_a_session_that_has_ended_gets_no_labels(world: World, labeller: FakeLabeller) -> None:
    labeller.answers.append(BreakerOpen("Paused.", retry_after_s=60.0))
    await world.start()
    row = await read(world)
    proposed = await propose(world)
    await world.recommender.decide(proposed.id, proposed.content_hash, "x", approve=True)
    world.clock.advance(70)
    await world.settle()
    assert len(labeller.seen) == 1
    assert (await world.uploaded(row.id)).labels is None


def test_labels_of_an_upload_without_text_are_material() -> None:
    labels = (PictureLabel(redacted("water meter"), 0.9),)
    row = UploadRow("u", "s", "meter", UploadState.DONE, 1, "", "image/png", NOW, NOW, text=redacted(""), labels=labels)
    assert [(item.id, item.kind) for item in source_items_of(makers.session(), [], [row])] == [("u", PICTURE_LABELS)]
