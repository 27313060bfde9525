"""When a model is learnt, and what is kept of it."""

from __future__ import annotations

import stat
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from models.errors import Unavailable
from server.ledger import sessions
from server.ledger.columns import DuckDb
from server.ledger.embedded import EmbeddedLedger
from server.ledger.erasure import ErasureScope, ErasureTarget, begin
from server.risk.formula import Curve, Curves, Formula
from server.risk.model import RiskModel
from server.risk.properties import property_feature
from server.risk.reading import PastSessions
from server.risk.trainer import FILE, RiskTrainer, forget_model
from server.setting_groups.risk import RiskSettings
from tests.unit.ledger.makers import NOW, session
from tests.unit.risk.test_model import AS_IT_IS, ready


class Learner:
    """Stands for the process that learns; test_fitting.py has the real one."""

    def __init__(self, model: RiskModel) -> None:
        self.model = model
        self.times: list[datetime] = []
        self.fails = False

    async def __call__(self, past: PastSessions, idle_s: float, least: int, now: datetime, cpu_s: int) -> RiskModel:
        self.times.append(now)
        if self.fails:
            raise Unavailable("It ended early.")
        return self.model.model_copy(update={"train_time": now})


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def learner(model: RiskModel) -> Learner:
    return Learner(model)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def trainer(ledger: EmbeddedLedger, learner: Learner, clock: Clock, folder: Path, every_h: float = 24) -> RiskTrainer:
    return RiskTrainer(ledger, clock, RiskSettings(train_every_h=every_h), 1800, folder, learner)


async def test_a_model_is_learnt_at_once_and_then_on_schedule(
    ledger: EmbeddedLedger, learner: Learner, clock: Clock, tmp_path: Path
) -> None:
    made = trainer(ledger, learner, clock, tmp_path)
    assert made.model is None
    for hours in (0, 1, 23.9, 24, 24.1, 48):
        clock.now = NOW + timedelta(hours=hours)
        await made.round()
    assert learner.times == [NOW, NOW + timedelta(hours=24), NOW + timedelta(hours=48)]
    assert made.model is not None
    assert made.model.train_time == clock.now


async def test_the_next_server_has_the_model_and_keeps_the_schedule(
    ledger: EmbeddedLedger, learner: Learner, clock: Clock, tmp_path: Path
) -> None:
    await trainer(ledger, learner, clock, tmp_path).round()
    clock.now += timedelta(hours=5)
    again = trainer(ledger, learner, clock, tmp_path)
    await again.round()
    assert again.model is not None
    assert again.model.train_time == NOW
    assert len(learner.times) == 1
    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600


async def test_a_model_that_is_forgotten_is_not_there_at_the_next_start(
    ledger: EmbeddedLedger, learner: Learner, clock: Clock, tmp_path: Path
) -> None:
    forget_model(tmp_path)
    await trainer(ledger, learner, clock, tmp_path).round()
    forget_model(tmp_path)
    assert trainer(ledger, learner, clock, tmp_path).model is None


async def test_a_model_of_few_sessions_does_not_stay_when_there_are_many(
    ledger: EmbeddedLedger, learner: Learner, clock: Clock, tmp_path: Path
) -> None:
    """Least sessions are 50 here, so that 100 are enough to look again."""

    def made() -> RiskTrainer:
        return RiskTrainer(ledger, clock, RiskSettings(least_sessions=50), 1800, tmp_path, learner)

    learner.model = learner.model.model_copy(update={"sessions": 0})
    running = made()
    await running.round()
    await open_sessions(ledger, 99)
    clock.now += timedelta(hours=2)
    await running.round()
    assert len(learner.times) == 1, "from so few nothing can be learnt"
    await open_sessions(ledger, 1)
    clock.now += timedelta(minutes=59)
    await running.round()
    assert len(learner.times) == 1, "it looks every hour"
    restarted = made()
    learner.model = learner.model.model_copy(update={"sessions": 100})
    await restarted.round()
    assert len(learner.times) == 2, "a start looks at once"
    clock.now += timedelta(hours=1)
    await restarted.round()
    assert len(learner.times) == 2, "not twice as many"
    await open_sessions(ledger, 100)
    clock.now += timedelta(hours=1)
    await restarted.round()
    assert learner.times[2:] == [clock.now]
    assert restarted.next_train_time == clock.now + timedelta(hours=24)


async def open_sessions(ledger: EmbeddedLedger, number: int) -> None:
    """Sessions that are old enough to be learnt from."""

    def write(cursor: DuckDb) -> None:
        for _ in range(number):
            sessions.insert_or_get(cursor, session(at=-86_400.0))

    await ledger.write(write)


async def test_a_failure_keeps_the_model_and_waits_for_the_next_time(
    ledger: EmbeddedLedger, learner: Learner, clock: Clock, tmp_path: Path
) -> None:
    made = trainer(ledger, learner, clock, tmp_path)
    await made.round()
    learner.fails, clock.now = True, NOW + timedelta(hours=24)
    with pytest.raises(Unavailable):
        await made.round()
    await made.round()
    assert made.model is not None
    assert made.model.train_time == NOW
    assert len(learner.times) == 2


async def test_a_failure_waits_for_the_next_time_although_there_is_much_more(
    ledger: EmbeddedLedger, learner: Learner, clock: Clock, tmp_path: Path
) -> None:
    learner.model = learner.model.model_copy(update={"sessions": 0})
    made = RiskTrainer(ledger, clock, RiskSettings(least_sessions=50), 1800, tmp_path, learner)
    await made.round()
    await open_sessions(ledger, 300)
    learner.fails = True
    for hours in range(1, 26):
        clock.now = NOW + timedelta(hours=hours)
        with suppress(Unavailable):
            await made.round()
    assert learner.times == [NOW, NOW + timedelta(hours=1), NOW + timedelta(hours=25)]
    assert made.next_train_time == NOW + timedelta(hours=49)


async def test_nothing_is_learnt_where_it_is_off(
    ledger: EmbeddedLedger, learner: Learner, clock: Clock, tmp_path: Path
) -> None:
    made = trainer(ledger, learner, clock, tmp_path, every_h=0)
    await made.round()
    assert (made.model, learner.times) == (None, [])


@pytest.mark.parametrize("content", [b"", b"\x80\x04K*.", b'{"version": 1}', b"x" * 2_000_000])
async def test_a_file_that_is_no_model_is_ignored(
    content: bytes, ledger: EmbeddedLedger, learner: Learner, clock: Clock, tmp_path: Path
) -> None:
    (tmp_path / FILE).write_bytes(content)
    made = trainer(ledger, learner, clock, tmp_path)
    assert made.model is None
    await made.round()
    assert made.model is not None


def erased(scope: ErasureScope, at: datetime, cursor: DuckDb) -> None:
    begin(cursor, f"{scope}{at}", ErasureTarget(scope, "site"), 3, at)


async def test_a_model_with_properties_is_forgotten_when_a_client_was_erased(
    ledger: EmbeddedLedger, clock: Clock, tmp_path: Path
) -> None:
    """The erasure of a person leaves it: a value has an amount only if many sessions had it."""
    curve = Curve(knots=(0.0,), values=(0.0,), unknown=0.0, usual=0.0)
    curves = Curves(start=0.0, features={property_feature("site", "size"): curve})
    learner = Learner(ready(formula=Formula(score=curves, calibration=AS_IT_IS)))
    made = trainer(ledger, learner, clock, tmp_path)
    await made.round()
    for scope, times in ((ErasureScope.SUBJECT, 1), (ErasureScope.CLIENT, 2)):
        clock.now += timedelta(minutes=1)
        await ledger.write(partial(erased, scope, clock.now))
        clock.now += timedelta(minutes=1)
        await made.round()
        await made.round()
        assert len(learner.times) == times
        assert made.model is not None
    off = trainer(ledger, learner, clock, tmp_path, every_h=0)
    await ledger.write(partial(erased, ErasureScope.CLIENT, clock.now))
    await off.round()
    assert off.model is None
    assert not (tmp_path / FILE).exists()


async def test_a_model_from_the_future_is_replaced(
    ledger: EmbeddedLedger, learner: Learner, clock: Clock, tmp_path: Path
) -> None:
    await trainer(ledger, learner, clock, tmp_path).round()
    clock.now -= timedelta(days=400)
    await trainer(ledger, learner, clock, tmp_path).round()
    assert learner.times == [NOW, NOW - timedelta(days=400)]
