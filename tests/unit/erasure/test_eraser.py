"""Erasing a session, a client or a person leaves no row, no file and no byte of it, and touches nobody else."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from models.errors import Unavailable
from models.reasons import Reason
from server.access.audit import AuditTrail
from server.access.caller import Caller, acting_as
from server.erasure.eraser import Eraser
from server.ledger import audit, daily_events, erasure, events, retention
from server.ledger.columns import Cursor, fetch_all
from server.ledger.erasure import ErasureScope, ErasureTarget
from server.ledger.integrity.problems import Check
from server.ledger.integrity.run import check_ledger
from server.ledger.schema import TABLES
from tests.unit.erasure.filled import SESSION_COLUMNS, Store, mark_of
from tests.unit.ledger import makers

PERSON = "ab" * 32


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(tmp_path)
    yield made
    made.ledger.close()


def trail(store: Store) -> AuditTrail:
    return AuditTrail(bytes(32), bytes(32), lambda: store.now)


def eraser(store: Store) -> Eraser:
    return Eraser(store.ledger, store.spool, store.pictures, store, lambda: store.now, trail(store))


def test_every_table_with_rows_of_a_session_is_erased() -> None:
    named = {table.name for table in TABLES if {name for name, _, _ in table.columns} & SESSION_COLUMNS}
    assert named | {"sessions", "redactions"} == set(erasure._TABLES)


def test_nothing_of_an_erased_session_is_left_and_everything_of_another_is(store: Store) -> None:
    gone, stays = store.fill("gone"), store.fill("stays")
    assert all(store.rows(gone).values()), "otherwise this test proves nothing"
    before = store.rows(stays)
    asyncio.run(store.ledger.between_commits(lambda: store.ledger.cursor().execute("CHECKPOINT")))
    assert len(store.marks("gone")) == 7
    erasure_id, erased = asyncio.run(eraser(store).erase(ErasureTarget(ErasureScope.SESSION, gone)))
    assert erasure_id
    [row] = asyncio.run(store.ledger.read(lambda cursor: audit.rows_after(cursor, 0, 10)))
    assert (row.action, row.object_id, row.reason) == ("erase", erasure_id, "session"), "the tombstone names nobody"
    assert erased.rows["turns"] == erased.rows["sessions"] == 1
    assert store.ended == [frozenset({gone})]
    assert not any(store.rows(gone).values())
    assert store.marks("gone") == set()
    assert store.rows(stays) == before
    assert len(store.marks("stays")) == 7
    assert store.spooled() == 2, "the upload and the audio of the other session"
    assert len(list(store.pictures.iterdir())) == 1
    store.ledger.close()
    problems = check_ledger(store.ledger.path).problems
    assert [problem for problem in problems if problem.check is not Check.VIEWS] == [], "its record is no JSON"


@pytest.mark.parametrize(
    ("target", "left"),
    [
        (ErasureTarget(ErasureScope.CLIENT, "kiosk"), {"a", "d"}),
        (ErasureTarget(ErasureScope.SUBJECT, PERSON), {"c", "d"}),
        (ErasureTarget(ErasureScope.SUBJECT, "cd" * 32), {"a", "b", "c", "d"}),
    ],
)
def test_a_client_or_a_person_has_several_sessions(store: Store, target: ErasureTarget, left: set[str]) -> None:
    store.fill("a", "app", PERSON)
    store.fill("b", "kiosk", PERSON)
    store.fill("c", "kiosk")
    store.fill("d", "kiosk2")
    counted = asyncio.run(eraser(store).preview(target))
    assert all(store.marks(name) for name in "abcd")
    erasure_id, erased = asyncio.run(eraser(store).erase(target))
    assert erased == counted
    assert bool(erasure_id) == (left != set("abcd"))
    assert {name for name in "abcd" if store.marks(name)} == left


def test_a_client_of_tokens_is_found_by_the_id_that_its_issuer_gave_it(store: Store) -> None:
    hashed = trail(store).client_pseudonym("maria-lopez")
    store.fill("gone", hashed)
    store.fill("stays", "app")
    target = ErasureTarget(ErasureScope.CLIENT, "maria-lopez")
    assert asyncio.run(eraser(store).preview(target)).rows["sessions"] == 1
    asyncio.run(eraser(store).erase(target))
    assert (store.marks("gone"), bool(store.marks("stays"))) == (set(), True)


def test_the_counts_of_a_client_go_with_it_and_its_name_too(store: Store) -> None:
    """Also when no session of the client is left: each was erased before."""
    gone, stays = store.fill("gone", "kiosk-at-the-gate"), store.fill("stays", "app")
    day = store.now + timedelta(days=1)
    asyncio.run(store.ledger.write(lambda cursor: retention.delete_events(cursor, day)))
    asyncio.run(eraser(store).erase(ErasureTarget(ErasureScope.SESSION, gone)))
    assert asyncio.run(store.ledger.read(daily_events.names_of_apps)) == [
        ("app", mark_of("stays-event")),
        ("kiosk-at-the-gate", mark_of("gone-event")),
    ]
    assert store.marks("gone") == {mark_of("gone-event")}, "counts name no session, so they stay with the client"
    target = ErasureTarget(ErasureScope.CLIENT, "kiosk-at-the-gate")
    assert asyncio.run(eraser(store).preview(target)).rows["daily_events"] == 2
    erasure_id, erased = asyncio.run(eraser(store).erase(target))
    assert (bool(erasure_id), erased.rows["daily_events"], erased.rows["sessions"]) == (True, 2, 0)
    assert asyncio.run(store.ledger.read(daily_events.names_of_apps)) == [("app", mark_of("stays-event"))]
    assert store.marks("gone") == set()
    assert asyncio.run(store.ledger.read(lambda cursor: daily_events.number_of(cursor, {"app"}))) == 2
    assert store.rows(stays)["sessions"] == 1
    assert asyncio.run(eraser(store).erase(target))[0] == "", "there is nothing more"


def test_a_caller_of_one_client_cannot_erase_the_counts_of_another(store: Store) -> None:
    store.fill("a", "app")
    asyncio.run(store.ledger.write(lambda cursor: retention.delete_events(cursor, store.now + timedelta(days=1))))
    target = ErasureTarget(ErasureScope.CLIENT, "app")
    with acting_as(Caller("key:other", "kiosk", frozenset())):
        assert asyncio.run(eraser(store).preview(target)).rows["daily_events"] == 0
        assert asyncio.run(eraser(store).erase(target))[0] == ""
    assert asyncio.run(eraser(store).preview(target)).rows["daily_events"] == 2


def test_an_erasure_that_was_interrupted_is_completed_later(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = store.fill("gone")
    interrupted = eraser(store)

    async def refuse() -> None:
        raise Unavailable("The disk is full.", reason=Reason.LEDGER_IO)

    with monkeypatch.context() as patched:
        patched.setattr(store.ledger, "rewrite", refuse)
        with pytest.raises(Unavailable):
            asyncio.run(interrupted.erase(ErasureTarget(ErasureScope.SESSION, gone)))
    assert not any(store.rows(gone).values())
    assert asyncio.run(eraser(store).resume())
    assert store.marks("gone") == set()
    assert not asyncio.run(eraser(store).resume()), "there is nothing more to do"


def test_what_is_kept_of_an_erasure_names_nobody(store: Store) -> None:
    store.fill("gone", "app", PERSON)
    target = ErasureTarget(ErasureScope.SUBJECT, PERSON)
    asyncio.run(eraser(store).erase(target))
    [row] = asyncio.run(store.ledger.read(lambda cursor: fetch_all(cursor, "FROM erasures")))
    assert row["complete_time"] is not None
    assert row["target_sha256"] == target.sha256
    assert PERSON not in str(row)


def test_copies_of_the_ledger_are_made_anew(store: Store) -> None:
    gone = store.fill("gone")
    seen: list[set[str]] = []

    async def copied_again() -> None:
        seen.append(await asyncio.to_thread(store.marks, "gone"))

    renewing = Eraser(store.ledger, store.spool, store.pictures, store, lambda: store.now, trail(store), copied_again)
    asyncio.run(renewing.erase(ErasureTarget(ErasureScope.SESSION, gone)))
    assert seen == [set()]


def test_what_ending_a_session_adds_is_erased_and_not_counted(store: Store) -> None:
    gone = store.fill("gone")

    class Ends:
        async def end(self, session_ids: frozenset[str]) -> None:
            await store.ledger.write(lambda cursor: events.append(cursor, makers.event(gone)))

    target = ErasureTarget(ErasureScope.SESSION, gone)
    ending = Eraser(store.ledger, store.spool, store.pictures, Ends(), lambda: store.now, trail(store))
    counted = asyncio.run(ending.preview(target))
    _, erased = asyncio.run(ending.erase(target))
    assert erased.rows == counted.rows
    assert not any(store.rows(gone).values())


def test_an_event_that_comes_after_the_erasure_is_dropped(store: Store) -> None:
    gone, stays = store.fill("gone"), store.fill("stays")
    asyncio.run(eraser(store).erase(ErasureTarget(ErasureScope.SESSION, gone)))

    def late(cursor: Cursor) -> None:
        for session_id in (gone, stays):
            events.append(cursor, makers.event(session_id))

    before = store.rows(stays)["events"]
    store.ledger.write_now(late)
    assert store.rows(gone)["events"] == 0
    assert store.rows(stays)["events"] == before + 1
