"""Verifies the chain of the audit: finds rows that were changed, removed, reordered or cut off."""

from __future__ import annotations

import asyncio
import hmac
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from pathlib import Path

from server.access.audit import AuditAction, chained_hash
from server.access.audit_head import read_head
from server.ledger import audit as rows
from server.ledger.audit import START, AuditPosition, AuditRow
from server.ledger.columns import Cursor
from server.ledger.transactional import Ledger

MOST_FAULTS = 100
"""So many faults are described; further ones are counted."""

ROWS_AT_A_TIME = 2000


class FaultKind(StrEnum):
    """What is wrong at a row."""

    CHANGED = "changed"
    MISSING = "missing"
    CUT_OFF = "cut_off"
    HEAD_MISSING = "head_missing"


@dataclass(frozen=True, slots=True)
class AuditFault:
    """One fault; ``message`` is a sentence for a person."""

    number: int
    kind: FaultKind
    message: str


@dataclass(slots=True)
class AuditReport:
    """What a verification found.

    Attributes:
        end: The last row; keep it elsewhere to prove later that nothing before it was changed.
        faults: The first faults, in order.
        fault_count: All of them.
        recorded_breaks: Rows in which a starting server noted that the chain did not fit the kept head.
    """

    rows: int = 0
    end: AuditPosition = START
    faults: list[AuditFault] = field(default_factory=list)
    fault_count: int = 0
    recorded_breaks: list[int] = field(default_factory=list)

    @property
    def intact(self) -> bool:
        """Whether there is no fault."""
        return self.fault_count == 0


class ChainChecker:
    """Reads the chain in order, a batch of rows at a time.

    Args:
        key: Of the hashes.
        head: What is kept in the state folder, read before the first row; None when there is none.
    """

    def __init__(self, key: bytes, head: AuditPosition | None) -> None:
        self._key = key
        self._head = head
        self._head_seen = head == START
        self.report = AuditReport()

    def feed(self, batch: list[AuditRow]) -> None:
        """Check the rows that follow those of the call before."""
        for row in batch:
            self._check(row)

    def finish(self) -> AuditReport:
        """Compare the end with the kept head."""
        end, head = self.report.end, self._head
        if head is None and end.number:
            self._fault(end.number, FaultKind.HEAD_MISSING, "The kept head is missing, so a cut end would not be seen.")
        elif head is not None and end.number < head.number:
            cut = f"Rows {end.number + 1} to {head.number} were cut off."
            self._fault(end.number + 1, FaultKind.CUT_OFF, cut)
        elif head is not None and not self._head_seen:
            self._fault(head.number, FaultKind.CHANGED, f"Row {head.number} is not the one that was kept as head.")
        return self.report

    def _check(self, row: AuditRow) -> None:
        before = self.report.end
        if row.number != before.number + 1:
            gap = f"Rows {before.number + 1} to {row.number - 1} are missing."
            self._fault(before.number + 1, FaultKind.MISSING, gap)
        elif not hmac.compare_digest(chained_hash(self._key, row, before.hash), row.hash):
            changed = f"Row {row.number} was changed, replaced or moved, or written with another key."
            self._fault(row.number, FaultKind.CHANGED, changed)
        if row.action == AuditAction.AUDIT_BROKEN:
            self.report.recorded_breaks.append(row.number)
        self.report.end = AuditPosition(row.number, row.hash)
        self.report.rows += 1
        self._head_seen = self._head_seen or self.report.end == self._head

    def _fault(self, number: int, kind: FaultKind, message: str) -> None:
        self.report.fault_count += 1
        if len(self.report.faults) < MOST_FAULTS:
            self.report.faults.append(AuditFault(number, kind, message))


async def verify(ledger: Ledger, key: bytes, state_dir: Path) -> AuditReport:
    """Verify the whole chain, in reads of some rows each; rows that are added meanwhile are verified too.

    Raises:
        Unavailable: The ledger cannot be read.
    """
    checker = ChainChecker(key, await asyncio.to_thread(read_head, state_dir, key))
    while batch := await ledger.read(partial(_rows_after, checker.report.end.number)):
        await asyncio.to_thread(checker.feed, batch)
    return checker.finish()


def _rows_after(number: int, cursor: Cursor) -> list[AuditRow]:
    return rows.rows_after(cursor, number, ROWS_AT_A_TIME)
