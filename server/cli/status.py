"""`vestibule status`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from server.cli.messages import as_dict
from server.cli.output import FAILED, length_text, show_fields, show_json, show_table, time_text
from server.cli.remote import CALL_TIMEOUT_S, address_option, connected

if TYPE_CHECKING:
    from vestibule.v1.admin_pb2 import RetryPolicy

RETRY_COLUMNS = ("retry policy", "attempts", "first delay", "factor", "longest delay", "none after")


@click.command(short_help="Show whether the server and its parts work.")
@address_option
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
def status(address: str | None, as_json: bool) -> None:
    """Show the server, its parts and its queues. Exits with 1 when a part does not work.

    \b
    Examples:
      vestibule status
      vestibule status --json | jq '.components[] | select(.healthy | not)'
    """
    from vestibule.v1.admin_pb2 import GetStatusRequest
    from vestibule.v1.admin_pb2_grpc import AdminServiceStub

    with connected(address) as channel:
        reply = AdminServiceStub(channel).GetStatus(GetStatusRequest(), timeout=CALL_TIMEOUT_S)
    if as_json:
        show_json(as_dict(reply))
    else:
        show_fields(
            (
                ("version", reply.version),
                ("started", time_text(reply.start_time)),
                ("open jobs", reply.open_job_count),
                ("open streams", reply.open_stream_count),
                ("dead letters", reply.dead_letter_count),
            )
        )
        show_table(("part", "works", "detail"), [(c.name, c.healthy, c.detail) for c in reply.components])
        if reply.retry_policies:  # an older server sends none
            click.echo()
            show_table(RETRY_COLUMNS, [_retry_row(policy) for policy in reply.retry_policies])
    if not all(c.healthy for c in reply.components):
        raise click.exceptions.Exit(FAILED)


def _retry_row(policy: RetryPolicy) -> tuple[object, ...]:
    first, longest, total = map(length_text, (policy.first_delay, policy.longest_delay, policy.total))
    return policy.name, policy.attempt_count, first, f"{policy.factor:g}", longest, total
