"""What `vestibule funnel` says of names that nothing has, and of the sessions of a cause."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click

from server.cli.messages import as_dict

if TYPE_CHECKING:
    from google.protobuf.message import Message
    from vestibule.v1.funnel_pb2 import FunnelWarning, ListFunnelSessionsResponse

_SENTENCES = {
    1: "No session has the event",
    2: "No event of an app has the property",
    3: "No session has the client",
    4: "The report has no group",
}
"""By the number of the kind."""
_OF_FIELD = {
    "condition.key": "No event of the step has the property",
    "value.key": "No event of an app has a number in the property",
}
"""By the end of the field in the request."""


def show_notes(warnings: Iterable[FunnelWarning], request: Message) -> None:
    """Print a note for each name, on standard error.

    Args:
        warnings: Of the reply.
        request: What was asked for; it has the names.
    """
    from server.services.funnel_warnings import named_in

    for warning in warnings:
        like = f" Did you mean {warning.suggestion}?" if warning.suggestion else ""
        of_field = (told for end, told in _OF_FIELD.items() if warning.field.endswith(end))
        sentence = next(of_field, None) or _SENTENCES.get(warning.kind)
        # A newer server may know names of other kinds.
        told = f"{sentence} {named_in(request, warning)}." if sentence else warning.description
        click.echo(f"Note: {told}{like}", err=True)


def show_cause(page: ListFunnelSessionsResponse) -> None:
    """Print, on standard error, whose sessions the first page of a list of a cause has, and of which sample."""
    if not page.report_session_count:
        return
    click.echo(f"Before {page.stage}, where {page.condition}:", err=True)
    if page.searched_session_count < page.report_session_count:
        click.echo(
            f"Note: Causes are looked for in a sample of {page.searched_session_count:,} of the report's "
            f"{page.report_session_count:,} sessions. The list is of this sample.",
            err=True,
        )


def as_rows(warnings: Iterable[FunnelWarning]) -> list[dict[str, Any]]:
    """The warnings for ``--json``."""
    return [as_dict(warning) for warning in warnings]
