"""The page for newcomers: who may use it, what it sends on, and what it says when that fails."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from vestibule.v1 import common_pb2, media_pb2
from vestibule.v1 import conversation_pb2 as pb
from vestibule.v1.flow_pb2 import Progress, Question
from vestibule.v1.session_pb2 import Session

from models.errors import Conflict, Overloaded
from models.reasons import Reason
from server.access.caller import Scope, current_caller
from server.console.session_history import asked_shown
from server.console.talks import MOST, Talk, Talks
from server.ledger import sessions
from tests.unit.console.harness import Harness
from tests.unit.console.test_multipart import TYPE, form

SCRIPT = {"accept": "application/json"}
GERMAN = {"accept-language": "de"}


class Conversations:
    """Converse and Upload as a test wants them; notes what came, and from whom."""

    def __init__(self) -> None:
        self.came: list[Any] = []
        self.configs: list[pb.ConverseConfig] = []
        self.callers: list[str] = []
        self.failure: Exception | None = None

    async def Converse(self, requests: AsyncIterator[pb.ConverseRequest], context: object) -> Any:
        self.callers.append(current_caller().client_id)
        yield pb.ConverseResponse(configured=pb.Configured(stream_id="s"))
        async for request in requests:
            if request.HasField("config"):
                self.configs.append(request.config)
                continue
            self.came.append(request)
            if self.failure is not None:
                raise self.failure
            if request.HasField("audio"):
                text = {"value": f"heard {request.audio.offset} <b>"}
                yield pb.ConverseResponse(partial=pb.PartialTranscript(text=text, pending_words=1))  # type: ignore[arg-type]

    async def Upload(self, requests: AsyncIterator[media_pb2.UploadRequest], context: object) -> Any:
        self.came += [request async for request in requests]
        return media_pb2.UploadResponse()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[tuple[Harness, Conversations]]:
    conversations = Conversations()
    harness = Harness(tmp_path, conversation=conversations, media=conversations)
    yield harness, conversations
    harness.close()


async def begun(browser: Any) -> str:
    answer = await browser.post("/try", data={"language": "en"})
    assert answer.status_code == 303, answer.text
    return str(answer.headers["location"])


async def test_a_session_is_opened_for_whoever_is_logged_in(world: tuple[Harness, Conversations]) -> None:
    harness, conversations = world
    async with harness.browser(await harness.key(Scope.APP, client_id="kiosk")) as browser:
        assert (await browser.get("/")).headers["location"] == "/try"
        page = await browser.get("/try")
        assert "Start a session" in page.text
        assert page.headers["permissions-policy"] == "camera=(), microphone=(), geolocation=()"
        path = await begun(browser)
        page = await browser.get(path)
        assert page.headers["permissions-policy"] == "camera=(self), microphone=(self), geolocation=()"
        assert "script-src 'self';" in page.headers["content-security-policy"]
        answer = await browser.post(f"{path}/text", data={"text": "I am Maria."})
        assert (answer.status_code, answer.headers["location"]) == (303, path)
        [sent] = conversations.came
        assert sent.text.text == "I am Maria."
        assert conversations.callers == ["kiosk"]
        assert [(one.reply, one.guided) for one in conversations.configs] == [(True, True)], (
            "the page shows the question"
        )
        assert (await browser.post(f"{path}/propose", headers=SCRIPT)).status_code == 204
        assert conversations.came[-1].propose.wait_for_uploads.seconds == 30
        assert (await browser.post(f"{path}/end")).headers["location"] == "/try"
    async with harness.browser(await harness.key(Scope.APP, client_id="other")) as browser:
        assert (await browser.get(path)).status_code == 404, "of another client"
    async with harness.browser(await harness.key(Scope.ANALYST)) as browser:
        assert (await browser.post("/try", data={})).status_code == 403


async def test_the_page_shows_what_the_chosen_flow_asks_now(world: tuple[Harness, Conversations]) -> None:
    harness, _ = world
    async with harness.browser(await harness.key(Scope.APP, client_id="kiosk")) as browser:
        start = (await browser.get("/try")).text
        assert re.findall(r'<option value="(\w+)" lang="en"', start) == sorted(
            flow.name for flow in harness.sessions._flows
        )
        answer = await browser.post("/try", data={"language": "de", "flow": "incident_report"})
        page = unescape((await browser.get(f"{answer.headers['location']}?lang=en")).text)
    assert '<div class="asked" lang="de">' in page, "the questions are in the language of the session"
    assert '<p class="headline">Ist es ein Schaden, eine Störung oder ein Unfall?</p>' in page
    told = re.search(r"Vorfallmeldung · ([^<(]+) <span lang=\"en\">\(0 of (\d+) answered\)", page)
    assert told is not None, page
    assert int(told[2]) > 1


@pytest.mark.parametrize(
    ("told", "kept"), [("Australia/Sydney", "Australia/Sydney"), ("", "UTC"), ("Mars/Olympus", "UTC"), ("..", "UTC")]
)
async def test_a_session_has_the_time_zone_of_the_browser(
    world: tuple[Harness, Conversations], told: str, kept: str
) -> None:
    harness, _ = world
    async with harness.browser(await harness.key(Scope.APP, client_id="kiosk")) as browser:
        assert '<script src="/static/try_start.js" defer>' in (await browser.get("/try")).text
        answer = await browser.post("/try", data={"time_zone": told})
    session_id = answer.headers["location"].rpartition("/")[2]
    row = await harness.ledger.read(lambda cursor: sessions.get(cursor, session_id))
    assert row.time_zone == kept


def test_a_question_that_is_open_while_a_record_waits_is_still_shown() -> None:
    question = Question(step_title="Meter", text=common_pb2.RedactedText(value="How much?", safe_for_llm=True))
    session = Session(progress=Progress(flow_title="Site visit", language="en", done=2, total=3, question=question))
    for state in (common_pb2.SESSION_STATE_IN_PROGRESS, common_pb2.SESSION_STATE_AWAITING_APPROVAL):
        session.state = state
        asked = asked_shown(session)
        assert asked is not None
        assert (asked.question, asked.step, asked.done) == ("How much?", "Meter", 2)
    for state in (common_pb2.SESSION_STATE_COMPLETED, common_pb2.SESSION_STATE_REJECTED):
        session.state = state
        assert asked_shown(session) is None


def test_a_session_that_has_all_answers_or_has_ended_asks_nothing() -> None:
    progress = Progress(flow_title="Site visit", language="en", done=3, total=3)
    session = Session(state=common_pb2.SESSION_STATE_IN_PROGRESS, progress=progress)
    asked = asked_shown(session)
    assert asked is not None
    assert (asked.question, asked.step, asked.done) == ("", "", 3)
    for state in (common_pb2.SESSION_STATE_AWAITING_APPROVAL, common_pb2.SESSION_STATE_COMPLETED):
        session.state = state
        assert asked_shown(session) is None
    assert asked_shown(Session(state=common_pb2.SESSION_STATE_STARTED)) is None


def test_what_was_understood_is_shown_if_the_redactor_vouches_for_it() -> None:
    fields = [
        {"label": "mileage", "value": {"value": "48213 km", "safe_for_llm": True}},
        {"label": "site", "value": {"value": "Maria's", "safe_for_llm": False}},
        {"label": "fuel"},
    ]
    asked = asked_shown(Session(state=common_pb2.SESSION_STATE_STARTED, progress=Progress(total=3, fields=fields)))  # type: ignore[arg-type]
    assert asked is not None
    assert asked.answers == (("mileage", "48213 km"),)


def test_a_question_that_the_redactor_does_not_vouch_for_is_asked_without_the_values() -> None:
    question = Question(field={"question": "What does the meter read?"}, text={"value": "4821 or Maria?"})  # type: ignore[arg-type]
    session = Session(state=common_pb2.SESSION_STATE_STARTED, progress=Progress(total=1, question=question))
    asked = asked_shown(session)
    assert asked is not None
    assert asked.question == "What does the meter read?"


async def test_audio_goes_on_in_pieces_and_what_is_heard_is_shown_escaped(world: tuple[Harness, Conversations]) -> None:
    harness, conversations = world
    async with harness.browser(await harness.key(Scope.APP, client_id="kiosk")) as browser:
        path = await begun(browser)
        for offset in (0, 40_000):
            where = f"{path}/audio?talk=one&offset={offset}&rate=16000"
            assert (await browser.post(where, content=b"\0" * 40_000, headers=SCRIPT)).status_code == 204
        assert (await browser.post(f"{path}/audio/end?talk=one", headers=SCRIPT)).status_code == 204
        async with asyncio.timeout(60):
            while len(conversations.came) < 2:  # noqa: ASYNC110 - the servicer sets no event
                await asyncio.sleep(0.01)
        assert [(c.audio.offset, len(c.audio.data)) for c in conversations.came] == [(0, 40_000), (40_000, 40_000)]
        assert len(conversations.callers) == 1, "one conversation"
        assert (await browser.post(f"{path}/audio?talk=two&offset=0&rate=x", content=b"\0\0")).status_code == 400
        assert (await browser.post(f"{path}/audio?talk=two&offset=0", content=b"\0" * 70_000)).status_code == 413
        conversations.failure = Overloaded("Audio comes too fast.", reason=Reason.AUDIO_TOO_FAST, hint="Slow down.")
        for offset in (0, 2):
            told = await browser.post(
                f"{path}/audio?talk=three&offset={offset}&rate=16000", content=b"\0\0", headers=SCRIPT
            )
            await asyncio.sleep(0.05)
        assert told.status_code == 429
        assert told.json() == {"message": "Audio comes too fast.", "reason": "AUDIO_TOO_FAST", "hint": "Slow down."}
        assert "Audio comes too fast." in (await browser.get(path)).text


async def test_what_went_wrong_is_told_in_the_language_of_the_page(world: tuple[Harness, Conversations]) -> None:
    harness, conversations = world
    async with harness.browser(await harness.key(Scope.APP, client_id="kiosk"), **GERMAN) as browser:
        path = await begun(browser)
        empty = await browser.post(f"{path}/files", content=form(b""), headers={"content-type": TYPE} | SCRIPT)
        assert empty.json()["message"] == "Es wurde keine Datei gewählt, oder sie ist leer."
        long = await browser.post(f"{path}/text", data={"text": "x" * 20_000}, headers=SCRIPT)
        assert (long.status_code, long.json()["message"]) == (413, "Was Sie gesendet haben, ist zu groß.")
        conversations.failure = Overloaded("The workers are busy.", reason=Reason.SPEECH_BUSY, retry_after_s=2.5)
        said = await browser.post(f"{path}/text", data={"text": "Hello."}, headers=SCRIPT)
        assert said.json()["message"] == "Der Server ist ausgelastet. Versuchen Sie es in 3 s noch einmal."
        assert '<p class="note bad">Der Server ist ausgelastet.</p>' in (await browser.get(path)).text
        conversations.failure = Overloaded("Audio comes too fast.", reason=Reason.AUDIO_TOO_FAST)
        await browser.post(f"{path}/text", data={"text": "Hello."}, headers=SCRIPT)
        assert '<p class="note bad" lang="en">Audio comes too fast.</p>' in (await browser.get(path)).text


async def test_a_file_passes_as_it_came(world: tuple[Harness, Conversations]) -> None:
    harness, conversations = world
    content = b"\xff\xd8" + bytes(range(256)) * 1200
    async with harness.browser(await harness.key(Scope.APP, client_id="kiosk")) as browser:
        path = await begun(browser)
        answer = await browser.post(f"{path}/files", content=form(content), headers={"content-type": TYPE})
        assert answer.headers["location"] == path
        first, *rest = conversations.came
        assert (first.description.size_bytes, first.description.kind) == (len(content), media_pb2.MEDIA_KIND_METER)
        assert first.description.display_name == "p.jpg"
        assert b"".join(piece.data for piece in rest) == content
        empty = await browser.post(f"{path}/files", content=form(b""), headers={"content-type": TYPE} | SCRIPT)
        assert (empty.status_code, empty.json()["reason"]) == (400, "UPLOAD_EMPTY")
        foreign = {"content-type": TYPE, "origin": "https://evil.example"}
        assert (await browser.post(f"{path}/files", content=form(content), headers=foreign)).status_code == 403


async def test_elsewhere_a_sentence_says_why_and_how(world: tuple[Harness, Conversations]) -> None:
    harness, _ = world
    async with harness.browser(await harness.key(Scope.APP, client_id="kiosk"), at="192.0.2.7") as browser:
        page = unescape((await browser.get("/try")).text)
        assert "only on the machine of the server" in page
        assert "ssh -L 8090:127.0.0.1:8090" in page
        assert "Start a session" not in page
        for path in (
            "/try",
            "/try/x/text",
            "/try/x/audio",
            "/try/x/audio/end",
            "/try/x/files",
            "/try/x/propose",
            "/try/x/end",
        ):
            assert (await browser.post(path)).status_code == 403


async def held(messages: AsyncIterator[pb.ConverseRequest]) -> Any:
    async for request in messages:
        if request.HasField("text"):
            return
        yield pb.ConverseResponse(reply_piece=pb.ReplyPiece(text="Hello. "))


def config() -> pb.ConverseConfig:
    return pb.ConverseConfig(session_id="s")


async def test_talks_are_bounded_and_those_that_ended_make_room() -> None:
    talks = Talks()
    begun = [talks.begin("key", str(number), held, config()) for number in range(MOST)]
    with pytest.raises(Overloaded):
        talks.begin("key", "more", held, config())
    changed = asyncio.Event()
    with talks.told("s", changed):
        await asyncio.wait_for(changed.wait(), 60)
    await asyncio.sleep(0)
    assert talks.said("s").reply == "Hello. "
    await begun[3].send(None)
    await begun[3].ended(5)
    talks.begin("key", "more", held, config())
    assert talks.find("key", "3") is None
    assert talks.find("other", "4") is None, "of another caller"
    for talk in begun:
        talk.task.cancel()


async def test_a_talk_that_ended_takes_nothing_more() -> None:
    async def refused(messages: AsyncIterator[pb.ConverseRequest]) -> Any:
        yield pb.ConverseResponse(configured=pb.Configured())
        raise Conflict("The session has ended.", reason=Reason.SESSION_ENDED)

    talk = Talk(refused, config(), lambda: None)
    with pytest.raises(Conflict):
        await talk.ended(5)
    with pytest.raises(Conflict):
        await talk.send(pb.ConverseRequest(text=pb.TypedText(text="late")))
    assert talk.state.notices == [("SESSION_ENDED", "The session has ended.")]
