"""When the snapshot is renewed, and when it is deleted."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.errors import Unavailable
from server.analytics.live_snapshot import CHEAP_S, IDLE_S, LAG_FOR_COST, LONGEST_LAG_S, LiveSnapshot


class FakeLedger:
    """Makes a snapshot when something was committed; making one takes as long as it is told."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.cost_s = 0.0
        self.commits = 1
        self.copied = 0
        self.cleared = 0
        self.fails = False

    def renew(self) -> Path | None:
        if self.fails:
            raise Unavailable("No.")
        if self.copied == self.commits:
            return None
        self.now_s += self.cost_s
        self.copied = self.commits
        return Path(f"{self.commits}")

    def clear(self) -> None:
        self.cleared += 1
        self.copied = 0


class FakeReader:
    def __init__(self) -> None:
        self.reads: Path | None = None
        self.fails = False

    def attach(self, snapshot: Path) -> None:
        if self.fails:
            raise Unavailable("No.")
        self.reads = snapshot

    def detach(self) -> None:
        self.reads = None


@pytest.fixture
def ledger() -> FakeLedger:
    return FakeLedger()


def made(ledger: FakeLedger) -> tuple[LiveSnapshot, FakeReader, FakeReader]:
    first, second = FakeReader(), FakeReader()
    return LiveSnapshot(ledger, (first, second), lambda: ledger.now_s), first, second


def test_both_readers_get_each_new_snapshot(ledger: FakeLedger) -> None:
    live, first, second = made(ledger)
    live.ensure_fresh()
    assert (first.reads, second.reads) == (Path("1"), Path("1"))
    ledger.commits = 2
    live.ensure_fresh()
    assert (first.reads, second.reads) == (Path("2"), Path("2")), "a cheap renewal is made at once"


def test_a_dear_renewal_is_used_for_a_while_but_never_longer_than_a_second(ledger: FakeLedger) -> None:
    live, first, _ = made(ledger)
    ledger.cost_s = 1.5 * CHEAP_S
    live.ensure_fresh()
    ledger.commits = 2
    ledger.now_s += min(LONGEST_LAG_S, LAG_FOR_COST * ledger.cost_s) - ledger.cost_s - 0.01
    live.ensure_fresh()
    assert first.reads == Path("1")
    ledger.now_s += 0.02
    live.ensure_fresh()
    assert first.reads == Path("2")


def test_who_attaches_sees_what_was_committed_before(ledger: FakeLedger) -> None:
    live, first, _ = made(ledger)
    ledger.cost_s = 1.5 * CHEAP_S
    live.ensure_fresh()
    ledger.commits = 2
    live.expire()
    live.ensure_fresh()
    assert first.reads == Path("2")


def test_an_hour_for_a_copy_does_not_make_the_lag_longer(ledger: FakeLedger) -> None:
    live, first, _ = made(ledger)
    ledger.cost_s = 3600.0
    live.ensure_fresh()
    ledger.commits = 2
    live.ensure_fresh()
    assert first.reads == Path("2"), "what was exact an hour ago is not fresh"


def test_after_a_failure_the_last_snapshot_is_not_taken_for_fresh(ledger: FakeLedger) -> None:
    live, first, _ = made(ledger)
    live.ensure_fresh()
    ledger.fails = True
    with pytest.raises(Unavailable):
        live.ensure_fresh()
    ledger.fails, ledger.commits = False, 2
    live.ensure_fresh()
    assert first.reads == Path("2")


def test_a_reader_that_could_not_attach_gets_the_snapshot_later(ledger: FakeLedger) -> None:
    live, first, second = made(ledger)
    second.fails = True
    with pytest.raises(Unavailable):
        live.ensure_fresh()
    second.fails = False
    live.ensure_fresh()
    assert (first.reads, second.reads) == (Path("1"), Path("1"))


def test_an_idle_snapshot_is_deleted_and_made_again_when_somebody_asks(ledger: FakeLedger) -> None:
    live, first, second = made(ledger)
    live.ensure_fresh()
    ledger.now_s += IDLE_S - 1
    live.drop_if_idle()
    assert first.reads == Path("1")
    ledger.now_s += 2
    live.drop_if_idle()
    live.drop_if_idle()
    assert [first.reads, second.reads] == [None, None]
    assert ledger.cleared == 1
    live.ensure_fresh()
    assert first.reads == Path("1")
