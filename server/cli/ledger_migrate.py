"""`vestibule ledger migrate`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from models.reasons import Reason
from server.cli.output import Failure, show_json, show_table
from server.cli.stopped_server import one_folder

if TYPE_CHECKING:
    from server.ledger.waiting import Waiting
    from server.settings import Settings

FOLDER = click.Path(file_okay=False, path_type=Path)


@click.command()
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
@click.option("--backup", type=click.Path(path_type=Path, resolve_path=True), metavar="FOLDER", help="First back up.")
@click.option(
    "--keys",
    "keys_file",
    type=click.Path(path_type=Path, resolve_path=True),
    metavar="FILE",
    help="With --backup: write the keys there.",
)
@click.option("--no-backup", is_flag=True, help="Migrate without a backup, also where there is no way back.")
@click.option("--data-dir", type=FOLDER, help="The server's folder with the ledger. Default: the setting.")
@click.option("--state-dir", type=FOLDER, help="The server's folder with its keys. Default: the setting.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
def migrate(
    dry_run: bool,
    backup: Path | None,
    keys_file: Path | None,
    no_backup: bool,
    data_dir: Path | None,
    state_dir: Path | None,
    as_json: bool,
) -> None:
    """Bring the ledger of a stopped server to the schema of this release.

    The start of a server does the same. This command does it apart from the start, and says before what will be done.

    After some migrations no earlier release can use the ledger: the only way back is a backup. If one of those waits,
    the command makes the backup that --backup names, as `vestibule backup` does, or it refuses. With --no-backup it
    goes on without. Each migration is done whole or not at all, so an interrupted run is continued by the next one.

    Where VESTIBULE_LEDGER__URL names a database of PostgreSQL, it migrates that one, in one transaction. Then --backup
    is refused: make a dump, and give --no-backup.

    \b
    Examples:
      vestibule ledger migrate --dry-run
      vestibule ledger migrate --backup /backups/before-upgrade --keys /safe/vestibule-keys.json
      vestibule ledger migrate --no-backup
    """
    from server.ledger.opened import refuse_postgres
    from server.ledger.waiting import waiting_after

    if no_backup and backup is not None:
        raise click.UsageError("Give one of --backup and --no-backup.")
    if keys_file is not None and backup is None:
        raise click.UsageError("--keys goes with --backup.")
    settings = settings_of_stopped(data_dir, state_dir, both=True)
    refuse_postgres(backup is not None and bool(settings.ledger.database), "--backup")
    before = _schema(settings)
    waiting = waiting_after(before)
    if waiting and not dry_run:
        _make_backup(settings, waiting, backup, keys_file, no_backup=no_backup)
        _migrate(settings)
    _show_migrated(before, waiting, None if dry_run else backup, dry_run=dry_run, as_json=as_json)


def settings_of_stopped(data_dir: Path | None, state_dir: Path | None, *, both: bool = False) -> Settings:
    """The settings with the folders that were named.

    Raises:
        InvalidInput: FOLDER_UNNAMED, one was named, and both are needed.
        Conflict: RESTORE_UNFINISHED.
    """
    from server.cli.analyst import ledger_settings
    from server.runtime.folders import refuse_unfinished_restore

    if both and (data_dir is None) is not (state_dir is None):
        raise one_folder(*(("--state-dir", "--data-dir") if data_dir is None else ("--data-dir", "--state-dir")))
    settings = ledger_settings(None, state_dir, data_dir)
    refuse_unfinished_restore(settings.data_dir)
    return settings


def _schema(settings: Settings) -> int:
    """Number of the last migration of the ledger."""
    from server.ledger.opened import require_driver
    from server.ledger.waiting import schema_of_stopped

    if not settings.ledger.database:
        return schema_of_stopped(settings.ledger_path)
    require_driver()
    from server.ledger.postgres.inspection import stored_schema

    return stored_schema(settings.ledger.database)


def _migrate(settings: Settings) -> None:
    """Migrate the ledger.

    Raises:
        Unavailable: LEDGER_LOCKED, a server uses it.
    """
    if not settings.ledger.database:
        from server.ledger.embedded import EmbeddedLedger

        EmbeddedLedger.open(settings.ledger_path).close()
        return
    from server.ledger.postgres.ledger import PostgresLedger, Use

    PostgresLedger.open(settings.ledger.database, use=Use.TOGETHER).close()  # it has it alone while it migrates


def _make_backup(
    settings: Settings, waiting: Sequence[Waiting], folder: Path | None, keys_file: Path | None, *, no_backup: bool
) -> None:
    """Say from which migrations there is no way back, and make the backup that was asked for.

    Raises:
        Failure: BACKUP_NEEDED.
    """
    from server.cli.backup import back_up_stopped

    final = [each for each in waiting if not each.goes_back]
    if final and folder is None and not no_backup:
        how = "Make a dump" if settings.ledger.database else "Name a folder for it with --backup"
        raise Failure(
            "There is no way back from a migration that waits, and no backup was asked for.",
            reason=Reason.BACKUP_NEEDED,
            hint=f"{how}, or give --no-backup. Nothing was changed.",
            details=[f"{each.number}: {each.does}" for each in final],
        )
    if final:
        numbers = ", ".join(str(each.number) for each in final)
        click.echo(f"Earlier releases cannot use the ledger after these migrations: {numbers}.", err=True)
    if folder is not None:
        for path in back_up_stopped(settings, folder, keys_file).missing:
            click.echo(f"{path} was gone before: the ledger refers to it.", err=True)
        click.echo(f"The backup is in {folder}.", err=True)


def _show_migrated(
    before: int, waiting: Sequence[Waiting], backup: Path | None, *, dry_run: bool, as_json: bool
) -> None:
    after = before + (0 if dry_run else len(waiting))
    if as_json:
        document: dict[str, Any] = {"dry_run": dry_run, "schema_before": before, "schema": after}
        document |= {"migrations": [*map(asdict, waiting)], "backup": None if backup is None else str(backup)}
        show_json(document)
        return
    show_waiting(waiting)
    if not waiting:
        click.echo(f"Nothing to do: the ledger has schema {before}, that of this release.")
    elif dry_run:
        click.echo(f"The ledger has schema {before}. Nothing was changed.")
    else:
        click.echo(f"The ledger had schema {before}, and has schema {after} now.")


def show_waiting(waiting: Sequence[Waiting]) -> None:
    """Show the migrations that wait; nothing where none does."""
    rows = [(each.number, each.does, "yes" if each.goes_back else "no") for each in waiting]
    if rows:
        show_table(("migration", "what it does", "can go back"), rows)
