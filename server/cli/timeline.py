"""`vestibule sessions timeline`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final
from uuid import UUID

import click

from server.cli.messages import as_dict
from server.cli.output import length_text, show_fields, show_json, show_table, time_text
from server.cli.remote import CALL_TIMEOUT_S, address_option, connected
from server.cli.stopped_server import StoppedServer, files_options, stopped_server
from server.times import shown_length

if TYPE_CHECKING:
    from vestibule.v1.funnel_pb2 import (
        FunnelSession,
        GetSessionTimelineRequest,
        GetSessionTimelineResponse,
        TimelineEntry,
    )

    Ask = Callable[[GetSessionTimelineRequest], GetSessionTimelineResponse]

PAGE_SIZE: Final = 1000
COLUMNS: Final = ("time", "after opening", "kind", "name", "detail", "took", "properties")


@click.command(short_help="Show what happened in a session.")
@click.argument("session_id", metavar="ID", type=click.UUID)
@address_option
@files_options
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
def timeline(
    session_id: UUID, address: str | None, data_dir: Path | None, state_dir: Path | None, as_json: bool
) -> None:
    """Show what happened in a session, the oldest first: events, turns, uploads, records and dead letters.

    The time of an event of an app is that of the device, corrected where its clock was wrong. Texts are redacted.
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
    session = found.session
    show_fields(
        (
            ("session", session.id),
            ("client", session.client_id),
            ("stage", session.stage),
            ("opened", time_text(session.create_time)),
        )
    )
    click.echo()
    show_table(COLUMNS, [_row(entry, session) for entry in found.entries], empty="Nothing is known of it.")


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
        stopped.require_ledger()
        with stopped.opened(migrates=False) as ledger:
            return asyncio.run(session_timeline(ledger, request, INTERNAL))

    return ask


def _row(entry: TimelineEntry, session: FunnelSession) -> tuple[object, ...]:
    after_s = (entry.time.ToDatetime() - session.create_time.ToDatetime()).total_seconds()
    took = length_text(entry.took) if entry.HasField("took") else ""
    properties = ", ".join(f"{found.key}={found.value}" for found in entry.properties)
    return time_text(entry.time), shown_length(after_s), entry.kind, entry.name, entry.detail, took, properties
