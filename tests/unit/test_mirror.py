"""Rounds of a mirror: its lag, its status, and what a failure leaves."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path

import pytest

from models.errors import Conflict, Unavailable
from models.reasons import Reason
from server.ledger import mirrored
from server.ledger.columns import DuckDb, count
from server.ledger.mirrored import Increment, Position, TableChanges
from server.ledger.opened import copying_folder
from server.mirror import LATE_S, NOTED_S, Mirror, NoMirror, forget_deleted, take_state_folder
from server.wiring.stored_data import _with_fresh_mirror
from tests.eventually import eventually
from tests.unit.ledger.makers import NOW, new_id
from tests.unit.ledger.migrated import open_ledger


def _position(number: int) -> Position:
    return Position("a", "g", f"{number}:{number}:", NOW + timedelta(seconds=number))


class Source:
    """Says what it is told to."""

    def __init__(self) -> None:
        self.asked: list[Position | None] = []
        self.forgotten: list[int] = []
        self.request = 0
        self.others_have = True
        self.found: list[str] = []
        self.fails: Exception | None = None

    def read(self, since: Position | None, folder: Path) -> Increment:
        self.asked.append(since)
        if self.fails is not None:
            raise self.fails
        position = _position(len(self.asked))
        if not self.found:
            return Increment(position, (), self.request)
        keys, rows = folder / "keys", folder / "rows"
        keys.write_text("".join(f'"{number}"\n' for number in self.found))
        rows.write_text("".join(f'"{number}","2026-03-01 12:00:00","asked","","{{}}"\n' for number in self.found))
        return Increment(position, (TableChanges("server_events", keys, rows),), self.request)

    def forgot(self, request: int) -> None:
        self.forgotten.append(request)
        self.request = 0

    def forgetting(self) -> Source:
        self.request = 7
        return self

    def finish(self, *, without_dead: bool) -> bool:
        return self.others_have and not self.request

    def interrupt(self) -> None: ...

    def close(self) -> None: ...


class Copying:
    """A mirror of a source, and the time."""

    def __init__(self, folder: Path) -> None:
        self.now_s = 100.0
        self.source = Source()
        self.file = open_ledger(folder / "mirror.duckdb")
        self.mirror = self.started()

    def started(self) -> Mirror:
        return Mirror(self.source, self.file, self.file.path.parent, lambda: self.now_s)


@pytest.fixture
def copying(tmp_path: Path) -> Iterator[Copying]:
    made = Copying(tmp_path)
    yield made
    made.file.close()


async def test_the_lag_is_the_age_of_what_it_shows(copying: Copying) -> None:
    copying.now_s += 7
    assert copying.mirror.lag_s == 7.0
    await copying.mirror.round()
    assert copying.mirror.lag_s == 0.0
    copying.now_s += LATE_S
    assert not copying.mirror.component.healthy


async def test_a_report_waits_for_a_mirror_that_is_behind(copying: Copying) -> None:
    made: list[str] = []

    async def report() -> None:
        made.append("report")

    await _with_fresh_mirror(None, report)
    await copying.mirror.round()
    await _with_fresh_mirror(copying.mirror, report)
    copying.now_s += LATE_S
    await _with_fresh_mirror(copying.mirror, report)
    assert made == ["report", "report"]


async def test_each_round_goes_on_where_the_last_one_ended(copying: Copying) -> None:
    for _ in range(3):
        await copying.mirror.round()
    assert [None if each is None else each.oldest_open for each in copying.source.asked] == [None, 1, 2]


async def test_where_nothing_changes_the_file_is_written_once_a_minute(copying: Copying) -> None:
    for _ in range(3):
        await copying.mirror.round()
    assert await copying.file.read(mirrored.position) == _position(1)
    copying.now_s += NOTED_S
    await copying.mirror.round()
    noted = await copying.file.read(mirrored.position)
    assert noted is not None
    assert noted.oldest_open == 4
    await copying.started().round()
    assert copying.source.asked[-1] == noted, "the next start goes on from there"


@pytest.mark.parametrize("failure", [Unavailable("Away.", reason=Reason.LEDGER_IO), OSError(28, "No space left")])
async def test_a_failed_round_changes_nothing_and_the_next_one_tries_again(
    copying: Copying, failure: Exception
) -> None:
    await copying.mirror.round()
    copying.source.fails = failure
    copying.now_s += 5
    with pytest.raises(type(failure)):
        await copying.mirror.round()
    assert copying.mirror.lag_s == 5.0
    running = asyncio.create_task(copying.mirror.run())
    await eventually(lambda: len(copying.source.asked) == 3)
    assert not running.done(), "it goes on"
    running.cancel()
    await asyncio.wait([running])
    assert {each.oldest_open for each in copying.source.asked if each} == {1}
    assert not list(copying.file.path.parent.glob("tmp*"))


async def test_an_erasure_has_the_file_and_its_copies_made_anew(copying: Copying) -> None:
    copying.source.found = ["one", "two"]
    await copying.mirror.round()
    before = copying.file.path.stat().st_ino
    seen: list[int] = []

    async def forget_copies() -> None:
        assert copying.source.forgotten == [], "it is noted when nothing is left"
        seen.append(copying.file.path.stat().st_ino)

    copying.mirror.forget_copies = forget_copies
    await copying.mirror.forget_deleted()
    assert copying.source.forgotten == [7]
    [then] = seen
    assert then != before, "the file was written anew"
    await copying.mirror.round()
    assert copying.file.path.stat().st_ino == then, "once"


async def test_an_erasure_is_not_complete_while_another_mirror_has_not_forgotten(copying: Copying) -> None:
    copying.source.others_have = False
    with pytest.raises(Unavailable) as refused:
        await forget_deleted(copying.source.forgetting, copying.mirror.round, longest_s=0.0)
    assert refused.value.reason == "LEDGER_CONFLICT"
    assert copying.source.forgotten == [7]


@pytest.mark.parametrize("number", [1, 1_500])
async def test_rows_take_the_places_of_those_with_their_keys(copying: Copying, number: int) -> None:
    """Few keys are looked up one by one, and many in one go."""
    copying.source.found = [new_id() for _ in range(number)]
    await copying.mirror.round()
    await copying.mirror.round()
    copying.source.found = copying.source.found[:1]
    await copying.mirror.round()
    assert await copying.file.read(_rows) == number


def _rows(cursor: DuckDb) -> int:
    return count(cursor, "SELECT count(*) FROM server_events")


async def test_a_server_without_a_mirror_refuses_what_reads_one() -> None:
    with pytest.raises(Conflict) as refused:
        await NoMirror().read(lambda cursor: count(cursor, "SELECT 1"))
    assert refused.value.reason == Reason.LEDGER_NOT_MIRRORED


async def test_copies_of_an_earlier_start_are_deleted_unless_another_process_makes_them(tmp_path: Path) -> None:
    left = copying_folder(tmp_path) / "run" / "turns.csv"
    async with AsyncExitStack() as stack:
        take_state_folder(tmp_path, stack)
        left.parent.mkdir(parents=True)
        left.touch()
        with pytest.raises(Unavailable) as refused:
            take_state_folder(tmp_path, stack)
        assert refused.value.reason == Reason.LEDGER_LOCKED
        assert left.exists()
    async with AsyncExitStack() as stack:
        take_state_folder(tmp_path, stack)
        assert not left.exists()
