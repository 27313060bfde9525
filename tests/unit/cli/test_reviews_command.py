"""`vestibule reviews`, over a real channel."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent import futures
from dataclasses import replace
from datetime import timedelta
from typing import Any

import grpc
import pytest
from click.testing import CliRunner, Result
from vestibule.v1 import review_pb2 as pb
from vestibule.v1 import review_pb2_grpc

from models.text import RedactedText
from server.cli.main import cli
from server.ledger.picture_lines import PictureBox
from server.ledger.reviews import Assignment, Claim, Claimant, ReviewRow
from server.ledger.reviews_decisions import CommentRow, FieldDecision, FieldDecisionRow
from server.ledger.reviews_list import WaitingRow
from server.ledger.types import Origin, RecommendationRow
from server.records.reviews_view import FieldView, ReviewView, Source
from server.services.review_messages import review_message, summary_message
from tests.unit.ledger import makers
from tests.unit.ledger.makers import NOW, after

RECORD = "6f1c1c2e-6d1f-4c59-9f0e-0a9b4c5d6e7f"
BEN = Claimant("key:ben", "staff-7")
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
    content = {"summary": WAITING.summary, "fields": [], "missing": []}
    return replace(makers.recommendation("s"), id=RECORD, record=written(json.dumps(content)), approvals_needed=2)


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


class Answers(review_pb2_grpc.ReviewServiceServicer):
    """Forty records in pages of at most seven."""

    def __init__(self) -> None:
        self.asked: list[pb.ListReviewsRequest] = []

    def ListReviews(self, request: pb.ListReviewsRequest, context: Any) -> pb.ListReviewsResponse:
        self.asked.append(request)
        start = int(request.page_token or 0)
        end = min(start + min(request.page_size, 7), 40)
        token = str(end) if end < 40 else ""
        reviews = [summary_message(WAITING, BEN)] * (end - start)
        return pb.ListReviewsResponse(reviews=reviews, next_page_token=token, total_count=40)

    def GetReview(self, request: pb.GetReviewRequest, context: Any) -> pb.GetReviewResponse:
        return pb.GetReviewResponse(review=review_message(view(), BEN))

    def _never(self, request: Any, context: Any) -> Any:
        raise AssertionError("the commands only read")

    ClaimReview = ReleaseReview = DecideFields = AssignReview = CommentReview = _never


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Iterator[Answers]:
    server, made = grpc.server(futures.ThreadPoolExecutor(1)), Answers()
    review_pb2_grpc.add_ReviewServiceServicer_to_server(made, server)
    monkeypatch.setenv("VESTIBULE_ADDRESS", f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}")
    server.start()
    yield made
    server.stop(None).wait()


def run(*arguments: str) -> Result:
    result = CliRunner().invoke(cli, ["reviews", *arguments])
    assert result.exit_code == 0, result.output
    return result


@pytest.mark.parametrize(("limit", "left"), [(3, 37), (20, 20), (40, 0), (100, 0)])
def test_the_list_is_read_page_by_page_up_to_the_limit(answers: Answers, limit: int, left: int) -> None:
    shown = run("list", "--limit", str(limit)).stdout
    assert shown.count(RECORD) == min(limit, 40)
    assert (f"{left} more; --limit shows them." in shown) == bool(left)
    for cell in ("site-7", "2026-03-01 12:00 UTC", "fallback", "1 of 2", "staff-7", WAITING.summary):
        assert cell in shown
    found = json.loads(run("list", "--limit", str(limit), "--json").stdout)
    assert (len(found["reviews"]), found["total"]) == (min(limit, 40), 40)


def test_the_options_become_the_request(answers: Answers) -> None:
    run(
        "list",
        "--client",
        "site-7",
        "--flow",
        "site_visit",
        "--min-age",
        "2h",
        "--mine",
        "--order",
        "expiry",
        "--limit",
        "3",
    )
    [request] = answers.asked
    assert (request.client_id, request.flow, request.page_size) == ("site-7", "site_visit", 3)
    assert (request.min_age.seconds, request.HasField("max_age")) == (7200, False)
    assert (request.claim, request.order) == (pb.CLAIM_FILTER_MINE, pb.REVIEW_ORDER_EXPIRY)


def test_a_record_is_shown_with_sources_decisions_and_comments(answers: Answers) -> None:
    shown = run("show", RECORD).stdout
    lines = {line.split("|")[1].strip(): line for line in shown.splitlines() if line.count("|") > 4}
    assert "corrected: misread" in lines["meter_reading"]
    assert "4821" in lines["meter_reading"]
    assert "place not known" not in lines["meter_reading"]
    assert "place not known" in lines["meter_unit"]
    assert "said: I am at Pendlewick." in lines["site_name"]
    assert "(missing)" in lines["contact"]
    assert "key:ben (staff-7) until 2026-03-01 12:10 UTC" in shown
    assert "staff-8" in shown
    assert "Ask again." in shown
    assert "0 of 2" in shown
    found = json.loads(run("show", RECORD, "--json").stdout)
    assert found["fields"][0]["source"]["box"]["left"] == pytest.approx(0.1)
    assert found["claim"]["mine"] is True
