"""`vestibule funnel`."""

from __future__ import annotations

import asyncio
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from server.cli.output import Moment, as_utc, show_json, show_table
from server.cli.remote import CALL_TIMEOUT_S, address_option, connected
from server.cli.stopped_server import StoppedServer, files_options, stopped_server

if TYPE_CHECKING:
    from vestibule.v1.funnel_pb2 import FunnelStage, GetReportRequest

COLUMNS = ("stage", "sessions", "under_way", "dropped", "drop_off_rate", "median_s", "severity")
"""As the view v_funnel names them, which has no severity."""


@click.command(short_help="Show where people drop out.")
@click.option("--from", "start", type=Moment(), metavar="TIME", help="Sessions opened at or after this time, UTC.")
@click.option("--to", "end", type=Moment(), metavar="TIME", help="Sessions opened before this time, UTC.")
@click.option("--client", "client_id", default="", help="Only sessions of this client.")
@address_option
@files_options
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
def funnel(
    start: datetime | None,
    end: datetime | None,
    client_id: str,
    address: str | None,
    data_dir: Path | None,
    state_dir: Path | None,
    as_json: bool,
) -> None:
    """Show how many sessions reached each stage, and where the others dropped out.

    A session that has not ended is under way. One that was abandoned or rejected is dropped; the server abandons a
    session that was idle for VESTIBULE_IDLE_SESSION_S. Columns are those of the view v_funnel: dropped counts the
    sessions that ended before the stage, drop_off_rate is their share, median_s the time from the stage before.
    --client finds a client of tokens by the id that the issuer gave it, too.
    While no server runs, the command reads its ledger file.

    \b
    Examples:
      vestibule funnel
      vestibule funnel --from 2026-11-01 --to 2026-12-01 --client site-7
      vestibule funnel --json | jq '.[] | select(.severity == "critical")'
    """
    if start is not None and end is not None and as_utc(start) >= as_utc(end):
        raise click.UsageError("--from must be before --to.")
    stopped = stopped_server(address, state_dir, data_dir)
    request = _request(start, end, client_id)
    stages = _by_call(request, address, state_dir) if stopped is None else _of_files(stopped, request)
    rows = [_row(stage) for stage in stages]
    if as_json:
        show_json([dict(zip(COLUMNS, row, strict=True)) for row in rows])
    else:
        some = any(stage.session_count for stage in stages)
        show_table(COLUMNS, rows if some else (), empty="There are no sessions.")


def _by_call(request: GetReportRequest, address: str | None, state_dir: Path | None) -> list[FunnelStage]:
    from vestibule.v1.funnel_pb2_grpc import FunnelServiceStub

    with connected(address, state_dir) as channel:
        return list(FunnelServiceStub(channel).GetReport(request, timeout=CALL_TIMEOUT_S).stages)


def _of_files(stopped: StoppedServer, request: GetReportRequest) -> list[FunnelStage]:
    from server.access.audit import AuditTrail, load_or_create_key, load_or_create_subjects_key
    from server.ledger.types import utc_now
    from server.services.funnel import stages_of

    stopped.require_ledger()

    def pseudonym(client_id: str) -> str:
        state_dir = stopped.settings.state_dir
        keys = load_or_create_key(state_dir), load_or_create_subjects_key(state_dir)
        return AuditTrail(*keys, utc_now).client_pseudonym(client_id)

    with stopped.opened(migrates=False) as ledger:
        return asyncio.run(stages_of(ledger, request, pseudonym))


def _request(start: datetime | None, end: datetime | None, client_id: str) -> GetReportRequest:
    from vestibule.v1.funnel_pb2 import GetReportRequest

    request = GetReportRequest(client_id=client_id)
    if start is not None:
        request.start_time.FromDatetime(as_utc(start))
    if end is not None:
        request.end_time.FromDatetime(as_utc(end))
    return request


def _row(stage: FunnelStage) -> tuple[object, ...]:
    from vestibule.v1.funnel_pb2 import Severity

    median_s = stage.median_time.ToTimedelta().total_seconds() if stage.HasField("median_time") else None
    severity = Severity.Name(stage.severity).removeprefix("SEVERITY_").lower()
    rate = round(stage.drop_off_rate, 3)
    shown = "too little data" if severity == "unspecified" else severity
    return stage.name, stage.session_count, stage.under_way_count, stage.dropped_count, rate, median_s, shown
