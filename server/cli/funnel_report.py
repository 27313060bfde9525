"""`vestibule funnel report`."""

from __future__ import annotations

import asyncio
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from server.cli.funnel_request import client_pseudonym, funnel_request
from server.cli.output import Moment, check_can_write, show_json, show_table
from server.cli.remote import address_option, connected
from server.cli.stopped_server import StoppedServer, files_options, stopped_server

if TYPE_CHECKING:
    from vestibule.v1.funnel_pb2 import FunnelAnalysis, GetReportRequest

    from server.funnel.optimizer import FunnelReport

ANALYSIS_TIMEOUT_S = 120.0
COLUMNS = ("into", "left", "95 % interval", "dropped", "of", "waiting", "median", "severity")


@click.command("report", short_help="Say where people leave, and what to change first.")
@click.option("--from", "start", type=Moment(), metavar="TIME", help="Sessions opened at or after this time, UTC.")
@click.option("--to", "end", type=Moment(), metavar="TIME", help="Sessions opened before this time, UTC.")
@click.option("--client", "client_id", default="", help="Only sessions of this client.")
@address_option
@files_options
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
@click.option("--html", "html_file", type=click.Path(path_type=Path), metavar="FILE", help="Write a page to FILE.")
def report(
    start: datetime | None,
    end: datetime | None,
    client_id: str,
    address: str | None,
    data_dir: Path | None,
    state_dir: Path | None,
    as_json: bool,
    html_file: Path | None,
) -> None:
    """Say where people leave the funnel, with intervals.

    Only sessions whose end would be known by now count; the others wait, and are not lost. The page of --html is one
    file without script that reads on a phone and in a mail client. docs/operating/funnel-report.md says how to read it.
    While no server runs, the command reads its ledger file.

    \b
    Examples:
      vestibule funnel report
      vestibule funnel report --from 2026-10-01 --to 2027-01-01 --html quarter.html
      vestibule funnel report --json | jq '.drop_offs[] | select(.severity == "critical")'
    """
    from server.services.funnel_messages import report_of

    request = funnel_request(start, end, client_id)
    request.analyze = True
    if html_file is not None:
        check_can_write(html_file, "--html")
    stopped = stopped_server(address, state_dir, data_dir)
    found = report_of(_by_call(request, address, state_dir) if stopped is None else _of_files(stopped, request))
    if html_file is not None:
        _write_page(found, html_file)
    if as_json:
        from server.funnel.document import document

        show_json(document(found))
    elif html_file is None:
        _show(found)


def _by_call(request: GetReportRequest, address: str | None, state_dir: Path | None) -> FunnelAnalysis:
    from vestibule.v1.funnel_pb2_grpc import FunnelServiceStub

    with connected(address, state_dir) as channel:
        return FunnelServiceStub(channel).GetReport(request, timeout=ANALYSIS_TIMEOUT_S).analysis


def _of_files(stopped: StoppedServer, request: GetReportRequest) -> FunnelAnalysis:
    from server.services.funnel_analysis import Analysis

    stopped.require_ledger()
    analysis = Analysis.of_settings(stopped.settings)
    with stopped.opened(migrates=False) as ledger:
        return asyncio.run(analysis.run(ledger, request, client_pseudonym(stopped)))


def _write_page(found: FunnelReport, file: Path) -> None:
    from server.funnel.page import page

    file.write_text(page(found), encoding="utf-8")
    click.echo(f"The report is in {file}.", err=True)


def _show(found: FunnelReport) -> None:
    from server.funnel import wording

    click.echo(f"{wording.headline(found)}\n")
    if found.sessions:
        rows = [
            (
                str(step.count.to_stage),
                wording.percent(step.rate.mid) if step.count.counted else "",
                wording.percent_range(step.rate) if step.count.counted else "",
                step.count.dropped,
                step.count.counted,
                step.count.waiting,
                wording.time_text(step.count.median_s),
                wording.severity_text(step),
            )
            for step in found.drop_offs
        ]
        show_table(COLUMNS, rows)
        click.echo(f"\n{wording.basis(found)}")
