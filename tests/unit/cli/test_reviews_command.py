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
from vestibule.v1 import recommendation_pb2 as recommendation
from vestibule.v1 import recommendation_pb2_grpc, review_pb2_grpc
from vestibule.v1 import review_pb2 as pb

from models.text import RedactedText
from server.cli.main import cli
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


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Iterator[Answers]:
    server, made = grpc.server(futures.ThreadPoolExecutor(1)), Answers()
    review_pb2_grpc.add_ReviewServiceServicer_to_server(made, server)
    recommendation_pb2_grpc.add_RecommendationServiceServicer_to_server(made, server)
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
    assert "| The keys are missing. Read from the picture. (4821) |" in lines["meter_reading"]
    assert "| unsure " in lines["meter_reading"]
    assert [cell.strip() for cell in lines["meter_unit"].split("|")][3:5] == ["sure", ""]
    assert [cell.strip() for cell in lines["contact"].split("|")][3:5] == ["", ""]
    assert HASH in shown
    assert "0 of 2" in shown
    found = json.loads(run("show", RECORD, "--json").stdout)
    assert found["fields"][0]["source"]["box"]["left"] == pytest.approx(0.1)
    assert found["claim"]["mine"] is True


def test_claim_and_release(answers: Answers) -> None:
    assert run("claim", RECORD).stdout == "Claimed until 2026-03-01 12:10 UTC.\n"
    assert run("release", RECORD).stdout == "Released.\n"
    assert answers.decided == [
        pb.ClaimReviewRequest(recommendation_id=RECORD),
        pb.ReleaseReviewRequest(recommendation_id=RECORD),
    ]


@pytest.mark.parametrize(
    ("arguments", "told", "choices"),
    [
        (
            ("accept", RECORD, "meter_unit", "site_name", "meter_unit"),
            ["meter_unit: m3, to be accepted", "site_name: Pendlewick, to be accepted"],
            [("meter_unit", "ACCEPTED", "", ""), ("site_name", "ACCEPTED", "", "")],
        ),
        (
            ("correct", RECORD, "contact", "the porter", "--reason", "not_asked"),
            ["contact: (missing), to be corrected"],
            [("contact", "CORRECTED", "the porter", "not_asked")],
        ),
        (
            ("reject-field", RECORD, "site_name", "colour", "--reason", "misheard"),
            ["site_name: Pendlewick, to be rejected", "colour: (not in the record), to be rejected"],
            [("site_name", "REJECTED", "", "misheard"), ("colour", "REJECTED", "", "misheard")],
        ),
    ],
)
def test_fields_are_decided(
    answers: Answers, arguments: tuple[str, ...], told: list[str], choices: list[tuple[str, ...]]
) -> None:
    without, given = run(*arguments), run(*arguments, "--hash", "ab" * 32)
    assert (without.stderr.splitlines(), given.stderr) == (told, "")
    first, second = answers.decided
    assert [first.content_hash.hex(), second.content_hash.hex()] == [HASH, "ab" * 32]
    for request in answers.decided:
        sent = [(one.name, pb.FieldDecision.Name(one.decision), one.value, one.reason) for one in request.choices]
        assert sent == [(name, f"FIELD_DECISION_{word}", value, why) for name, word, value, why in choices]
    changed = arguments[0] != "accept"
    for shown in (without.stdout, given.stdout):
        assert shown.startswith("The record is another one now.") == changed
        assert (CHANGED if changed else RECORD) in shown
        assert "The keys are missing." in shown
    assert json.loads(run(*arguments, "--json").stdout)["recommendation"]["id"] == (CHANGED if changed else RECORD)


def test_a_record_is_approved_by_the_hash_in_either_form(answers: Answers) -> None:
    in_json = json.loads(run("show", RECORD, "--json").stdout)["recommendation"]["content_hash"]
    for written_hash in (HASH, HASH.upper(), in_json):
        shown = run("approve", RECORD, "--hash", written_hash).stdout
        assert shown == "Approved: 1 of 2 approvals. Each has to be of another credential.\n"
    answers.state = recommendation.RECOMMENDATION_STATE_APPROVED
    assert run("approve", RECORD, "--hash", HASH).stdout == "Approved.\n"
    assert json.loads(run("approve", RECORD, "--hash", HASH, "--json").stdout)["id"] == RECORD
    request = recommendation.ApproveRecommendationRequest(recommendation_id=RECORD, content_hash=bytes.fromhex(HASH))
    assert answers.decided == [request] * 5


def test_a_record_without_required_fields_is_approved_only_on_demand(answers: Answers) -> None:
    answers.missing = ["site_name", "contact_given"]
    refused = CliRunner().invoke(cli, ["reviews", "approve", RECORD, "--hash", HASH])
    assert (refused.exit_code, answers.decided) == (1, [])
    for told in ("Required fields are missing", "  site_name\n  contact_given\n", "Hint: ", "--incomplete"):
        assert told in refused.stderr
    approved = run("approve", RECORD, "--hash", HASH, "--incomplete")
    assert approved.stderr == "Missing: site_name, contact_given.\n"
    assert approved.stdout.startswith("Approved: ")
    assert len(answers.decided) == 1


@pytest.mark.parametrize("revise", [False, True])
def test_a_record_is_rejected(answers: Answers, revise: bool) -> None:
    shown = run("reject", RECORD, "--hash", HASH, "--reason", "incomplete", *["--revise"] * revise).stdout
    assert ("another one can be proposed" in shown) == revise
    [request] = answers.decided
    assert (request.content_hash.hex(), request.reason, request.revise) == (HASH, "incomplete", revise)


@pytest.mark.parametrize("given", [(), ("--hash", "ef" * 4), ("--hash", "zz" * 32), ("--hash", "é")])
def test_nothing_is_approved_without_the_whole_hash(answers: Answers, given: tuple[str, ...]) -> None:
    result = CliRunner().invoke(cli, ["reviews", "approve", RECORD, *given])
    assert (result.exit_code, answers.decided) == (2, [])
    assert "--hash" in result.output
