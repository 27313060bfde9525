"""Letters become few alerts, which are repeated under a retry policy."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field

import pytest

from models.errors import InternalError, Unavailable, VestibuleError
from models.reasons import Reason
from models.retry import POLICIES
from server.alerts.alerter import SHOWN, Alerter
from server.alerts.types import Alert
from server.jobs.letter_rules import NewLetter
from server.ledger.dead_letters import DroppedLetters
from server.observability.metrics import Metrics
from server.settings import Settings
from server.wiring.letters import build_alerters, build_letter_rules
from tests.unit.alerts.letters import letter
from tests.unit.ledger.makers import NOW


@dataclass
class Recorded:
    """A channel that keeps what it is given, after the failures that a test wants."""

    failures: list[VestibuleError] = field(default_factory=list)
    sent: list[Alert] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    name: str = "webhook"

    async def send(self, alert: Alert, alert_id: str) -> None:
        self.ids.append(alert_id)
        if self.failures:
            raise self.failures.pop(0)
        self.sent.append(alert)


@dataclass
class World:
    """An alerter whose waiting a test steps through."""

    channel: Recorded
    paused_s: list[float] = field(default_factory=list)
    ends: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.go = asyncio.Semaphore(0)
        self.alerter = Alerter(self.channel, POLICIES["network"], 60.0, lambda *end: self.ends.append(end), self._pause)

    async def _pause(self, seconds: float) -> None:
        self.paused_s.append(seconds)
        if seconds == 60.0:
            await self.go.acquire()

    async def run_until(self, ends: int) -> None:
        """Let the alerter work until it has ended this many alerts."""
        running = asyncio.create_task(self.alerter.run())
        async with asyncio.timeout(60):
            while len(self.ends) < ends:
                self.go.release()
                await asyncio.sleep(0)
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running


async def test_letters_that_come_together_are_one_alert() -> None:
    world = World(Recorded())
    for _ in range(SHOWN + 5):
        world.alerter.notify(letter())
    world.alerter.notify(letter("reply", "UPSTREAM_FAILED"))
    await world.run_until(1)
    (alert,) = world.channel.sent
    assert alert.counts == {("read_picture", "WORKER_LOST"): SHOWN + 5, ("reply", "UPSTREAM_FAILED"): 1}
    assert (alert.number, len(alert.letters)) == (SHOWN + 6, SHOWN)
    world.alerter.notify(letter())
    await world.run_until(2)
    assert [alert.number for alert in world.channel.sent] == [SHOWN + 6, 1], "the next alert tells of new ones alone"
    assert world.paused_s[0] == 60.0


async def test_an_alert_that_is_not_taken_is_sent_again_with_the_same_id() -> None:
    world = World(Recorded([Unavailable("Gone.", reason=Reason.ALERT_NOT_SENT)] * 2))
    world.alerter.notify(letter())
    await world.run_until(1)
    assert len(set(world.channel.ids)) == 1
    assert len(world.channel.ids) == 3
    assert [1.5 <= world.paused_s[0] <= 3.0, 3.0 <= world.paused_s[1] <= 6.0] == [True, True]
    assert world.ends == [("webhook", "sent")]


@pytest.mark.parametrize(
    ("failures", "attempts"),
    [
        ([InternalError("No.", reason=Reason.ALERT_REFUSED)], 1),
        ([Unavailable("Gone.", reason=Reason.ALERT_NOT_SENT)] * 6, 6),
    ],
)
async def test_an_alert_that_is_refused_or_fails_too_often_is_given_up(
    failures: list[VestibuleError], attempts: int, capsys: pytest.CaptureFixture[str]
) -> None:
    world = World(Recorded(failures))
    world.alerter.notify(letter())
    await world.run_until(1)
    assert (len(world.channel.ids), world.ends) == (attempts, [("webhook", "failed")])
    assert "alert_failed" in capsys.readouterr().out
    world.alerter.notify(letter())
    await world.run_until(2)
    assert world.ends[1] == ("webhook", "sent"), "it goes on"


async def test_critical_kinds_are_counted_and_sent_to_the_channels_that_are_set(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("VESTIBULE_ALERTS__KINDS", '["read_picture"]')
    assert build_alerters(Settings(), Metrics(), lambda: NOW) == (), "nothing is sent by default"
    metrics, world = Metrics(), World(Recorded())
    rules = build_letter_rules(Settings(), metrics, [world.alerter])
    for kind in ("read_picture", "reply"):
        rules.observer(NewLetter(letter(kind), [DroppedLetters("app", "reply", 2)]))
    await world.run_until(1)
    assert [alert.counts for alert in world.channel.sent] == [{("read_picture", "WORKER_LOST"): 1}]

    def value(name: str, kind: str) -> float | None:
        return metrics.registry.get_sample_value(f"vestibule_{name}_total", {"kind": kind})

    assert (value("dead_letters", "reply"), value("dropped_dead_letters", "reply")) == (1, 4)
    assert (value("critical_dead_letters", "read_picture"), value("critical_dead_letters", "reply")) == (1, None)
    assert capsys.readouterr().out.count("critical_dead_letter") == 1
