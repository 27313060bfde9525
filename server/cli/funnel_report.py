"""`vestibule funnel report`."""

from __future__ import annotations

import asyncio
import textwrap
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from server.cli.funnel_notes import as_rows, show_notes
from server.cli.funnel_request import client_pseudonym, flow_option, funnel_request
from server.cli.funnel_sessions import cause_request, lister, show_sessions
from server.cli.output import check_can_write, show_json, show_table
from server.cli.remote import address_option, connected
from server.cli.stopped_server import StoppedServer, files_options, stopped_server
from server.cli.time_types import Moment, Window

if TYPE_CHECKING:
    from vestibule.v1.funnel_pb2 import GetReportRequest, GetReportResponse

    from server.funnel.drop_offs import DropOff
    from server.funnel.report import FunnelReport
    from server.funnel.wording import Wording
    from server.ledger.long_reads import Reads

ANALYSIS_TIMEOUT_S = 120.0
_WIDTH = 100
IN_ORDER = ("ordered", "strict")
COLUMNS = ("into", "left", "interval", "dropped", "of", "waiting", "median", "severity")
LANGUAGES = ("en", "de", "es")


@click.command("report", short_help="Say where people leave, and what to change first.")
@click.option("--from", "start", type=Moment(), metavar="TIME", help="Sessions opened at or after this time, UTC.")
@click.option("--to", "end", type=Moment(), metavar="TIME", help="Sessions opened before this time, UTC.")
@click.option("--client", "client_id", default="", help="Only sessions of this client.")
@flow_option
@click.option("--steps", metavar="NAMES", help="Names of events, or stages, with commas: analyze these.")
@click.option("--window", type=Window(), metavar="TIME", help="Longest time from the first step to each later one.")
@click.option("--order", type=click.Choice(IN_ORDER), help="Order of the steps; ordered unless given.")
@address_option
@files_options
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
@click.option(
    "--language", type=click.Choice(LANGUAGES), default="en", show_default=True, help="Language of the report."
)
@click.option("--html", "html_file", type=click.Path(path_type=Path), metavar="FILE", help="Write a page to FILE.")
@click.option("--cause", type=click.IntRange(min=1), metavar="N", help="List the affected sessions of change N.")
@click.option("--left", is_flag=True, help="Of these, only those that left.")
def report(
    start: datetime | None,
    end: datetime | None,
    client_id: str,
    flow: str,
    steps: str | None,
    window: timedelta | None,
    order: str | None,
    address: str | None,
    data_dir: Path | None,
    state_dir: Path | None,
    as_json: bool,
    language: str,
    html_file: Path | None,
    cause: int | None,
    left: bool,
) -> None:
    """Say where people leave the funnel, what goes with it, and what to change first.

    Only sessions whose end would be known by now count; the others wait, and are not lost. The page of --html is one
    file without script that reads on a phone and in a mail client. docs/operating/funnel-report.md says how to read it.
    With --steps it is about these events in the place of the stages. With --flow it is about the sessions of this flow,
    without --steps over the stages of its funnel, those that are optional left out.
    With --cause it makes the report anew, and lists the sessions that the evidence of this change counts.
    While no server runs, the command reads its ledger file.

    \b
    Examples:
      vestibule funnel report
      vestibule funnel report --from 2026-10-01 --to 2027-01-01 --html quarter.html --language de
      vestibule funnel report --steps camera_opened,photo_taken,COMPLETED --window 1d
      vestibule funnel report --cause 1 --left
      vestibule funnel report --json | jq '.drop_offs[] | select(.severity == "critical")'
    """
    from server.services.funnel_messages import report_of
    from server.services.funnel_warnings import unknown_in

    request = funnel_request(start, end, client_id, steps, window, order, flow)
    if len(request.steps) == 1:
        raise click.UsageError("--steps of a report takes two steps or more.")
    if (left and cause is None) or (html_file is not None and cause is not None):
        raise click.UsageError("--left needs --cause, and --html does not go with it.")
    request.analyze, request.language = True, language
    if html_file is not None:
        check_can_write(html_file, "--html")
    stopped = stopped_server(address, state_dir, data_dir)
    reply = _by_call(request, address, state_dir) if stopped is None else _of_files(stopped, request)
    show_notes(reply.warnings, request)
    if cause is not None:
        behind = cause_request(request, reply.analysis, cause, left=left)
        show_sessions(behind, lister(address, state_dir, stopped, ANALYSIS_TIMEOUT_S), as_json=as_json)
        return
    found = report_of(reply.analysis, language, unknown_in(request, reply.warnings))
    if html_file is not None:
        _write_page(found, html_file)
    if as_json:
        from server.funnel.document import document

        told = {"warnings": as_rows(reply.warnings)} if reply.warnings else {}
        show_json(document(found) | told)
    elif html_file is None:
        _show(found)


def _by_call(request: GetReportRequest, address: str | None, state_dir: Path | None) -> GetReportResponse:
    from vestibule.v1.funnel_pb2_grpc import FunnelServiceStub

    with connected(address, state_dir) as channel:
        return FunnelServiceStub(channel).GetReport(request, timeout=ANALYSIS_TIMEOUT_S)


def _of_files(stopped: StoppedServer, request: GetReportRequest) -> GetReportResponse:
    from server.services.funnel import count_funnel
    from server.services.funnel_analysis import Analysis

    async def counted(ledger: Reads) -> GetReportResponse:
        pseudonym = client_pseudonym(stopped)
        report = await count_funnel(ledger, request, pseudonym, analysis)
        report.analysis.CopyFrom(await analysis.run(ledger, request, pseudonym))
        return report

    stopped.require_views()
    analysis = Analysis.of_settings(stopped.settings)
    with stopped.opened_views(migrates=False) as ledger:
        return asyncio.run(counted(ledger))


def _write_page(found: FunnelReport, file: Path) -> None:
    from server.funnel.page import page

    file.write_text(page(found), encoding="utf-8")
    click.echo(f"The report is in {file}.", err=True)


def _show(found: FunnelReport) -> None:
    """What to change first and why, then the numbers, then all changes."""
    from server.funnel.wording import wording_in

    say = wording_in(found.language)
    if first := say.first_change(found):
        click.secho(_wrapped(first) + "\n", bold=True)
    click.echo(_wrapped(say.headline(found)) + "\n")
    click.echo(_wrapped(say.basis(found)) + "\n")
    if not found.sessions:
        return
    show_table([say.texts(f"column_{name}") for name in COLUMNS], [_row(step, say) for step in found.drop_offs])
    _show_trend(found, say)
    for place, change in enumerate(found.recommendations, start=1):
        click.echo(f"\n{place}. {change.title} ({say.marks(change)})")
        for line in (change.action, say.why(change), say.worth(change)):
            click.echo(_wrapped(line, indent="   "))
    for text in (say.together(found), say.caution(found)):
        if text:
            click.echo("\n" + _wrapped(text))
    with_evidence = (place for place, change in enumerate(found.recommendations, start=1) if change.evidence)
    if first_cause := next(with_evidence, None):
        lists = f"Add --cause {first_cause} to list the affected sessions of change {first_cause}"
        click.echo(f"\n{lists}; with --left, those that left.", err=True)


def _row(step: DropOff, say: Wording) -> tuple[object, ...]:
    count = step.count
    known = count.counted > 0
    return (
        say.stage(count.to_stage),
        say.percent(step.rate.mid) if known else "",
        say.percent_range(step.rate) if known else "",
        count.dropped,
        count.counted,
        count.waiting,
        "" if count.median_s is None else say.length(count.median_s),
        say.severity(step),
    )


def _show_trend(found: FunnelReport, say: Wording) -> None:
    """The share that left at each step, by week or month."""
    from server.funnel.trend import trend

    moved = trend(found)
    if moved is None:
        return
    heads = (say.texts(f"trend_{moved.unit}"), *(say.stage(step.to_stage) for step in moved.steps))
    rows = [
        (start, *(say.rate(step.shares[place]) for step in moved.steps)) for place, start in enumerate(moved.starts)
    ]
    click.echo(f"\n{say.texts('trend')}")
    show_table(heads, rows)


def _wrapped(text: str, indent: str = "") -> str:
    """Lines of a readable length; none begins with a percent sign."""
    joined = text.replace(" %", "\u00a0%")
    return textwrap.fill(joined, _WIDTH, initial_indent=indent, subsequent_indent=indent).replace("\u00a0", " ")
