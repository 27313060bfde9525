"""A server with a queue of reviews that all show the same record, and that notes what it is asked."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent import futures
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import grpc
from vestibule.v1 import recommendation_pb2 as recommendation
from vestibule.v1 import recommendation_pb2_grpc, review_pb2_grpc
from vestibule.v1 import review_pb2 as pb

from models.text import RedactedText
from server.ledger.picture_lines import PictureBox
from server.ledger.reviews import Assignment, Claim, Claimant, ReviewRow
from server.ledger.reviews_decisions import CommentRow, FieldDecision, FieldDecisionRow
from server.ledger.reviews_list import WaitingRow
from server.ledger.types import Origin, RecommendationRow
from server.llm.record_schema import canonical_json
from server.llm.types import Confidence, Finding, FindingKind, OnboardingRecord, RecordField, Severity
from server.records.reviews_view import FieldView, ReviewView, Source
from server.services.review_messages import review_message, summary_message
from tests.unit.ledger import makers
from tests.unit.ledger.makers import NOW, after

RECORD = "6f1c1c2e-6d1f-4c59-9f0e-0a9b4c5d6e7f"
BEN = Claimant("key:ben", "staff-7")
CHANGED = "0d4b2a51-7c0e-4f5e-8a53-0c1d2e3f4a5b"
HASH = "ef" * 32
FINDINGS = (
    Finding(FindingKind.SOURCE_MOVED, Severity.WARNING, "Read from the picture.", value="4821"),
    Finding(FindingKind.CHECK, Severity.ERROR, "The keys are missing.", check="keys"),
)
REVIEW = ReviewRow(Claim(BEN, NOW, after(600)), Assignment("staff-8", "key:operator", NOW))
WAITING = WaitingRow(
    recommendation_id=RECORD,
    session_id=makers.new_id(),
    client_id="site-7",
    flow="site_visit",
    flow_version=1,
    language="en",
    wait_time=NOW,
    expire_time=after(86_400),
    origin=Origin.FALLBACK,
    summary="The meter at Pendlewick reads 4812.",
    fields=2,
    missing=1,
    comments=1,
    approvals=1,
    approvals_needed=2,
    review=REVIEW,
)


def written(value: str) -> RedactedText:
    return RedactedText.restore(value, {}, safe_for_llm=True)


def record() -> RecommendationRow:
    judged = (
        RecordField("meter_reading", "4812", "", Confidence.UNSURE, FINDINGS),
        RecordField("meter_unit", "m3", "", Confidence.SURE),
    )
    content = canonical_json(OnboardingRecord(WAITING.summary, judged, ()))
    return replace(makers.recommendation("s"), id=RECORD, record=written(content), approvals_needed=2)


def view() -> ReviewView:
    session = makers.session(client_id="site-7")
    decided = FieldDecisionRow(
        session.id, RECORD, RECORD, "meter_reading", FieldDecision.CORRECTED, "misread", "staff-7", "key:ben", NOW
    )
    upload, turn = makers.upload(session.id), makers.turn(session.id)
    line = Source(upload, written("04812,7 m3"), PictureBox(0.1, 0.2, 0.3, 0.4))
    fields = (
        FieldView("meter_reading", "4812", False, line, decided, "4821"),
        FieldView("meter_unit", "m3", False, Source(upload, None), None, ""),
        FieldView("site_name", "Pendlewick", False, Source(turn, written("I am at Pendlewick.")), None, ""),
        FieldView("contact", "", True, None, None, ""),
    )
    comment = CommentRow(makers.new_id(), session.id, RECORD, written("Ask again."), "seen", "", "key:ben", NOW)
    return ReviewView(record(), session, "en", 1, "", fields, (comment,), REVIEW, NOW - timedelta(hours=1))


class Answers(review_pb2_grpc.ReviewServiceServicer, recommendation_pb2_grpc.RecommendationServiceServicer):
    """Forty records in pages of at most seven. A decision that changes a field makes the record ``CHANGED``."""

    def __init__(self) -> None:
        self.asked: list[pb.ListReviewsRequest] = []
        self.decided: list[Any] = []
        self.state = recommendation.RECOMMENDATION_STATE_PENDING
        self.missing: list[str] = []

    def ListReviews(self, request: pb.ListReviewsRequest, context: Any) -> pb.ListReviewsResponse:
        self.asked.append(request)
        start = int(request.page_token or 0)
        end = min(start + min(request.page_size, 7), 40)
        token = str(end) if end < 40 else ""
        reviews = [summary_message(WAITING, BEN)] * (end - start)
        return pb.ListReviewsResponse(reviews=reviews, next_page_token=token, total_count=40)

    def GetReview(self, request: pb.GetReviewRequest, context: Any) -> pb.GetReviewResponse:
        return pb.GetReviewResponse(review=review_message(view(), BEN))

    def ClaimReview(self, request: pb.ClaimReviewRequest, context: Any) -> pb.ClaimReviewResponse:
        self.decided.append(request)
        return pb.ClaimReviewResponse(claim=review_message(view(), BEN).claim)

    def ReleaseReview(self, request: pb.ReleaseReviewRequest, context: Any) -> pb.ReleaseReviewResponse:
        self.decided.append(request)
        return pb.ReleaseReviewResponse()

    def DecideFields(self, request: pb.DecideFieldsRequest, context: Any) -> pb.DecideFieldsResponse:
        self.decided.append(request)
        review = review_message(view(), BEN)
        choices = {choice.name: choice for choice in request.choices}
        for field in review.fields:
            choice = choices.get(field.name, pb.FieldChoice(value=field.value))
            if choice.decision != pb.FIELD_DECISION_ACCEPTED:
                field.value, field.missing = choice.value, not choice.value
        if any(choice.decision != pb.FIELD_DECISION_ACCEPTED for choice in request.choices):
            review.recommendation.id = CHANGED
        return pb.DecideFieldsResponse(review=review)

    def _decide(self, request: Any) -> recommendation.Recommendation:
        self.decided.append(request)
        approvals = [recommendation.Approval(subject="key:ben")]
        return recommendation.Recommendation(id=RECORD, state=self.state, approvals=approvals, approvals_needed=2)

    def ApproveRecommendation(self, request: Any, context: Any) -> recommendation.ApproveRecommendationResponse:
        return recommendation.ApproveRecommendationResponse(recommendation=self._decide(request))

    def RejectRecommendation(self, request: Any, context: Any) -> recommendation.RejectRecommendationResponse:
        return recommendation.RejectRecommendationResponse(recommendation=self._decide(request))

    def _never(self, request: Any, context: Any) -> Any:
        raise AssertionError("no command calls it")

    AssignReview = CommentReview = _never

    def GetRecommendation(self, request: Any, context: Any) -> recommendation.GetRecommendationResponse:
        found = recommendation.Recommendation(id=RECORD)
        found.record.missing.extend(self.missing)
        return recommendation.GetRecommendationResponse(recommendation=found)


@contextmanager
def review_server() -> Iterator[tuple[Answers, str]]:
    """Run one; yields it and its address."""
    server, made = grpc.server(futures.ThreadPoolExecutor(1)), Answers()
    review_pb2_grpc.add_ReviewServiceServicer_to_server(made, server)
    recommendation_pb2_grpc.add_RecommendationServiceServicer_to_server(made, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield made, f"127.0.0.1:{port}"
    server.stop(None).wait()
