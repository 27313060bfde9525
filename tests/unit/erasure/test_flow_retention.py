"""What a flow keeps for a shorter time than the settings goes for the sessions of its version, and nothing else."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from itertools import product
from pathlib import Path

import pytest

from models.errors import Unavailable
from models.reasons import Reason
from server.access.audit import AuditTrail
from server.erasure.eraser import Eraser
from server.erasure.retention import Retention
from server.flows.definition import FlowDefinition
from server.flows.retention import RetentionPart
from server.ledger import audit, erasure
from server.ledger.columns import Cursor, Row, fetch_all
from server.ledger.types import SessionState
from server.setting_groups import RetentionSettings
from tests.fakes.guide import FLOWS
from tests.unit.erasure.filled import Store, mark_of
from tests.unit.ledger.makers import NOW

STATES = (SessionState.COMPLETED, SessionState.REJECTED, SessionState.ABANDONED, SessionState.STARTED)
LIMITS = tuple(RetentionPart.model_fields)
TABLES = {
    "turns_days": {"turns", "turn_words", "answers", "model_comparisons"},
    "events_days": {"events"},
    "sealed_days": {"sealed_values"},
    "letters_days": {"dead_letters", "job_attempts", "jobs"},
}
OF_ENDED = ("turns_days", "sealed_days")
"""These wait until their session has ended."""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(tmp_path)
    yield made
    made.ledger.close()


def flow(name: str, version: int, **days: float) -> FlowDefinition:
    kept = RetentionPart.model_validate(days)
    return FLOWS.default.model_copy(update={"name": name, "version": version, "retention": kept})


def eraser(store: Store, after_rewrite: bool = True) -> Eraser:
    async def fail() -> None:
        raise Unavailable("The disk is full.", reason=Reason.LEDGER_IO)

    async def nothing() -> None:
        return

    trail = AuditTrail(bytes(32), bytes(32), lambda: store.now)
    rewritten = nothing if after_rewrite else fail
    return Eraser(store.ledger, store.spool, store.pictures, store, lambda: store.now, trail, rewritten)


def retention(store: Store, settings: RetentionSettings, *flows: FlowDefinition) -> Retention:
    return Retention(
        store.ledger, store.spool, store.pictures, settings, lambda: store.now, eraser(store), flows=lambda: flows
    )


def read(store: Store, sql: str) -> list[Row]:
    return asyncio.run(store.ledger.read(lambda cursor: fetch_all(cursor, sql)))


@dataclass(frozen=True)
class Kept:
    """What is stored of a session: its tables with rows, and its files."""

    tables: frozenset[str]
    picture: bool
    original: bool
    stream: bool


@dataclass(frozen=True)
class Stored:
    """A session with the names of its files."""

    name: str
    id: str
    state: SessionState
    limits: dict[str, float]
    picture: str
    original: str
    stream: str

    def kept(self, store: Store) -> Kept:
        rows = store.rows(self.id)
        return Kept(
            frozenset(table for table, number in rows.items() if number),
            (store.pictures / self.picture).exists(),
            self.original in store.spool.ids(),
            self.stream in store.spool.log_ids(),
        )

    def expected(self, before: Kept, days: float) -> Kept:
        """What is to be left after so many days."""
        ended = self.state is not SessionState.STARTED
        whole = "unfinished_days" if self.state is SessionState.ABANDONED else "records_days"
        due = {name for name, limit in self.limits.items() if limit < days and (ended or name not in OF_ENDED)}
        if ended and whole in due:
            return Kept(frozenset(), picture=False, original=False, stream=False)
        gone = {table for name in due for table in TABLES.get(name, ())}
        return Kept(before.tables - gone, "artifacts_days" not in due, "letters_days" not in due, stream=True)


def stored(store: Store, settings: RetentionSettings, of: FlowDefinition, state: SessionState) -> Stored:
    name = f"{of.label}-{state}"
    session_id = store.fill(name, state=state, flow=of)
    [upload] = read(store, f"SELECT artifact_path FROM uploads WHERE session_id = '{session_id}'")
    [job] = read(store, f"SELECT payload ->> 'spool_id' AS spool_id FROM jobs WHERE session_id = '{session_id}'")
    [stream] = read(store, f"SELECT id FROM streams WHERE session_id = '{session_id}'")
    limits = settings.with_flow(of.retention)
    return Stored(name, session_id, state, limits, upload["artifact_path"], job["spool_id"], stream["id"])


def drawn(chance: random.Random) -> dict[str, float]:
    """Some limits, between 1 and 60 days."""
    return {name: chance.randint(1, 60) + 0.5 for name in LIMITS if chance.random() < 0.5}


@pytest.mark.parametrize("seed", range(4))
def test_of_two_flows_in_two_versions_exactly_what_is_due_goes(store: Store, seed: int) -> None:
    chance = random.Random(seed)
    settings = RetentionSettings.model_validate({"sealed_days": None, "letters_days": None, **drawn(chance)})
    flows = [flow(name, version, **drawn(chance)) for name, version in product(("car_return", "visit"), (1, 2))]
    sessions = [stored(store, settings, of, state) for of, state in product(flows, STATES)]
    before = [session.kept(store) for session in sessions]
    assert all(kept.picture and kept.original and kept.stream for kept in before)
    counts = read(store, "FROM v_daily_events ORDER BY ALL")
    applied = retention(store, settings, *flows)
    for days in sorted(chance.sample(range(1, 70), 3)):
        store.now = NOW + timedelta(days=days)
        asyncio.run(applied.round())
        expected = [session.expected(was, days) for session, was in zip(sessions, before, strict=True)]
        assert [session.kept(store) for session in sessions] == expected
    assert read(store, "FROM v_daily_events ORDER BY ALL") == counts, "numbers of events stay"


def test_a_session_that_is_old_goes_with_its_bytes_and_the_audit_says_so(store: Store) -> None:
    short = flow("car_return", 2, records_days=10)
    gone = store.fill("gone", flow=short)
    stays = store.fill("stays", flow=flow("car_return", 1))
    before = store.rows(stays)
    store.now = NOW + timedelta(days=11)
    kept = retention(store, RetentionSettings(sealed_days=None, letters_days=None), flow("car_return", 1), short)
    assert asyncio.run(kept.round()) == 1
    assert not any(store.rows(gone).values())
    # A count of its event is kept, with the name that the app gave it.
    assert store.marks("gone") == {mark_of("gone-event")}
    assert (store.rows(stays), len(store.marks("stays"))) == (before, 7)
    assert store.ended == [frozenset({gone})], "work on it has ended"
    [row] = asyncio.run(store.ledger.read(lambda cursor: audit.rows_after(cursor, 0, 10)))
    [erased] = read(store, "FROM erasures")
    assert (row.action, row.object_id, row.reason) == ("erase", erased["id"], "age")
    assert (erased["scope"], erased["sessions"], erased["complete_time"] is not None) == ("age", 1, True)
    assert asyncio.run(kept.round()) == 0


def test_a_flow_cannot_keep_longer_than_the_settings(store: Store) -> None:
    session_id = store.fill("old", flow=flow("car_return", 1))
    store.now = NOW + timedelta(days=20)
    long = flow("car_return", 1, turns_days=90, records_days=90)
    asyncio.run(retention(store, RetentionSettings(turns_days=10), long).round())
    rows = store.rows(session_id)
    assert (rows["turns"], rows["answers"], rows["sessions"]) == (0, 0, 1)


def test_many_old_sessions_are_erased_some_at_a_time(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.ledger.retention.SESSIONS_AT_ONCE", 2)
    for number in range(5):
        store.fill(f"old-{number}", state=SessionState.ABANDONED)
    store.now = NOW + timedelta(days=3)
    assert asyncio.run(retention(store, RetentionSettings(unfinished_days=2)).round()) == 5
    assert [row["sessions"] for row in read(store, "FROM erasures ORDER BY sessions")] == [1, 2, 2]
    assert read(store, "FROM sessions") == []


def test_an_interrupted_round_is_completed_at_the_next_start(store: Store) -> None:
    store.fill("gone")
    store.now = NOW + timedelta(days=3)
    settings = RetentionSettings(records_days=2)
    failing = Retention(
        store.ledger, store.spool, store.pictures, settings, lambda: store.now, eraser(store, after_rewrite=False)
    )
    with pytest.raises(Unavailable):
        asyncio.run(failing.round())
    unfinished: list[int] = []

    def count_them(cursor: Cursor) -> None:
        unfinished.append(len(erasure.unfinished(cursor)))

    store.ledger.write_now(count_them)
    assert asyncio.run(eraser(store).resume())
    store.ledger.write_now(count_them)
    assert unfinished == [1, 0]
    assert store.marks("gone") == {mark_of("gone-event")}


def test_the_status_names_the_limits_of_a_flow(store: Store) -> None:
    settings = RetentionSettings(sealed_days=None, letters_days=None, turns_days=30)
    kept = retention(store, settings, flow("car_return", 1), flow("car_return", 2, turns_days=7, records_days=365))
    assert kept.component.detail == (
        "Kept: turns 30 days, car_return@2 turns 7 days, car_return@2 records 365 days; not applied yet."
    )
