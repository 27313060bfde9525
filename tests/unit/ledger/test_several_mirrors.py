"""Several mirrors of one ledger in PostgreSQL: each sees each deletion, and after an erasure none has a byte left."""

from __future__ import annotations

import asyncio
import random
import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest

pytest.importorskip("psycopg")

from models.errors import Unavailable
from server.analytics.endpoint import AnalystEndpoint
from server.ledger import mirrored, sessions
from server.ledger.columns import Cursor, DuckDb, fetch_all
from server.ledger.opened import opened
from server.ledger.postgres.increments import IncrementReader
from server.ledger.postgres.ledger import PostgresLedger, Use
from server.mirror import Mirror, forget_deleted
from server.setting_groups import QuackSettings
from server.wiring.stored_data import _forgetting
from tests.unit.erasure.filled import mark_of
from tests.unit.ledger.makers import NOW, session
from tests.unit.ledger.migrated import open_ledger
from tests.unit.ledger.postgres_files import files_with


class Running:
    """A mirror while its server runs."""

    def __init__(self, url: str, folder: Path) -> None:
        self.folder = folder
        self.file = open_ledger(folder / "mirror.duckdb", lambda: NOW)
        self.reader = IncrementReader(url, self.file.write_now(mirrored.columns_of))
        self.mirror = Mirror(self.reader, self.file, folder)

    def close(self) -> None:
        self.reader.close()
        self.file.close()

    async def shown(self) -> set[str]:
        return await self.file.read(_ids)

    def has(self, text: str) -> bool:
        return _in_files(self.folder, text)


class Servers:
    """Servers on one database, and their mirrors by name."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url = url
        self.folder = folder
        self.ledger = PostgresLedger.open(url, lambda: NOW, use=Use.TOGETHER)
        self.mirrors: dict[str, Running] = {}

    def start(self, name: str) -> Running:
        self.mirrors[name] = Running(self.url, self.folder / name)
        return self.mirrors[name]

    def stop(self, name: str) -> None:
        self.mirrors.pop(name).close()

    def close(self) -> None:
        for name in list(self.mirrors):
            self.stop(name)
        self.ledger.close()

    def add(self, client: str = "app") -> str:
        row = session(client_id=client)
        self.ledger.write_now(lambda cursor: sessions.insert_or_get(cursor, row))
        return row.id

    def delete(self, session_id: str) -> None:
        def write(cursor: Cursor) -> None:
            cursor.execute("DELETE FROM events WHERE session_id = ?", [session_id])
            cursor.execute("DELETE FROM sessions WHERE id = ?", [session_id])

        self.ledger.write_now(write)

    def ids(self) -> set[str]:
        return self.ledger.write_now(_ids)

    def known(self) -> set[str]:
        """The mirrors that PostgreSQL knows. One that begins anew has another id then."""
        return self.ledger.write_now(lambda cursor: {row["id"] for row in fetch_all(cursor, "SELECT id FROM mirrors")})

    def remembered(self) -> int:
        """How many deleted rows PostgreSQL remembers."""
        return len(self.ledger.write_now(lambda cursor: fetch_all(cursor, "SELECT key FROM deleted_rows")))

    def in_postgres(self, text: str) -> bool:
        """Whether a text is in a file of the tables."""
        return bool(files_with(text, self.url))


@pytest.fixture
def servers(postgres_url: str, tmp_path: Path) -> Iterator[Servers]:
    with closing(Servers(postgres_url, tmp_path)) as several:
        yield several


@contextmanager
def _copying(*mirrors: Running) -> Iterator[None]:
    """The mirrors make their rounds."""
    tasks = [asyncio.ensure_future(each.mirror.run()) for each in mirrors]
    yield
    for task in tasks:
        task.cancel()


async def test_each_mirror_sees_each_deletion_and_none_is_rebuilt(servers: Servers) -> None:
    one, two = servers.start("one"), servers.start("two")
    kept, gone = servers.add(), servers.add()
    for each in (one, two):
        await each.mirror.round()
    known = servers.known()
    servers.delete(gone)
    await one.mirror.round()
    with _copying(two):
        await one.mirror.forget_deleted()
    assert await one.shown() == await two.shown() == {kept}
    assert servers.remembered() == 0
    assert len(known) == 2
    assert servers.known() == known


async def test_after_an_erasure_no_byte_is_in_any_file(servers: Servers) -> None:
    """Also in copies of a mirror that is not that of the server that erases."""
    one, two = servers.start("one"), servers.start("two")
    name, other = mark_of("gone"), mark_of("stays")
    gone = servers.add(name)
    servers.add(other)
    for each in (one, two):
        await each.mirror.round()
        (each.folder / "snapshot").write_text(name)

    async def forget_copies() -> None:
        (two.folder / "snapshot").unlink()

    two.mirror.forget_copies = forget_copies
    assert all(each.has(name) for each in (one, two))
    assert servers.in_postgres(name), "else this test shows nothing"
    servers.delete(gone)
    assert servers.in_postgres(gone), "it is remembered as deleted"
    await servers.ledger.rewrite()
    with _copying(two):
        await one.mirror.forget_deleted()
    assert not two.has(name)
    assert one.has(name), "the copy that this test did not have forgotten"
    (one.folder / "snapshot").unlink()
    for text in (name, gone):
        assert not any(each.has(text) for each in (one, two))
        assert not servers.in_postgres(text)
    assert all(each.has(other) for each in (one, two))


async def test_an_erasure_waits_for_a_mirror_that_lives(servers: Servers) -> None:
    one, two = servers.start("one"), servers.start("two")
    gone = servers.add(mark_of("gone"))
    for each in (one, two):
        await each.mirror.round()
    servers.delete(gone)
    with pytest.raises(Unavailable) as refused:
        await forget_deleted(one.reader.forgetting, one.mirror.round, grace_s=0.0, longest_s=0.0)
    assert refused.value.reason == "LEDGER_CONFLICT"
    assert servers.remembered(), "the other one has to read it"
    await two.mirror.round()
    assert await two.shown() == set()
    assert not two.has(mark_of("gone"))
    await forget_deleted(one.reader.forgetting, lambda: _rounds(one, two), longest_s=0.0)
    assert servers.remembered() == 0


async def test_a_mirror_that_is_dead_holds_up_nothing_and_has_forgotten_when_it_is_back(servers: Servers) -> None:
    one, two = servers.start("one"), servers.start("two")
    kept, gone = servers.add(), servers.add(mark_of("gone"))
    await _rounds(one, two)
    servers.stop("two")
    servers.delete(gone)
    with pytest.raises(Unavailable):
        await forget_deleted(one.reader.forgetting, one.mirror.round, longest_s=0.0)
    await forget_deleted(one.reader.forgetting, one.mirror.round, grace_s=0.0)
    assert servers.remembered() == 0
    two = servers.start("two")
    assert two.has(mark_of("gone"))
    await two.mirror.round()
    assert await two.shown() == {kept}
    assert not two.has(mark_of("gone"))


async def test_a_mirror_that_was_away_for_a_moment_goes_on(servers: Servers) -> None:
    one, gone = servers.start("one"), servers.add()
    await one.mirror.round()
    [before] = servers.known()
    servers.stop("one")
    servers.delete(gone)
    read: list[mirrored.TableChanges] = []
    one = servers.start("one")
    apply = mirrored.apply

    def noted(cursor: DuckDb, increment: mirrored.Increment) -> None:
        read.extend(increment.tables)
        apply(cursor, increment)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(mirrored, "apply", noted)
        await one.mirror.round()
    assert await one.shown() == set()
    assert read, "it read what changed"
    assert all(each.keys is not None for each in read), "and not everything"
    [after] = servers.known()
    assert after != before, "so that a copy of its folder cannot be taken for it"
    one.reader.close()  # as if the connection broke
    await one.mirror.round()
    assert servers.known() == {after}


async def test_a_copy_of_a_folder_is_a_mirror_of_its_own(servers: Servers) -> None:
    one, gone = servers.start("one"), servers.add(mark_of("gone"))
    await one.mirror.round()
    servers.stop("one")
    shutil.copytree(servers.folder / "one", servers.folder / "two")
    one, two = servers.start("one"), servers.start("two")
    await _rounds(one, two)
    assert len(servers.known()) == 2
    servers.delete(gone)
    await forget_deleted(one.reader.forgetting, lambda: _rounds(one, two))
    assert not any(each.has(mark_of("gone")) for each in (one, two))


@pytest.mark.parametrize("seed", range(2))
async def test_whatever_happens_each_mirror_ends_as_the_tables_are(servers: Servers, seed: int) -> None:
    """Three mirrors come and go, and each may erase while others are anywhere."""
    draw = random.Random(seed)
    gone: list[str] = []
    for _ in range(40):
        name = draw.choice("abc")
        match draw.choice(["add", "add", "delete", "round", "round", "round", "stop", "erase"]):
            case "add":
                servers.add()
            case "delete" if there := sorted(servers.ids()):
                gone.append(draw.choice(there))
                servers.delete(gone[-1])
            case "stop" if name in servers.mirrors:
                servers.stop(name)
            case "erase" if name in servers.mirrors:
                one = servers.mirrors[name]
                with suppress(Unavailable):  # others live, and do not forget now
                    await forget_deleted(one.reader.forgetting, one.mirror.round, grace_s=0.0, longest_s=0.0)
            case "round":
                await (servers.mirrors.get(name) or servers.start(name)).mirror.round()
    for name in "abc":
        await _rounds(servers.mirrors.get(name) or servers.start(name))
    await servers.ledger.rewrite()
    all_of = tuple(servers.mirrors.values())
    await forget_deleted(all_of[0].reader.forgetting, lambda: _rounds(*all_of))
    assert servers.remembered() == 0
    assert gone and servers.ids(), "else it shows nothing"
    for each in all_of:
        assert await each.shown() == servers.ids()
        assert not [session_id for session_id in gone if each.has(session_id)]


async def _rounds(*mirrors: Running) -> None:
    for each in mirrors:
        await each.mirror.round()


def _in_files(folder: Path, text: str) -> bool:
    return any(text.encode() in file.read_bytes() for file in folder.rglob("*") if file.is_file())


def _ids(cursor: Cursor) -> set[str]:
    return {row["id"] for row in fetch_all(cursor, "SELECT id FROM sessions")}


async def test_a_server_without_a_mirror_has_those_of_the_others_forget(servers: Servers) -> None:
    one, gone = servers.start("one"), servers.add(mark_of("gone"))
    await one.mirror.round()
    servers.delete(gone)
    endpoint = AnalystEndpoint(None, QuackSettings(), servers.folder)
    with _copying(one):
        await _forgetting(None, endpoint, servers.url)()
    assert await one.shown() == set()
    assert not one.has(mark_of("gone"))
    assert servers.remembered() == 0


def test_a_server_that_keeps_no_mirror_deletes_its_earlier_one(servers: Servers) -> None:
    path = servers.folder / "data" / "mirror.duckdb"
    for keeps, has in ((True, True), (False, False), (False, False), (True, True)):
        with opened(path, servers.url, together=True, mirror=keeps) as ledgers:
            assert (ledgers.views is not None) is has
            assert path.exists() is has
            assert ledgers.ledger.write_now(_ids) == set()
