"""Replies and records on the real server with a remote LLM: by sentence, interrupted, half, late, and sent back."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import pytest_asyncio
from vestibule.v1 import common_pb2, conversation_pb2, recommendation_pb2, session_pb2

from server.cli.channel import open_aio_channel
from server.cli.demo.proof import copied_ledger
from tests.e2e.harness import App, Server, audio, config, propose, start_server, stop_server, visit_pcm
from tests.e2e.outages import said
from tests.e2e.shared_ray import SharedRay
from tests.unit.llm.scripted_upstream import KEY, ScriptedUpstream, run_upstream

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

SLOW_S = 1.0
"""Between two words of the upstream. A sentence has about five, so a busy machine hears in time who interrupts it."""
_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
"""Ids, in which three digits of a telephone number stand by chance."""
PATIENCE_S = 60.0
SITE = "I am at the Riverside site"


@dataclass(slots=True)
class Place:
    """A server with a scripted remote LLM."""

    server: Server
    upstream: ScriptedUpstream


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, shared_ray: SharedRay) -> Iterator[Place]:
    """One server for all tests here."""
    folder = tmp_path_factory.mktemp("replies")
    with run_upstream(folder / "llm.record") as upstream, pytest.MonkeyPatch.context() as secrets:
        secrets.setenv("VESTIBULE_LLM__API_KEY", KEY)
        settings = (
            f"llm.base_url={upstream.url}/v1",
            "llm.failures=1000",  # the breaker stays closed
            "retry.llm_api.first_delay_s=0.2",
        )
        server = start_server(folder / "home", *settings, ray=shared_ray)
        try:
            yield Place(server, upstream)
        finally:
            stop_server(server)


@pytest_asyncio.fixture
async def app(place: Place) -> AsyncIterator[App]:
    """A client of that server."""
    place.upstream.script("answer")
    async with open_aio_channel(place.server.address, credential=place.server.operator_key) as channel:
        yield App(channel)


@dataclass
class Talk:
    """A conversation that a test leads step by step."""

    app: App
    session_id: str
    seen: list[conversation_pb2.ConverseResponse] = field(default_factory=list)
    _requests: asyncio.Queue[conversation_pb2.ConverseRequest | None] = field(default_factory=asyncio.Queue)
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    def send(self, *requests: conversation_pb2.ConverseRequest | None) -> None:
        """Send; None half-closes."""
        for request in requests:
            self._requests.put_nowait(request)

    async def follow(self) -> None:
        async def requests() -> AsyncIterator[conversation_pb2.ConverseRequest]:
            while (request := await self._requests.get()) is not None:
                yield request

        async for message in self.app.conversations.Converse(requests()):
            async with self._changed:
                self.seen.append(message)
                self._changed.notify_all()

    def all(self, kind: str) -> list[Any]:
        """Payloads of a kind so far."""
        return [getattr(message, kind) for message in self.seen if message.WhichOneof("payload") == kind]

    async def wait(self, kind: str, number: int = 1) -> Any:
        """The payload of a kind with this number, from 1."""
        async with asyncio.timeout(PATIENCE_S), self._changed:
            await self._changed.wait_for(lambda: len(self.all(kind)) >= number)
        return self.all(kind)[number - 1]

    def reply_to(self, turn_id: str) -> str:
        """What came of the reply to a turn."""
        return "".join(piece.text for piece in self.all("reply_piece") if piece.turn_id == turn_id)


@asynccontextmanager
async def talking(app: App, **more: Any) -> AsyncIterator[Talk]:
    """An open conversation; it is half-closed and read to its end."""
    talk = Talk(app, await app.open_session())
    talk.send(config(talk.session_id, **more))
    following = asyncio.create_task(talk.follow())
    try:
        await talk.wait("configured")
        yield talk
        talk.send(None)
        async with asyncio.timeout(PATIENCE_S):
            await following
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)


async def late_reply(app: App, session_id: str, watched: asyncio.Event) -> session_pb2.LateReply:
    """The next late reply of a session. ``watched`` is set when the watch has begun."""
    async with asyncio.timeout(PATIENCE_S):
        async for message in app.sessions.WatchSession(session_pb2.WatchSessionRequest(session_id=session_id)):
            watched.set()  # the first message is the state of the session now
            if message.HasField("late_reply"):
                return message.late_reply
    raise AssertionError("no late reply")


def rows(place: Place, query: str, *values: str) -> list[tuple[Any, ...]]:
    """Ask a copy of the ledger."""
    with TemporaryDirectory() as folder, copied_ledger(place.server.ledger, Path(folder)) as ledger:
        return ledger.execute(query, list(values)).fetchall()


async def until(condition: Any) -> None:
    """Wait for something that the upstream does."""
    async with asyncio.timeout(PATIENCE_S):
        while not await asyncio.to_thread(condition):  # noqa: ASYNC110 - of another process
            await asyncio.sleep(0.05)


async def test_the_first_sentence_comes_while_the_upstream_still_writes(app: App, place: Place) -> None:
    place.upstream.script("slow", delay_s=SLOW_S)
    async with talking(app) as talk:
        talk.send(said(SITE))
        piece = await talk.wait("reply_piece")
        assert piece.text == "All right. "
        assert place.upstream.streaming() == 1
        ended = await talk.wait("reply_ended")
    assert (ended.complete, ended.reason, ended.origin) == (True, "", common_pb2.ORIGIN_MODEL)
    assert talk.reply_to(ended.turn_id) == "All right. Thank you, I have noted the site. What does the meter read?"


async def test_a_typed_text_stops_the_reply_and_the_upstream_writes_no_more(app: App, place: Place) -> None:
    left = place.upstream.left()
    place.upstream.script("slow", times=1, delay_s=SLOW_S)
    async with talking(app) as talk:
        talk.send(said(SITE))
        first = (await talk.wait("reply_piece")).turn_id
        talk.send(said("The meter reads 04821"))
        stopped = await talk.wait("reply_ended")
        await until(lambda: place.upstream.left() == left + 1)
        assert place.upstream.streaming() == 0
        await talk.wait("reply_ended", 2)
    assert (stopped.turn_id, stopped.complete, stopped.reason) == (first, False, "REPLY_INTERRUPTED")
    assert (stopped.origin, stopped.late_reply_expected) == (common_pb2.ORIGIN_MODEL, False)
    assert talk.reply_to(first) == "All right. "
    second = talk.all("reply_ended")[1]
    assert second.complete
    [prompt] = [body for body in sent(place) if talk_about(body) == [SITE, "The meter reads 04821"]]
    assert {"role": "assistant", "content": "All right.  …"} in prompt["messages"]
    columns = "reply, reply_origin, reply_cut"
    assert rows(place, f"SELECT {columns} FROM v_turns WHERE turn_id = ?", first) == [
        ("All right. ", "MODEL", "REPLY_INTERRUPTED")
    ]
    [(properties,)] = rows(
        place, "SELECT properties FROM events WHERE session_id = ? AND name = 'reply_interrupted'", talk.session_id
    )
    assert json.loads(properties) == {"origin": "MODEL", "by": "typed", "sent_sentences": 1, "sent_characters": 11}


async def test_speech_stops_the_reply_before_the_person_has_finished(app: App, place: Place) -> None:
    left = place.upstream.left()
    place.upstream.script("slow", times=1, delay_s=SLOW_S)
    async with talking(app) as talk:
        talk.send(said(SITE))
        first = (await talk.wait("reply_piece")).turn_id
        async for request in audio(visit_pcm()[: 6 * 32000], pace=1.0):
            talk.send(request)
        await talk.wait("final", 2)
    finals = [n for n, message in enumerate(talk.seen) if message.HasField("final")]
    [stopped] = [n for n, message in enumerate(talk.seen) if message.reply_ended.turn_id == first]
    assert talk.seen[stopped].reply_ended.reason == "REPLY_INTERRUPTED"
    assert stopped < finals[1]
    await until(lambda: place.upstream.left() == left + 1)
    assert talk.all("reply_ended")[-1].complete


async def test_an_app_that_turns_barge_in_off_gets_whole_replies(app: App, place: Place) -> None:
    place.upstream.script("slow", times=1, delay_s=0.1)
    async with talking(app, barge_in=False) as talk:
        talk.send(said(SITE))
        await talk.wait("reply_piece")
        talk.send(said("The meter reads 04821"))
        await talk.wait("final", 2)
    assert [(ended.complete, ended.reason) for ended in talk.all("reply_ended")] == [(True, "")] * 2


@pytest.mark.parametrize("mode", ["half", "cut"])
async def test_half_an_answer_is_told_as_half_and_a_whole_one_follows(app: App, place: Place, mode: str) -> None:
    async with talking(app) as talk:
        watched = asyncio.Event()
        watching = asyncio.create_task(late_reply(app, talk.session_id, watched))
        async with asyncio.timeout(PATIENCE_S):
            await watched.wait()
        place.upstream.script(mode, times=2, after=4)  # within the second sentence
        talk.send(said(SITE))
        ended = await talk.wait("reply_ended")
        late = await watching
    assert (ended.complete, ended.reason, ended.late_reply_expected) == (False, "UPSTREAM_HALF_ANSWER", True)
    assert (ended.origin, talk.reply_to(ended.turn_id)) == (common_pb2.ORIGIN_MODEL, "All right. ")
    whole = "All right. Thank you, I have noted the site. What does the meter read?"
    assert (late.turn_id, late.text.value, late.origin) == (ended.turn_id, whole, common_pb2.ORIGIN_MODEL)
    stored = rows(place, "SELECT reply, reply_origin, reply_cut FROM v_turns WHERE turn_id = ?", late.turn_id)
    assert stored == [(whole, "MODEL", "")]
    # The second half answer was that of the job, which was tried again by its policy.
    assert rows(
        place, "SELECT count(*) FROM v_job_attempts WHERE session_id = ? AND outcome = 'retry'", talk.session_id
    ) == [(1,)]


async def test_a_record_that_is_sent_back_comes_again_as_another_one_or_not_at_all(app: App, place: Place) -> None:
    async with talking(app) as talk:
        talk.send(said(f"{SITE}. The meter reads 04821 m3. My phone is 555 123 4567."), propose(1))
        first = (await talk.wait("proposal")).recommendation
        await send_back(app, first, "wrong_reading")
        talk.send(propose(1))
        second = (await talk.wait("proposal", 2)).recommendation
        asked = place.upstream.asked()
        await send_back(app, second, "not_good")
        talk.send(propose(1))
        notice = await talk.wait("notice")
        assert place.upstream.asked() == asked + 2
        talk.send(said("The meter reads 04827 m3."), propose(1))
        third = (await talk.wait("proposal", 3)).recommendation
    values = [{field.name: field.value for field in one.record.fields} for one in (first, second, third)]
    assert [value.get("meter_reading") for value in values] == ["04821", None, "04827"]
    assert "meter_reading" in second.record.missing
    assert {one.origin for one in (first, second, third)} == {common_pb2.ORIGIN_MODEL}
    assert notice.reason == "PROPOSAL_UNCHANGED"
    assert "ask for a proposal again" in notice.hint
    stored = rows(
        place,
        "SELECT state, decide_reason FROM recommendations WHERE session_id = ? ORDER BY create_time",
        talk.session_id,
    )
    assert stored == [("REJECTED", "wrong_reading"), ("REJECTED", "not_good"), ("PENDING", "")]
    counted = "SELECT count(*) FROM events WHERE session_id = ? AND name = 'proposal_unchanged'"
    assert rows(place, counted, talk.session_id) == [(1,)]
    prompts = [body["messages"][-1]["content"] for body in sent(place) if "response_format" in body]
    assert "rejected_record" not in prompts[0]
    second_prompt = next(prompt for prompt in prompts if "rejected_record" in prompt)
    rejected = [json.loads(line) for line in second_prompt.splitlines() if "rejected_record" in line]
    assert [(one["reason"], len(one["record"]["fields"])) for one in rejected] == [("wrong_reading", 4)]
    assert "555" not in _ID.sub("", "".join(prompts))


async def send_back(app: App, row: recommendation_pb2.Recommendation, why: str) -> None:
    """Reject a record, so that another one can be proposed."""
    request = recommendation_pb2.RejectRecommendationRequest(
        recommendation_id=row.id, content_hash=row.content_hash, decided_by="clerk-7", reason=why, revise=True
    )
    await app.recommendations.RejectRecommendation(request)


def sent(place: Place) -> list[dict[str, Any]]:
    """The bodies of all requests to the upstream so far."""
    bodies = []
    decoder = json.JSONDecoder()
    text = Path(place.upstream.record).read_text(encoding="utf-8")
    at = text.find('{"model"')
    while at >= 0:
        body, end = decoder.raw_decode(text, at)
        bodies.append(body)
        at = text.find('{"model"', end)
    return bodies


def talk_about(body: dict[str, Any]) -> list[str]:
    """What the person said in a prompt."""
    return [message["content"] for message in body["messages"] if message["role"] == "user"]
