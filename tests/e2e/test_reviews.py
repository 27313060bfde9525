"""Two reviewers with keys of their own on a running server: claims, a corrected picture, and what may be approved."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator
from io import BytesIO
from typing import Any

import pytest
from PIL import Image
from vestibule.v1 import (
    common_pb2,
    conversation_pb2,
    media_pb2,
    recommendation_pb2,
    recommendation_pb2_grpc,
    review_pb2,
    review_pb2_grpc,
    session_pb2,
)

from models.reasons import Reason
from server.cli.channel import open_aio_channel
from tests.e2e.harness import DATA, App, Server, propose, reason, refusal
from tests.e2e.test_access import keys

pytestmark = pytest.mark.e2e


class Reviewer:
    """Somebody with a key of their own."""

    def __init__(self, channel: Any) -> None:
        self.reviews = review_pb2_grpc.ReviewServiceStub(channel)
        self.recommendations = recommendation_pb2_grpc.RecommendationServiceStub(channel)
        self.app = App(channel)

    async def review(self, recommendation_id: str) -> review_pb2.Review:
        request = review_pb2.GetReviewRequest(recommendation_id=recommendation_id)
        response: review_pb2.GetReviewResponse = await self.reviews.GetReview(request)
        return response.review

    def approve(self, recommendation_id: str, content_hash: bytes) -> Any:
        request = recommendation_pb2.ApproveRecommendationRequest(
            recommendation_id=recommendation_id, content_hash=content_hash
        )
        return self.recommendations.ApproveRecommendation(request)

    def correct(self, record: recommendation_pb2.Recommendation, name: str, value: str) -> Any:
        choice = review_pb2.FieldChoice(
            name=name, decision=review_pb2.FIELD_DECISION_CORRECTED, value=value, reason="misread"
        )
        request = review_pb2.DecideFieldsRequest(
            recommendation_id=record.id, content_hash=record.content_hash, choices=[choice]
        )
        return self.reviews.DecideFields(request)


async def photographed(app: App) -> recommendation_pb2.Recommendation:
    """A record that the fallback made of a photographed meter and a typed sentence."""
    session_id = await app.open_session()
    upload = await app.upload(session_id, (DATA / "meter.jpg").read_bytes(), media_pb2.MEDIA_KIND_METER)
    assert (await app.finished(upload.id)).state == media_pb2.UPLOAD_STATE_DONE

    async def sent() -> AsyncIterator[conversation_pb2.ConverseRequest]:
        yield conversation_pb2.ConverseRequest(config=conversation_pb2.ConverseConfig(session_id=session_id))
        text = conversation_pb2.TypedText(text="I am at the site Pendlewick North.")
        yield conversation_pb2.ConverseRequest(text=text)
        yield propose()

    records = [
        answer.proposal.recommendation
        async for answer in app.conversations.Converse(sent())
        if answer.HasField("proposal")
    ]
    return records[-1]


async def test_two_reviewers_claim_correct_and_approve(server: Server, app: App) -> None:
    proposed = await photographed(app)
    made = [await asyncio.to_thread(keys, server, "create", "--scope", "reviewer") for _ in range(2)]
    async with (
        open_aio_channel(server.address, credential=made[0]) as first,
        open_aio_channel(server.address, credential=made[1]) as second,
    ):
        ann, ben = Reviewer(first), Reviewer(second)
        await claimed_by_one(ann, ben, proposed)
        await seen_in_its_picture(ann, proposed)
        corrected = (await ann.correct(proposed, "meter_reading", "4812.7")).review.recommendation
        assert corrected.content_hash != proposed.content_hash
        await commented(ann, corrected)
        await shown_on_the_command_line(server, corrected)
        await ann.reviews.ReleaseReview(review_pb2.ReleaseReviewRequest(recommendation_id=corrected.id))
        old_hash = await refusal(ben.approve(corrected.id, proposed.content_hash))
        assert reason(old_hash) == Reason.CONTENT_CHANGED
        assert reason(await refusal(ben.approve(proposed.id, proposed.content_hash))) == Reason.WRONG_STATE
        shown = await ben.review(proposed.id)
        assert shown.newer_recommendation_id == corrected.id
        approved = (await ben.approve(corrected.id, corrected.content_hash)).recommendation
        assert approved.state == recommendation_pb2.RECOMMENDATION_STATE_APPROVED
        [reading] = [field.value for field in approved.record.fields if field.name == "meter_reading"]
        assert reading == "4812.7"
    session = await app.sessions.GetSession(session_pb2.GetSessionRequest(session_id=proposed.session_id))
    assert session.session.state == common_pb2.SESSION_STATE_COMPLETED
    assert "Maria Lopez" not in server.log


async def claimed_by_one(ann: Reviewer, ben: Reviewer, record: recommendation_pb2.Recommendation) -> None:
    """While one of them holds the record, the other one can do nothing with it."""
    request = review_pb2.ClaimReviewRequest(recommendation_id=record.id)
    claim = (await ann.reviews.ClaimReview(request)).claim
    assert claim.mine
    assert reason(await refusal(ben.reviews.ClaimReview(request))) == Reason.REVIEW_CLAIMED
    refused = await refusal(ben.approve(record.id, record.content_hash))
    assert reason(refused) == Reason.REVIEW_CLAIMED
    assert claim.subject in (refused.details() or "")
    assert reason(await refusal(ben.correct(record, "meter_reading", "4812"))) == Reason.REVIEW_CLAIMED
    listed = await ben.reviews.ListReviews(review_pb2.ListReviewsRequest(order=review_pb2.REVIEW_ORDER_NEWEST))
    [found] = [one for one in listed.reviews if one.recommendation_id == record.id]
    assert (found.claim.subject, found.claim.mine) == (claim.subject, False)
    mine = review_pb2.ListReviewsRequest(claim=review_pb2.CLAIM_FILTER_MINE)
    assert [one.recommendation_id for one in (await ann.reviews.ListReviews(mine)).reviews] == [record.id]
    assert not (await ben.reviews.ListReviews(mine)).reviews


async def seen_in_its_picture(ann: Reviewer, record: recommendation_pb2.Recommendation) -> None:
    """The reading has a place in the picture that the reviewer can fetch, and there is ink in it."""
    [field] = [one for one in (await ann.review(record.id)).fields if one.name == "meter_reading"]
    assert field.source.has_redacted_image
    assert field.value.replace(",", ".").split(".")[0].lstrip("0") in field.source.text.value
    box = field.source.box
    assert 0 < box.width < 0.9
    assert 0 < box.height < 0.3
    picture = Image.open(BytesIO(await ann.app.picture(field.source.upload_id))).convert("L")
    left, top = box.left * picture.width, box.top * picture.height
    cut = picture.crop(
        (int(left), int(top), int(left + box.width * picture.width), int(top + box.height * picture.height))
    )
    dark = cut.convert("L").point(lambda level: 255 if level < 128 else 0)
    assert dark.getbbox() is not None, "print stands there"


async def commented(ann: Reviewer, record: recommendation_pb2.Recommendation) -> None:
    """A comment is redacted by the workers before it is stored, and stored once."""
    request = review_pb2.CommentReviewRequest(
        recommendation_id=record.id, text="Ask Maria Lopez for another photograph.", comment_id=str(uuid.uuid4())
    )
    comment = (await ann.reviews.CommentReview(request)).comment
    assert comment.text.value == "Ask [REDACTED_NAME] for another photograph."
    assert (await ann.reviews.CommentReview(request)).comment == comment
    review = await ann.review(record.id)
    assert [one.text.value for one in review.comments] == [comment.text.value]
    [field] = [one for one in review.fields if one.name == "meter_reading"]
    assert (field.decision, field.reason) == (review_pb2.FIELD_DECISION_CORRECTED, "misread")
    assert field.proposed_value != field.value == "4812.7"


async def shown_on_the_command_line(server: Server, record: recommendation_pb2.Recommendation) -> None:
    """The operator's commands list and show it."""
    listed = json.loads(await asyncio.to_thread(reviews, server, "list", "--order", "newest", "--json"))
    assert record.id in [one["recommendation_id"] for one in listed["reviews"]]
    text = await asyncio.to_thread(reviews, server, "show", record.id)
    assert "corrected: misread" in text
    assert "[REDACTED_NAME]" in text


def reviews(server: Server, *arguments: str) -> str:
    command = [sys.executable, "-m", "server.cli", "reviews", *arguments, "--address", server.address]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=server.environment)
    assert done.returncode == 0, done.stderr
    return done.stdout
