"""`vestibule sessions timeline`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final
from uuid import UUID

import click

from server.cli.messages import as_dict
from server.cli.output import length_text, show_fields, show_json, show_table
from server.cli.remote import CALL_TIMEOUT_S, address_option, connected
from server.cli.stopped_server import StoppedServer, files_options, stopped_server
from server.times import shown_length, shown_moment

if TYPE_CHECKING:
    from vestibule.v1.funnel_pb2 import (
        FunnelSession,
        GetSessionTimelineRequest,
        GetSessionTimelineResponse,
        TimelineEntry,
    )

    Ask = Callable[[GetSessionTimelineRequest], GetSessionTimelineResponse]

PAGE_SIZE: Final = 1000
COLUMNS: Final = ("time", "since row before", "kind", "name", "detail", "took", "properties")
_APART_S: Final = 60.0
"""From this on, the begin of a session on the device is told beside its opening by the server."""


@click.command(short_help="Show what happened in a session.")
@click.argument("session_id", metavar="ID", type=click.UUID)
@address_option
@files_options
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
def timeline(
    session_id: UUID, address: str | None, data_dir: Path | None, state_dir: Path | None, as_json: bool
) -> None:
    """Show what happened in a session, the oldest first: events, turns, uploads, records and dead letters.

    An "app event" is one that the app recorded, whatever its name is; an "event" is one of the server. The time of an
    app event is that of the device, corrected where its clock was wrong. Texts are redacted.
    While no server runs, the command reads its ledger file. --json has the exact times.
    `vestibule funnel --sessions` lists ids of sessions.

    \b
    Examples:
      vestibule sessions timeline 5f0c2d52-9f3a-4d0e-9a53-0d3a5f1f0c11
      vestibule sessions timeline 5f0c2d52-9f3a-4d0e-9a53-0d3a5f1f0c11 --json | jq '.entries[].name'
    """
    stopped = stopped_server(address, state_dir, data_dir)
    found = _whole(str(session_id), _by_call(address, state_dir) if stopped is None else _of_files(stopped))
    if as_json:
        known = as_dict(found)
        show_json({"session": known["session"], "entries": known["entries"]})
        return
    session, times = found.session, [entry.time.ToDatetime() for entry in found.entries]
    show_fields(
        (
            ("session", session.id),
            ("client", session.client_id),
            ("stage", session.stage),
            ("opened", shown_moment(session.create_time.ToDatetime())),
            *_begun(session, times),
        )
    )
    click.echo()
    rows = [_row(entry, before) for entry, before in zip(found.entries, [None, *times], strict=False)]
    show_table(COLUMNS, rows, empty="Nothing is known of it.")


def _whole(session_id: str, ask: Ask) -> GetSessionTimelineResponse:
    """All pages as one."""
    from vestibule.v1.funnel_pb2 import GetSessionTimelineRequest

    request = GetSessionTimelineRequest(session_id=session_id, page_size=PAGE_SIZE)
    found = page = ask(request)
    while page.next_page_token:
        request.page_token = page.next_page_token
        page = ask(request)
        found.entries.extend(page.entries)
    return found


def _by_call(address: str | None, state_dir: Path | None) -> Ask:
    from vestibule.v1.funnel_pb2_grpc import FunnelServiceStub

    def ask(request: GetSessionTimelineRequest) -> GetSessionTimelineResponse:
        with connected(address, state_dir) as channel:
            return FunnelServiceStub(channel).GetSessionTimeline(request, timeout=CALL_TIMEOUT_S)

    return ask


def _of_files(stopped: StoppedServer) -> Ask:
    from server.access.caller import INTERNAL
    from server.services.funnel import session_timeline

    def ask(request: GetSessionTimelineRequest) -> GetSessionTimelineResponse:
        stopped.require_views()
        with stopped.opened_views(migrates=False) as ledger:
            return asyncio.run(session_timeline(ledger, request, INTERNAL))

    return ask


def _begun(session: FunnelSession, times: Sequence[datetime]) -> list[tuple[str, str]]:
    """When the session began on the device; empty where the server knew of it at once."""
    begun = min(times, default=session.create_time.ToDatetime())
    waited_s = (session.create_time.ToDatetime() - begun).total_seconds()
    if waited_s < _APART_S:
        return []
    return [("begun", f"{shown_moment(begun)} on the device; the server opened it {shown_length(waited_s)} later")]


def _row(entry: TimelineEntry, before: datetime | None) -> tuple[object, ...]:
    """A row of the table; ``before`` is the time of the one above."""
    time = entry.time.ToDatetime()
    since = "" if before is None else shown_length((time - before).total_seconds())
    kind = "app event" if entry.source == "app" else entry.kind
    took = length_text(entry.took) if entry.HasField("took") else ""
    properties = ", ".join(f"{found.key}={found.value}" for found in entry.properties)
    return shown_moment(time), since, kind, entry.name, entry.detail, took, properties
