"""Guided conversations through the real server: typed, with photographs, a skip, a correction and a disagreement."""

from __future__ import annotations

import asyncio
import io
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import grpc.aio
import pytest
from google.protobuf.message import Message
from google.rpc import error_details_pb2
from PIL import Image, ImageDraw, ImageFont
from vestibule.v1 import conversation_pb2, flow_pb2, flow_pb2_grpc, media_pb2, session_pb2

from server.cli.channel import open_aio_channel
from tests.e2e.harness import DATA, App, Server, detail, reason, refusal

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

PERSONAL = ("Marguerite", "Okonkwo", "4155550132", "Birchwood", "okonkwo@example.com")
PARTS = ("415", "0132")
_IDS = re.compile(rb"[0-9A-Za-z_-]{24,}")
"""Identifiers and tokens, in which three digits of a telephone number stand by chance."""


def drawn(*lines: str) -> bytes:
    """A picture with lines of print."""
    picture = Image.new("RGB", (1000, 120 + 90 * len(lines)), "white")
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(size=48)
    for number, line in enumerate(lines):
        draw.text((50, 60 + 90 * number), line, "black", font=font)
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()


@dataclass
class Guided:
    """One guided session: what was asked, and everything that the app received."""

    app: App
    flows: Any
    session: session_pb2.Session
    progress: flow_pb2.Progress = field(default_factory=flow_pb2.Progress)
    received: list[bytes] = field(default_factory=list)
    replies: list[str] = field(default_factory=list)
    finals: list[str] = field(default_factory=list)

    @property
    def asked(self) -> str:
        """Name of the field that is asked now; empty when nothing is."""
        return self.progress.question.field.name

    def value(self, name: str) -> tuple[str, str]:
        """The state and the shown value of a field."""
        [found] = [each for each in self.progress.fields if each.name == name]
        return flow_pb2.FieldState.Name(found.state).removeprefix("FIELD_STATE_"), found.value.value

    async def say(self, *texts: str) -> str:
        """Type texts, each after the reply to the one before; returns the field that is asked then."""
        answered: asyncio.Queue[None] = asyncio.Queue()

        async def requests() -> AsyncIterator[conversation_pb2.ConverseRequest]:
            start = conversation_pb2.ConverseConfig(session_id=self.session.id, reply=True, guided=True)
            yield conversation_pb2.ConverseRequest(config=start)
            for text in texts:
                yield conversation_pb2.ConverseRequest(text=conversation_pb2.TypedText(text=text))
                await answered.get()

        reply = ""
        async for message in self.app.conversations.Converse(requests()):
            self.received.append(message.SerializeToString())
            if message.HasField("final"):
                self.finals.append(message.final.text.value)
            elif message.HasField("progress"):
                self.progress = message.progress
            elif message.HasField("reply_piece"):
                reply += message.reply_piece.text
            elif message.HasField("reply_ended"):
                self.replies.append(reply)
                reply = ""
                answered.put_nowait(None)
        return self.asked

    async def photograph(self, content: bytes, kind: media_pb2.MediaKind.ValueType, form: str = "png") -> str:
        """Upload a picture and wait until it was read; returns the field that is asked then."""
        accepted = await self.app.upload(self.session.id, content, kind, f"image/{form}")
        await self.app.finished(accepted.id)
        return await self.now()

    async def call(self, method: str, request: Message) -> Any:
        """Call a method of FlowService."""
        return await getattr(self.flows, method)(request)

    async def now(self) -> str:
        found = await self.app.sessions.GetSession(session_pb2.GetSessionRequest(session_id=self.session.id))
        self.progress = found.session.progress
        self.received.append(self.progress.SerializeToString())
        return self.asked

    def holds_nothing_personal(self) -> None:
        """Everything that the app received, with what was typed in it, names nobody."""
        received = b"\n".join([*self.received, *(reply.encode() for reply in self.replies)])
        assert [value for value in PERSONAL if value.encode() in received] == []
        assert [part for part in PARTS if part.encode() in _IDS.sub(b"", received)] == []


async def guided(channel: grpc.aio.Channel, flow: str, language: str = "en", **facts: str) -> Guided:
    app, flows = App(channel), flow_pb2_grpc.FlowServiceStub(channel)
    request = session_pb2.StartSessionRequest(
        client_id="e2e", request_id=str(uuid4()), language=language, flow=flow, facts=facts
    )
    started = (await app.sessions.StartSession(request)).session
    return Guided(app, flows, started, started.progress)


@pytest.fixture
async def channel(server: Server) -> AsyncIterator[grpc.aio.Channel]:
    async with open_aio_channel(server.address, credential=server.operator_key) as opened:
        yield opened


async def test_a_member_of_staff_is_taken_on_step_by_step(channel: grpc.aio.Channel) -> None:
    talk = await guided(channel, "staff_onboarding")
    assert (talk.asked, talk.progress.done, talk.progress.total) == ("department", 0, 7)
    assert await talk.say("Good morning!") == "department"
    assert await talk.say("I will be in field service, mostly on the road.") == "start_date"
    assert talk.progress.total == 8, "field service needs a driving licence"
    assert await talk.say("On the first of December 2026.") == "hours_per_week"
    assert await talk.say("thirty eight hours", "I am Marguerite Okonkwo.") == "phone"
    assert await talk.say("Sorry, I meant 36 hours.") == "phone", "a correction leaves the question open"
    assert talk.value("hours_per_week") == ("ANSWERED", "36 h")
    assert await talk.say("415 555 0132") == "home_address", "a bare number answers the question for a phone"
    assert talk.value("phone") == ("ANSWERED", "given")
    assert await talk.say("go back") == "phone"
    assert await talk.say("It is (415) 555-0132, as I said.") == "home_address"
    assert await talk.say("I would rather not say") == "document_photo"
    assert await talk.say("I do not know") == "document_photo", "what is required cannot be skipped"
    assert "I still need this" in talk.replies[-1]
    document = drawn("IDENTITY CARD", "Surname: Okonkwo", "Given names: Marguerite")
    assert await talk.photograph(document, media_pb2.MEDIA_KIND_DOCUMENT) == "drives"
    assert await talk.say("Yes, I do.") == ""
    assert not talk.progress.HasField("question")
    assert (talk.progress.done, talk.progress.total) == (8, 8)
    states = {each.name: flow_pb2.FieldState.Name(each.state) for each in talk.progress.fields}
    assert states.pop("home_address") == "FIELD_STATE_SKIPPED"
    assert set(states.values()) == {"FIELD_STATE_ANSWERED"}
    assert talk.value("full_name")[1].startswith(("[REDACTED_NAME", "given"))
    talk.holds_nothing_personal()


def yesterday() -> str:
    """The day before the one that it is now."""
    return (datetime.now(UTC) - timedelta(days=1)).date().isoformat()


async def test_an_incident_is_reported_in_german(channel: grpc.aio.Channel) -> None:
    talk = await guided(channel, "incident_report", "de")
    assert talk.progress.question.text.value == "Ist es ein Schaden, eine Störung oder ein Unfall?"
    assert await talk.say("Ein Unfall.", "Der Stapler hat das Tor gerammt, das Scharnier ist verbogen.") == "asset_code"
    assert await talk.say("P M P null null vier zwei") == "incident_date"
    assert talk.value("asset_code") == ("ANSWERED", "PMP-0042")
    before = yesterday()
    assert await talk.say("gestern", "Am Nordtor.") == "injured"
    assert talk.value("incident_date") in {("ANSWERED", day) for day in (before, yesterday())}, "midnight may pass"
    assert talk.progress.question.field.why.startswith("Unfälle mit Verletzten")
    assert await talk.say("Nein, niemand.") == "estimated_cost", "nobody is counted where nobody was injured"
    assert talk.progress.question.skippable
    assert await talk.say("weiter") == "photos"
    assert await talk.photograph(drawn("GATE"), media_pb2.MEDIA_KIND_SITE) == "photos", "two are needed"
    assert await talk.photograph(drawn("HINGE"), media_pb2.MEDIA_KIND_SITE) == ""
    assert talk.value("estimated_cost")[0] == "SKIPPED"
    assert talk.replies[0].startswith("Danke, notiert: Art des Vorfalls. Was ist geschehen?")


async def test_a_picture_that_disagrees_with_what_was_said_is_a_question(channel: grpc.aio.Channel) -> None:
    talk = await guided(channel, "site_visit", last_reading="4700")
    assert await talk.say("I am at the Riverside site.", "4912") == "meter_unit"
    meter = (DATA / "meter.jpg").read_bytes()
    assert await talk.photograph(meter, media_pb2.MEDIA_KIND_METER, "jpeg") == "meter_reading"
    pictured = talk.progress.question.disagreement.pictured.value
    assert pictured.startswith("04821")
    assert talk.progress.question.text.value == f"You said 4912, the photograph shows {pictured}. Which is right?"
    assert talk.value("meter_reading")[0] == "DISPUTED"
    assert await talk.say("The photograph is right.") == "visitor_count"
    assert talk.value("meter_reading") == ("ANSWERED", pictured)
    assert await talk.say("skip") == "contact_given"
    assert await talk.say("no, the reading is 4822") == "contact_given"
    assert talk.value("meter_reading") == ("ANSWERED", "4822")


async def test_an_app_answers_with_values(channel: grpc.aio.Channel) -> None:
    talk = await guided(channel, "staff_onboarding", "es")

    async def answer(name: str, value: str) -> flow_pb2.Progress:
        request = flow_pb2.AnswerFieldRequest(session_id=talk.session.id, field=name, value=value)
        answered: flow_pb2.AnswerFieldResponse = await talk.call("AnswerField", request)
        talk.progress = answered.progress
        return talk.progress

    assert (await answer("department", "warehouse")).question.field.name == "start_date"
    assert talk.value("department") == ("ANSWERED", "almacén")
    wrong = await refusal(answer("hours_per_week", "75"))
    assert reason(wrong) == "ANSWER_INVALID"
    [violation] = detail(wrong, error_details_pb2.BadRequest).field_violations
    assert (violation.field, violation.description) == ("value", "must be at most 60")
    assert "75" not in str(wrong.details())
    nameless = await refusal(answer("full_name", "12345"))
    assert reason(nameless) == "ANSWER_INVALID", "the redactor finds no name"
    assert "12345" not in str(nameless.details())
    await answer("full_name", "Marguerite Okonkwo")
    assert talk.value("full_name")[1].startswith("[REDACTED_NAME")
    await answer("phone", "415 555 0132")
    assert reason(await refusal(answer("drives", "yes"))) == "FIELD_NOT_FOUND", "only field service is asked"
    assert reason(await refusal(answer("document_photo", "1"))) == "ANSWER_INVALID"
    skip = flow_pb2.SkipStepRequest(session_id=talk.session.id, step="job")
    assert reason(await refusal(talk.call("SkipStep", skip))) == "STEP_NOT_SKIPPABLE"
    reopen = flow_pb2.ReopenFieldRequest(session_id=talk.session.id, field="department")
    assert (await talk.call("ReopenField", reopen)).progress.question.field.name == "department"
    await talk.now()
    talk.holds_nothing_personal()


async def test_flows_are_listed_and_shown_in_a_language(channel: grpc.aio.Channel) -> None:
    flows: Any = flow_pb2_grpc.FlowServiceStub(channel)
    listed = (await flows.ListFlows(flow_pb2.ListFlowsRequest(language="de"))).flows
    assert [(flow.name, flow.title, flow.default) for flow in listed] == [
        ("incident_report", "Vorfallmeldung", False),
        ("site_visit", "Standortbesuch", True),
        ("staff_onboarding", "Neue Mitarbeitende", False),
    ]
    shown = (await flows.GetFlow(flow_pb2.GetFlowRequest(name="incident_report", language="fr"))).flow
    assert (shown.language, len(shown.steps)) == ("en", 5)
    assert [option.label for option in shown.steps[0].fields[0].options] == ["damage", "fault", "accident"]
    assert reason(await refusal(flows.GetFlow(flow_pb2.GetFlowRequest(name="nothing")))) == "FLOW_NOT_FOUND"
