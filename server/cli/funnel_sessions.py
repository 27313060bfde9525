"""The sessions behind a number of `vestibule funnel` and of its report."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from server.cli.funnel_notes import show_cause, show_notes
from server.cli.funnel_request import client_pseudonym
from server.cli.funnel_table import GROUP_NAMES
from server.cli.output import show_json, show_table, time_json, time_text
from server.cli.remote import CALL_TIMEOUT_S, connected
from server.cli.stopped_server import StoppedServer
from server.cli.time_types import as_utc

if TYPE_CHECKING:
    from google.protobuf.timestamp_pb2 import Timestamp
    from vestibule.v1.funnel_pb2 import (
        FunnelAnalysis,
        GetReportRequest,
        ListFunnelSessionsRequest,
        ListFunnelSessionsResponse,
    )

    Ask = Callable[[ListFunnelSessionsRequest], ListFunnelSessionsResponse]

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


def cause_request(
    report: GetReportRequest, analysis: FunnelAnalysis, cause: int, *, left: bool
) -> ListFunnelSessionsRequest:
    """The request for the sessions of a cause.

    Args:
        report: The request for the report.
        analysis: What it says.
        cause: The number of the change that rests on it, as the report prints it: from 1.
        left: Whether only those that left are asked for.

    Raises:
        click.UsageError: The report has no such change, or it is a rule of thumb.
    """
    from vestibule.v1 import funnel_pb2

    changes = analysis.recommendations
    if cause > len(changes):
        raise click.UsageError(f"The report names {len(changes)} {'change' if len(changes) == 1 else 'changes'}.")
    if not changes[cause - 1].HasField("evidence"):
        with_evidence = [str(place) for place, change in enumerate(changes, start=1) if change.HasField("evidence")]
        raise click.UsageError(
            f"Change {cause} is a rule of thumb: no evidence counts sessions for it. "
            f"Changes with evidence: {', '.join(with_evidence) or 'none'}."
        )
    evidence = changes[cause - 1].evidence
    return funnel_pb2.ListFunnelSessionsRequest(
        report=report,
        position=evidence.position,
        number=funnel_pb2.FUNNEL_NUMBER_LEFT if left else funnel_pb2.FUNNEL_NUMBER_AFFECTED,
        conditions=evidence.conditions,
        page_size=PAGE_SIZE,
    )


def show_sessions(request: ListFunnelSessionsRequest, ask: Ask, *, as_json: bool) -> None:
    """Print the sessions of a request, as a table or as JSON."""
    found = list(session_rows(request, ask, time_json if as_json else time_text))
    if as_json:
        show_json([dict(zip(COLUMNS, row, strict=True)) for row in found])
        return
    show_table(COLUMNS, found, empty="There are no sessions.")
    if found:
        click.echo("`vestibule sessions timeline ID` tells what happened in one of them.", err=True)


def lister(
    address: str | None, state_dir: Path | None, stopped: StoppedServer | None, timeout_s: float = CALL_TIMEOUT_S
) -> Ask:
    """What gives the pages of one list."""
    if stopped is None:
        from vestibule.v1.funnel_pb2_grpc import FunnelServiceStub

        def by_call(request: ListFunnelSessionsRequest) -> ListFunnelSessionsResponse:
            with connected(address, state_dir) as channel:
                return FunnelServiceStub(channel).ListFunnelSessions(request, timeout=timeout_s)

        return by_call
    from server.services.funnel_analysis import Analysis
    from server.services.funnel_lists import SessionLists, list_behind

    stopped.require_views()
    lists, analysis = SessionLists(), Analysis.of_settings(stopped.settings)

    def of_files(request: ListFunnelSessionsRequest) -> ListFunnelSessionsResponse:
        with stopped.opened_views(migrates=False) as ledger:
            pseudonym = client_pseudonym(stopped)
            return asyncio.run(list_behind(ledger, request, pseudonym, lists=lists, analysis=analysis))

    return of_files


def session_rows(
    request: ListFunnelSessionsRequest, ask: Ask, written: Callable[[Timestamp], str]
) -> Iterator[tuple[str, ...]]:
    """The sessions, page by page, their times written by a function. Notes on the list are printed."""
    while True:
        page = ask(request)
        show_notes(page.warnings, request)
        show_cause(page)
        for session in page.sessions:
            opened, last = written(session.create_time), written(session.update_time)
            yield session.id, session.client_id, session.stage, opened, last, session.variant
        if not page.next_page_token:
            return
        request.page_token = page.next_page_token
