"""The real client against the real stand-in LLM over loopback HTTP, once for every way in which it can fail."""

from __future__ import annotations

import asyncio
import socket
import traceback
from collections.abc import AsyncIterator

import httpx2
import pytest

from models.errors import BreakerOpen, DeadlineExceeded, Overloaded, UpstreamFailed, VestibuleError
from server.breakers.breaker import AsyncBreaker
from server.breakers.types import BreakerState
from server.ledger.types import Origin
from server.llm.assistant import OpenAiAssistant
from server.llm.types import Exchange, RecordField, SourceItem
from server.llm.upstream import Patience
from tests.eventually import eventually
from tests.unit.llm.assistants import assistant_at
from tests.unit.llm.scripted_upstream import KEY, ScriptedUpstream
from tests.unit.llm.texts import METER, REGISTER, SITE_VISIT, VISIT, redacted

QUICK_S = 0.3
"""Long enough for a loopback answer on a busy machine in the tests that expect none; others have 5 s."""

MATERIALS = [
    SourceItem("turn-1", "turn", VISIT),
    SourceItem("upload-1", "visitor_register", REGISTER),
    SourceItem("upload-2", "meter", METER),
]
SAID = redacted("I am at the Riverside site")
FALLBACK_TEXT = "Thank you, I have noted that."


@pytest.fixture
async def patient(scripted: ScriptedUpstream) -> AsyncIterator[OpenAiAssistant]:
    async for assistant in _assistant(scripted, 5.0):
        yield assistant


@pytest.fixture
async def hasty(scripted: ScriptedUpstream) -> AsyncIterator[OpenAiAssistant]:
    async for assistant in _assistant(scripted, QUICK_S):
        yield assistant


async def _assistant(scripted: ScriptedUpstream, patience_s: float) -> AsyncIterator[OpenAiAssistant]:
    scripted.script("answer")
    patience = Patience(patience_s, patience_s, patience_s)
    assistant = assistant_at(f"{scripted.url}/v1", KEY, patience=patience, turn_s=patience_s)
    yield assistant
    await assistant.aclose()


def breaker_of(assistant: OpenAiAssistant) -> AsyncBreaker:
    return assistant.upstreams[0].breaker


async def whole_reply(assistant: OpenAiAssistant, *, fallback: bool) -> tuple[str, Origin]:
    reply = await assistant.reply(SAID, [], language="en", fallback=fallback)
    return "".join([piece async for piece in reply.pieces]), reply.origin


async def test_a_reply_streams_in_the_persons_language(patient: OpenAiAssistant) -> None:
    history = [Exchange(redacted("Ich bin am Standort Nordhafen"), redacted("Was zeigt der Zähler an?"))]
    said = redacted("Der Zählerstand ist 48217")
    reply = await patient.reply(said, history, language="de", fallback=True)
    pieces = [piece async for piece in reply.pieces]
    assert reply.origin is Origin.MODEL
    assert len(pieces) > 5
    assert "".join(pieces) == (
        "Alles klar. Danke, notiert: der Zählerstand. Wie erreichen wir Sie, telefonisch oder per E-Mail?"
    )


async def test_a_record_is_proposed_against_the_schema(patient: OpenAiAssistant) -> None:
    proposed = await patient.propose(MATERIALS, flow=SITE_VISIT, language="en", fallback=False)
    assert proposed.origin is Origin.MODEL
    assert proposed.record.fields == (
        RecordField("site_name", "Riverside", "turn-1"),
        RecordField("meter_reading", "04821.7", "upload-2"),
        RecordField("meter_unit", "m3", "upload-2"),
        RecordField("visitor_count", "4", "upload-1"),
        RecordField("contact_given", "yes", "turn-1"),
        RecordField("name_given", "yes", "turn-1"),
    )
    assert proposed.record.summary == (
        "A visit at Riverside; the meter reads 04821.7 m3; 4 visitors are in the register."
    )


async def test_the_stand_in_records_every_byte_it_receives(
    patient: OpenAiAssistant, scripted: ScriptedUpstream
) -> None:
    await whole_reply(patient, fallback=False)
    received = scripted.record.read_bytes()
    assert b"POST /v1/chat/completions HTTP/1.1\r\n" in received
    assert f"Bearer {KEY}".encode() in received
    assert SAID.value.encode() in received
    assert b"openai-organization" not in received.lower()


FAILURES: list[tuple[str, type[VestibuleError], str, str]] = [
    # mode, class, reason of a reply, reason of a record
    ("refuse", UpstreamFailed, "UPSTREAM_UNREACHABLE", "UPSTREAM_UNREACHABLE"),
    ("rate_limit", Overloaded, "UPSTREAM_RATE_LIMITED", "UPSTREAM_RATE_LIMITED"),
    ("error", UpstreamFailed, "UPSTREAM_ERROR", "UPSTREAM_ERROR"),
    ("bad_request", UpstreamFailed, "UPSTREAM_REFUSED_REQUEST", "UPSTREAM_REFUSED_REQUEST"),
    ("half", UpstreamFailed, "UPSTREAM_HALF_ANSWER", "UPSTREAM_HALF_ANSWER"),
    ("cut", UpstreamFailed, "UPSTREAM_HALF_ANSWER", "UPSTREAM_UNREACHABLE"),
    ("garbage", UpstreamFailed, "UPSTREAM_GARBAGE", "UPSTREAM_GARBAGE"),
    ("empty", UpstreamFailed, "UPSTREAM_EMPTY", "UPSTREAM_EMPTY"),
    ("huge", UpstreamFailed, "UPSTREAM_GARBAGE", "UPSTREAM_GARBAGE"),
]


@pytest.mark.parametrize(("mode", "kind", "reason", "_"), FAILURES)
async def test_a_failed_reply_raises_a_vestibule_error(
    patient: OpenAiAssistant, scripted: ScriptedUpstream, mode: str, kind: type[VestibuleError], reason: str, _: str
) -> None:
    scripted.script(mode, retry_after="7")
    with pytest.raises(kind) as failed:
        await whole_reply(patient, fallback=False)
    assert failed.value.reason == reason
    assert failed.value.retry_after_s == (7.0 if mode == "rate_limit" else None)
    assert breaker_of(patient).failure_count == (0 if mode == "bad_request" else 1)
    assert_no_text_of_theirs(failed.value)


@pytest.mark.parametrize(("mode", "kind", "_", "reason"), FAILURES)
async def test_a_failed_record_raises_a_vestibule_error(
    patient: OpenAiAssistant, scripted: ScriptedUpstream, mode: str, kind: type[VestibuleError], _: str, reason: str
) -> None:
    scripted.script(mode, retry_after="7")
    with pytest.raises(kind) as failed:
        await patient.propose(MATERIALS, flow=SITE_VISIT, language="en", fallback=False)
    assert failed.value.reason == reason
    assert breaker_of(patient).failure_count == (0 if mode == "bad_request" else 1)
    assert_no_text_of_theirs(failed.value)


def assert_no_text_of_theirs(error: VestibuleError) -> None:
    printed = "".join(traceback.format_exception(error))
    for theirs in ("Rate limit reached", "Unsupported value", "The server had an error", "not what you asked"):
        assert theirs not in printed


@pytest.mark.parametrize("mode", [mode for mode, *_ in FAILURES])
async def test_a_person_who_waits_gets_the_fallback(
    patient: OpenAiAssistant, scripted: ScriptedUpstream, mode: str
) -> None:
    scripted.script(mode)
    if mode in ("half", "cut", "huge"):  # the model's half and the fallback's sentences are never mixed
        with pytest.raises(UpstreamFailed):
            await whole_reply(patient, fallback=True)
    else:
        assert await whole_reply(patient, fallback=True) == (FALLBACK_TEXT, Origin.FALLBACK)
    proposed = await patient.propose(MATERIALS, flow=SITE_VISIT, language="en", fallback=True)
    assert proposed.origin is Origin.FALLBACK
    assert proposed.record.fields[0] == RecordField("site_name", "Riverside", "turn-1")


async def test_an_error_event_within_a_stream(patient: OpenAiAssistant, scripted: ScriptedUpstream) -> None:
    scripted.script("error_event")
    with pytest.raises(UpstreamFailed) as failed:
        await whole_reply(patient, fallback=False)
    assert failed.value.reason == "UPSTREAM_ERROR"
    assert_no_text_of_theirs(failed.value)


async def test_an_invalid_record_counts_as_a_failure(patient: OpenAiAssistant, scripted: ScriptedUpstream) -> None:
    scripted.script("bad_record")
    with pytest.raises(UpstreamFailed) as failed:
        await patient.propose(MATERIALS, flow=SITE_VISIT, language="en", fallback=False)
    assert failed.value.reason == "UPSTREAM_INVALID_RECORD"
    assert breaker_of(patient).failure_count == 1


@pytest.mark.parametrize("mode", ["hang", "stall"])
async def test_a_hung_upstream_times_out(hasty: OpenAiAssistant, scripted: ScriptedUpstream, mode: str) -> None:
    scripted.script(mode)
    with pytest.raises(DeadlineExceeded) as failed:
        await whole_reply(hasty, fallback=False)
    assert failed.value.reason == "UPSTREAM_TIMEOUT"
    with pytest.raises(DeadlineExceeded):
        await hasty.propose(MATERIALS, flow=SITE_VISIT, language="en", fallback=False)
    assert breaker_of(hasty).failure_count == 2


async def test_slow_tokens_end_at_the_total_time_limit(hasty: OpenAiAssistant, scripted: ScriptedUpstream) -> None:
    scripted.script("slow", delay_s=QUICK_S / 3)
    with pytest.raises(DeadlineExceeded):
        await whole_reply(hasty, fallback=False)


async def test_the_breaker_stops_calls_to_an_upstream_that_is_down(
    patient: OpenAiAssistant, scripted: ScriptedUpstream
) -> None:
    scripted.script("error")
    before = scripted.asked()
    texts = [await whole_reply(patient, fallback=True) for _ in range(6)]
    assert texts == [(FALLBACK_TEXT, Origin.FALLBACK)] * 6
    assert scripted.asked() - before == 3
    assert breaker_of(patient).state is BreakerState.OPEN
    with pytest.raises(BreakerOpen) as refused:
        await patient.propose(MATERIALS, flow=SITE_VISIT, language="en", fallback=False)
    assert 60 < (refused.value.retry_after_s or 0) <= 120


async def test_a_failure_mode_can_be_limited_to_a_number_of_calls(
    patient: OpenAiAssistant, scripted: ScriptedUpstream
) -> None:
    scripted.script("error", times=1)
    assert (await whole_reply(patient, fallback=True))[1] is Origin.FALLBACK
    assert (await whole_reply(patient, fallback=True))[1] is Origin.MODEL


@pytest.mark.parametrize(("key", "reason"), [("wrong", "UPSTREAM_KEY_REFUSED"), ("", "UPSTREAM_KEY_REFUSED")])
async def test_a_wrong_key_is_refused(scripted: ScriptedUpstream, key: str, reason: str) -> None:
    scripted.script("answer")
    assistant = assistant_at(f"{scripted.url}/v1", key)
    with pytest.raises(UpstreamFailed) as failed:
        await whole_reply(assistant, fallback=False)
    await assistant.aclose()
    assert failed.value.reason == reason


async def test_an_upstream_that_does_not_listen_is_unreachable() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    assistant = assistant_at(f"http://127.0.0.1:{port}/v1")
    with pytest.raises(UpstreamFailed) as failed:
        await whole_reply(assistant, fallback=False)
    await assistant.aclose()
    assert failed.value.reason == "UPSTREAM_UNREACHABLE"


async def test_four_replies_at_once_share_no_lock(patient: OpenAiAssistant, scripted: ScriptedUpstream) -> None:
    """All four hang; they end together, when the script changes."""
    scripted.script("hang")
    before = scripted.asked()
    tasks = [asyncio.create_task(whole_reply(patient, fallback=False)) for _ in range(4)]
    await eventually(lambda: scripted.asked() == before + 4)
    scripted.script("answer")
    assert {origin for _, origin in await asyncio.gather(*tasks)} == {Origin.MODEL}


async def test_a_reader_that_leaves_does_not_count_as_a_failure(
    patient: OpenAiAssistant, scripted: ScriptedUpstream
) -> None:
    scripted.script("stall")
    reply = await patient.reply(SAID, [], language="en", fallback=True)
    pieces = reply.pieces
    assert await anext(pieces) == "All "
    await pieces.aclose()
    assert breaker_of(patient).failure_count == 0


async def test_the_stand_in_checks_the_key_and_its_requests(scripted: ScriptedUpstream) -> None:
    async with httpx2.AsyncClient(base_url=scripted.url, trust_env=False) as http:
        assert (await http.get("/v1/models")).status_code == 401
        models = await http.get("/v1/models", headers={"authorization": f"Bearer {KEY}"})
        assert models.json()["data"][0]["object"] == "model"
        assert (await http.post("/script", json={"mode": "nonsense"})).status_code == 400
        bad = await http.post("/v1/chat/completions", content=b"[]", headers={"authorization": f"Bearer {KEY}"})
        assert bad.status_code == 400
