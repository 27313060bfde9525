"""`vestibule audit`: who did what, and whether the record of it is whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from models.reasons import Reason
from server.cli.messages import as_dict
from server.cli.output import Failure, show_fields, show_json, show_table, time_text
from server.cli.remote import CALL_TIMEOUT_S, address_option, connected
from server.cli.stopped_server import StoppedServer, files_options, stopped_server
from server.cli.time_types import Moment, as_utc

if TYPE_CHECKING:
    from vestibule.v1.admin_pb2 import (
        AuditEntry,
        ListAuditEntriesRequest,
        ListAuditEntriesResponse,
        VerifyAuditResponse,
    )

    from server.access.audit import AuditTrail
    from server.ledger.transactional import Ledger

PAGE_SIZE = 500
VERIFY_TIMEOUT_S = 600.0
COLUMNS = ("no.", "when", "who", "client", "from", "what", "on", "outcome", "reason", "calls")


@click.group(short_help="Show who did what, and verify that nothing was changed.")
def audit() -> None:
    """The audit: decisions about access and records, keys, dead letters, erasures, starts and stops of the server.

    While no server runs, these commands read its files.

    \b
    Examples:
      vestibule audit list --since 2026-11-01 --action approve
      vestibule audit list --subject key:9f3c41d2 --json
      vestibule audit verify
    """


@audit.command("list")
@click.option("--since", type=Moment(), metavar="TIME", help="At or after this time, UTC.")
@click.option("--subject", default="", help="Only what this credential did, for example key:9f3c41d2.")
@click.option("--action", default="", help="Only this action, for example approve or key_created.")
@click.option("--limit", default=100, show_default=True, type=click.IntRange(min=1), help="At most this many.")
@address_option
@files_options
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
def list_entries(
    since: datetime | None,
    subject: str,
    action: str,
    limit: int,
    address: str | None,
    data_dir: Path | None,
    state_dir: Path | None,
    as_json: bool,
) -> None:
    """List rows of the audit by time, the newest first.

    Equal calls of a minute are one row with the time of the first. It is added when the minute ends, so the numbers,
    which are the order of the chain, can differ from the order of time.
    """
    from vestibule.v1.admin_pb2 import ListAuditEntriesRequest

    from server.access.audit import AuditAction

    known = [known.value for known in AuditAction]
    if action and action not in known:
        raise click.UsageError(f"--action: {action!r} is none of the actions: {', '.join(known)}.")
    request = ListAuditEntriesRequest(subject=subject, action=action, page_size=min(limit, PAGE_SIZE))
    if since is not None:
        request.start_time.FromDatetime(as_utc(since))
    with _pages(address, state_dir, data_dir) as fetch:
        found = [entry for entry, _ in zip(_entries(fetch, request), range(limit), strict=False)]
    if as_json:
        show_json([_plain(entry) for entry in found])
    else:
        show_table(COLUMNS, map(_line, found), empty="There are no such rows.")


@audit.command()
@address_option
@files_options
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
def verify(address: str | None, data_dir: Path | None, state_dir: Path | None, as_json: bool) -> None:
    """Verify the chain: no row was changed, removed, moved, or cut off at the end.

    Exits with 1 if there is a fault. Note the last hash elsewhere: a later chain must hold it under the same number.
    """
    stopped = stopped_server(address, state_dir, data_dir)
    report = _verified(address, state_dir) if stopped is None else _verified_files(stopped)
    if as_json:
        show_json(as_dict(report))
    else:
        _show(report)
    if not report.intact:
        raise Failure(
            "The audit is not whole.", reason=Reason.AUDIT_BROKEN, hint="docs/operating/audit.md says what to do."
        )


def _verified(address: str | None, state_dir: Path | None) -> VerifyAuditResponse:
    from vestibule.v1.admin_pb2 import VerifyAuditRequest
    from vestibule.v1.admin_pb2_grpc import AdminServiceStub

    with connected(address, state_dir) as channel:
        return AdminServiceStub(channel).VerifyAudit(VerifyAuditRequest(), timeout=VERIFY_TIMEOUT_S)


def _verified_files(stopped: StoppedServer) -> VerifyAuditResponse:
    import asyncio

    from server.access.audit_check import verify as verify_chain
    from server.services.audit_messages import audit_report

    key, state_dir = _kept_key(stopped), stopped.settings.keys_dir
    with stopped.opened(migrates=False) as ledger:
        return audit_report(asyncio.run(verify_chain(ledger, key, state_dir)))


def _kept_key(stopped: StoppedServer) -> bytes:
    """The key of the audit. None is made: there must be one, and a ledger."""
    from server.access.audit import KEY_FILE, load_or_create_key

    stopped.require_ledger()
    stopped.require(stopped.settings.keys_dir / KEY_FILE)
    return load_or_create_key(stopped.settings.keys_dir)


def _show(report: VerifyAuditResponse) -> None:
    fields = [("rows", report.row_count), ("last row", report.last_number), ("its hash", report.last_hash)]
    show_fields([*fields, ("intact", report.intact)])
    for number in report.recorded_breaks:
        click.echo(f"Row {number} notes that rows before it had been removed or changed while no server ran.")
    for fault in report.faults:
        click.echo(fault.message)
    if report.fault_count > len(report.faults):
        click.echo(f"{report.fault_count - len(report.faults)} more faults.")


Fetch = Callable[["ListAuditEntriesRequest"], "ListAuditEntriesResponse"]


@contextmanager
def _pages(address: str | None, state_dir: Path | None, data_dir: Path | None) -> Iterator[Fetch]:
    """Fetches a page of rows, from the server or from the files of a stopped one."""
    from vestibule.v1.admin_pb2_grpc import AdminServiceStub

    from server.access.audit import AuditTrail, load_or_create_subjects_key
    from server.ledger.types import utc_now

    stopped = stopped_server(address, state_dir, data_dir)
    if stopped is None:
        with connected(address, state_dir) as channel:
            stub = AdminServiceStub(channel)
            yield lambda request: stub.ListAuditEntries(request, timeout=CALL_TIMEOUT_S)
    else:
        key, state_dir = _kept_key(stopped), stopped.settings.keys_dir
        trail = AuditTrail(key, load_or_create_subjects_key(state_dir), utc_now)
        with stopped.opened(migrates=False) as ledger:
            yield lambda request: _page_of(ledger, trail, request)


def _page_of(ledger: Ledger, trail: AuditTrail, request: ListAuditEntriesRequest) -> ListAuditEntriesResponse:
    import asyncio

    from server.ledger import audit as rows
    from server.services.audit_messages import audit_filter, audit_page

    wanted = audit_filter(request, client_id="")
    wanted = replace(wanted, subjects=trail.known_as(wanted.subjects))
    read = ledger.read(
        lambda cursor: rows.list_rows(cursor, wanted, page_size=request.page_size, page_token=request.page_token)
    )
    return audit_page(*asyncio.run(read))


def _entries(fetch: Fetch, request: ListAuditEntriesRequest) -> Iterator[AuditEntry]:
    """All rows, fetched in pages."""
    while True:
        page = fetch(request)
        yield from page.entries
        request.page_token = page.next_page_token
        if not request.page_token:
            return


def _line(entry: AuditEntry) -> tuple[object, ...]:
    when = time_text(entry.create_time)
    who = (entry.subject, entry.client_id, entry.peer)
    return entry.number, when, *who, entry.action, _target(entry), _outcome(entry), entry.reason, entry.count


def _target(entry: AuditEntry) -> str:
    """On what. A method goes without its package, and without the word: "SessionService/GetSession"."""
    if entry.object_type == "method":
        return entry.object_id.removeprefix("vestibule.v1.")
    return " ".join(part for part in (entry.object_type, entry.object_id) if part)


def _plain(entry: AuditEntry) -> dict[str, object]:
    return as_dict(entry) | {"outcome": _outcome(entry)}


def _outcome(entry: AuditEntry) -> str:
    from vestibule.v1.admin_pb2 import AuditOutcome

    return AuditOutcome.Name(entry.outcome).removeprefix("AUDIT_OUTCOME_").lower()
