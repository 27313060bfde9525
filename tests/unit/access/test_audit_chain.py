"""The chain of the audit: what is appended, and which tampering a verification finds."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from functools import partial
from pathlib import Path
from uuid import NAMESPACE_URL, uuid4, uuid5

import pytest

from models.errors import InvalidInput
from server.access.audit import (
    AuditAction,
    AuditTrail,
    Outcome,
    chained_hash,
    load_or_create_key,
    load_or_create_subjects_key,
)
from server.access.audit_check import AuditReport, ChainChecker, FaultKind, verify
from server.access.audit_head import HEAD_FILE, read_head, write_head
from server.access.caller import Caller, Scope, acting_as
from server.access.peer import parse_peer
from server.ledger import audit as rows
from server.ledger.audit import START, AuditFilter, AuditPosition, AuditRow
from server.ledger.columns import Cursor
from server.ledger.embedded import EmbeddedLedger
from tests.unit.ledger.makers import NOW
from tests.unit.ledger.stored import read_now

KEY = bytes(range(32))
REVIEWER = Caller("key:9f3c", "app", frozenset({Scope.REVIEWER}), parse_peer("ipv4:10.0.0.7:51234"))


NAMING = (
    f"maria-lopez|{uuid4()}",
    hashlib.md5(b"maria.lopez@example.com", usedforsecurity=False).hexdigest(),
    hashlib.sha256(b"maria.lopez@example.com").hexdigest(),
    str(uuid5(NAMESPACE_URL, "maria.lopez@example.com")),
    "auth0|5f7c8ec7c33c6c004bbafe82",
)
"""Each may name a person, or be made of an email address that somebody can try."""


@pytest.fixture
def trail() -> AuditTrail:
    return AuditTrail(KEY, KEY, lambda: NOW)


@pytest.fixture
def six(ledger: EmbeddedLedger, trail: AuditTrail) -> EmbeddedLedger:
    """A ledger with six rows."""
    with acting_as(REVIEWER):
        entries = [trail.entry(AuditAction.APPROVE, ("recommendation", f"r{n}")) for n in range(1, 7)]
    ledger.write_now(lambda cursor: trail.append(cursor, *entries))
    return ledger


def all_rows(ledger: EmbeddedLedger) -> list[AuditRow]:
    return read_now(ledger, lambda cursor: rows.rows_after(cursor, 0, 1000))


def checked(ledger: EmbeddedLedger, head: AuditPosition | None, key: bytes = KEY) -> AuditReport:
    checker = ChainChecker(key, head)
    checker.feed(all_rows(ledger))
    return checker.finish()


def tamper(ledger: EmbeddedLedger, *statements: str) -> None:
    def run(cursor: Cursor) -> None:
        for statement in statements:
            cursor.execute(statement)

    ledger.write_now(run)


def test_a_row_says_who_what_when_and_from_where(six: EmbeddedLedger) -> None:
    first, *_, last = all_rows(six)
    assert (first.number, last.number) == (1, 6)
    expected = AuditRow(
        1, NOW, "key:9f3c", "app", "10.0.0.7", "approve", "recommendation", "r1", "done", "", 1, first.hash
    )
    assert first == expected
    assert len({row.hash for row in all_rows(six)}) == 6


def test_an_untouched_chain_is_intact(six: EmbeddedLedger) -> None:
    head = read_now(six, rows.last)
    report = checked(six, head)
    assert (report.intact, report.rows, report.end) == (True, 6, head)
    earlier = AuditPosition(4, all_rows(six)[3].hash)
    assert checked(six, earlier).intact, "a head that a kill left behind is no fault"


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("time", "'2026-03-01 12:00:00.000001'"),
        ("subject", "'key:other'"),
        ("client_id", "''"),
        ("peer", "'10.0.0.8'"),
        ("action", "'reject'"),
        ("object_type", "'session'"),
        ("object_id", "'r9'"),
        ("outcome", "'failed'"),
        ("reason", "'x'"),
        ('"count"', "2"),
        ("hash", f"'{'0' * 64}'"),
    ],
)
@pytest.mark.parametrize("number", [1, 3, 6])
def test_a_changed_column_is_found(six: EmbeddedLedger, column: str, value: str, number: int) -> None:
    head = read_now(six, rows.last)
    tamper(six, f"UPDATE audit SET {column} = {value} WHERE number = {number}")
    report = checked(six, head)
    assert not report.intact
    assert report.faults[0].number == number
    assert report.faults[0].kind is FaultKind.CHANGED


def test_a_missing_row_is_found_and_named(six: EmbeddedLedger) -> None:
    head = read_now(six, rows.last)
    tamper(six, "DELETE FROM audit WHERE number IN (3, 4)")
    [fault] = checked(six, head).faults
    assert (fault.number, fault.kind, fault.message) == (3, FaultKind.MISSING, "Rows 3 to 4 are missing.")


def test_a_missing_first_row_is_found(six: EmbeddedLedger) -> None:
    head = read_now(six, rows.last)
    tamper(six, "DELETE FROM audit WHERE number = 1")
    assert [fault.number for fault in checked(six, head).faults] == [1]


def test_numbers_closed_up_after_a_deletion_are_found(six: EmbeddedLedger) -> None:
    tamper(six, "DELETE FROM audit WHERE number = 3")
    for number in (4, 5, 6):
        tamper(six, f"UPDATE audit SET number = {number - 1} WHERE number = {number}")
    report = checked(six, None)
    assert [fault.number for fault in report.faults if fault.kind is FaultKind.CHANGED] == [3, 4, 5]


def test_rows_that_changed_places_are_found(six: EmbeddedLedger) -> None:
    head = read_now(six, rows.last)
    tamper(six, "UPDATE audit SET number = 99 WHERE number = 2")
    tamper(six, "UPDATE audit SET number = 2 WHERE number = 5")
    tamper(six, "UPDATE audit SET number = 5 WHERE number = 99")
    report = checked(six, head)
    assert {2, 5} <= {fault.number for fault in report.faults}


@pytest.mark.parametrize("left", [5, 1, 0])
def test_rows_cut_off_at_the_end_are_found_by_the_head(six: EmbeddedLedger, left: int) -> None:
    head = read_now(six, rows.last)
    tamper(six, f"DELETE FROM audit WHERE number > {left}")
    [fault] = checked(six, head).faults
    assert (fault.number, fault.kind) == (left + 1, FaultKind.CUT_OFF)


def test_a_shorter_chain_that_grew_again_is_found_by_the_head(six: EmbeddedLedger, trail: AuditTrail) -> None:
    head = read_now(six, rows.last)
    tamper(six, "DELETE FROM audit WHERE number > 3")
    for _ in range(5):
        six.write_now(lambda cursor: trail.append(cursor, trail.entry(AuditAction.REJECT)))
    [fault] = checked(six, head).faults
    assert (fault.number, fault.kind) == (6, FaultKind.CHANGED)


def test_without_the_key_no_row_can_be_forged(six: EmbeddedLedger) -> None:
    """What the file alone gives, such as a plain SHA-256 or another key, makes no row that fits."""
    last = all_rows(six)[-1]
    forged = replace(last, number=7, subject="key:victim")
    for made in (
        hashlib.sha256(f"{last.hash}{forged}".encode()).hexdigest(),
        chained_hash(bytes(32), forged, last.hash),
    ):
        six.write_now(partial(rows.insert_rows, rows=[replace(forged, hash=made)]))
        assert [fault.number for fault in checked(six, START).faults] == [7]
        tamper(six, "DELETE FROM audit WHERE number = 7")


def test_another_key_finds_every_row_and_describes_a_hundred(ledger: EmbeddedLedger, trail: AuditTrail) -> None:
    entry = trail.entry(AuditAction.REDRIVE)
    ledger.write_now(lambda cursor: trail.append(cursor, *[entry] * 150))
    report = checked(ledger, START, key=bytes(32))
    assert (report.fault_count, len(report.faults)) == (150, 100)


def test_a_write_that_fails_leaves_no_row(six: EmbeddedLedger, trail: AuditTrail) -> None:
    entry = trail.entry(AuditAction.ERASE, ("session", "s"))

    def write(cursor: Cursor) -> None:
        trail.append(cursor, entry)
        raise RuntimeError("the change itself failed")

    with pytest.raises(RuntimeError):
        six.write_now(write)
    assert len(all_rows(six)) == 6
    assert checked(six, read_now(six, rows.last)).intact


async def test_verify_reads_in_batches(
    ledger: EmbeddedLedger, trail: AuditTrail, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.access.audit_check.ROWS_AT_A_TIME", 2)
    await ledger.write(lambda cursor: trail.append(cursor, *[trail.entry(AuditAction.DISCARD)] * 5))
    write_head(tmp_path, KEY, await ledger.read(rows.last))
    report = await verify(ledger, KEY, tmp_path)
    assert (report.intact, report.rows) == (True, 5)


def test_a_head_is_sealed(tmp_path: Path) -> None:
    position = AuditPosition(6, "a" * 64)
    write_head(tmp_path, KEY, position)
    assert read_head(tmp_path, KEY) == position
    assert read_head(tmp_path, bytes(32)) is None, "written with another key"
    path = tmp_path / HEAD_FILE
    path.write_text(path.read_text().replace('"number": 6', '"number": 3'))
    assert read_head(tmp_path, KEY) is None, "moved back by hand"
    path.write_text("{")
    assert read_head(tmp_path, KEY) is None


@pytest.mark.parametrize("content", ["", "ab" * 31, "zz" * 32, "ab" * 33])
def test_a_damaged_key_is_refused_with_a_hint(tmp_path: Path, content: str) -> None:
    (tmp_path / "audit.key").write_text(content)
    with pytest.raises(InvalidInput) as caught:
        load_or_create_key(tmp_path)
    assert caught.value.reason == "AUDIT_KEY_INVALID"
    assert "backup" in caught.value.hint


def test_a_damaged_key_of_the_pseudonyms_is_refused_with_a_hint_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "subjects.key").write_text("x")
    with pytest.raises(InvalidInput) as caught:
        load_or_create_subjects_key(tmp_path)
    assert caught.value.reason == "AUDIT_KEY_INVALID"
    assert "subjects.key" in caught.value.hint


def test_files_are_for_their_owner_only(tmp_path: Path) -> None:
    key = load_or_create_key(tmp_path / "state")
    write_head(tmp_path / "state", key, START)
    assert load_or_create_key(tmp_path / "state") == key
    assert {file.stat().st_mode & 0o777 for file in (tmp_path / "state").iterdir()} == {0o600}


def test_a_subject_that_is_no_plain_id_is_hashed_and_can_be_listed(ledger: EmbeddedLedger, trail: AuditTrail) -> None:
    """A token may name a person by an email address. The row must not, and still tells two of them apart."""
    stored = trail.stored_subject("jwt:maria.lopez@example.com")
    assert stored.startswith("jwt:hash:")
    assert stored != trail.stored_subject("jwt:other@example.com")
    assert trail.stored_subject(stored) == stored
    assert trail.stored_subject("key:9f3c") == "key:9f3c"
    for name in ("maria.lopez", "mlopez", "4155550132", "hash:0123456789abcdef", "auth0|maria", "a" * 65, *NAMING):
        assert trail.pseudonym(name).startswith("hash:")
    for opaque in (str(uuid4()), "0190163d-8694-739b-aea5-966c26f8ad91"):
        assert trail.stored_subject(f"jwt:{opaque}") == f"jwt:{opaque}"
    with acting_as(Caller("jwt:maria.lopez@example.com", "", frozenset())):
        entry = trail.entry(AuditAction.APPROVE)
    ledger.write_now(lambda cursor: trail.append(cursor, entry))
    found, _ = read_now(ledger, lambda c: rows.list_rows(c, AuditFilter(subjects=(stored,)), page_size=10))
    assert [row.subject for row in found] == [stored]


def test_addresses_are_left_out_when_the_setting_says_so(ledger: EmbeddedLedger) -> None:
    trail = AuditTrail(KEY, KEY, lambda: NOW, keep_peers=False)
    with acting_as(REVIEWER):
        entry = trail.entry(AuditAction.REJECT, outcome=Outcome.DONE)
    ledger.write_now(lambda cursor: trail.append(cursor, entry))
    assert all_rows(ledger)[0].peer == ""
