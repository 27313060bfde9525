"""Several upstreams in order, over real HTTP: pauses, budgets, deadlines, cancellation, steps."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from models.deadline import ending_in
from models.errors import BreakerOpen, DeadlineExceeded, Overloaded, UpstreamFailed, VestibuleError
from models.retry_budget import RetryBudget
from server.breakers.types import BreakerBounds, BreakerState
from server.ledger.types import Origin
from server.llm.assistant import OpenAiAssistant
from server.llm.upstream import Patience, Upstream
from tests.eventually import eventually
from tests.unit.llm.assistants import llm_breaker, upstream_at
from tests.unit.llm.scripted_upstream import KEY, ScriptedUpstream, run_upstream
from tests.unit.llm.texts import said_anew

LONG = Patience(20, 20, 20)


@pytest.fixture(scope="module")
def second(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ScriptedUpstream]:
    with run_upstream(tmp_path_factory.mktemp("second") / "received") as upstream:
        yield upstream


@pytest.fixture
async def assistant(scripted: ScriptedUpstream, second: ScriptedUpstream) -> AsyncIterator[OpenAiAssistant]:
    for upstream in (scripted, second):
        upstream.script("answer")
    made = OpenAiAssistant([at(scripted), at(second, "llm_api_2")], turn_s=20)
    yield made
    await made.aclose()


def at(scripted: ScriptedUpstream, name: str = "llm_api", budget: RetryBudget | None = None) -> Upstream:
    breaker = llm_breaker(name, BreakerBounds(failures=2, reset_s=120, successes=1))
    return upstream_at(f"{scripted.url}/v1", KEY, breaker=breaker, budget=budget, patience=LONG)


async def ask(assistant: OpenAiAssistant, *, fallback: bool = False, retry: bool = False) -> Origin:
    reply = await assistant.reply(said_anew(), [], language="en", fallback=fallback, retry=retry)
    assert "".join([piece async for piece in reply.pieces])
    return reply.origin


async def refused(assistant: OpenAiAssistant, *, retry: bool = False) -> VestibuleError:
    with pytest.raises(VestibuleError) as caught:
        await ask(assistant, retry=retry)
    return caught.value


async def test_the_first_that_answers_is_the_only_one_that_is_asked(
    assistant: OpenAiAssistant, scripted: ScriptedUpstream, second: ScriptedUpstream
) -> None:
    before = scripted.asked(), second.asked()
    assert await ask(assistant, fallback=True) is Origin.MODEL
    assert (scripted.asked(), second.asked()) == (before[0] + 1, before[1])


@pytest.mark.parametrize("mode", ["error", "refuse", "rate_limit", "garbage", "empty", "bad_request"])
@pytest.mark.parametrize("fallback", [True, False])
async def test_the_next_is_asked_when_one_fails(
    assistant: OpenAiAssistant, scripted: ScriptedUpstream, second: ScriptedUpstream, mode: str, fallback: bool
) -> None:
    scripted.script(mode)
    before = scripted.asked(), second.asked()
    assert await ask(assistant, fallback=fallback) is Origin.MODEL
    assert (scripted.asked(), second.asked()) == (before[0] + 1, before[1] + 1), "one attempt each"


async def test_an_upstream_whose_breaker_is_open_is_passed_over(
    assistant: OpenAiAssistant, scripted: ScriptedUpstream, second: ScriptedUpstream
) -> None:
    scripted.script("error")
    for _ in range(2):
        await ask(assistant)
    before = scripted.asked()
    for _ in range(5):
        assert await ask(assistant) is Origin.MODEL
    assert scripted.asked() == before
    assert [u.breaker.state for u in assistant.upstreams] == [BreakerState.OPEN, BreakerState.CLOSED]


async def test_the_local_fallback_is_the_last_step_and_says_so(
    assistant: OpenAiAssistant, scripted: ScriptedUpstream, second: ScriptedUpstream
) -> None:
    for upstream in (scripted, second):
        upstream.script("error")
    assert await ask(assistant, fallback=True) is Origin.FALLBACK
    error = await refused(assistant)
    assert isinstance(error, UpstreamFailed), "a background job gets the error of the first that was asked"
    assert isinstance(await refused(assistant), BreakerOpen)


async def test_a_hung_upstream_leaves_time_for_the_next(scripted: ScriptedUpstream, second: ScriptedUpstream) -> None:
    scripted.script("hang")
    second.script("answer")
    assistant = OpenAiAssistant([at(scripted), at(second, "llm_api_2")], turn_s=6.0)
    began = asyncio.get_running_loop().time()
    assert await ask(assistant, fallback=True) is Origin.MODEL
    took_s = asyncio.get_running_loop().time() - began
    assert 3.0 <= took_s < 6.0, "half of the time of the turn for each"
    scripted.script("answer")
    await assistant.aclose()


@pytest.mark.parametrize("form", ["seconds", "date"])
async def test_a_pause_that_the_upstream_asks_for_is_kept_by_all_calls(scripted: ScriptedUpstream, form: str) -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    scripted.script("rate_limit", retry_after="90" if form == "seconds" else date)
    assistant = OpenAiAssistant([at(scripted)])
    first = await refused(assistant)
    assert first.reason == "UPSTREAM_RATE_LIMITED"
    before = scripted.asked()
    second = await refused(assistant)
    assert (type(second), second.reason) == (Overloaded, "UPSTREAM_PAUSED")
    assert 45 < (second.retry_after_s or 0) <= 90
    assert await ask(assistant, fallback=True) is Origin.FALLBACK
    assert scripted.asked() == before
    assert assistant.upstreams[0].breaker.failure_count == 1, "a call that was not made counts as nothing"
    await assistant.aclose()


async def test_no_more_attempts_are_repeated_than_the_budget_allows(scripted: ScriptedUpstream) -> None:
    scripted.script("bad_request")  # which opens no breaker
    assistant = OpenAiAssistant([at(scripted, budget=RetryBudget(share=0.2, least=1))])
    for _ in range(10):
        await refused(assistant)
    before = scripted.asked()
    reasons = [(await refused(assistant, retry=True)).reason for _ in range(20)]
    assert scripted.asked() - before == 1 + 2
    assert reasons == ["UPSTREAM_REFUSED_REQUEST"] * 3 + ["RETRY_BUDGET_SPENT"] * 17
    first = await refused(assistant)
    assert first.reason == "UPSTREAM_REFUSED_REQUEST", "first attempts are not bounded"
    await assistant.aclose()


async def test_no_attempt_starts_that_cannot_finish(scripted: ScriptedUpstream) -> None:
    assistant = OpenAiAssistant([at(scripted)])
    scripted.script("slow", delay_s=0.2)
    await ask(assistant)
    before = scripted.asked()
    with ending_in(0.1):
        error = await refused(assistant)
        assert (type(error), error.reason) == (DeadlineExceeded, "NO_TIME_LEFT")
        assert await ask(assistant, fallback=True) is Origin.FALLBACK
    assert scripted.asked() == before
    assert assistant.upstreams[0].breaker.failure_count == 0
    await assistant.aclose()


async def test_an_attempt_ends_with_the_time_that_is_left(scripted: ScriptedUpstream) -> None:
    assistant = OpenAiAssistant([at(scripted)])
    scripted.script("hang")
    began = asyncio.get_running_loop().time()
    with ending_in(0.3):
        await refused(assistant)
    assert asyncio.get_running_loop().time() - began < 10, "an attempt alone would wait for 20 s"
    assert assistant.upstreams[0].breaker.failure_count == 0, "a client with short deadlines opens no breaker"
    scripted.script("answer")
    await assistant.aclose()


async def test_a_cancelled_call_ends_at_the_upstream_too(scripted: ScriptedUpstream) -> None:
    assistant = OpenAiAssistant([at(scripted)])
    scripted.script("hang")
    before, held = scripted.asked(), scripted.held()
    asking = asyncio.create_task(ask(assistant, fallback=True))
    await eventually(lambda: scripted.asked() == before + 1 and scripted.held() == held + 1)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    await eventually(lambda: scripted.held() == held)
    assert assistant.upstreams[0].breaker.failure_count == 0
    scripted.script("answer")
    await assistant.aclose()


async def test_a_health_probe_asks_for_one_word_and_sends_nothing_of_anybody(
    scripted: ScriptedUpstream,
) -> None:
    upstream = at(scripted)
    scripted.script("answer")
    size = scripted.record.stat().st_size
    await upstream.probe()
    sent = scripted.record.read_bytes()[size:]
    assert b'"max_completion_tokens":1' in sent
    assert b"Riverside" not in sent
    scripted.script("error")
    with pytest.raises(UpstreamFailed):
        await upstream.probe()
    await upstream.aclose()
