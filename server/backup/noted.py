"""Rows of the audit for what happens to the files of a server that does not run: a backup, and a restore."""

from __future__ import annotations

from models.errors import VestibuleError
from models.reasons import Reason
from server.access.audit import AuditAction, AuditTrail
from server.access.audit_head import append_and_keep
from server.access.caller import OFFLINE
from server.backup.sources import ServerFiles
from server.backup.take import server_works
from server.ledger.columns import Cursor, count
from server.ledger.copied import opened_stopped
from server.ledger.types import Clock


def note(files: ServerFiles, action: AuditAction, target: tuple[str, str], clock: Clock) -> str:
    """Add a row; returns why there is none, or an empty string. Nothing is migrated, and no key is made.

    Raises:
        Unavailable: LEDGER_LOCKED, a server works on the files; LEDGER_IO, the disk refuses.
        Overloaded: LEDGER_FULL.
        VestibuleError: The ledger cannot be opened.
    """
    key = files.read_audit_key()
    if key is None:
        return "there is no key of the audit"
    trail = AuditTrail(key, bytes(32), clock)  # the key of the pseudonyms is not needed: the caller has no name
    entry = trail.entry(action, target, caller=OFFLINE)
    try:
        with opened_stopped(files.ledger) as cursor:
            if not _has_audit(cursor):
                return "the ledger is of a release without it"
            append_and_keep(cursor, trail, key, files.state_dir, entry)
    except VestibuleError as error:
        if error.reason is Reason.LEDGER_LOCKED:
            raise server_works() from error
        raise
    return ""


def _has_audit(cursor: Cursor) -> bool:
    return count(cursor, "SELECT count(*) FROM duckdb_tables() WHERE table_name = 'audit'") > 0
