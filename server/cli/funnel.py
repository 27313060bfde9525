"""`vestibule funnel`."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from server.cli.funnel_details import DetailOptions, add_details, detail_options
from server.cli.funnel_notes import as_rows, show_notes
from server.cli.funnel_report import report as report_command
from server.cli.funnel_request import ORDERS, client_pseudonym, flow_option, funnel_request
from server.cli.funnel_sessions import lister, sessions_request, show_sessions
from server.cli.funnel_table import report_rows, table_rows
from server.cli.output import show_json, show_table
from server.cli.remote import CALL_TIMEOUT_S, address_option, connected
from server.cli.stopped_server import StoppedServer, files_options, stopped_server
from server.cli.time_types import Moment, Window

if TYPE_CHECKING:
    from vestibule.v1.funnel_pb2 import GetReportRequest, GetReportResponse

_OF_REPORT = (
    "start",
    "end",
    "client_id",
    "flow",
    "steps",
    "window",
    "order",
    "address",
    "data_dir",
    "state_dir",
    "as_json",
)
"""Options that `funnel` and `funnel report` both have."""


@click.group(invoke_without_command=True, short_help="Show where people drop out.")
@click.option("--from", "start", type=Moment(), metavar="TIME", help="Sessions opened at or after this time, UTC.")
@click.option("--to", "end", type=Moment(), metavar="TIME", help="Sessions opened before this time, UTC.")
@click.option("--client", "client_id", default="", help="Only sessions of this client.")
@flow_option
@click.option("--steps", metavar="NAMES", help="Names of events, or stages, with commas: count these.")
@click.option("--window", type=Window(), metavar="TIME", help="Longest time from the first step to each later one.")
@click.option("--order", type=click.Choice(ORDERS), help="Order of the steps; ordered unless given.")
@detail_options
@click.option(
    "--sessions",
    "number",
    default="",
    metavar="NUMBER@STEP",
    help="List the sessions behind a number, such as dropped@pay: reached, dropped or under_way.",
)
@click.option("--group", metavar="NAME", help="Of these, only those of a group of --by, as the table calls it.")
@click.option("--period", type=Moment(), metavar="DAY", help="Of these, only those of the period that begins then.")
@address_option
@files_options
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
@click.pass_context
def funnel(
    context: click.Context,
    /,
    start: datetime | None,
    end: datetime | None,
    client_id: str,
    flow: str,
    steps: str | None,
    window: timedelta | None,
    order: str | None,
    number: str,
    group: str | None,
    period: datetime | None,
    address: str | None,
    data_dir: Path | None,
    state_dir: Path | None,
    as_json: bool,
    **details: Any,
) -> None:
    """Show how many sessions reached each stage, and where the others dropped out. `report` says more about why.

    A session that has not ended is under way. One that was abandoned or rejected is dropped; the server abandons a
    session that was idle for VESTIBULE_IDLE_SESSION_S. dropped counts the sessions that ended before the stage. Going
    on is known before leaving, so the rate leaves out sessions that are too new: drop_off_rate is of the sessions that
    counted says, and low and high are its 95 % interval. median is the time from the stage before; in --json it is
    median_s, in seconds. conversion is the share of the first stage that came so far: the product of what goes on at
    each stage up to it.
    --client finds a client of tokens by the id that the issuer gave it, too.

    With --steps the command counts a funnel over these events in the place of the stages. In strict order no other
    event of the app may lie between two steps. With --flow it counts the sessions of this flow, without --steps over
    the stages that its file gives under funnel. docs/operating/funnels.md has the rule of each option.
    While no server runs, the command reads its ledger file.

    \b
    Examples:
      vestibule funnel
      vestibule funnel --from 2026-11-01 --to 2026-12-01 --client site-7
      vestibule funnel --flow site_visit
      vestibule funnel --steps camera_opened,photo_taken,COMPLETED --window 1d
      vestibule funnel --by variant --every week
      vestibule funnel --steps cart,pay,done --by channel --attribution pay --value amount --quantiles
      vestibule funnel --steps cart,coupon,pay --optional coupon --step-window pay=10m --exclude help_opened@cart
      vestibule funnel --steps cart,pay --where pay.channel=web,app --attempt first
      vestibule funnel --steps cart,pay --by channel --sessions dropped@pay --group web
      vestibule funnel --json | jq '.[] | select(.severity == "critical")'
    """
    if context.invoked_subcommand is not None:  # Options before the command apply to it.
        if number or DetailOptions(**details) != DetailOptions():
            raise click.UsageError("The report has no groups, times or rules of steps: leave these options out.")
        context.default_map = {"report": {name: context.params[name] for name in _OF_REPORT}}
        return
    request = funnel_request(start, end, client_id, steps, window, order, flow)
    add_details(request, DetailOptions(**details))
    if not number and (group is not None or period is not None):
        raise click.UsageError("--group and --period need --sessions.")
    stopped = stopped_server(address, state_dir, data_dir)
    if number:
        stages = _stages_of_flow(request, address, state_dir, stopped) if flow and not steps else ()
        behind = sessions_request(request, number, group, period, stages)
        show_sessions(behind, lister(address, state_dir, stopped), as_json=as_json)
        return
    report = _report(request, address, state_dir, stopped)
    rows = report_rows(report, request)
    show_notes(report.warnings, request)
    if as_json:
        told = {"warnings": as_rows(report.warnings)} if report.warnings else {}
        show_json([row | told for row in rows])
    else:
        columns, shown = table_rows(rows)
        some = any(stage.session_count for stage in report.stages)
        show_table(columns, shown if some else (), empty="There are no sessions.")


def _stages_of_flow(
    request: GetReportRequest, address: str | None, state_dir: Path | None, stopped: StoppedServer | None
) -> list[str]:
    """The stages that a flow has, from a report without sessions."""
    from google.protobuf.timestamp_pb2 import Timestamp
    from vestibule.v1.funnel_pb2 import GetReportRequest

    nobody = Timestamp(seconds=0)
    wanted = GetReportRequest(flow=request.flow, flow_version=request.flow_version, end_time=nobody)
    return [stage.name for stage in _report(wanted, address, state_dir, stopped).stages]


def _report(
    request: GetReportRequest, address: str | None, state_dir: Path | None, stopped: StoppedServer | None
) -> GetReportResponse:
    return _by_call(request, address, state_dir) if stopped is None else _of_files(stopped, request)


def _by_call(request: GetReportRequest, address: str | None, state_dir: Path | None) -> GetReportResponse:
    from vestibule.v1.funnel_pb2_grpc import FunnelServiceStub

    with connected(address, state_dir) as channel:
        return FunnelServiceStub(channel).GetReport(request, timeout=CALL_TIMEOUT_S)


def _of_files(stopped: StoppedServer, request: GetReportRequest) -> GetReportResponse:
    from server.services.funnel import count_funnel
    from server.services.funnel_analysis import Analysis

    stopped.require_views()
    analysis = Analysis.of_settings(stopped.settings)
    with stopped.opened_views(migrates=False) as ledger:
        return asyncio.run(count_funnel(ledger, request, client_pseudonym(stopped), analysis))


funnel.add_command(report_command)
