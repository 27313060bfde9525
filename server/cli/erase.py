"""`vestibule erase`."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import click

from server.cli.analyst import ledger_settings
from server.cli.export import remembered_exports
from server.cli.output import show_json, show_table, table_text
from server.cli.remote import address_option, connected
from server.cli.stopped_server import StoppedServer, files_options, stopped_server

if TYPE_CHECKING:
    from server.ledger.transactional import Ledger
    from server.settings import Settings

TIMEOUT_S = 600.0
"""Longest wait; the server writes its whole ledger anew."""

KINDS = {
    "sessions": "sessions",
    "turns": "turns",
    "uploads": "uploads",
    "records": "recommendations",
    "events": "events",
    "dead_letters": "dead_letters",
    "daily_counts": "daily_events",
}
"""What is shown, and the table that it is counted in."""

SUBJECT_HASH = re.compile("[0-9a-f]{64}")
SCOPES = {"session": "session", "client": "client", "subject": "person"}


@click.command(short_help="Erase everything of a session, a client or a person.")
@click.option("--session", type=click.UUID, metavar="UUID", help="This session.")
@click.option("--client", metavar="ID", help="All sessions of this client.")
@click.option("--subject-hash", metavar="HASH", help="All sessions that an app opened with this subject_hash.")
@click.option("--dry-run", is_flag=True, help="Only count.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@address_option
@files_options
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
def erase(
    session: UUID | None,
    client: str | None,
    subject_hash: str | None,
    dry_run: bool,
    yes: bool,
    address: str | None,
    data_dir: Path | None,
    state_dir: Path | None,
    as_json: bool,
) -> None:
    """Erase turns, records, uploads, pictures, recordings, waiting media, events and dead letters, for good.

    It returns when no byte of them is left in the ledger, its write-ahead log, the spool and the folder of pictures.
    The server writes its ledger anew for that; calls wait meanwhile. Delete copies that you made elsewhere yourself.
    Without --yes it shows what it would erase, and asks.
    While no server runs, the command works on its files. What is counted is what was there when it began.

    \b
    Examples:
      vestibule erase --session 4b6a3a0e-6f0e-4d0f-9a63-0d3b6d1f1f0a
      vestibule erase --client old-app --dry-run
      vestibule erase --subject-hash 9f86d0...0a08 --yes
    """
    named = {"session": session and str(session), "client": client, "subject": subject_hash}
    given = {scope: value for scope, value in named.items() if value}
    if len(given) != 1:
        raise click.UsageError("Name one of --session, --client and --subject-hash.")
    [(scope, value)] = given.items()
    if subject_hash and not SUBJECT_HASH.fullmatch(subject_hash):
        raise click.UsageError("--subject-hash takes the 64 hexadecimal digits that the app gave, in small letters.")
    stopped = stopped_server(address, state_dir, data_dir)
    if stopped is not None:
        stopped.require_ledger()

    def run(*, dry_run: bool) -> dict[str, Any]:
        if stopped is not None:
            return _erase_files(stopped, scope, value, dry_run=dry_run)
        return _erase_by_call(scope, value, address, state_dir, dry_run=dry_run)

    if dry_run or not yes:
        counts = run(dry_run=True)
        if dry_run or not _confirmed(counts, scope):
            _show(counts, scope, dry_run=True, as_json=as_json)
            return
    exports = remembered_exports(state_dir or ledger_settings(None, None, None).state_dir)
    _show(run(dry_run=False), scope, dry_run=False, as_json=as_json, exports=exports)


def _confirmed(counts: dict[str, Any], scope: str) -> bool:
    """Show what would be erased and ask; false when there is nothing.

    Raises:
        click.Abort: The answer is no.
    """
    if not _any(counts):
        return False
    click.echo(table_text(("what", "would be erased"), _rows(counts)), err=True)
    click.confirm(f"Erase all this of this {SCOPES[scope]} for good?", abort=True, err=True)
    return True


def _any(counts: dict[str, Any]) -> bool:
    return any(counts[kind] for kind in KINDS)


def _rows(counts: dict[str, Any]) -> list[tuple[str, int]]:
    return [(kind.replace("_", " "), counts[kind]) for kind in KINDS]


def _show(counts: dict[str, Any], scope: str, *, dry_run: bool, as_json: bool, exports: Sequence[str] = ()) -> None:
    if as_json:
        show_json({"dry_run": dry_run, **counts, "exports": list(exports)})
        return
    if _any(counts):
        show_table(("what", "would be erased" if dry_run else "erased"), _rows(counts))
    else:
        click.echo(f"Nothing is stored of this {SCOPES[scope]}.")
    if counts["erasure_id"]:
        click.echo(f"Erasure {counts['erasure_id']}.")
        for folder in exports:
            click.echo(f"An export may still have it. Run: vestibule export --out {folder}", err=True)


def _erase_by_call(
    scope: str, value: str, address: str | None, state_dir: Path | None, *, dry_run: bool
) -> dict[str, Any]:
    from vestibule.v1 import admin_pb2, admin_pb2_grpc

    request = admin_pb2.EraseRequest(dry_run=dry_run)
    field = {"session": "session_id", "client": "client_id", "subject": "subject_hash"}[scope]
    setattr(request, field, value)
    with connected(address, state_dir) as channel:
        answer = admin_pb2_grpc.AdminServiceStub(channel).Erase(request, timeout=TIMEOUT_S)
    return {
        "erasure_id": answer.erasure_id,
        "sessions": answer.session_count,
        "turns": answer.turn_count,
        "uploads": answer.upload_count,
        "records": answer.record_count,
        "events": answer.event_count,
        "dead_letters": answer.dead_letter_count,
        "daily_counts": answer.daily_row_count,
    }


def _erase_files(stopped: StoppedServer, scope: str, value: str, *, dry_run: bool) -> dict[str, Any]:
    from server.access.audit import AuditTrail, load_or_create_key, load_or_create_subjects_key
    from server.access.audit_head import head_kept
    from server.access.caller import OFFLINE, acting_as
    from server.analytics.endpoint import SNAPSHOT_FOLDER
    from server.analytics.snapshot import delete_snapshots
    from server.erasure.eraser import Eraser, NoWork
    from server.ledger.erasure import ErasureScope, ErasureTarget
    from server.ledger.types import utc_now
    from server.uploads.keys import KEY_FILE, load_or_create_spool_keys
    from server.uploads.spool import Spool

    settings = stopped.settings
    keys = load_or_create_spool_keys(settings.spool_key.get_secret_value(), settings.keys_dir / KEY_FILE)
    target = ErasureTarget(ErasureScope(scope), value)

    async def forget_copies() -> None:
        """Delete the copies for analysts, which a server that was killed leaves; and a mirror, which is made anew."""
        await asyncio.to_thread(delete_snapshots, settings.state_dir / SNAPSHOT_FOLDER)
        if settings.ledger.database:
            await _forget_mirrors(settings)

    async def run(ledger: Ledger) -> dict[str, Any]:
        audit_key = load_or_create_key(settings.keys_dir)
        subjects_key = load_or_create_subjects_key(settings.keys_dir)
        audit = AuditTrail(audit_key, subjects_key, utc_now, keep_peers=settings.audit.peers)
        spool = Spool(settings.spool_dir, keys)
        eraser = Eraser(ledger, spool, settings.pictures_dir, NoWork(), utc_now, audit, forget_copies)
        async with head_kept(ledger, audit_key, settings.keys_dir):
            erasure_id, erased = ("", await eraser.preview(target)) if dry_run else await eraser.erase(target)
        return {"erasure_id": erasure_id, **{kind: erased.rows.get(table, 0) for kind, table in KINDS.items()}}

    with stopped.opened() as ledger, acting_as(OFFLINE):
        return asyncio.run(run(ledger))


async def _forget_mirrors(settings: Settings) -> None:
    """Delete the mirror of PostgreSQL, and what PostgreSQL remembers for mirrors of deleted rows.

    Those of other servers, which are stopped, begin anew when they start.
    """
    import shutil

    from server.ledger.opened import copying_folder, delete_mirror
    from server.ledger.postgres.mirrors import Forgetting
    from server.mirror import forget_deleted

    await asyncio.to_thread(delete_mirror, settings.ledger_path)
    await asyncio.to_thread(shutil.rmtree, copying_folder(settings.state_dir), ignore_errors=True)
    await forget_deleted(partial(Forgetting, settings.ledger.database), grace_s=0.0)
