"""The sessions behind a number of `vestibule funnel`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final

import click

from server.cli.funnel_notes import show_notes
from server.cli.funnel_table import GROUP_NAMES
from server.cli.time_types import as_utc

if TYPE_CHECKING:
    from google.protobuf.timestamp_pb2 import Timestamp
    from vestibule.v1.funnel_pb2 import GetReportRequest, ListFunnelSessionsRequest, ListFunnelSessionsResponse

PAGE_SIZE: Final = 1000
COLUMNS = ("session", "client", "stage", "opened", "last", "variant")
_STAGES = ("STARTED", "IN_PROGRESS", "AWAITING_APPROVAL", "COMPLETED")
_NUMBER = re.compile(r"(reached|dropped|under_way)@(\w+)")


def sessions_request(
    report: GetReportRequest,
    number: str,
    group: str | None,
    period: datetime | None,
    stages_of_flow: Sequence[str] = (),
) -> ListFunnelSessionsRequest:
    """The request for the sessions behind a number.

    Args:
        report: The request for the report.
        number: Such as ``dropped@pay`` or ``dropped@3``.
        group: As the table of the report calls it; None for all.
        period: When it begins; None for all time.
        stages_of_flow: Of a report on the stages of a flow; empty for any other.

    Raises:
        click.UsageError: The report has no such number, or no groups or periods.
    """
    from vestibule.v1 import funnel_pb2

    found = _NUMBER.fullmatch(number)
    if found is None:
        raise click.UsageError("--sessions takes reached, dropped or under_way, and the step, such as dropped@pay.")
    names = list(report.steps or stages_of_flow or _STAGES)
    position = names.index(found[2]) + 1 if found[2] in names else int(found[2]) if found[2].isdecimal() else 0
    if not 1 <= position <= len(names):
        raise click.UsageError(f"{found[2]} is no stage or step of the funnel.")
    if (group is not None and not report.HasField("breakdown")) or (period is not None and not report.interval):
        raise click.UsageError("--group needs --by, and --period needs --every.")
    kind = funnel_pb2.FunnelNumber.Value(f"FUNNEL_NUMBER_{found[1].upper()}")
    request = funnel_pb2.ListFunnelSessionsRequest(report=report, position=position, number=kind, page_size=PAGE_SIZE)
    if group is not None:
        special = {name: kind for kind, name in GROUP_NAMES.items() if kind != "all"}
        kind_name = special.get(group, "value").upper()
        request.segment.kind = funnel_pb2.FunnelSegmentKind.Value(f"FUNNEL_SEGMENT_KIND_{kind_name}")
        request.segment.value = group if kind_name == "VALUE" else ""
    if period is not None:
        request.period_start_time.FromDatetime(as_utc(period))
    return request


def session_rows(
    request: ListFunnelSessionsRequest,
    ask: Callable[[ListFunnelSessionsRequest], ListFunnelSessionsResponse],
    written: Callable[[Timestamp], str],
) -> Iterator[tuple[str, ...]]:
    """The sessions, page by page, their times written by a function. Notes on names that nothing has are printed."""
    while True:
        page = ask(request)
        show_notes(page.warnings, request)
        for session in page.sessions:
            opened, last = written(session.create_time), written(session.update_time)
            yield session.id, session.client_id, session.stage, opened, last, session.variant
        if not page.next_page_token:
            return
        request.page_token = page.next_page_token
