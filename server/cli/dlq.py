"""`vestibule dlq`: dead letters, the jobs that failed permanently."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING
from uuid import UUID

import click

from models.reasons import Reason
from server.cli.messages import as_dict
from server.cli.output import Failure, show_fields, show_json, show_table
from server.cli.remote import CALL_TIMEOUT_S, address_option, connected

if TYPE_CHECKING:
    import grpc
    from vestibule.v1.admin_pb2 import DeadLetter

PAGE_SIZE = 200
LIST_HINT = "See `vestibule dlq list --all`."


@click.group(short_help="Show, redrive and discard jobs that failed permanently.")
def dlq() -> None:
    """Dead letters: jobs that failed permanently. They hold ids and reasons, and no personal text.

    \b
    Examples:
      vestibule dlq list
      vestibule dlq redrive --all
      vestibule dlq discard 0b0e5c1e-... --reason duplicate
    """


@dlq.command("list")
@address_option
@click.option("--all", "closed_too", is_flag=True, help="Also those that were redriven or discarded.")
@click.option("--limit", default=100, show_default=True, type=click.IntRange(min=1), help="At most this many.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
def list_letters(address: str | None, closed_too: bool, limit: int, as_json: bool) -> None:
    """List them, newest first."""
    with connected(address) as channel:
        found = [letter for letter, _ in zip(_letters(channel, closed_too), range(limit), strict=False)]
    if as_json:
        show_json([as_dict(letter) for letter in found])
        return
    columns = ("id", "kind", "reason", "attempts", "when (UTC)", "open", "message")
    rows = [(x.id, x.kind, x.reason, x.attempts, _time(x), x.open, x.message) for x in found]
    show_table(columns, rows, empty="There are no dead letters.")


@dlq.command()
@click.argument("letter_id", metavar="ID", type=click.UUID)
@address_option
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
def show(letter_id: UUID, address: str | None, as_json: bool) -> None:
    """Show all fields of one."""
    with connected(address) as channel:
        letter = next((x for x in _letters(channel, closed_too=True) if x.id == str(letter_id)), None)
    if letter is None:
        raise Failure("There is no such dead letter.", reason=Reason.DEAD_LETTER_NOT_FOUND, hint=LIST_HINT)
    if as_json:
        show_json(as_dict(letter))
    else:
        show_fields(as_dict(letter).items())


@dlq.command()
@click.argument("letter_ids", metavar="[ID]...", nargs=-1, type=click.UUID)
@click.option("--all", "everything", is_flag=True, help="Retry all open ones.")
@address_option
def redrive(letter_ids: tuple[UUID, ...], everything: bool, address: str | None) -> None:
    """Put jobs back into their queues. Safe to repeat; `retry` is another name for it."""
    from vestibule.v1.admin_pb2 import RetryDeadLetterRequest
    from vestibule.v1.admin_pb2_grpc import AdminServiceStub

    if bool(letter_ids) == everything:
        raise click.UsageError("Give the ids of dead letters, or --all.")
    with connected(address) as channel:
        chosen = [x.id for x in _letters(channel, closed_too=False)] if everything else list(map(str, letter_ids))
        for letter_id in chosen:
            request = RetryDeadLetterRequest(dead_letter_id=letter_id)
            AdminServiceStub(channel).RetryDeadLetter(request, timeout=CALL_TIMEOUT_S)
            click.echo(f"{letter_id}: back in its queue")
    if not chosen:
        click.echo("There are no open dead letters.")


dlq.add_command(redrive, "retry")


@dlq.command()
@click.argument("letter_id", metavar="ID", type=click.UUID)
@click.option("--reason", required=True, help="Why, as one word such as duplicate.")
@address_option
def discard(letter_id: UUID, reason: str, address: str | None) -> None:
    """Discard a job permanently. Safe to repeat."""
    from vestibule.v1.admin_pb2 import DiscardDeadLetterRequest
    from vestibule.v1.admin_pb2_grpc import AdminServiceStub

    request = DiscardDeadLetterRequest(dead_letter_id=str(letter_id), reason=reason)
    with connected(address) as channel:
        AdminServiceStub(channel).DiscardDeadLetter(request, timeout=CALL_TIMEOUT_S)
    click.echo(f"{letter_id}: discarded")


def _letters(channel: grpc.Channel, closed_too: bool) -> Iterator[DeadLetter]:
    """All dead letters, fetched in pages."""
    from vestibule.v1.admin_pb2 import ListDeadLettersRequest
    from vestibule.v1.admin_pb2_grpc import AdminServiceStub

    token = ""
    while True:
        request = ListDeadLettersRequest(page_size=PAGE_SIZE, page_token=token, include_closed=closed_too)
        page = AdminServiceStub(channel).ListDeadLetters(request, timeout=CALL_TIMEOUT_S)
        yield from page.dead_letters
        token = page.next_page_token
        if not token:
            return


def _time(letter: DeadLetter) -> str:
    return f"{letter.create_time.ToDatetime():%Y-%m-%d %H:%M:%S}"
