"""The audit of a server: its start and stop, its head, lists, and the bounded log of access."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import IO

import pytest

from models.errors import InvalidInput, Overloaded, Unavailable, VestibuleError
from server.access import audit_head
from server.access.access_log import MANY, MOST_ALLOWED, MOST_DENIED, AccessLog
from server.access.audit import AuditAction, AuditTrail
from server.access.audit_book import AuditBook
from server.access.caller import Caller
from server.access.doors import Door
from server.access.peer import parse_peer
from server.ledger import audit as rows
from server.ledger.audit import AuditFilter, AuditRow
from server.ledger.columns import Cursor
from server.ledger.embedded import EmbeddedLedger
from server.runtime.exclusive_file import locked
from server.setting_groups import AuditSettings
from tests.eventually import eventually
from tests.unit.ledger.makers import NOW

EVERYTHING = AuditFilter()


def book(ledger: EmbeddedLedger, tmp_path: Path) -> AuditBook:
    return AuditBook(ledger, AuditSettings(), tmp_path / "state", lambda: NOW, "1.2.3")


async def ran(ledger: EmbeddedLedger, tmp_path: Path) -> None:
    """A server that starts and stops."""
    async with AsyncExitStack() as stack:
        await book(ledger, tmp_path).start(stack)


async def listed(ledger: EmbeddedLedger) -> list[AuditRow]:
    return await ledger.read(lambda cursor: rows.rows_after(cursor, 0, 100_000))


async def test_starts_and_stops_are_recorded_with_the_version(ledger: EmbeddedLedger, tmp_path: Path) -> None:
    await ran(ledger, tmp_path)
    assert [(row.action, row.subject, row.object_id) for row in await listed(ledger)] == [
        ("server_started", "server", "1.2.3"),
        ("server_stopped", "server", "1.2.3"),
    ]
    await ran(ledger, tmp_path)
    report = await book(ledger, tmp_path).verify()
    assert (report.intact, report.rows, report.recorded_breaks) == (True, 4, [])


@pytest.mark.parametrize(
    ("statement", "why"),
    [
        ("DELETE FROM audit WHERE number = 2", "rows_cut_off"),
        ("DELETE FROM audit", "rows_cut_off"),
        ("UPDATE audit SET hash = repeat('0', 64) WHERE number = 2", "row_changed"),
    ],
)
async def test_a_start_records_that_the_chain_was_cut_while_no_server_ran(
    ledger: EmbeddedLedger, tmp_path: Path, statement: str, why: str
) -> None:
    await ran(ledger, tmp_path)
    await ledger.write(lambda cursor: cursor.execute(statement))
    assert not (await book(ledger, tmp_path).verify()).intact
    await ran(ledger, tmp_path)
    [broken] = [row for row in await listed(ledger) if row.action == "audit_broken"]
    assert (broken.reason, broken.object_id, broken.outcome) == (why, "2", "failed")
    assert (await book(ledger, tmp_path).verify()).recorded_breaks == [broken.number]


async def test_servers_that_start_together_record_no_break(
    ledger: EmbeddedLedger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the row of a start and its head the chain does not fit, so the next start waits for both."""
    tried: list[bool] = []

    def noted(file: IO[bytes]) -> bool:
        tried.append(locked(file))
        return tried[-1]

    with audit_head.lock_head(tmp_path / "state"):
        monkeypatch.setattr(audit_head, "locked", noted)
        starting = asyncio.create_task(ran(ledger, tmp_path))
        await eventually(lambda: len(tried) > 1)
        assert not await listed(ledger)
    await starting
    assert [row.action for row in await listed(ledger)] == ["server_started", "server_stopped"]


async def test_a_lost_head_is_recorded(ledger: EmbeddedLedger, tmp_path: Path) -> None:
    await ran(ledger, tmp_path)
    (tmp_path / "state" / "audit.head").unlink()
    [fault] = (await book(ledger, tmp_path).verify()).faults
    assert fault.kind == "head_missing"
    await ran(ledger, tmp_path)
    assert [row.reason for row in await listed(ledger) if row.action == "audit_broken"] == ["head_missing"]


async def test_a_running_server_does_not_bless_a_chain_that_was_cut(ledger: EmbeddedLedger, tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        audit = book(ledger, tmp_path)
        await audit.start(stack)
        await audit.record(AuditAction.BREAKER_RESET, ("breaker", "llm_api"))
        assert (await audit.verify()).intact
        await ledger.write(lambda cursor: cursor.execute("DELETE FROM audit"))
        await audit.record(AuditAction.BREAKER_RESET, ("breaker", "llm_api"))
        assert not (await audit.verify()).intact
    assert not (await book(ledger, tmp_path).verify()).intact


async def test_lists_are_filtered_and_paged(ledger: EmbeddedLedger, tmp_path: Path) -> None:
    audit = book(ledger, tmp_path)
    for number in range(5):
        await audit.record(AuditAction.REDRIVE if number % 2 else AuditAction.DISCARD, ("dead_letter", str(number)))
    first, token = await audit.list(EVERYTHING, 2, "")
    second, token = await audit.list(EVERYTHING, 2, token)
    third, end = await audit.list(EVERYTHING, 2, token)
    assert [row.number for row in (*first, *second, *third)] == [5, 4, 3, 2, 1]
    assert end == ""
    discarded, _ = await audit.list(AuditFilter(action="discard"), 10, "")
    assert [row.object_id for row in discarded] == ["4", "2", "0"]
    late, _ = await audit.list(AuditFilter(since=NOW + timedelta(seconds=1)), 10, "")
    assert late == []
    for bad in ("-1", "x", "9" * 40, "\u0663"):
        with pytest.raises(InvalidInput):
            await audit.list(EVERYTHING, 2, bad)


async def test_a_list_shows_denied_calls_at_once_with_their_count(ledger: EmbeddedLedger, tmp_path: Path) -> None:
    audit = book(ledger, tmp_path)
    stranger = Caller("", "", frozenset(), parse_peer("ipv4:10.0.0.9:4000"))
    for port in range(3):
        audit.access.record(
            Caller("", "", frozenset(), parse_peer(f"ipv4:10.0.0.9:{port}")), "S/M", denied="CREDENTIALS_MISSING"
        )
    audit.access.record(stranger, "S/Other", denied="CREDENTIALS_MISSING")
    found, _ = await audit.list(AuditFilter(action="access"), 10, "")
    assert [(row.object_id, row.peer, row.outcome, row.reason, row.count) for row in found] == [
        ("S/Other", "10.0.0.9", "denied", "CREDENTIALS_MISSING", 1),
        ("S/M", "10.0.0.9", "denied", "CREDENTIALS_MISSING", 3),
    ]


async def test_rows_about_access_wait_for_room_on_the_disk_and_lists_do_not(
    ledger: EmbeddedLedger, tmp_path: Path
) -> None:
    full: list[VestibuleError] = [Overloaded("Full.")]

    def admit() -> None:
        if full:
            raise full[0]

    audit = AuditBook(ledger, AuditSettings(), tmp_path / "state", lambda: NOW, "1.2.3", admit)
    for _ in range(3):
        audit.access.record(Caller("jwt:one", "", frozenset(), parse_peer("ipv4:10.0.0.9:1")), "S/M", denied="NO")
    with pytest.raises(Overloaded):
        await audit.access.flush()
    assert await audit.list(AuditFilter(action="access"), 10, "") == ([], "")
    full.clear()
    found, _ = await audit.list(AuditFilter(action="access"), 10, "")
    assert [row.count for row in found] == [3]


async def test_a_flood_of_denied_calls_is_a_bounded_number_of_rows(ledger: EmbeddedLedger) -> None:
    log = AccessLog(ledger, AuditTrail(bytes(32), bytes(32), lambda: NOW), lambda: NOW, window_s=60)
    for number in range(20_000):
        peer = parse_peer(f"ipv6:[2001:db8::{number:x}]:7")
        log.record(Caller(f"jwt:{number}", "", frozenset(), peer), "S/M", denied="CREDENTIALS_INVALID")
    await log.flush()
    written = await listed(ledger)
    assert len(written) == MOST_DENIED + 1
    assert sum(row.count for row in written) == 20_000
    assert [row.peer for row in written if row.subject == MANY] == [""]


async def test_what_cannot_be_written_for_long_is_counted_in_fewer_rows_and_none_is_lost(
    ledger: EmbeddedLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = AccessLog(ledger, AuditTrail(bytes(32), bytes(32), lambda: NOW), lambda: NOW, window_s=60)

    async def refused(_write: object) -> None:
        raise Unavailable("The ledger takes no write.")

    with monkeypatch.context() as failing:
        failing.setattr(ledger, "write", refused)
        for window in range(3):
            for number in range(MOST_ALLOWED):
                caller = Caller(f"key:{window}-{number}", "app", frozenset(), parse_peer("ipv4:10.0.0.1:7"))
                log.record(caller, "S/M")
            with pytest.raises(Unavailable):
                await log.flush()
    await log.flush()
    written = await listed(ledger)
    assert sum(row.count for row in written) == 3 * MOST_ALLOWED
    assert [row.subject for row in written].count(MANY) == 1
    assert len(written) <= MOST_ALLOWED + MOST_DENIED + 1


async def test_a_flood_of_denied_calls_hides_no_allowed_one(ledger: EmbeddedLedger) -> None:
    log = AccessLog(ledger, AuditTrail(bytes(32), bytes(32), lambda: NOW), lambda: NOW, window_s=60)
    for number in range(MOST_DENIED * 2):
        log.record(
            Caller("", "", frozenset(), parse_peer(f"ipv4:10.0.{number}.1:7")), "S/M", denied="CREDENTIALS_MISSING"
        )
    log.record(Caller("key:9f3c", "app", frozenset(), parse_peer("ipv4:10.1.0.1:7")), "S/M")
    await log.flush()
    [allowed] = [row for row in await listed(ledger) if row.outcome == "allowed"]
    assert (allowed.subject, allowed.client_id, allowed.peer) == ("key:9f3c", "app", "10.1.0.1")


async def test_a_flood_at_another_door_from_many_threads_is_counted_in_a_row_for_each_reason(
    ledger: EmbeddedLedger,
) -> None:
    log = AccessLog(ledger, AuditTrail(bytes(32), bytes(32), lambda: NOW), lambda: NOW, window_s=60)

    def knock() -> None:
        for _ in range(2_000):
            log.at_door(Door.SQL, "sql_time")
            log.at_door(Door.QUACK, "CREDENTIALS_INVALID")
            log.at_door(Door.QUACK, "")
            log.at_metrics("127.0.0.1", "CREDENTIALS_MISSING")
            log.at_port("2001:db8::/64")

    threads = [threading.Thread(target=knock) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    await log.flush()
    assert {
        (row.subject, row.object_type, row.object_id, row.outcome, row.reason, row.peer, row.count)
        for row in await listed(ledger)
    } == {
        ("analyst", "door", "sql", "denied", "sql_time", "", 8_000),
        ("", "door", "quack", "denied", "CREDENTIALS_INVALID", "", 8_000),
        ("analyst", "door", "quack", "allowed", "", "", 8_000),
        ("", "door", "metrics", "denied", "CREDENTIALS_MISSING", "127.0.0.1", 8_000),
        ("", "door", "port", "denied", "flood", "2001:db8::/64", 8_000),
    }


async def test_allowed_calls_can_be_left_out(ledger: EmbeddedLedger) -> None:
    log = AccessLog(ledger, AuditTrail(bytes(32), bytes(32), lambda: NOW), lambda: NOW, window_s=60, allowed=False)
    log.record(Caller("key:9f3c", "app", frozenset()), "S/M")
    log.record(Caller("", "", frozenset()), "S/M", denied="CREDENTIALS_MISSING")
    await log.flush()
    assert [row.outcome for row in await listed(ledger)] == ["denied"]


async def test_counts_wait_for_a_ledger_that_refuses(ledger: EmbeddedLedger, monkeypatch: pytest.MonkeyPatch) -> None:
    log = AccessLog(ledger, AuditTrail(bytes(32), bytes(32), lambda: NOW), lambda: NOW, window_s=60)
    log.record(Caller("", "", frozenset()), "S/M", denied="CREDENTIALS_MISSING")

    async def refuse(_fn: object) -> None:
        raise Unavailable("full")

    with monkeypatch.context() as patched:
        patched.setattr(ledger, "write", refuse)
        with pytest.raises(Unavailable):
            await log.flush()
    log.record(Caller("", "", frozenset()), "S/M", denied="CREDENTIALS_MISSING")
    await log.flush()
    assert [row.count for row in await listed(ledger)] == [2]


@pytest.mark.parametrize("fails", [False, True])
async def test_a_flush_that_is_cancelled_loses_no_count(
    ledger: EmbeddedLedger, monkeypatch: pytest.MonkeyPatch, fails: bool
) -> None:
    log = AccessLog(ledger, AuditTrail(bytes(32), bytes(32), lambda: NOW), lambda: NOW, window_s=60)
    log.record(Caller("", "", frozenset()), "S/M", denied="CREDENTIALS_MISSING")
    begun, go_on, write = asyncio.Event(), asyncio.Event(), ledger.write

    async def slow(fn: Callable[[Cursor], object]) -> None:
        begun.set()
        await go_on.wait()
        if fails:
            raise Unavailable("full")
        await write(fn)

    monkeypatch.setattr(ledger, "write", slow)
    flush = asyncio.create_task(log.flush())
    await begun.wait()
    flush.cancel()
    with pytest.raises(asyncio.CancelledError):
        await flush
    monkeypatch.setattr(ledger, "write", write)
    last = asyncio.create_task(log.flush())
    go_on.set()
    await last
    assert [row.count for row in await listed(ledger)] == [1]


async def test_a_lost_key_of_the_chain_makes_nobody_another_person(ledger: EmbeddedLedger, tmp_path: Path) -> None:
    before = book(ledger, tmp_path).trail.stored_subject("jwt:maria.lopez")
    (tmp_path / "state" / "audit.key").unlink()
    assert book(ledger, tmp_path).trail.stored_subject("jwt:maria.lopez") == before
    (tmp_path / "state" / "subjects.key").unlink()
    assert book(ledger, tmp_path).trail.stored_subject("jwt:maria.lopez") != before
