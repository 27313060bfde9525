"""What `vestibule funnel` and its report ask for."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

import click

from server.cli.output import as_utc

if TYPE_CHECKING:
    from vestibule.v1.funnel_pb2 import GetReportRequest

    from server.cli.stopped_server import StoppedServer


def funnel_request(start: datetime | None, end: datetime | None, client_id: str) -> GetReportRequest:
    """The request for sessions of a time and of a client.

    Raises:
        click.UsageError: The time ends before it begins.
    """
    from vestibule.v1.funnel_pb2 import GetReportRequest

    if start is not None and end is not None and as_utc(start) >= as_utc(end):
        raise click.UsageError("--from must be before --to.")
    request = GetReportRequest(client_id=client_id)
    if start is not None:
        request.start_time.FromDatetime(as_utc(start))
    if end is not None:
        request.end_time.FromDatetime(as_utc(end))
    return request


def client_pseudonym(stopped: StoppedServer) -> Callable[[str], str]:
    """What a stopped server calls a client of tokens, from the id that its issuer gave it."""

    def pseudonym(client_id: str) -> str:
        from server.access.audit import AuditTrail, load_or_create_key, load_or_create_subjects_key
        from server.ledger.types import utc_now

        state_dir = stopped.settings.state_dir
        keys = load_or_create_key(state_dir), load_or_create_subjects_key(state_dir)
        return AuditTrail(*keys, utc_now).client_pseudonym(client_id)

    return pseudonym
