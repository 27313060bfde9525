"""Checks the ledger of a stopped server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

import duckdb

from models.errors import InternalError, NotFound, Unavailable, VestibuleError
from models.reasons import Reason
from server.ledger.columns import DuckDb
from server.ledger.errors import DISK_HINT, translate
from server.ledger.integrity import catalogue
from server.ledger.integrity.lookups import problems_of_indexes
from server.ledger.integrity.problems import MOST_IDS, Check, Problem, shown_ids
from server.ledger.integrity.reading import Reader
from server.ledger.integrity.rules import RULES, Rule
from server.ledger.migrate import needed_schema, refuse_newer, schema_of
from server.ledger.migrations import ALL

LEDGER: Final = "ledger"
_CHUNK_BYTES: Final = 1 << 20
_OF_THE_MACHINE: Final = (Reason.LEDGER_LOCKED, Reason.LEDGER_MEMORY, Reason.LEDGER_FULL)
"""Reasons for which DuckDB opens no file, however whole it is."""
_NOT_THERE: Final = (duckdb.BinderException, duckdb.CatalogException)
"""A table or column of a rule is not there. The comparison of tables tells that; an older schema may lack it."""


@dataclass(slots=True)
class Report:
    """What was found.

    Attributes:
        schema_number: Last migration of the ledger; 0 if it cannot be told.
        rows: Rows of each table that could be read.
    """

    schema_number: int = 0
    rows: dict[str, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    @property
    def whole(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems


def check_ledger(path: Path) -> Report:
    """Look at everything in a ledger that nobody has open. The file and its write-ahead log are not changed.

    Raises:
        NotFound: LEDGER_NOT_FOUND.
        Unavailable: LEDGER_LOCKED, a server has it open; LEDGER_IO, the disk gives no bytes; LEDGER_MEMORY.
        InternalError: LEDGER_NEWER, this release does not know its schema, or DuckDB's form of the file.
    """
    _require_readable(path)
    report = Report()
    reader = _opened(path, report)
    if reader is not None:
        with closing(reader):
            _check(reader, report)
    return report


def _require_readable(path: Path) -> None:
    """Tell a disk that gives no bytes from bytes that are wrong."""
    failure: VestibuleError
    try:
        for file in (path, path.with_name(f"{path.name}.wal")):
            if file == path or file.exists():
                with file.open("rb") as opened:
                    while opened.read(_CHUNK_BYTES):
                        pass
        return
    except FileNotFoundError:
        failure = NotFound(
            f"There is no {path.name} in {path.parent}.",
            reason=Reason.LEDGER_NOT_FOUND,
            hint="Name the folder with --data-dir.",
        )
    except OSError as error:
        message = f"The ledger's file cannot be read ({type(error).__name__})."
        failure = Unavailable(message, reason=Reason.LEDGER_IO, hint=DISK_HINT)
    raise failure


def _opened(path: Path, report: Report) -> Reader | None:
    failure: VestibuleError
    try:
        return Reader(path)
    except duckdb.Error as error:
        failure = translate(error)
        if "version number" in str(error):
            failure = InternalError(
                "Another release of DuckDB wrote the ledger, and this one cannot read its form.",
                reason=Reason.LEDGER_NEWER,
                hint="Run the release that wrote the ledger, or a newer one.",
            )
        elif failure.reason not in _OF_THE_MACHINE:
            found = f"The file is damaged, or is no ledger: DuckDB does not open it ({type(error).__name__})."
            report.problems.append(Problem(Check.FILE, LEDGER, found))
            return None
    raise failure


def _check(reader: Reader, report: Report) -> None:
    try:
        report.schema_number, needed = reader.run(_schema)
    except duckdb.Error as error:
        found = f"Its schema number cannot be read ({type(error).__name__})."
        report.problems.append(Problem(Check.READING, "migrations", found))
        return
    refuse_newer(needed)
    if not report.schema_number:
        report.problems.append(Problem(Check.FILE, LEDGER, "It has no migrations: it is no ledger of Vestibule."))
        return
    _read_tables(reader, report)
    report.problems += _catalogue(reader, report.schema_number)
    report.problems += problems_of_indexes(reader)
    for rule in RULES:
        report.problems += _broken(reader, rule)
    if report.schema_number == len(ALL):
        report.problems += catalogue.problems_of_running(reader)


def _schema(ledger: DuckDb) -> tuple[int, int]:
    done = schema_of(ledger)
    return done, needed_schema(ledger, done)


def _read_tables(reader: Reader, report: Report) -> None:
    named = "SELECT table_name FROM duckdb_tables() WHERE NOT internal ORDER BY table_name"
    for (name,) in reader.run(lambda ledger: ledger.execute(named).fetchall()):
        try:
            report.rows[name] = reader.run(partial(catalogue.read_whole, source=f'"{name}"'))
        except duckdb.Error as error:
            found = f"It cannot be read to the end ({type(error).__name__})."
            report.problems.append(Problem(Check.READING, name, found))


def _catalogue(reader: Reader, number: int) -> list[Problem]:
    """Tables of its own schema. Views and macros of this release: an older ledger gets them when it is migrated."""
    with catalogue.made_anew(min(number, len(ALL))) as expected:
        found = reader.run(lambda ledger: list(catalogue.problems_of_tables(ledger, expected)))
        if number == len(ALL):
            found += reader.run(lambda ledger: list(catalogue.problems_of_views(ledger, expected)))
    return found


def _broken(reader: Reader, rule: Rule) -> Iterator[Problem]:
    sql = f"SELECT count(*), list(id ORDER BY id)[:{MOST_IDS}] FROM ({rule.sql}) AS broken (id)"  # noqa: S608 - ours
    try:
        row = reader.run(lambda ledger: ledger.execute(sql).fetchone())
    except _NOT_THERE:
        return
    except duckdb.Error as error:
        yield Problem(rule.check, rule.table, f"It cannot be looked at ({type(error).__name__}).")
        return
    if row and row[0]:
        yield Problem(rule.check, rule.table, rule.broken, row[0], shown_ids(row[1]))
