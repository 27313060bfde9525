"""`vestibule sessions`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

import click

from server.cli.analyst import analyst_settings, ledger_options, opened_ledger
from server.cli.messages import as_dict, contradiction
from server.cli.output import show_fields, show_json, show_table, time_text
from server.cli.remote import CALL_TIMEOUT_S, address_option, connected
from server.cli.timeline import timeline
from server.times import machine_time, shown_time

if TYPE_CHECKING:
    from vestibule.v1.session_pb2 import Session

CLIENT_ID = re.compile(r"[A-Za-z0-9._-]{0,64}")
STATES = ("STARTED", "IN_PROGRESS", "AWAITING_APPROVAL", "COMPLETED", "ABANDONED", "REJECTED")


@click.group(short_help="List sessions, or show one and what happened in it.")
def sessions() -> None:
    """Sessions: one visit of one person each. All text is redacted.

    \b
    Examples:
      vestibule sessions list --state AWAITING_APPROVAL
      vestibule sessions show 5f0c7a52-...
      vestibule sessions timeline 5f0c7a52-...
    """


@sessions.command("list")
@click.option("--client", default="", help="Only sessions of this client.")
@click.option(
    "--state", type=click.Choice(STATES, case_sensitive=False), metavar="STATE", help=f"One of {', '.join(STATES)}."
)
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 10_000), help="Most sessions to show.")
@address_option
@ledger_options
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
def list_sessions(
    client: str,
    state: str | None,
    limit: int,
    address: str | None,
    port: int | None,
    state_dir: Path | None,
    data_dir: Path | None,
    as_json: bool,
) -> None:
    """List the latest sessions from the live ledger, newest first.

    With --address, the port of the ledger is that of the server at the address; --state-dir must be that server's.
    """
    if not CLIENT_ID.fullmatch(client):
        raise click.UsageError("--client takes letters, digits, dot, dash and underscore.")

    columns = ("id", "client", "state", "opened", "changed", "turns")
    settings = analyst_settings(port, state_dir, data_dir, address)
    with opened_ledger(settings, live_only=port is not None or address is not None) as connection:
        found = connection.execute(_query(client, state, limit)).fetchall()
    written = machine_time if as_json else shown_time
    rows = [(i, c, s, written(o), written(u), n) for i, c, s, o, u, n in found]
    if as_json:
        keys = ("session_id", "client_id", "state", "create_time", "update_time", "turns")
        show_json([dict(zip(keys, row, strict=True)) for row in rows])
    else:
        show_table(columns, rows, empty="There are no such sessions.")


def _query(client: str, state: str | None, limit: int) -> str:
    """The query, with its values written in, because the live ledger takes no parameters; all were validated."""
    conditions = [f"client_id = '{client}'"] * bool(client) + [f"state = '{state}'"] * (state is not None)
    where = f"WHERE {' AND '.join(conditions)} " if conditions else ""
    columns = "session_id, client_id, state, create_time, update_time, turns"
    return f"SELECT {columns} FROM v_sessions {where}ORDER BY create_time DESC LIMIT {limit}"  # noqa: S608


@sessions.command()
@click.argument("session_id", metavar="ID", type=click.UUID)
@address_option
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
def show(session_id: UUID, address: str | None, as_json: bool) -> None:
    """Show one session with its uploads and its record.

    `vestibule sessions timeline` shows what happened in it, with the events of the app.
    """
    from vestibule.v1.session_pb2 import GetSessionRequest
    from vestibule.v1.session_pb2_grpc import SessionServiceStub

    request = GetSessionRequest(session_id=str(session_id))
    with connected(address) as channel:
        stub = SessionServiceStub(channel)
        reply = stub.GetSession(request, timeout=CALL_TIMEOUT_S)
        session, uploads = reply.session, list(reply.session.uploads)
        while reply.next_upload_page_token:
            request.upload_page_token = reply.next_upload_page_token
            reply = stub.GetSession(request, timeout=CALL_TIMEOUT_S)
            uploads[:0] = reply.session.uploads
    session.ClearField("uploads")
    session.uploads.extend(uploads)
    if as_json:
        show_json(as_dict(session))
    else:
        _show(session)
        click.echo(
            f"\nvestibule sessions timeline {session.id} shows what happened in it, with the app's events.", err=True
        )


def _show(session: Session) -> None:
    from vestibule.v1.common_pb2 import Origin, SessionState
    from vestibule.v1.media_pb2 import MediaKind, UploadState
    from vestibule.v1.recommendation_pb2 import RecommendationState

    show_fields(
        (
            ("session", session.id),
            ("client", session.client_id),
            ("state", SessionState.Name(session.state).removeprefix("SESSION_STATE_")),
            ("opened", time_text(session.create_time)),
            ("changed", time_text(session.update_time)),
            ("language", session.language or "detected"),
            ("turns", session.turn_count),
            *([("variant", session.variant)] if session.variant else []),
        )
    )
    if session.uploads:
        click.echo("\nUploads")
        columns = ("id", "kind", "state", "bytes", "type", "failure", "text")
        kind, state = MediaKind.Name, UploadState.Name
        show_table(
            columns,
            [
                (
                    *(u.id, kind(u.kind).removeprefix("MEDIA_KIND_"), state(u.state).removeprefix("UPLOAD_STATE_")),
                    *(u.size_bytes, u.media_type, u.failure_reason, u.text.value),
                )
                for u in session.uploads
            ],
        )
    if session.HasField("recommendation"):
        record = session.recommendation
        standing = RecommendationState.Name(record.state).removeprefix("RECOMMENDATION_STATE_").lower()
        by = Origin.Name(record.origin).removeprefix("ORIGIN_").lower()
        click.echo(f"\nRecord ({standing}, written by the {by}): {record.record.summary}")
        show_table(("field", "value"), [(f.name, f.value) for f in record.record.fields])
        if warning := contradiction(record.record):
            click.echo(warning)


sessions.add_command(timeline)
