"""`vestibule export`."""

from __future__ import annotations

import json
import os
import sys
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

import click

from server.cli.analyst import analyst_settings, ledger_options, opened_ledger
from server.cli.output import Failure, show_json, show_table
from server.cli.time_types import Day, check_span

if TYPE_CHECKING:
    from server.cli.analyst import Reader
    from server.settings import Settings

FOLDERS_FILE: Final = "exports.json"
"""In the state folder: where exports were written, so that an erasure can name them."""


@click.command(short_help="Export events, sessions, records and decisions as Parquet, by day.")
@click.option("--out", required=True, type=click.Path(file_okay=False, path_type=Path), help="The folder to write to.")
@click.option("--from", "since", type=Day(), help="First day, UTC. Default: the first one in the ledger.")
@click.option("--to", "until", type=Day(), help="The day after the last one, UTC. Default: today.")
@click.option("--view", "views", multiple=True, metavar="VIEW", help="Only this view; may be repeated.")
@click.option("--dry-run", is_flag=True, help="Only count.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
@ledger_options
def export(
    out: Path,
    since: datetime | None,
    until: datetime | None,
    views: tuple[str, ...],
    dry_run: bool,
    as_json: bool,
    port: int | None,
    state_dir: Path | None,
    data_dir: Path | None,
) -> None:
    """Write the days of the views to --out, as Parquet, partitioned by day: VIEW/day=2026-11-27/data.parquet.

    Repeat it each day: it writes the days that changed, goes on after an interruption, and deletes rows of sessions
    that were erased since. The server may run or not. Only what analysts may read is exported, so texts are redacted.

    \b
    Examples:
      vestibule export --out /srv/events
      vestibule export --out /srv/events --from 2026-11-01 --to 2026-12-01 --view v_events
      vestibule export --out /srv/events --dry-run      # says 0 erased rows once an erasure has reached the folder
    """
    from server.analytics.client import LiveConnection
    from server.analytics.export import EXPORTED, USUAL, Exporter
    from server.analytics.export_folder import opened_folder

    check_span(since, until)
    for view in views:
        if view not in EXPORTED:
            raise click.UsageError(f"--view takes one of {', '.join(EXPORTED)}.")
    settings = analyst_settings(port, state_dir, data_dir)
    today = datetime.now(UTC).date()
    with (
        opened_ledger(settings, live_only=port is not None) as reader,
        TemporaryDirectory() as nothing,
        opened_folder(
            Path(nothing) if dry_run and not out.exists() else out, _installation(settings, reader)
        ) as folder,
    ):
        if not isinstance(reader, LiveConnection):
            raise TypeError("the ledger is read through the endpoint for analysts")
        if not dry_run:
            _remember(settings, out)
        exporter = Exporter(reader, folder, dry_run=dry_run, progress=_show_progress)
        done = exporter.run(views or USUAL, since and since.date(), until.date() if until else today)
    columns = ("view", "days", "rows", "erased rows", "unchanged days")
    rows = [(view, each.days, each.rows, each.erased_rows, each.unchanged) for view, each in done.items()]
    if as_json:
        show_json([dict(zip((name.replace(" ", "_") for name in columns), row, strict=True)) for row in rows])
    else:
        show_table(columns, rows, empty="Nothing to export.")
    if dry_run:
        click.echo("Nothing was written, because of --dry-run.", err=True)


def remembered_exports(state_dir: Path) -> list[str]:
    """Folders to which this ledger was exported, as far as they are there."""
    try:
        listed = json.loads((state_dir / FOLDERS_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    return [folder for folder in listed if isinstance(folder, str) and Path(folder).is_dir()]


def _remember(settings: Settings, out: Path) -> None:
    folders = sorted({*remembered_exports(settings.state_dir), str(out.resolve())})
    with suppress(OSError):  # an analyst may not write there: the export is right all the same
        path = settings.state_dir / FOLDERS_FILE
        unfinished = path.with_suffix(".unfinished")
        unfinished.write_text(json.dumps(folders, indent=1) + "\n", encoding="utf-8")
        unfinished.replace(path)


def _installation(settings: Settings, reader: Reader) -> str:
    """The id of the server, by which a folder with days of another server is known.

    A server that was never started has none. It is made now, where no server runs and the state folder is the user's
    own, so that the server keeps it.

    Raises:
        Failure: It cannot be read.
    """
    from server.runtime.installation import ID_FILE, load_or_create_installation_id

    try:
        is_new = reader.of_file and not (settings.state_dir / ID_FILE).exists()
        if is_new and settings.state_dir.stat().st_uid == os.geteuid():
            return load_or_create_installation_id(settings.state_dir)
        found = (settings.state_dir / ID_FILE).read_text(encoding="utf-8").strip()
    except OSError:
        found = ""
    if not found:
        raise Failure(
            f"The id of the server, {ID_FILE} in its state folder, cannot be read.",
            hint="Name the server's state folder with --state-dir, as a user who may read it. Without the id, days of "
            "two servers could get into one folder.",
        )
    return found


def _show_progress(view: str, day: str, done: int, of: int) -> None:
    """One line on a terminal that is written again and again, nothing elsewhere."""
    if sys.stderr.isatty():
        click.echo(f"\r{view} {day}: {done} of {of} {'day' if of == 1 else 'days'}", err=True, nl=done == of)
