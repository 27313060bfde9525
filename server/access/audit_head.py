"""Keeps the end of the audit's chain beside its key, so that rows which are cut off at the end are missed.

The chain itself cannot tell: without its last rows it is a shorter chain that is whole. The head is kept a second after
a row was added, and when the server stops. A start that finds another chain than the kept one adds a row that says so.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import IO, Final

from models.errors import VestibuleError
from models.private_files import make_private_folder, open_private, write_atomically
from server.access.audit import AuditAction, AuditEntry, AuditTrail, Outcome, head_seal
from server.access.caller import INTERNAL
from server.ledger import audit as rows
from server.ledger.audit import START, AuditPosition
from server.ledger.columns import Cursor
from server.ledger.transactional import Ledger
from server.observability.log import describe, get_logger
from server.runtime.exclusive_file import locked

log = get_logger("audit")

HEAD_FILE: Final = "audit.head"
KEEP_EVERY_S: Final = 1.0
LOCK_WAIT_S: Final = 30.0
"""A start holds the lock for a write of the ledger."""
_LOOK_S: Final = 0.05


def read_head(state_dir: Path, key: bytes) -> AuditPosition | None:
    """The kept head; None when there is none, or when it was not written with this key."""
    try:
        content = json.loads((state_dir / HEAD_FILE).read_bytes())
        position = AuditPosition(int(content["number"]), str(content["hash"]))
        sealed = hmac.compare_digest(str(content["seal"]), head_seal(key, position))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return position if sealed else None


def write_head(state_dir: Path, key: bytes, position: AuditPosition, *, later: bool = False) -> None:
    """Keep a head, durably. Servers that share the folder do so one after the other.

    Args:
        state_dir: The folder.
        key: Of the chain.
        position: The head.
        later: Whether to leave a head that is kept already and comes later in the chain: another server wrote it.

    Raises:
        OSError: As ``lock_head``.
    """
    with lock_head(state_dir):
        _write_locked(state_dir, key, position, later=later)


def _write_locked(state_dir: Path, key: bytes, position: AuditPosition, *, later: bool) -> None:
    content = {"number": position.number, "hash": position.hash, "seal": head_seal(key, position)}
    kept = read_head(state_dir, key) if later else None
    if kept is None or kept.number <= position.number:
        write_atomically(state_dir / HEAD_FILE, json.dumps(content).encode())


def lock_head(state_dir: Path) -> IO[bytes]:
    """Lock the head until the file that is returned is closed.

    Raises:
        OSError: Another server has it for too long, or the disk refuses.
    """
    make_private_folder(state_dir)
    lock = open(state_dir / f"{HEAD_FILE}.lock", "ab", opener=open_private)  # noqa: SIM115
    give_up_at = time.monotonic() + LOCK_WAIT_S
    while True:
        if locked(lock):
            return lock
        if time.monotonic() > give_up_at:
            lock.close()
            raise TimeoutError("another server has the head of the audit locked")
        time.sleep(_LOOK_S)


@asynccontextmanager
async def head_kept(ledger: Ledger, key: bytes, state_dir: Path) -> AsyncIterator[None]:
    """Keep the head after the block, for a command that adds rows while no server runs.

    Nothing is kept if the chain did not fit the head before: the next start of the server has to find that.
    """
    kept = read_head(state_dir, key)
    fitted = not await ledger.read(lambda cursor: _difference(cursor, kept))
    yield
    if fitted:
        write_head(state_dir, key, await ledger.read(rows.last))


def append_and_keep(cursor: Cursor, trail: AuditTrail, key: bytes, state_dir: Path, entry: AuditEntry) -> None:
    """Append an entry and keep the head, for a command that alone has the ledger; each statement commits.

    Nothing is kept if the chain did not fit the head before, as with ``head_kept``.
    """
    fitted = not _difference(cursor, read_head(state_dir, key))
    end = trail.append(cursor, entry)
    if not fitted:
        return
    try:
        write_head(state_dir, key, end)
    except OSError as error:  # the chain fits the head before, too
        log.warning("audit_head_not_kept", error=type(error).__name__)


class AuditHead:
    """Compares the chain with the kept head at the start, and keeps it up to date.

    Args:
        key: Of the chain.
        version: Of the server; it stands in the rows of its start and its stop.
    """

    def __init__(self, ledger: Ledger, trail: AuditTrail, key: bytes, state_dir: Path, version: str) -> None:
        self._ledger = ledger
        self._trail = trail
        self._key = key
        self._state_dir = state_dir
        self._version = version
        self._kept = START

    @property
    def kept(self) -> AuditPosition | None:
        """The head as the file has it now."""
        return read_head(self._state_dir, self._key)

    async def start(self) -> None:
        """Record that the server starts, and before it that the chain does not fit the kept head, if so.

        Servers that share the folder do so one after the other: between a row and its head the chain does not fit.

        Raises:
            OSError: As ``lock_head``.
        """
        with await asyncio.to_thread(lock_head, self._state_dir):
            await self._start()

    async def _start(self) -> None:
        kept = await asyncio.to_thread(lambda: self.kept)
        started = self._trail.entry(AuditAction.SERVER_STARTED, ("server", self._version), caller=INTERNAL)

        def write(cursor: Cursor) -> tuple[str, AuditPosition]:
            why = _difference(cursor, kept)
            if why:
                target = ("row", str(kept.number if kept else 0))
                broken = self._trail.entry(
                    AuditAction.AUDIT_BROKEN, target, outcome=Outcome.FAILED, reason=why, caller=INTERNAL
                )
                self._trail.append(cursor, broken)
            return why, self._trail.append(cursor, started)

        why, self._kept = await self._ledger.write(write)
        if why:
            log.error("audit_broken", why=why, kept_number=kept.number if kept else 0)
        await self._write(partial(_write_locked, later=not why), self._kept)

    async def run(self) -> None:
        """Keep the head until cancelled."""
        while True:
            await asyncio.sleep(KEEP_EVERY_S)
            try:
                await self.keep()
            except VestibuleError as error:
                log.warning("audit_head_not_kept", **describe(error))

    async def keep(self) -> None:
        """Keep the head if rows were added, and if they were added to the chain that was kept.

        Raises:
            Unavailable: The ledger cannot be read.
        """
        if not self._trail.appended:
            return
        self._trail.appended = False
        kept = self._kept
        fits, end = await self._ledger.read(lambda cursor: (rows.holds(cursor, kept), rows.last(cursor)))
        if not fits:
            log.error("audit_broken", why="row_changed", kept_number=kept.number)
            return
        self._kept = end
        await self._write(partial(write_head, later=True), end)

    async def stop(self) -> None:
        """Record that the server stops, and keep the last head."""
        stopped = self._trail.entry(AuditAction.SERVER_STOPPED, ("server", self._version), caller=INTERNAL)
        await self._ledger.write(lambda cursor: self._trail.append(cursor, stopped))
        await self.keep()

    async def _write(self, write: Callable[[Path, bytes, AuditPosition], None], position: AuditPosition) -> None:
        try:
            await asyncio.to_thread(write, self._state_dir, self._key, position)
        except OSError as error:
            log.warning("audit_head_not_kept", error=type(error).__name__)
            self._trail.appended = True  # so that it is tried again


def _difference(cursor: Cursor, kept: AuditPosition | None) -> str:
    """Why the chain is not the one whose head was kept; empty when it is."""
    end = rows.last(cursor)
    if kept is None:
        return "head_missing" if end.number else ""
    if end.number < kept.number:
        return "rows_cut_off"
    return "" if rows.holds(cursor, kept) else "row_changed"
