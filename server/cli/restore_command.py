"""`vestibule restore`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from models.reasons import Reason
from server.cli.backup import counts, tell_unless_noted
from server.cli.output import Failure, show_fields
from server.cli.stopped_server import one_folder
from server.times import machine_time

if TYPE_CHECKING:
    from server.backup.check import OpenedBackup
    from server.settings import Settings

MOST_SHOWN = 20
UNREADABLE = (
    "media that wait: their jobs end as dead letters",
    "the words that apps expect in sessions",
    "the state of streams: none can be resumed with its earlier words",
    "the audit: its rows count as changed, and the server notes that when it starts",
    "pseudonyms of people: those of new rows differ from those of old ones",
)


@click.command("restore", short_help="Make the folders of a server from a backup, or check a backup.")
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False), metavar="FOLDER")
@click.option("--keys", "keys_file", type=click.Path(path_type=Path), metavar="FILE", help="The keys of the backup.")
@click.option("--without-keys", is_flag=True, help="Go on without them; some of it cannot be read then.")
@click.option("--check", is_flag=True, help="Only verify the backup. Nothing is written.")
@click.option("--data-dir", type=click.Path(file_okay=False, path_type=Path), help="Default: the setting.")
@click.option("--state-dir", type=click.Path(file_okay=False, path_type=Path), help="Default: the setting.")
def restore_backup(
    folder: Path, keys_file: Path | None, without_keys: bool, check: bool, data_dir: Path | None, state_dir: Path | None
) -> None:
    """Put the backup in FOLDER into the folders of a server, which must be empty or not exist. Then start the server.

    The keys are asked for: they are in the file that `vestibule backup --keys` wrote. Every file is compared with the
    manifest. A restore that fails leaves the folders empty; one that was killed is begun anew by running it again.

    What was erased after the backup was made is back: erase it again. Do not run the old server and the new one at the
    same time.

    \b
    Examples:
      vestibule restore /backups/2026-11-27 --keys /safe/vestibule-keys.json --check
      vestibule restore /backups/2026-11-27 --keys /safe/vestibule-keys.json --data-dir ./data --state-dir ./state
    """
    from server.access.audit import AuditAction
    from server.backup.check import open_backup
    from server.backup.install import install
    from server.backup.noted import note
    from server.backup.sources import ServerFiles
    from server.cli.analyst import ledger_settings
    from server.ledger.opened import refuse_postgres
    from server.ledger.types import utc_now

    if (keys_file is None) is not without_keys:
        raise click.UsageError("Name the keys with --keys FILE, or give --without-keys.")
    if (data_dir is None) is not (state_dir is None):
        raise one_folder(*(("--state-dir", "--data-dir") if data_dir is None else ("--data-dir", "--state-dir")))
    settings = ledger_settings(None, state_dir, data_dir)
    refuse_postgres(bool(settings.ledger.database), "A restore")
    opened = open_backup(folder, keys_file)
    _refuse_problems(opened, settings)
    if not check:
        files = ServerFiles.of(settings)
        made = ("backup", machine_time(opened.manifest.create_time))
        install(opened, files, lambda: tell_unless_noted("restore", note(files, AuditAction.RESTORE, made, utc_now)))
    show_fields([*counts(opened.manifest), ("checked with keys", not without_keys)])
    for path in opened.manifest.missing:
        click.echo(f"{path} was gone when the backup was made.")
    if without_keys:
        click.echo("Without the keys nobody can read:")
        for what in UNREADABLE:
            click.echo(f"- {what}")
        click.echo("Whether somebody changed the manifest is not known either.")
    if check:
        click.echo("Each file is as the manifest says.")
    else:
        click.echo("Restored. What was erased after the backup was made is back: erase it again.")
        click.echo("Start it with `vestibule serve` and these folders, while the server of the backup does not run.")


def _refuse_problems(opened: OpenedBackup, settings: Settings) -> None:
    from server.uploads.keys import KEY_FILE, load_or_create_spool_keys

    given = settings.spool_key.get_secret_value()
    known = load_or_create_spool_keys(given, settings.state_dir / KEY_FILE).kept if given else ()
    problems = list(opened.problems(list(known)))
    if problems:
        more = [f"{len(problems) - MOST_SHOWN} more"] if len(problems) > MOST_SHOWN else []
        raise Failure(
            "The backup is not whole.",
            reason=Reason.BACKUP_DAMAGED,
            hint="Nothing was written. Take another copy of it, or another backup.",
            details=[*problems[:MOST_SHOWN], *more],
        )
