"""`vestibule backup`."""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import click

from models.amounts import size_text
from server.cli.output import show_fields, show_json
from server.cli.remote import address_option, connected
from server.cli.stopped_server import files_options, stopped_server
from server.times import shown_time

if TYPE_CHECKING:
    import grpc
    from vestibule.v1.admin_pb2 import HoldForBackupRequest, HoldForBackupResponse

    from server.analytics.snapshot import LedgerMark
    from server.backup.layout import Manifest
    from server.settings import Settings

HOLD_TIMEOUT_S = 1800.0
"""How long the server keeps its files as they are; see ``server.backup.hold.LONGEST_S``."""


@click.command(short_help="Copy the ledger, pictures and waiting media of a server into a folder.")
@click.argument("folder", type=click.Path(path_type=Path, resolve_path=True), metavar="FOLDER")
@click.option(
    "--keys",
    "keys_file",
    type=click.Path(path_type=Path, resolve_path=True),
    metavar="FILE",
    help="Write the keys there.",
)
@click.option("--allow-missing", is_flag=True, help="Exit with 0 though files are missing that the ledger refers to.")
@address_option
@files_options
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
def backup(
    folder: Path,
    keys_file: Path | None,
    allow_missing: bool,
    address: str | None,
    state_dir: Path | None,
    data_dir: Path | None,
    as_json: bool,
) -> None:
    """Make a backup in FOLDER, which is made, while the server runs or is stopped.

    It has the ledger, the redacted pictures and recordings, the media that jobs still need, and the audio of streams
    that can be resumed, all of one moment. Uploads, streams and jobs go on meanwhile; erasures wait.

    It has no keys. Without them nobody can read waiting media and vocabularies, resume a stream, or verify the audit.
    --keys writes them to a file of their own: keep that elsewhere. It has no settings, certificates and weights either.

    The command reads the server's files, so it runs on the same machine, with the same VESTIBULE_DATA_DIR and
    VESTIBULE_STATE_DIR. `vestibule restore --check` verifies a backup.

    If pictures, recordings or media are gone that the ledger refers to, the command names them, the backup is kept, and
    the exit code is 1.

    \b
    Examples:
      vestibule backup /backups/2026-11-27 --keys /safe/vestibule-keys.json
      vestibule backup ./copy --data-dir ./data --state-dir ./state
    """
    from server.cli.analyst import ledger_settings
    from server.ledger.opened import refuse_postgres

    stopped = stopped_server(address, state_dir, data_dir)
    settings = ledger_settings(None, state_dir, data_dir) if stopped is None else stopped.settings
    refuse_postgres(bool(settings.ledger.database), "A backup")
    if stopped is not None:
        stopped.require_ledger()
    if stopped is None:
        with _marks(settings, address, state_dir) as ask_mark:
            manifest = _write(settings, ask_mark, folder, keys_file)
    else:
        manifest = back_up_stopped(settings, folder, keys_file)
    _show(manifest, keys_file, given=bool(settings.spool_key.get_secret_value()), as_json=as_json)
    if manifest.missing and not allow_missing:
        click.echo(_missing(len(manifest.missing)), err=True)
        click.get_current_context().exit(1)


def back_up_stopped(settings: Settings, folder: Path, keys_file: Path | None) -> Manifest:
    """Make a backup of a server that does not run; see ``BackupWriter.write`` for the errors."""
    with _marks_of_files(settings) as ask_mark:
        return _write(settings, ask_mark, folder, keys_file)


def _write(settings: Settings, ask_mark: Callable[[], LedgerMark], folder: Path, keys_file: Path | None) -> Manifest:
    from server.backup.sources import ServerFiles
    from server.backup.take import BackupWriter
    from server.ledger.types import utc_now

    files, build = ServerFiles.of(settings), metadata.version("vestibule")
    least_free_bytes = settings.limits.least_free_bytes
    return BackupWriter(files, ask_mark, folder, keys_file, build, least_free_bytes=least_free_bytes).write(utc_now())


def _missing(number: int) -> str:
    files = "1 file is" if number == 1 else f"{number} files are"
    return (
        f"The backup was made, but {files} missing that the ledger refers to. Is VESTIBULE_STATE_DIR that of the "
        "server? With --allow-missing this is no failure."
    )


@contextmanager
def _marks(settings: Settings, address: str | None, state_dir: Path | None) -> Iterator[Callable[[], LedgerMark]]:
    """Holds the files of a running server from the first mark on, and asks it for marks."""
    from vestibule.v1.admin_pb2 import HoldForBackupRequest
    from vestibule.v1.admin_pb2_grpc import AdminServiceStub

    from server.analytics.snapshot import LedgerMark

    asked: queue.SimpleQueue[HoldForBackupRequest | None] = queue.SimpleQueue()
    with connected(address, state_dir) as channel:
        marks: grpc.CallIterator[HoldForBackupResponse] | None = None

        def ask_mark() -> LedgerMark:
            nonlocal marks
            asked.put(HoldForBackupRequest())
            if marks is None:
                marks = AdminServiceStub(channel).HoldForBackup(iter(asked.get, None), timeout=HOLD_TIMEOUT_S)
            for mark in marks:
                _require_spool(settings, mark.spool_inode)
                return LedgerMark(mark.ledger_inode, mark.wal_inode, mark.wal_bytes)
            raise _let_go()

        try:
            yield ask_mark
        finally:
            asked.put(None)
            if marks is not None:
                marks.cancel()  # type: ignore[no-untyped-call]  # grpc has no types for it


@contextmanager
def _marks_of_files(settings: Settings) -> Iterator[Callable[[], LedgerMark]]:
    """Marks the ledger of a stopped server, after the audit got its row, so that the copy has it too."""
    from server.backup.take import StoppedLedger

    ledger: StoppedLedger | None = None

    def ask_mark() -> LedgerMark:
        nonlocal ledger
        if ledger is None:
            _note(settings)
            ledger = StoppedLedger.of(settings.ledger_path)
        return ledger.mark()

    yield ask_mark


def _note(settings: Settings) -> None:
    """Add the backup to the audit. A disk that takes no row does not keep the data from being saved."""
    from models.errors import VestibuleError
    from models.reasons import Reason
    from server.access.audit import AuditAction
    from server.backup.noted import note
    from server.backup.sources import ServerFiles
    from server.ledger.types import utc_now

    try:
        why = note(ServerFiles.of(settings), AuditAction.BACKUP, ("ledger", ""), utc_now)
    except VestibuleError as error:
        if error.reason is Reason.LEDGER_LOCKED:
            raise
        why = error.message.rstrip(".")
    tell_unless_noted("backup", why)


def tell_unless_noted(what: str, why: str) -> None:
    """Tell on standard error why the audit has no row; nothing when it has one."""
    if why:
        click.echo(f"The audit has no row of this {what}: {why}.", err=True)


def _require_spool(settings: Settings, inode: int) -> None:
    from models.errors import NotFound
    from models.reasons import Reason

    spool = settings.spool_dir
    if not spool.exists() or spool.stat().st_ino != inode:
        raise NotFound(
            f"The server has another state folder than {settings.state_dir}.",
            reason=Reason.STATE_FOLDER_WRONG,
            hint="Set VESTIBULE_STATE_DIR to the folder of the server. Nothing was kept.",
        )


def _let_go() -> Exception:
    from models.errors import Unavailable
    from models.reasons import Reason

    return Unavailable(
        "The server holds its files no longer.",
        reason=Reason.BACKUP_FAILED,
        hint="It ended, or the backup took longer than half an hour. Nothing was kept; try again.",
    )


def _show(manifest: Manifest, keys_file: Path | None, *, given: bool, as_json: bool) -> None:
    if as_json:
        document = manifest.model_dump(mode="json", exclude={"files"})
        show_json(document | {"files": len(manifest.files), "size_bytes": _size_bytes(manifest)})
        return
    show_fields([*counts(manifest), ("size", size_text(_size_bytes(manifest)))])
    for path in manifest.missing:
        click.echo(f"{path} was gone before: the ledger refers to it.")
    if keys_file is None:
        click.echo("It has no keys. Keep them too: `vestibule backup --keys FILE` writes them.")
    elif given:
        click.echo("Keep the file of keys elsewhere, and the spool key that VESTIBULE_SPOOL_KEY gives.")
    else:
        click.echo("Keep the file of keys elsewhere: who has both can read everything.")


def counts(manifest: Manifest) -> list[tuple[str, object]]:
    """What is in a backup, for a person."""
    paths = [entry.path for entry in manifest.files]
    return [
        ("made", shown_time(manifest.create_time)),
        ("build", manifest.build),
        ("schema", manifest.schema_number),
        ("pictures and recordings", sum(path.startswith("pictures/") for path in paths)),
        ("waiting media", sum(path.startswith("spool/") and not path.endswith(".log") for path in paths)),
        ("audio of open streams", sum(path.endswith(".log") for path in paths)),
    ]


def _size_bytes(manifest: Manifest) -> int:
    return sum(entry.size_bytes for entry in manifest.files)
