"""`vestibule ledger`."""

from __future__ import annotations

from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from models.errors import NotFound, VestibuleError
from models.reasons import Reason
from server.cli.ledger_migrate import FOLDER, migrate, settings_of_stopped, show_waiting
from server.cli.output import FAILED, Failure, show_fields, show_json, show_table

if TYPE_CHECKING:
    from server.ledger.integrity.run import Report

NOT_LOOKED_AT = 2


@click.group(short_help="Check the ledger, upgrade it, or copy it into PostgreSQL.")
def ledger() -> None:
    """Check the ledger of a stopped server, bring it to the newest schema, or copy it into PostgreSQL.

    docs/operating/upgrade.md says how to upgrade and how to go back.

    \b
    Examples:
      vestibule ledger check
      vestibule ledger migrate --dry-run
      vestibule ledger copy
    """


ledger.add_command(migrate)


@ledger.command()
@click.option("--data-dir", type=FOLDER, help="The folder of the ledger, or of a backup. Default: the setting.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
def check(data_dir: Path | None, as_json: bool) -> None:
    """Look at the whole ledger of a stopped server, or at that of a backup, and change nothing. Where
    VESTIBULE_LEDGER__URL names a database of PostgreSQL, look at that one, also while servers run.

    It says which migrations wait. It reads every table to the end. It checks keys, references between tables, the rules
    about states and leases, and whether tables, views and macros are those of the release. What is wrong is told as
    numbers and ids of rows, never as content. `vestibule audit verify` checks the audit. In PostgreSQL it looks at no
    views, and of tables only whether all columns are there.

    Exits with 0 when nothing is wrong, with 1 when something is, and with 2 when the ledger cannot be looked at. That
    is so when there is none, a server has it open, a newer release wrote it, or the disk does not give it.

    \b
    Examples:
      vestibule ledger check
      vestibule ledger check --data-dir /backups/2026-11-27
      vestibule ledger check --json | jq '.problems[]'
    """
    try:
        report = _checked(data_dir)
    except VestibuleError as error:
        Failure.of(error).show()
        raise click.exceptions.Exit(NOT_LOOKED_AT) from error
    _show_report(report, as_json=as_json)
    if not report.whole:
        raise click.exceptions.Exit(FAILED)


def _checked(data_dir: Path | None) -> Report:
    from server.cli.analyst import ledger_settings
    from server.ledger.integrity.run import check_ledger
    from server.ledger.opened import require_driver

    if database := ledger_settings(None, None, data_dir).ledger.database:
        require_driver()
        from server.ledger.postgres.integrity import check_postgres

        return check_postgres(database)
    return check_ledger(settings_of_stopped(data_dir, None).ledger_path)


@ledger.command(short_help="Copy the embedded ledger of a stopped server into PostgreSQL.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
def copy(as_json: bool) -> None:
    """Copy the embedded ledger of a stopped server into the empty database that VESTIBULE_LEDGER__URL names.

    No row of the file is changed. The copy is whole, or nothing is copied. Then start the server with the same folders:
    they have its keys, its spool and its pictures. docs/operating/postgresql.md says more.

    \b
    Examples:
      VESTIBULE_LEDGER__URL=postgresql://vestibule@db.internal/vestibule vestibule ledger copy
    """
    import shutil

    from models.private_files import make_private_folder
    from server.cli.analyst import ledger_settings
    from server.ledger.embedded import EmbeddedLedger
    from server.ledger.opened import copying_folder, require_driver
    from server.ledger.types import utc_now
    from server.runtime.folders import refuse_unfinished_restore

    settings = ledger_settings(None, None, None)
    if not settings.ledger.database:
        raise click.UsageError("Set VESTIBULE_LEDGER__URL to the database that the ledger is copied into.")
    path = settings.embedded_path
    if not path.exists():
        raise NotFound(f"There is no {path.name} in {path.parent}.", reason=Reason.LEDGER_NOT_FOUND)
    refuse_unfinished_restore(settings.data_dir)
    require_driver()
    from server.ledger.postgres.copy_in import copy_in

    def tell(table: str, rows: int) -> None:
        click.echo(f"{table}: {rows}", err=True)

    shutil.rmtree(copying_folder(settings.state_dir), ignore_errors=True)  # of a copy that was killed
    make_private_folder(copying_folder(settings.state_dir))
    with closing(EmbeddedLedger.open(path, migrates=False)) as opened, closing(opened.cursor()) as cursor:
        copied = copy_in(cursor, settings.ledger.database, copying_folder(settings.state_dir), utc_now, tell)
    if as_json:
        show_json({"rows": copied})
    else:
        click.echo(
            f"Copied {sum(copied.values())} rows of {len(copied)} tables. Start the server with the same folders."
        )


def _show_report(report: Report, *, as_json: bool) -> None:
    from server.ledger.migrations import ALL
    from server.ledger.waiting import waiting_after

    waiting = waiting_after(report.schema_number) if report.schema_number else ()
    if as_json:
        document: dict[str, Any] = {"whole": report.whole, "schema": report.schema_number, "release_schema": len(ALL)}
        document |= {"migrations": [*map(asdict, waiting)], "rows": report.rows}
        show_json(document | {"problems": [*map(asdict, report.problems)]})
        return
    show_fields(
        [
            ("schema", report.schema_number or "unknown"),
            ("of this release", len(ALL)),
            ("tables read", len(report.rows)),
            ("rows", sum(report.rows.values())),
        ]
    )
    show_waiting(waiting)
    columns = ("check", "where", "what is wrong", "rows", "ids")
    problems = [(p.check, p.subject, p.found, p.rows or "", "\n".join(p.ids)) for p in report.problems]
    show_table(columns, problems, empty="Nothing is wrong.")
