"""The breaker's state over a restart, with a real ledger file and the objects that the server is made of."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from models.errors import BreakerOpen, Unavailable, UpstreamFailed
from models.reasons import Reason
from server.breakers import prober
from server.breakers.breaker import AsyncBreaker
from server.breakers.prober import HealthProber
from server.breakers.registry import Breakers
from server.breakers.store import BreakerStore
from server.breakers.types import BreakerBounds, BreakerState
from server.ledger import breakers, claims, jobs
from server.ledger.breakers import BreakerRow
from server.ledger.columns import Cursor, aware, fetch_all
from server.ledger.embedded import EmbeddedLedger
from server.ledger.opened import Ledgers
from server.ledger.types import utc_now
from server.llm.assistant import OpenAiAssistant
from server.observability.metrics import Metrics
from server.setting_groups import LlmSettings, RetrySettings, UpstreamSettings
from server.setting_groups.retries import RetryPolicySettings
from server.settings import Settings
from server.wiring.shared import Shared, build_shared
from tests.eventually import eventually
from tests.unit.jobs.clock import HandClock
from tests.unit.ledger.migrated import open_ledger
from tests.unit.llm.assistants import llm_breaker
from tests.unit.llm.scripted_upstream import KEY, ScriptedUpstream
from tests.unit.llm.texts import said_anew

NOW = datetime(2026, 11, 26, 9, tzinfo=UTC)
RESET_S = 120.0
QUICK = RetryPolicySettings(attempts=5, first_delay_s=1e-6, longest_s=600, factor=3, total_s=1800)


class Installation:
    """A server that is started, at any time, and stopped again; its files stay."""

    def __init__(self, folder: Path, upstream: ScriptedUpstream) -> None:
        self.settings = Settings(
            data_dir=folder / "data",
            state_dir=folder / "state",
            llm=LlmSettings(base_url=f"{upstream.url}/v1", api_key=SecretStr(KEY), reset_s=RESET_S, successes=1),
            retry=RetrySettings(llm_api=QUICK),
        )

    @asynccontextmanager
    async def started(self, after_s: float = 0.0) -> AsyncIterator[OpenAiAssistant]:
        async with AsyncExitStack() as stack:
            yield (await self.build(stack, after_s)).assistant

    async def build(self, stack: AsyncExitStack, after_s: float = 0.0) -> Shared:
        ledger = self.open_ledger(stack)
        ledgers = Ledgers(ledger, ledger)
        return await build_shared(self.settings, ledgers, stack, lambda: NOW + timedelta(seconds=after_s))

    def open_ledger(self, stack: AsyncExitStack) -> EmbeddedLedger:
        ledger = self.ledger()
        stack.callback(ledger.close)
        return ledger

    def ledger(self) -> EmbeddedLedger:
        return open_ledger(self.settings.ledger_path)


@pytest.fixture
def installation(tmp_path: Path, scripted: ScriptedUpstream) -> Installation:
    return Installation(tmp_path, scripted)


def breaker_of(assistant: OpenAiAssistant) -> AsyncBreaker:
    return assistant.upstreams[0].breaker


async def ask(assistant: OpenAiAssistant) -> str:
    reply = await assistant.reply(said_anew(), [], language="en", fallback=False)
    return "".join([piece async for piece in reply.pieces])


async def fail_until_it_opens(assistant: OpenAiAssistant, scripted: ScriptedUpstream) -> None:
    scripted.script("error")
    for _ in range(3):
        with pytest.raises(UpstreamFailed):
            await ask(assistant)
    assert breaker_of(assistant).state is BreakerState.OPEN


async def test_an_open_breaker_stays_open_across_a_restart(
    installation: Installation, scripted: ScriptedUpstream
) -> None:
    async with installation.started() as assistant:
        await fail_until_it_opens(assistant, scripted)
    scripted.script("answer")
    asked = scripted.asked()
    async with installation.started(after_s=50) as assistant:
        assert breaker_of(assistant).state is BreakerState.OPEN
        with pytest.raises(BreakerOpen) as refused:
            await ask(assistant)
        assert 0 < (refused.value.retry_after_s or 0) <= RESET_S - 50, "the rest of its time"
        assert scripted.asked() == asked
    async with installation.started(after_s=RESET_S) as assistant:
        assert await ask(assistant)
        assert scripted.asked() == asked + 1
        assert breaker_of(assistant).state is BreakerState.CLOSED
    async with installation.started(after_s=RESET_S + 1) as assistant:
        assert breaker_of(assistant).state is BreakerState.CLOSED


async def test_the_metric_of_a_restored_breaker_says_open(
    installation: Installation, scripted: ScriptedUpstream
) -> None:
    async with installation.started() as assistant:
        await fail_until_it_opens(assistant, scripted)
    async with AsyncExitStack() as stack:
        common = await installation.build(stack)
        gauge = common.metrics.registry.get_sample_value("vestibule_breaker_open", {"breaker": "llm_api"})
    assert gauge == 1.0


async def test_a_reset_by_hand_is_stored(installation: Installation, scripted: ScriptedUpstream) -> None:
    async with installation.started() as assistant:
        await fail_until_it_opens(assistant, scripted)
        breaker_of(assistant).reset()
    async with installation.started(after_s=1) as assistant:
        assert breaker_of(assistant).state is BreakerState.CLOSED


async def test_calls_that_change_nothing_are_not_stored(installation: Installation, scripted: ScriptedUpstream) -> None:
    scripted.script("answer")
    async with installation.started() as assistant:
        await ask(assistant)
    ledger = installation.ledger()
    assert await ledger.read(lambda cursor: breakers.load(cursor, "llm_api")) is None
    ledger.close()


async def test_each_change_is_an_event_a_metric_and_a_log_line(
    installation: Installation, scripted: ScriptedUpstream, capsys: pytest.CaptureFixture[str]
) -> None:
    async with AsyncExitStack() as stack:
        shared = await installation.build(stack)
        await fail_until_it_opens(shared.assistant, scripted)
        await shared.breakers.drain()
        rows = await shared.ledger.read(lambda cursor: fetch_all(cursor, "SELECT * FROM v_server_events"))
        counted = shared.metrics.registry.get_sample_value(
            "vestibule_breaker_changes_total", {"breaker": "llm_api", "state": "open"}
        )
    assert [(row["name"], row["subject"], json.loads(row["properties"])) for row in rows] == [
        ("breaker_changed", "llm_api", {"old": "closed", "new": "open", "failures": 3, "cause": "failures"})
    ]
    assert counted == 1.0
    assert "breaker_changed" in capsys.readouterr().out


async def test_two_registries_on_one_ledger_share_the_state(tmp_path: Path) -> None:
    ledger, now = open_ledger(tmp_path / "ledger.duckdb"), HandClock()
    one, other = (Breakers(ledger, Metrics(), now) for _ in range(2))
    mine, theirs = (breakers.build("llm_api", BreakerBounds(2, RESET_S, 1)) for breakers in (one, other))
    mine.trip()
    await one.drain()
    await other.follow()
    assert theirs.state is BreakerState.OPEN
    now.advance(20)
    with pytest.raises(BreakerOpen) as refused:
        async with theirs.guard():
            raise AssertionError("The call must not be made.")
    assert RESET_S / 2 < (refused.value.retry_after_s or 0) <= RESET_S
    theirs.reset()
    await other.drain()
    await one.follow()
    await one.follow()
    assert mine.state is BreakerState.CLOSED
    ledger.close()


async def test_what_is_stored_last_holds_whatever_the_clocks_of_the_servers_say(tmp_path: Path) -> None:
    ledger, now, behind = open_ledger(tmp_path / "ledger.duckdb"), HandClock(), HandClock()
    behind.advance(-3600)
    one, other = Breakers(ledger, Metrics(), now), Breakers(ledger, Metrics(), behind)
    mine, theirs = (breakers.build("llm_api", BreakerBounds(2, RESET_S, 1)) for breakers in (one, other))
    told: list[str] = []
    other.tell_when_stored(lambda: told.append("stored"))
    mine.trip()
    await one.drain()
    await other.follow()
    theirs.reset()
    await other.drain()
    await one.follow()
    assert mine.state is BreakerState.CLOSED
    assert told == ["stored"]
    ledger.close()


async def test_a_change_that_is_being_stored_is_not_undone_by_one_that_was_stored_before(tmp_path: Path) -> None:
    ledger, now = open_ledger(tmp_path / "ledger.duckdb"), HandClock()
    one, other = (Breakers(ledger, Metrics(), now) for _ in range(2))
    mine, theirs = (breakers.build("llm_api", BreakerBounds(2, RESET_S, 1)) for breakers in (one, other))
    mine.trip()
    await one.drain()
    await other.follow()
    now.advance(1)
    theirs.reset()
    await other.drain()
    now.advance(1)
    mine.let_probes_through()
    await one.follow()
    assert mine.state is BreakerState.HALF_OPEN
    await one.drain()
    await other.follow()
    assert theirs.state is BreakerState.HALF_OPEN
    ledger.close()


async def test_a_change_is_taken_over_within_one_tick_of_the_prober_without_any_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each registry has a connection of its own. Another process cannot have one: see test_writer.py, LEDGER_LOCKED."""
    assert prober.TICK_S <= 2.0
    monkeypatch.setattr(prober, "TICK_S", 0.0)
    ledgers = [open_ledger(tmp_path / "ledger.duckdb") for _ in range(2)]
    one, other = (Breakers(ledger, Metrics(), utc_now) for ledger in ledgers)
    mine, theirs = (breakers.build("llm_api", BreakerBounds(2, RESET_S, 1)) for breakers in (one, other))
    following = [asyncio.create_task(HealthProber(breakers, []).run()) for breakers in (one, other)]
    mine.trip()
    await eventually(lambda: theirs.state is BreakerState.OPEN)
    theirs.reset()
    await eventually(lambda: mine.state is BreakerState.CLOSED)
    for task in following:
        task.cancel()
    await asyncio.gather(*following, return_exceptions=True)
    for registry, ledger in zip((one, other), ledgers, strict=True):
        await registry.drain()
        ledger.close()


async def test_jobs_that_were_refused_come_back_when_a_breaker_closes_and_others_do_not(tmp_path: Path) -> None:
    ledger, now = open_ledger(tmp_path / "ledger.duckdb"), HandClock()
    registry, woken = Breakers(ledger, Metrics(), now), []
    registry.wake_when_closed(lambda: woken.append(now()))
    breaker = registry.build("llm_api", BreakerBounds(2, RESET_S, 1))
    waits = {
        "refused": (Reason.BREAKER_OPEN, RESET_S),
        "soon": (Reason.BREAKER_OPEN, 2.0),
        "lost": (Reason.WORKER_LOST, 60.0),
    }

    def wait_for_something(cursor: Cursor) -> None:
        for key in waits:
            jobs.enqueue(cursor, jobs.new_job("reply", key, key, {}, "llm_api", now()))
        for job in claims.claim(cursor, "me", now(), 30.0, len(waits)):
            reason, wait_s = waits[job.key]
            jobs.reschedule(cursor, job.id, now() + timedelta(seconds=wait_s), reason, owner="me", begun=False)

    async def due_in_s() -> dict[str, float]:
        rows = await ledger.read(lambda cursor: fetch_all(cursor, "SELECT key, next_attempt_time FROM jobs"))
        return {row["key"]: (aware(row["next_attempt_time"]) - now()).total_seconds() for row in rows}

    await ledger.write(wait_for_something)
    breaker.trip()
    await registry.drain()
    assert await due_in_s() == {key: wait_s for key, (_, wait_s) in waits.items()}
    assert not woken
    breaker.reset()
    await registry.drain()
    due = await due_in_s()
    assert 0 <= due["refused"] <= jobs.RETURN_S
    assert (due["soon"], due["lost"]) == (2.0, 60.0)
    assert len(woken) == 1
    ledger.close()


async def test_each_upstream_of_the_settings_has_a_breaker_of_its_own(
    installation: Installation, scripted: ScriptedUpstream
) -> None:
    llm = installation.settings.llm
    second = UpstreamSettings(base_url=f"{scripted.url}/v1", api_key=SecretStr("wrong"), failures=1)
    several = llm.model_copy(update={"upstreams": {2: second}})
    installation.settings = installation.settings.model_copy(update={"llm": several})
    async with AsyncExitStack() as stack:
        shared = await installation.build(stack)
        names = [breaker.name for breaker in shared.breakers.all]
        assert names == ["llm_api", "llm_api_2", "speech_worker", "vision_api", "vision_worker"]
        scripted.script("error", times=1)
        with pytest.raises(UpstreamFailed):
            await ask(shared.assistant)
        assert [u.breaker.state for u in shared.assistant.upstreams] == [BreakerState.CLOSED, BreakerState.OPEN]
        assert await ask(shared.assistant)


async def test_a_clock_set_back_keeps_it_open_for_one_reset_time_at_most(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path / "ledger.duckdb")
    row = BreakerRow("llm_api", "open", 3, NOW + timedelta(days=365))
    await ledger.write(lambda cursor: breakers.store(cursor, row))
    breaker = llm_breaker(bounds=BreakerBounds(reset_s=RESET_S))
    await BreakerStore(ledger, lambda: NOW).restore([breaker])
    with pytest.raises(BreakerOpen) as refused:
        async with breaker.guard():
            raise AssertionError("The call must not be made.")
    assert RESET_S / 2 < (refused.value.retry_after_s or 0) <= RESET_S
    ledger.close()


async def test_a_failing_ledger_fails_no_call(
    installation: Installation, scripted: ScriptedUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def failing(_ledger: EmbeddedLedger, _fn: object) -> None:
        raise Unavailable("The disk did not take it.", reason=Reason.LEDGER_IO)

    async with installation.started() as assistant:
        monkeypatch.setattr(EmbeddedLedger, "write", failing)
        await fail_until_it_opens(assistant, scripted)
        with pytest.raises(BreakerOpen):
            await ask(assistant)
