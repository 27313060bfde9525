"""Whether the server can use the database of PostgreSQL that the settings name. Nothing is changed in it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from server.doctor.results import Finding, Level, Situation, ok, problem
from server.ledger.migrations import ALL
from server.ledger.opened import require_driver

SUBJECT: Final = "ledger"
EARLIEST: Final = 14
"""Earliest release of PostgreSQL that works: functions with a body of SQL came with it."""


def check_postgres(situation: Situation) -> Iterator[Finding]:
    """Connect, and look at the encoding, at how safe a commit is, at the release, the rights and the schema.

    Raises:
        VestibuleError: LEDGER_DRIVER_MISSING, LEDGER_IO, LEDGER_UNSAFE or LEDGER_NEWER.
    """
    require_driver()
    from server.ledger.postgres.inspection import inspect  # psycopg is an extra

    found = inspect(situation.settings.ledger.database)
    name = f"PostgreSQL {found.version}"
    if int(found.version.partition(".")[0]) < EARLIEST:
        yield problem(SUBJECT, f"{name} is too old.", f"Use PostgreSQL {EARLIEST} or newer.")
    elif found.is_standby:
        hint = "Name the primary, or several hosts and target_session_attrs=read-write."
        yield problem(SUBJECT, f"{name} answers, but it is a standby, which takes no writes.", hint)
    elif not found.may_create:
        hint = "Let the user of the URL own the database: ALTER DATABASE ... OWNER TO ..."
        yield problem(SUBJECT, f"{name} answers, but the user may not make tables.", hint)
    elif not found.schema:
        yield ok(SUBJECT, f"{name} answers. It has no tables yet; the first start makes them.")
    elif found.schema < len(ALL):
        hint = "The next start changes it to the newest one. Make a dump first: docs/operating/postgresql.md."
        text = f"{name} answers. It has schema {found.schema}, and this release has {len(ALL)}."
        yield Finding(Level.WARNING, SUBJECT, text, hint)
    else:
        user = " A server uses it." if found.is_used else ""
        yield ok(SUBJECT, f"{name} answers, and has schema {len(ALL)}, that of this release.{user}")
