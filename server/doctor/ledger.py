"""Whether this release can use the ledger. It is only read, and not migrated."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from models.errors import VestibuleError
from models.reasons import Reason
from server.doctor.postgres import check_postgres
from server.doctor.results import Finding, Level, Situation, ok, problem, refused
from server.ledger.copied import opened_copy
from server.ledger.migrate import require_newest
from server.ledger.migrations import ALL

SUBJECT: Final = "ledger"


def check_ledger(situation: Situation) -> Iterator[Finding]:
    """Look at the schema of a file that nobody uses, else say who uses it; or look at PostgreSQL."""
    path, user = situation.settings.ledger_path, situation.user
    if situation.settings.ledger.database:
        yield from check_postgres(situation)
    elif not path.exists():
        yield ok(SUBJECT, "There is none yet; the first start makes it.")
    elif situation.server is not None:
        yield ok(SUBJECT, f"It is in use by the running server, {user}, which brought it to its own schema.")
    elif user is not None:
        hint = "A server cannot start until that process ends. Analysts attach with `vestibule sql` or Quack instead."
        yield problem(SUBJECT, f"It is in use by {user}, which does not look like a server.", hint)
    else:
        yield _of_nobody(situation)


def _of_nobody(situation: Situation) -> Finding:
    try:
        with opened_copy(situation.settings.ledger_path) as cursor:
            require_newest(cursor)
    except VestibuleError as error:
        return _refused(error)
    return ok(SUBJECT, f"It can be opened, and has schema {len(ALL)}, that of this release.")


def _refused(error: VestibuleError) -> Finding:
    if error.reason is Reason.LEDGER_LOCKED:  # where the system does not tell by whom
        return ok(SUBJECT, "It is in use, perhaps by a running server.")
    if error.reason is Reason.LEDGER_OLDER:
        hint = "The next start changes it to the newest one. Make a backup first: docs/operating/upgrade.md."
        return Finding(Level.WARNING, SUBJECT, error.message, hint, str(error.reason))
    return refused(SUBJECT, error)
