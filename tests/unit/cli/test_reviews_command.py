"""`vestibule reviews`, over a real channel."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from click.testing import CliRunner, Result
from vestibule.v1 import recommendation_pb2 as recommendation
from vestibule.v1 import review_pb2 as pb

from server.cli.main import cli
from tests.unit.cli.review_server import CHANGED, HASH, RECORD, WAITING, Answers, review_server


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Iterator[Answers]:
    with review_server() as (made, address):
        monkeypatch.setenv("VESTIBULE_ADDRESS", address)
        yield made


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
            ["meter_unit: m3 was accepted.", "site_name: Pendlewick was accepted."],
            [("meter_unit", "ACCEPTED", "", ""), ("site_name", "ACCEPTED", "", "")],
        ),
        (
            ("correct", RECORD, "contact", "the porter", "--reason", "not_asked"),
            ["contact: (missing) was corrected to the porter."],
            [("contact", "CORRECTED", "the porter", "not_asked")],
        ),
        (
            ("correct", RECORD, "meter_reading", "4813", "--reason", "misread"),
            ["meter_reading: 4812 was corrected to 4813."],
            [("meter_reading", "CORRECTED", "4813", "misread")],
        ),
        (
            ("reject-field", RECORD, "site_name", "colour", "--reason", "misheard"),
            ["site_name: Pendlewick was removed.", "colour: (not in the record) was removed."],
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
        assert shown.startswith("The changed record is a new one, with another id and hash.") == changed
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
