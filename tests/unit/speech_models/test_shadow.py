"""A share of the finals goes to the candidate, too, and nothing of that reaches the stream."""

from __future__ import annotations

import asyncio
import gc
import math
import weakref
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from models.deadline import ending_in, time_left_s
from models.errors import Overloaded, Unavailable
from models.redaction.types import RedactionScope
from models.sealed_values import SealRequest
from ray_tasks.types import SpeechModels, SpeechStep, SpeechWindow
from server.access.audit import AuditTrail
from server.access.caller import Caller, acting_as, current_caller
from server.ledger import model_comparisons, sessions, turns
from server.ledger.embedded import EmbeddedLedger
from server.ledger.model_comparisons import ComparisonRow
from server.ledger.speech_models import SpeechModelsRow
from server.ledger.types import TurnRow
from server.observability.metrics import Metrics
from server.speech_models.choice import SpeechModelChoice
from server.speech_models.shadow import FinalsShadow, ShadowOutcome
from tests.fakes.gateway import FakeGateway, redacted
from tests.unit.ledger.makers import NOW, new_id, session, turn
from tests.unit.ledger.migrated import open_ledger

WINDOW = SpeechWindow(b"\1\0\0\0" * 16_000, final=True, sealed_state=b"fake-carry-3", language="en")


class World:
    """A candidate, and a session with turns.

    Attributes:
        chances: What chance gives next; 0 afterwards.
        busy: Whether the workers have no room.
    """

    def __init__(self, ledger: EmbeddedLedger) -> None:
        self.ledger = ledger
        self.gateway = FakeGateway(models=SpeechModels("", "small"))
        self.choice = SpeechModelChoice(
            ledger, self.gateway, AuditTrail(bytes(32), bytes(32), lambda: NOW), lambda: NOW, "base", str
        )
        self.choice.in_use = SpeechModelsRow("", "small", 0.5)
        self.chances: list[float] = []
        self.busy = False
        self.metrics = Metrics()
        self.shadow = FinalsShadow(
            ledger,
            self.gateway,
            self.choice,
            self.metrics,
            lambda: NOW,
            chance=lambda: self.chances.pop(0) if self.chances else 0.0,
            busy=lambda: self.busy,
        )
        self.session = session()
        ledger.write_now(lambda cursor: sessions.insert_or_get(cursor, self.session))

    def said(self) -> TurnRow:
        row = turn(self.session.id, stream_id=new_id())
        self.ledger.write_now(lambda cursor: turns.insert_turn(cursor, row))
        return row

    def step(self, text: str, weights: str = "small") -> SpeechStep:
        return SpeechStep(redacted(text), b"", 0.9, "en", False, audio_s=1.0, compute_s=0.25, weights=weights)

    def offer(self, text: str = "one two", window: SpeechWindow = WINDOW) -> TurnRow:
        row = self.said()
        self.shadow.offer(row, window, self.step(text, "base"), 0.5)
        return row

    async def ended(self) -> None:
        async with asyncio.timeout(30):
            while self.shadow._running is not None:  # noqa: ASYNC110 - nobody waits for it but the end of the server
                await asyncio.sleep(0)

    def compared(self) -> list[ComparisonRow]:
        return self.ledger.write_now(lambda cursor: model_comparisons.newest(cursor, "base", "small", "", 100))

    def counts(self) -> dict[str, int]:
        return {outcome.value: number for outcome, number in self.shadow.counts.items() if number}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    ledger = open_ledger(tmp_path / "ledger.duckdb", lambda: NOW)
    yield World(ledger)
    ledger.close()


async def test_a_comparison_has_the_weights_that_heard_the_final(world: World) -> None:
    """Those in use may be others by then: they changed while the answer was on its way."""
    world.choice.in_use = SpeechModelsRow("medium", "small", 0.5)
    world.offer()
    await world.ended()
    assert [(row.weights, row.candidate) for row in world.compared()] == [("base", "small")]


async def test_a_final_is_compared_by_the_same_window_and_stored_with_plain_tags(world: World) -> None:
    heard = replace(world.step("One [REDACTED_NAME_1] three"), compute_s=0.75)
    world.gateway.will("candidate_step", heard)
    row = world.offer("one [REDACTED_NAME] too")
    await world.ended()
    [stored] = world.compared()
    assert (stored.turn_id, stored.words, stored.word_differences) == (row.id, 3, 1)
    assert not stored.entities_equal, "the numbered tag of this test counts as another entity"
    assert (stored.compute_s, stored.candidate_compute_s, stored.latency_s) == (0.25, 0.75, 0.5)
    assert world.gateway.calls[0].argument == WINDOW
    sample = world.metrics.registry.get_sample_value("vestibule_shadow_finals_total", {"outcome": "compared"})
    assert sample == 1


async def test_chance_and_the_share_decide(world: World) -> None:
    world.chances = [0.5, 0.99, 0.499]
    for expected in (0, 0, 1):
        world.offer()
        await world.ended()
        assert len(world.compared()) == expected
    world.choice.in_use = SpeechModelsRow()
    world.offer()
    await world.ended()
    assert world.counts() == {"compared": 1}


async def test_one_at_a_time_and_none_while_the_workers_have_no_room(world: World) -> None:
    held = world.gateway.hold("candidate_step")
    world.offer()
    await asyncio.sleep(0)
    world.offer()
    assert world.gateway.running == 1
    held.set()
    await world.ended()
    world.busy = True
    world.offer()
    assert world.counts() == {"compared": 1, "skipped_waiting": 1, "skipped_busy": 1}
    assert world.shadow.skipped == 2


async def test_a_candidate_that_refuses_or_fails_is_counted_and_raises_nothing(world: World) -> None:
    world.gateway.will("candidate_step", Overloaded("It has one."), Unavailable("It is away."), Unavailable("Still."))
    for _ in range(4):
        world.offer()
        await world.ended()
    assert world.counts() == {"compared": 1, "skipped_waiting": 1, "failed": 2}


async def test_the_status_says_that_the_candidate_fails_until_it_answers_or_is_another(world: World) -> None:
    await world.choice.shadow("small", 1.0)
    for then in ("answers", "is another"):
        world.gateway.will("candidate_step", Unavailable("It is away."))
        world.offer()
        await world.ended()
        part = world.shadow.component
        assert part.detail.endswith(f"The last call to the candidate failed: {part.reason}.")
        assert part.reason and not part.healthy
        if then == "answers":
            world.offer()
            await world.ended()
        else:
            await world.choice.shadow("tiny", 1.0)
        assert world.shadow.component == world.choice.component
        assert world.shadow.component.healthy


async def test_no_final_of_an_erased_session_is_stored(world: World) -> None:
    held = world.gateway.hold("candidate_step")
    world.offer()
    await asyncio.sleep(0)
    world.ledger.write_now(lambda cursor: cursor.execute("DELETE FROM sessions"))
    held.set()
    await world.ended()
    assert (world.compared(), world.counts()) == ([], {"erased": 1})


async def test_the_candidate_seals_nothing_and_has_neither_deadline_nor_caller_of_the_stream(world: World) -> None:
    scope = RedactionScope("app", world.session.id, seal=SealRequest(()))
    seen: list[tuple[float, Caller]] = []
    asked = world.gateway.candidate_step

    async def noted(window: SpeechWindow, *, timeout_s: float) -> SpeechStep:
        seen.append((time_left_s(), current_caller()))
        return await asked(window, timeout_s=timeout_s)

    world.gateway.candidate_step = noted  # type: ignore[method-assign]
    nobody = current_caller()
    with ending_in(-1), acting_as(Caller("key:a", "app", frozenset())):
        world.offer(window=replace(WINDOW, scope=scope))
        await world.ended()
    assert seen == [(math.inf, nobody)]
    [call] = world.gateway.calls
    assert call.scope == replace(scope, seal=None)
    assert world.counts() == {"compared": 1}


async def test_the_audio_is_let_go_when_the_candidate_has_answered(world: World) -> None:
    class Window(SpeechWindow):
        """One that can be looked for."""

    window = Window(b"\1\0\0\0", final=True)
    here: list[weakref.ref[SpeechWindow]] = []
    asked = world.gateway.candidate_step

    async def remembered(window: SpeechWindow, *, timeout_s: float) -> SpeechStep:
        here.append(weakref.ref(window))
        step = await asked(window, timeout_s=timeout_s)
        world.gateway.calls.clear()
        return step

    writing, may_write = asyncio.Event(), asyncio.Event()
    write = world.ledger.write

    async def slow(*arguments: object, **options: object) -> object:
        writing.set()
        await may_write.wait()
        return await write(*arguments, **options)  # type: ignore[arg-type]

    world.gateway.candidate_step = remembered  # type: ignore[method-assign]
    world.ledger.write = slow  # type: ignore[assignment,method-assign]
    world.offer(window=window)
    del window
    await writing.wait()
    gc.collect()
    assert [reference() for reference in here] == [None]
    may_write.set()
    await world.ended()
    assert world.counts() == {"compared": 1}


async def test_it_ends_with_the_server(world: World) -> None:
    world.gateway.hold("candidate_step")
    world.offer()
    await asyncio.sleep(0)
    await world.shadow.close()
    assert (world.gateway.cancelled, world.compared()) == (["candidate_step"], [])
    await world.shadow.close()


def test_every_outcome_is_shown_from_the_start(world: World) -> None:
    for outcome in ShadowOutcome:
        labels = {"outcome": outcome.value}
        assert world.metrics.registry.get_sample_value("vestibule_shadow_finals_total", labels) == 0
