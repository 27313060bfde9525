"""The assistant without a network, on arbitrary bytes as answers."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.errors import DeadlineExceeded, Overloaded, RedactionFailed, UpstreamFailed, VestibuleError
from server.breakers.types import BreakerBounds, BreakerChange, BreakerState
from server.ledger.types import Origin
from server.llm.assistant import OpenAiAssistant
from server.llm.openai_client import MAX_LATE_REPLY_TOKENS, MAX_REPLY_CHARACTERS, MAX_REPLY_TOKENS
from server.llm.types import Assistant, Exchange
from tests.clocks import HandSeconds
from tests.fakes.assistant import FakeAssistant
from tests.unit.llm.assistants import assistant_at, llm_breaker
from tests.unit.llm.texts import SITE_VISIT
from tests.unit.llm.wire import SAID, UNSAFE, Wire, assistant_on, events, token, whole


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        ("0.5", 0.5),
        ("-3", 0.0),
        ("1e9", 3600.0),
        ("inf", None),
        ("nan", None),
        ("soon", None),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 3600.0),
    ],
)
async def test_retry_after(header: str, seconds: float | None) -> None:
    with pytest.raises(Overloaded) as failed:
        await whole(assistant_on(Wire(b"{}", 429, headers={"retry-after": header})))
    assert failed.value.retry_after_s == seconds


@pytest.mark.parametrize(("milliseconds", "seconds"), [("1500", 1.5), ("-3", 0.0), ("9e9", 3600.0), ("soon", 7.0)])
async def test_retry_after_in_milliseconds_is_the_more_exact_one(milliseconds: str, seconds: float) -> None:
    headers = {"retry-after-ms": milliseconds, "retry-after": "7"}
    with pytest.raises(Overloaded) as failed:
        await whole(assistant_on(Wire(b"{}", 429, headers=headers)))
    assert failed.value.retry_after_s == seconds


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "UPSTREAM_GARBAGE"),
        (b"data: {not json\n\n", "UPSTREAM_GARBAGE"),
        (b"data: \xff\xfe\n\n", "UPSTREAM_GARBAGE"),
        (events(5), "UPSTREAM_GARBAGE"),
        (events({"choices": 5}), "UPSTREAM_GARBAGE"),
        (events(token(["x"])), "UPSTREAM_GARBAGE"),
        (events({"choices": []}), "UPSTREAM_EMPTY"),
        (events(token("", "stop")), "UPSTREAM_EMPTY"),
        (events(token("Half a")), "UPSTREAM_HALF_ANSWER"),
        (events(token("Half a", "")), "UPSTREAM_HALF_ANSWER"),
        (events(token("Half a", "length")), "UPSTREAM_ANSWER_CUT"),
        (events(token("Half a"), token("", "content_filter"), {"choices": []}), "UPSTREAM_ANSWER_CUT"),
        (events(token("", "length")), "UPSTREAM_EMPTY"),
        (events(token("Half a"), {"error": {"message": "Zanzibar"}}), "UPSTREAM_ERROR"),
    ],
)
async def test_invalid_streams_raise_their_reason(content: bytes, reason: str) -> None:
    with pytest.raises(UpstreamFailed) as failed:
        await whole(assistant_on(Wire(content)))
    assert failed.value.reason == reason


@pytest.mark.parametrize("status", [301, 302, 307])
async def test_redirects_are_not_followed(status: int) -> None:
    wire = Wire(b"", status, {"location": "http://elsewhere.test/v1/chat/completions"})
    with pytest.raises(UpstreamFailed):
        await whole(assistant_on(wire))
    assert len(wire.sent) == 1


async def test_compressed_answers_are_refused() -> None:
    with pytest.raises(UpstreamFailed) as failed:
        await whole(assistant_on(Wire(b"", headers={"content-encoding": "gzip"})))
    assert failed.value.reason == "UPSTREAM_GARBAGE"


@pytest.mark.parametrize("longest", ["word " * 400, "word " * 399 + "wor"])
async def test_a_reply_of_at_most_the_longest_length_is_whole(longest: str) -> None:
    assert len(longest) <= MAX_REPLY_CHARACTERS
    halves = token(longest[:1000]), token(longest[1000:]), token("", "stop")
    assert await whole(assistant_on(Wire(events(*halves)))) == longest


@pytest.mark.parametrize("pieces", [["word "] * 401, ["w" * (MAX_REPLY_CHARACTERS + 1)], ["word "] * 100_000])
async def test_a_reply_that_is_too_long_is_told_as_cut(pieces: list[str]) -> None:
    seen: list[str] = []
    with pytest.raises(UpstreamFailed) as failed:
        reply = await assistant_on(Wire(events(*map(token, pieces), token("", "stop"))[:1_000_000])).reply(
            SAID, [], language="en", fallback=False
        )
        async for piece in reply.pieces:
            seen.append(piece)
    assert failed.value.reason == "UPSTREAM_ANSWER_CUT"
    assert len("".join(seen)) <= MAX_REPLY_CHARACTERS


@pytest.mark.parametrize("reason", ["stop", "end_turn", "eos_token", "STOP"])
async def test_a_reply_that_ends_with_another_word_is_whole(reason: str) -> None:
    assert await whole(assistant_on(Wire(events(token("Thank you.", reason))))) == "Thank you."


@pytest.mark.parametrize("reason", ["length", "content_filter"])
async def test_a_reply_that_the_upstream_cut_is_told_as_cut(reason: str) -> None:
    with pytest.raises(UpstreamFailed) as failed:
        await whole(assistant_on(Wire(events(token("Please read the num", reason)))))
    assert failed.value.reason == "UPSTREAM_ANSWER_CUT"


async def test_an_upstream_whose_replies_are_cut_is_not_taken_for_a_broken_one() -> None:
    breaker = llm_breaker(bounds=BreakerBounds(failures=2))
    wire = Wire(events(token("Thank you. Please read the num", "length")))
    assistant = assistant_on(wire, breaker=breaker)
    for _ in range(4):
        with pytest.raises(UpstreamFailed):
            await whole(assistant, fallback=True)
    assert (breaker.state, breaker.failure_count, len(wire.sent)) == (BreakerState.CLOSED, 0, 4)


async def test_a_reply_for_which_nobody_waits_may_be_longer() -> None:
    wire = Wire(events(token("Hi", "stop")))
    for fallback, tokens in ((True, MAX_REPLY_TOKENS), (False, MAX_LATE_REPLY_TOKENS)):
        await whole(assistant_on(wire), fallback=fallback)
        assert wire.body()["max_completion_tokens"] == tokens
    assert MAX_LATE_REPLY_TOKENS > MAX_REPLY_TOKENS


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["choices", "delta", "message", "content", "error", "id", "object"]), inner)
    ),
    max_leaves=8,
)
_ANSWERS = st.one_of(
    st.binary(max_size=200),
    st.lists(_JSON, max_size=4).map(lambda chunks: events(*chunks)),
    _JSON.map(lambda content: json.dumps(content).encode()),
    st.lists(_JSON, max_size=2).map(lambda choices: json.dumps({"choices": choices}).encode()),
)


@pytest.mark.slow
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    content=_ANSWERS,
    status=st.sampled_from([200, 200, 200, 204, 400, 404, 429, 500, 503]),
    media_type=st.sampled_from(["text/event-stream", "application/json", "text/html; charset=x"]),
)
async def test_every_upstream_answer_ends_in_a_vestibule_error(content: bytes, status: int, media_type: str) -> None:
    breaker = llm_breaker(bounds=BreakerBounds(failures=99))
    assistant = assistant_on(Wire(content, status, headers={"content-type": media_type}), breaker=breaker)
    for ask in (whole(assistant), assistant.propose([], flow=SITE_VISIT, language="en", fallback=False)):
        try:
            await ask
        except VestibuleError as error:
            assert error.reason.startswith("UPSTREAM_")
    assert (await assistant.propose([], flow=SITE_VISIT, language="en", fallback=True)).record.summary
    assert await whole(assistant, fallback=True)


async def test_the_total_time_is_measured_by_the_clock() -> None:
    """Each token arrives within its limit, but the total time is exceeded."""
    clock = HandSeconds()

    async def tokens() -> AsyncIterator[bytes]:
        for _ in range(10):
            clock.advance(4)
            yield b"data: " + json.dumps(token("word ")).encode() + b"\n\n"

    def answer(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, content=tokens(), headers={"content-type": "text/event-stream"})

    transport = httpx2.MockTransport(answer)
    assistant = assistant_at("http://llm.test/v1", clock=clock, transport=transport)
    reply = await assistant.reply(SAID, [], language="en", fallback=False)
    pieces = []
    with pytest.raises(DeadlineExceeded):
        async for piece in reply.pieces:
            pieces.append(piece)
    assert 0 < len(pieces) < 10


async def test_without_an_upstream_the_fallback_answers() -> None:
    assistant = OpenAiAssistant([])
    assert not assistant.configured
    assert (await assistant.reply(SAID, [], language="en", fallback=True)).origin is Origin.FALLBACK
    assert (await assistant.propose([], flow=SITE_VISIT, language="en", fallback=True)).origin is Origin.FALLBACK
    with pytest.raises(UpstreamFailed) as failed:
        await assistant.propose([], flow=SITE_VISIT, language="en", fallback=False)
    assert failed.value.reason == "UPSTREAM_NOT_SET"
    await assistant.aclose()


async def test_failures_open_the_breaker_and_a_probe_closes_it() -> None:
    clock = HandSeconds()
    changes: list[BreakerChange] = []
    wire = Wire(b"", status=500)
    breaker = llm_breaker(bounds=BreakerBounds(2, 60, 1), clock=clock, on_change=changes.append)
    assistant = assistant_on(wire, breaker=breaker, clock=clock)
    for _ in range(3):
        await whole(assistant, fallback=True)
    assert len(wire.sent) == 2
    clock.advance(60)
    wire.status, wire.content = 200, events(token("Hi", "stop"))
    assert await whole(assistant, fallback=True) == "Hi"
    assert [change.new for change in changes] == [BreakerState.OPEN, BreakerState.HALF_OPEN, BreakerState.CLOSED]


@pytest.mark.parametrize("make", [lambda: assistant_on(Wire(events(token("Hi", "stop")))), FakeAssistant])
async def test_the_fake_assistant_meets_the_contract_of_the_real_one(make: Any) -> None:
    assistant: Assistant = make()
    assert assistant.configured
    assert (await assistant.reply(SAID, [], language="en", fallback=True)).origin is Origin.MODEL
    for said, history in ((UNSAFE, []), (SAID, [Exchange(UNSAFE, None)]), (SAID, [Exchange(SAID, UNSAFE)])):
        assert (await assistant.reply(said, history, language="en", fallback=True)).origin is Origin.FALLBACK
        with pytest.raises(RedactionFailed):
            await assistant.reply(said, history, language="en", fallback=False)


async def test_the_fake_assistant_raises_scripted_failures() -> None:
    fake = FakeAssistant()
    broken = UpstreamFailed("Broken.")
    fake.script_reply(broken)
    with pytest.raises(UpstreamFailed):
        await whole(fake)
    fake.script_reply("Half ", broken)
    with pytest.raises(UpstreamFailed):
        await whole(fake)
    fake.script_reply("Half ", broken)
    with pytest.raises(UpstreamFailed):
        await whole(fake, fallback=True)
    fake.script_record(broken)
    assert (await fake.propose([], flow=SITE_VISIT, language="en", fallback=True)).origin is Origin.FALLBACK
    with pytest.raises(UpstreamFailed):
        await whole(FakeAssistant(configured=False))
    assert [asked.fallback for asked in fake.asked_replies] == [False, False, True]
