"""`vestibule report`."""

from __future__ import annotations

import click

from server.cli.messages import as_dict
from server.cli.output import FAILED, show_json, show_table
from server.cli.remote import address_option, connected

SEND_TIMEOUT_S = 180.0
CHANNELS = ("folder", "webhook", "mail")
COLUMNS = ("channel", "sent", "reason", "message")


@click.group(short_help="Send the weekly report.")
def report() -> None:
    """Send the weekly funnel report, which the server sends by itself where VESTIBULE_REPORTS__... says.

    docs/operating/reports.md says how to set it up. `vestibule funnel report` shows a report of any time.

    \b
    Examples:
      vestibule report send --test
      vestibule report send --week 2026-W48 --to mail
    """


@report.command()
@click.option("--test", is_flag=True, help="Mark it as a test, which does not count as the report of its week.")
@click.option("--week", default="", metavar="WEEK", help="ISO week that is over, such as 2026-W48; else the newest.")
@click.option("--to", "channels", type=click.Choice(CHANNELS), multiple=True, help="Only there; may be repeated.")
@address_option
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
def send(test: bool, week: str, channels: tuple[str, ...], address: str | None, as_json: bool) -> None:
    """Make a report and send it once, now. Exits with 1 when a channel does not take it.

    A report that is no test counts as that of its week, so the schedule does not send it again.

    \b
    Examples:
      vestibule report send --test
      vestibule report send --test --to mail
      vestibule report send --week 2026-W48
    """
    from vestibule.v1.report_pb2 import ReportChannel, SendReportRequest
    from vestibule.v1.report_pb2_grpc import ReportServiceStub

    numbers = [ReportChannel.Value(f"REPORT_CHANNEL_{name.upper()}") for name in dict.fromkeys(channels)]
    request = SendReportRequest(week=week, channels=numbers, test=test)
    with connected(address) as channel:
        reply = ReportServiceStub(channel).SendReport(request, timeout=SEND_TIMEOUT_S)
    if as_json:
        show_json(as_dict(reply))
    else:
        click.echo(f"{'Test of the report' if test else 'Report'} of {reply.week}:")
        rows = [(_name(each.channel), each.sent, each.reason, each.message) for each in reply.outcomes]
        show_table(COLUMNS, rows, empty="No channel is set; docs/operating/reports.md says how.")
    if not reply.outcomes or not all(each.sent for each in reply.outcomes):
        raise click.exceptions.Exit(FAILED)


def _name(channel: int) -> str:
    from vestibule.v1.report_pb2 import ReportChannel

    return ReportChannel.Name(channel).removeprefix("REPORT_CHANNEL_").lower()  # type: ignore[arg-type]  # an enum is an int
