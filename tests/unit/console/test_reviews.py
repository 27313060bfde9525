"""The inbox and the page of a record: what they show is what waits, and a form decides what was shown."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import httpx2
import pytest
from vestibule.v1 import common_pb2, media_pb2, session_pb2
from vestibule.v1 import review_pb2 as pb

from server.access.api_keys import ApiKeys
from server.access.authenticator import Authenticator
from server.access.caller import Scope
from server.console.app import Console
from server.console.calls import Calls
from server.console.live import LiveStreams
from server.console.logins import Logins
from server.console.picture_place import PicturePlace
from server.console.place import Place
from server.console.review_page import _confidence_shown, _photographs, choices_of
from server.console.visit import Visit
from server.flows.catalogue import shipped_catalogue
from server.ledger.types import RecommendationRow, RecommendationState
from server.llm.types import FieldVerdict, RecordField, Verdict, Verdicts
from server.records.flow_answers import FlowAnswers
from server.records.machine_words import MachineWords
from server.services import Services
from server.services.flow import FlowService
from server.services.recommendation import RecommendationService
from server.services.review import ReviewService
from server.setting_groups import ApprovalSettings, ConsoleSettings, LimitSettings, RetentionSettings
from tests.unit.reviews.conftest import ReviewWorld

ORIGIN = "http://127.0.0.1:8090"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[ReviewWorld]:
    built = ReviewWorld(tmp_path, approval=ApprovalSettings(own_sessions="nobody"))
    yield built
    await built.runner.stop(0)
    built.ledger.close()


@asynccontextmanager
async def browser(world: ReviewWorld, *scopes: Scope) -> AsyncIterator[httpx2.AsyncClient]:
    """A browser that is logged in with a fresh key for every client."""
    words = MachineWords(world.gateway)
    services = SimpleNamespace(
        flow=FlowService(shipped_catalogue(), cast(FlowAnswers, None), RetentionSettings()),
        review=ReviewService(world.reviews, world.fields, words),
        recommendation=RecommendationService(world.recommender, words),
    )
    keys = ApiKeys(world.ledger, world.clock, world.audit)
    _, key = await keys.create(client_id="", scopes=scopes, label="test", expire_time=None)
    calls = Calls(cast(Services, services), Authenticator(keys, None), lambda decision: None, LimitSettings())
    place = Place.of_settings(ConsoleSettings(), tls=False)
    app = Console(calls, Logins(1800, 43_200, lambda: 0.0), place, LiveStreams(0.02)).app
    transport = httpx2.ASGITransport(app=app, client=("127.0.0.1", 50_000), raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url=ORIGIN) as client:
        assert (await client.post("/login", data={"key": key})).status_code == 303
        yield client


class Form(HTMLParser):
    """The form for the fields of a record, as a browser sends it when nobody has touched it.

    A browser strips line breaks from the value of a text input, and sends them as CRLF from all other controls.
    """

    def __init__(self, page: str) -> None:
        super().__init__()
        self.sent: dict[str, str] = {}
        self._open = ""
        self.feed(page.partition('id="fields"')[2].partition("</form>")[0])

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        kind = given.get("type", "text")
        if tag == "input" and (kind != "radio" or "checked" in given):
            value = given.get("value", "")
            self.sent[given["name"]] = re.sub(r"[\r\n]", "", value) if kind == "text" else as_sent(value)
        elif tag == "textarea":
            self._open = given["name"]
            self.sent[self._open] = ""

    def handle_data(self, data: str) -> None:
        if self._open:
            self.sent[self._open] += as_sent(data)

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea":
            self._open = ""


def as_sent(text: str) -> str:
    """A text with the line breaks of a form."""
    return re.sub(r"\r\n|\r|\n", "\r\n", text)


def hash_on(page: str) -> str:
    """The hash that the forms of a page carry."""
    [shown] = {str(found) for found in re.findall(r'name="hash" value="([0-9a-f]{64})"', page)}
    return shown


async def test_the_inbox_has_what_waits_and_says_when_nothing_does(world: ReviewWorld) -> None:
    async with browser(world, Scope.REVIEWER) as client:
        assert "Nothing waits." in (await client.get("/reviews")).text
        row = await world.proposed(missing=("contact",))
        page = (await client.get("/reviews?order=newest&claim=free")).text
        assert f'href="/reviews/{row.id}"' in page
        assert "1 missing" in page
        assert "Nobody works on it." in page
        assert "Nothing waits." in (await client.get("/reviews?claim=mine")).text
        german = (await client.get("/reviews?flow=site_visit&lang=de")).text
        assert '<option value="site_visit" selected>Standortbesuch</option>' in german
        assert "Standortbesuch · " in german, "the record has the title of its flow"
        assert (await client.get("/")).headers["location"] == "/reviews"


async def test_what_is_missing_stands_beside_the_button(world: ReviewWorld) -> None:
    row = await world.proposed()
    async with browser(world, Scope.REVIEWER) as client:
        page = (await client.get(f"/reviews/{row.id}")).text
        assert "Required fields are missing: phone or e-mail. If you approve now" in page
        assert page.index("Required fields are missing") < page.index("/approve")
        assert "Pflichtfelder fehlen: Telefon oder E-Mail" in (await client.get(f"/reviews/{row.id}?lang=de")).text
    values = {"meter_reading": "4821", "site_name": "Pendlewick", "contact_given": "yes"}
    whole = await world.proposed(*(RecordField(name, value) for name, value in values.items()))
    async with browser(world, Scope.REVIEWER) as client:
        assert "Required fields" not in (await client.get(f"/reviews/{whole.id}")).text


async def test_the_inbox_is_for_reviewers(world: ReviewWorld) -> None:
    async with browser(world, Scope.ANALYST) as client:
        assert (await client.get("/reviews")).status_code == 403


async def test_a_record_is_reserved_corrected_and_approved_as_it_was_shown(world: ReviewWorld) -> None:
    row = await world.proposed()
    async with browser(world, Scope.REVIEWER) as client:
        page = (await client.get(f"/reviews/{row.id}")).text
        assert "The meter at Pendlewick reads 4821." in page, "the sentence that the value comes from"
        claimed = await client.post(f"/reviews/{row.id}/claim")
        assert "You have reserved it until" in (await client.get(claimed.headers["location"])).text
        form = {
            "hash": hash_on(page),
            "choice.meter_reading": "correct",
            "value.meter_reading": "4822",
            "reason.meter_reading": "misheard",
            "choice.site_name": "accept",
            "value.site_name": "Pendlewick",
        }
        decided = await client.post(f"/reviews/{row.id}/decide", data=form)
        assert decided.status_code == 303, decided.text
        there = decided.headers["location"]
        assert row.id not in there, "a corrected record is another one"
        after = (await client.get(there)).text
        assert "Proposed: 4821" in after
        new_hash, new_id = hash_on(after), there.removeprefix("/reviews/").partition("?")[0]
        assert new_hash != row.content_hash
        old = await client.post(f"/reviews/{new_id}/approve", data={"hash": row.content_hash})
        assert old.status_code == 409, "what was shown before is not what waits"
        assert "was replaced" in (await client.get(f"/reviews/{row.id}")).text
        approved = await client.post(f"/reviews/{new_id}/approve", data={"hash": new_hash})
        assert approved.headers["location"] == "/reviews?done=approved"
        assert "Approved." in (await client.get("/reviews?done=approved")).text
    [stored] = await world.rows(f"SELECT state FROM recommendations WHERE id = '{new_id}'")
    assert stored["state"] == RecommendationState.APPROVED


async def test_two_people_are_told_that_another_one_is_needed(world: ReviewWorld) -> None:
    row = await world.proposed(needed=2)
    async with browser(world, Scope.REVIEWER) as client:
        page = (await client.get(f"/reviews/{row.id}")).text
        assert "0 of 2 approvals" in page
        first = await client.post(f"/reviews/{row.id}/approve", data={"hash": hash_on(page)})
        assert "Another person has to approve it, too." in (await client.get(first.headers["location"])).text
    async with browser(world, Scope.REVIEWER) as another:
        second = await another.post(f"/reviews/{row.id}/approve", data={"hash": hash_on(page)})
        assert second.headers["location"] == "/reviews?done=approved"


@pytest.mark.parametrize(("what", "done"), [("revise", "revised"), ("reject", "rejected")])
async def test_a_record_is_sent_back_or_rejected_with_a_reason(world: ReviewWorld, what: str, done: str) -> None:
    row = await world.proposed()
    async with browser(world, Scope.REVIEWER) as client:
        form = {"hash": row.content_hash, "reason": "incomplete", "what": what}
        answer = await client.post(f"/reviews/{row.id}/reject", data=form)
        assert answer.headers["location"] == f"/reviews?done={done}"


async def test_a_comment_is_redacted_and_shown(world: ReviewWorld) -> None:
    row = await world.proposed()
    async with browser(world, Scope.REVIEWER) as client:
        await client.post(f"/reviews/{row.id}/comment", data={"text": "Ask <b>the site</b> again"})
        page = (await client.get(f"/reviews/{row.id}")).text
        assert "Ask &lt;b&gt;the site&lt;/b&gt; again" in page
        empty = await client.post(f"/reviews/{row.id}/comment", data={"text": " "})
        assert "Nothing was chosen." in (await client.get(empty.headers["location"])).text


@pytest.mark.parametrize("value", ["front\nscratched", "front\r\nscratched", "front\n\n  scratched", "front scratched"])
async def test_saving_leaves_a_field_alone_that_nobody_chose(world: ReviewWorld, value: str) -> None:
    row = await world.proposed(RecordField("damage", value), RecordField("site_name", "Pendlewick"))
    async with browser(world, Scope.REVIEWER) as client:
        page = (await client.get(f"/reviews/{row.id}")).text
        form = Form(page).sent | {"choice.site_name": "accept"}
        decided = await client.post(f"/reviews/{row.id}/decide", data=form)
        assert decided.headers["location"] == f"/reviews/{row.id}?done=decided", "no other record was made"
        nothing = await client.post(f"/reviews/{row.id}/decide", data=Form(page).sent)
        assert nothing.headers["location"] == f"/reviews/{row.id}?done=nothing"
    assert [one.content_hash for one in await world.recommendations()] == [row.content_hash]
    [line] = await world.rows("SELECT field, decision FROM field_decisions")
    assert tuple(line.values()) == ("site_name", "ACCEPTED")


async def test_a_correction_keeps_the_line_breaks_of_a_value(world: ReviewWorld) -> None:
    value = "front\nscratched"
    row = await world.proposed(RecordField("damage", value), RecordField("site_name", "Pendlewick"))
    async with browser(world, Scope.REVIEWER) as client:
        form = Form((await client.get(f"/reviews/{row.id}")).text).sent
        same = await client.post(f"/reviews/{row.id}/decide", data=form | {"choice.damage": "correct"})
        assert same.headers["location"] == f"/reviews/{row.id}?done=decided", "what was shown is accepted"
        changed = form | {"choice.damage": "correct", "value.damage": form["value.damage"] + "\r\ndented"}
        made = await client.post(f"/reviews/{row.id}/decide", data=changed)
    new_id = made.headers["location"].removeprefix("/reviews/").partition("?")[0]
    assert (await world.field(await stored(world, new_id), "damage")).value == "front\nscratched\ndented"


async def stored(world: ReviewWorld, recommendation_id: str) -> RecommendationRow:
    """A record as it is now."""
    return next(row for row in await world.recommendations() if row.id == recommendation_id)


async def test_a_value_is_shown_as_text(world: ReviewWorld) -> None:
    row = await world.proposed(RecordField("site_name", "<script>alert(1)</script>"))
    async with browser(world, Scope.REVIEWER) as client:
        page = (await client.get(f"/reviews/{row.id}")).text
        assert "<script>alert" not in page
        assert "&lt;script&gt;alert(1)" in page


async def test_a_choice_is_corrected_by_choosing_and_nothing_is_chosen_for_the_reviewer(world: ReviewWorld) -> None:
    row = await world.proposed(RecordField("site_name", "Pendlewick"), RecordField("meter_unit", "gallons"))
    async with browser(world, Scope.REVIEWER) as client:
        page = (await client.get(f"/reviews/{row.id}")).text
    select = page.partition('name="value.meter_unit">')[2].partition("</select>")[0]
    assert select.startswith('<option value=""></option><option value="m3">cubic metres</option>')


async def test_each_field_tells_how_sure_it_is_and_what_is_against_it_first(world: ReviewWorld) -> None:
    turn = await world.say("I am at Pendlewick. The meter reads 48217 m3 <i>.")
    world.assistant.verdicts = Verdicts({"site_name": FieldVerdict(Verdict.SUPPORTED)})
    fields = (RecordField("meter_reading", "5000", turn.id), RecordField("site_name", "Pendlewick", turn.id))
    row = await world.proposed(*fields, missing=("visitor_count",))
    async with browser(world, Scope.REVIEWER) as client:
        page = (await client.get(f"/reviews/{row.id}")).text
        german = (await client.get(f"/reviews/{row.id}", headers={"Accept-Language": "de"})).text
    parts = {part.partition("</legend>")[0]: part for part in page.split("<legend>")[1:]}
    reading, site = parts["meter reading"], parts["site"]
    assert re.findall(r"<p[^>]*>((?:un)?sure)</p>", page) == ["sure", "unsure"]
    assert ">sure</p>" in site
    assert "<li>" not in site
    found = re.findall(r"<li>(Against it|Note): ", reading)
    assert found == sorted(found)
    assert set(found) == {"Against it", "Note"}
    assert "Another source gives another value. Other value: 48217" in reading
    assert f'<a href="/sessions/{world.session_id}#source-{turn.id}">Where it comes from</a></li>' in reading
    assert "<legend>Zählerstand</legend>" in german, "as the flow calls it in the language of the page"
    assert ">unsicher</p>" in german
    assert "<li>Dagegen: " in german


async def test_the_photographs_that_were_counted_for_a_field_are_shown_beside_it() -> None:
    """No others of the same kind, and none of which no redacted picture is kept."""
    site = media_pb2.MEDIA_KIND_SITE
    uploads = [
        media_pb2.Upload(id="another", kind=site, has_redacted_image=True),
        media_pb2.Upload(id="left", kind=site, has_redacted_image=True),
        media_pb2.Upload(id="deleted", kind=site),
        media_pb2.Upload(id="right", kind=site, has_redacted_image=True),
    ]
    reply = session_pb2.GetSessionResponse(session=session_pb2.Session(id="s", uploads=uploads))
    asked: list[str] = []

    async def call(service: str, method: str, request: object) -> session_pb2.GetSessionResponse:
        asked.append(method)
        return reply

    visit = cast(Visit, SimpleNamespace(allowed=lambda service, method: True, call=call))
    sides = pb.ReviewField(name="sides", value="3", photograph_ids=["right", "deleted", "left"])
    review = pb.Review(fields=[sides, pb.ReviewField(name="fuel", value="full")])
    assert await _photographs(visit, review) == {"sides": ["/sessions/s/uploads/right", "/sessions/s/uploads/left"]}
    front = pb.ReviewField(name="front", value="1", photograph_ids=["a"], source=pb.FieldSource(upload_id="a"))
    assert await _photographs(visit, pb.Review(fields=[front])) == {}
    assert asked == ["GetSession"], "it is asked only where it is needed"


def test_a_field_that_nobody_has_judged_is_neither_sure_nor_unsure() -> None:
    assert _confidence_shown(common_pb2.RecordField(name="a")) == {"confidence": "", "findings": []}
    assert _confidence_shown(None)["confidence"] == ""


def test_errors_come_before_warnings() -> None:
    findings = [common_pb2.FieldFinding(message=text, against=text in "bd") for text in "abcd"]
    field = common_pb2.RecordField(name="a", confidence=common_pb2.FIELD_CONFIDENCE_UNSURE, findings=findings)
    told = cast(list[common_pb2.FieldFinding], _confidence_shown(field)["findings"])
    assert [found.message for found in told] == ["b", "d", "a", "c"]


@pytest.mark.parametrize("broken", ["", "zz", "00"])
async def test_a_form_without_a_hash_decides_nothing(world: ReviewWorld, broken: str) -> None:
    row = await world.proposed()
    async with browser(world, Scope.REVIEWER) as client:
        assert (await client.post(f"/reviews/{row.id}/approve", data={"hash": broken})).status_code == 400


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ({"choice.a": "", "value.a": "1"}, []),
        ({"choice.a": "accept", "value.a": "2"}, [("ACCEPTED", "", "")]),
        ({"choice.a": "", "value.a": "2", "reason.a": "misread"}, []),
        ({"choice.a": "correct", "value.a": " 2 ", "reason.a": "misread"}, [("CORRECTED", "2", "misread")]),
        ({"choice.a": "correct", "value.a": "2"}, [("CORRECTED", "2", "other")]),
        ({"choice.a": "reject", "value.a": "1", "reason.a": "outdated"}, [("REJECTED", "", "outdated")]),
        ({"hash": "00", "other": "x"}, []),
    ],
)
def test_what_a_form_decides(form: dict[str, str], expected: list[Any]) -> None:
    found = [
        (pb.FieldDecision.Name(choice.decision).rpartition("_")[2], choice.value, choice.reason)
        for choice in choices_of(form)
    ]
    assert found == expected


@pytest.mark.parametrize(
    "box", [(0.4, 0.4, 0.1, 0.02), (0.0, 0.0, 0.3, 0.1), (0.95, 0.97, 0.05, 0.03), (0.0, 0.0, 1.0, 1.0)]
)
def test_the_part_of_a_picture_holds_the_value_and_lies_within_the_picture(box: tuple[float, ...]) -> None:
    left, top, width, height = box
    place = PicturePlace.of("/p", 1000, 800, pb.PictureBox(left=left, top=top, width=width, height=height))
    assert place.box is not None
    x, y, across, down = place.view
    assert x >= 0
    assert y >= 0
    assert x + across <= 1001
    assert y + down <= 801
    assert x <= place.box[0] + 1
    assert place.box[0] + place.box[2] <= x + across + 2
    assert y <= place.box[1] + 1
    assert place.box[1] + place.box[3] <= y + down + 2
    assert across >= 250, "not blown up until nothing is recognised"


def test_without_a_box_the_whole_picture_is_shown() -> None:
    assert PicturePlace.of("/p", 1000, 800, None).view == (0, 0, 1000, 800)
