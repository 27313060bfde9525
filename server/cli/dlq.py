"""`vestibule dlq`: dead letters, the jobs that failed permanently."""

from __future__ import annotations

import json
import re
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, TypeVar
from uuid import UUID

import click

from server.cli import letter_calls
from server.cli.letter_calls import Action, Which
from server.cli.letter_output import COLUMNS, counted, row, show_preview, told
from server.cli.messages import as_dict
from server.cli.output import Failure, show_fields, show_json, show_table, time_text
from server.cli.remote import address_option, connected
from server.cli.time_types import Period
from server.times import shown_length

if TYPE_CHECKING:
    import grpc
    from vestibule.v1.admin_pb2 import DeadLetter

    from server.cli.letter_calls import Progress

POLL_S: Final = 2.0
"""How often `watch` asks for new letters."""
_REASON: Final = re.compile(r"[a-z0-9_]{1,64}")
Command = TypeVar("Command", bound=Callable[..., Any])


def _filters(command: Command) -> Command:
    """Add the options that say which letters are meant; ``_which`` puts them together."""
    for option in (
        click.option("--older-than", type=Period(), metavar="AGE", help="Only letters of this age, such as 12h or 7d."),
        click.option("--client", default="", help="Only those of sessions of this client."),
        click.option("--session", type=click.UUID, help="Only those of this session."),
        click.option("--failed-with", default="", metavar="REASON", help="Only this reason, such as WORKER_LOST."),
        click.option("--kind", default="", help="Only this kind of job, such as read_picture."),
    ):
        command = option(command)
    return command


def _which(given: dict[str, Any], ids: Sequence[UUID] = ()) -> Which:
    session = given["session"]
    return Which(
        tuple(map(str, ids)),
        given["kind"],
        given["failed_with"],
        str(session) if session else "",
        given["client"],
        given["older_than"],
    )


def _json_option(command: Command) -> Command:
    return click.option("--json", "as_json", is_flag=True, help="One JSON document.")(command)


def _operation(command: Command) -> Command:
    """Add the options of an operation on letters."""
    for option in (
        click.option(
            "--operation-id",
            type=click.UUID,
            help="Go on with an operation that was interrupted. Default: a new one.",
        ),
        click.option("--dry-run", is_flag=True, help="Only count the letters."),
    ):
        command = option(command)
    return command


def _word(_context: click.Context, _option: click.Parameter, value: str) -> str:
    if value and not _REASON.fullmatch(value):
        raise click.BadParameter("it must be one word of small letters, digits and _, such as worker_fixed.")
    return value


_reason_option = click.option(
    "--reason",
    default="",
    callback=_word,
    help="Why, as one word such as worker_fixed. Needed unless --dry-run is given.",
)


@click.group(short_help="Show, redrive and discard jobs that failed permanently.")
def dlq() -> None:
    """Dead letters: jobs that failed permanently. They hold ids and reasons, and no personal text.

    \b
    Examples:
      vestibule dlq stats
      vestibule dlq retry --failed-with WORKER_LOST --dry-run
      vestibule dlq retry --failed-with WORKER_LOST --reason worker_fixed
      vestibule dlq discard 0b0e5c1e-... --reason duplicate
    """


@dlq.command("list")
@address_option
@_filters
@click.option("--all", "closed_too", is_flag=True, help="Also those that were redriven or discarded.")
@click.option("--limit", default=100, show_default=True, type=click.IntRange(min=1), help="At most this many.")
@_json_option
def list_letters(address: str | None, closed_too: bool, limit: int, as_json: bool, **filters: Any) -> None:
    """List them, newest first."""
    with connected(address) as channel:
        listed = letter_calls.letters(channel, _which(filters), closed_too=closed_too)
        found = [letter for letter, _ in zip(listed, range(limit), strict=False)]
    if as_json:
        show_json([as_dict(letter) for letter in found])
        return
    if _which(filters).everything:
        nothing = "There are no dead letters." if closed_too else "There are no open dead letters."
    else:
        nothing = "No dead letter matches."
    show_table(COLUMNS, map(row, found), empty=nothing)


@dlq.command()
@click.argument("letter_id", metavar="ID", type=click.UUID)
@address_option
@_json_option
def show(letter_id: UUID, address: str | None, as_json: bool) -> None:
    """Show all fields of one, and every attempt at its job."""
    with connected(address) as channel:
        found = letter_calls.letter(channel, str(letter_id))
    attempts = [as_dict(attempt) for attempt in found.attempts]
    if as_json:
        show_json(as_dict(found.dead_letter) | {"references": dict(found.references), "job_attempts": attempts})
        return
    fields = _fields(found.dead_letter) | dict(sorted(found.references.items()))
    show_fields((name, value) for name, value in fields.items() if value != "")
    click.echo()
    columns = ("attempt", "began", "took", "outcome", "reason", "build")
    rows = [
        (
            a.number,
            time_text(a.begin_time),
            shown_length((a.end_time.ToDatetime() - a.begin_time.ToDatetime()).total_seconds()),
            a.outcome,
            a.reason,
            a.build,
        )
        for a in found.attempts
    ]
    show_table(columns, rows, empty="No attempts are stored.")


def _fields(letter: DeadLetter) -> dict[str, Any]:
    """What is known of a letter, its times for people."""
    fields = as_dict(letter) | {"create_time": time_text(letter.create_time)}
    return fields | {"close_time": time_text(letter.close_time)} if letter.HasField("close_time") else fields


@dlq.command()
@click.argument("letter_ids", metavar="[ID]...", nargs=-1, type=click.UUID)
@click.option("--all", "everything", is_flag=True, help="All open ones.")
@_filters
@_reason_option
@_operation
@address_option
@_json_option
def redrive(letter_ids: tuple[UUID, ...], address: str | None, **given: Any) -> None:
    """Put jobs back into their queues. Safe to repeat; `retry` is another name for it.

    The letters are those that all options fit. The server redrives a bounded number a second.
    """
    _operate("redrive", address, _which(given, letter_ids), given)


dlq.add_command(redrive, "retry")


@dlq.command()
@click.argument("letter_ids", metavar="[ID]...", nargs=-1, type=click.UUID)
@click.option("--all", "everything", is_flag=True, help="All open ones.")
@_filters
@_reason_option
@_operation
@address_option
@_json_option
def discard(letter_ids: tuple[UUID, ...], address: str | None, **given: Any) -> None:
    """Discard jobs permanently. Safe to repeat. The letters are those that all options fit."""
    _operate("discard", address, _which(given, letter_ids), given)


@dlq.command()
@click.option(
    "--older-than", type=Period(), metavar="AGE", required=True, help="Age of the letters, such as 12h or 7d."
)
@click.option("--reason", default="cleared", show_default=True, callback=_word, help="Why, as one word.")
@_operation
@address_option
@_json_option
def clear(older_than: timedelta, address: str | None, **given: Any) -> None:
    """Discard all letters that are older than an age."""
    _operate("discard", address, Which(older_than=older_than), given)


@dlq.command()
@address_option
@_filters
@_json_option
def stats(address: str | None, as_json: bool, **filters: Any) -> None:
    """Count them by kind and reason, the most frequent first."""
    open_ones: Counter[tuple[str, str]] = Counter()
    closed_ones: Counter[tuple[str, str]] = Counter()
    newest: dict[tuple[str, str], str] = {}
    with connected(address) as channel:
        for letter in letter_calls.letters(channel, _which(filters), closed_too=True):
            group = (letter.kind, letter.reason)
            (open_ones if letter.open else closed_ones)[group] += 1
            newest.setdefault(group, time_text(letter.create_time))
    columns = ("kind", "reason", "open", "closed", "newest")
    groups = sorted(newest, key=lambda group: (-open_ones[group], -closed_ones[group], group))
    rows = [(*group, open_ones[group], closed_ones[group], newest[group]) for group in groups]
    if as_json:
        show_json([dict(zip(("kind", "reason", "open", "closed", "newest"), row, strict=True)) for row in rows])
    else:
        show_table(columns, rows, empty="There are no dead letters.")


@dlq.command()
@address_option
@_filters
@click.option("--seconds", type=click.FloatRange(min=0), help="End after this time. Default: until Ctrl+C.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document a line.")
def watch(address: str | None, seconds: float | None, as_json: bool, **filters: Any) -> None:
    """Print new letters as they come, one a line."""
    until = None if seconds is None else time.monotonic() + seconds
    with suppress(KeyboardInterrupt), connected(address) as channel:
        for letter in _new_letters(channel, _which(filters), until):
            if as_json:
                click.echo(json.dumps(as_dict(letter), ensure_ascii=False))
            else:
                when = time_text(letter.create_time)
                click.echo(f"{when}  {letter.kind}  {letter.reason}  attempts {letter.attempts}  {letter.id}")


def _new_letters(channel: grpc.Channel, which: Which, until: float | None) -> Iterator[DeadLetter]:
    """Letters that are written from now on, oldest first."""
    known = {letter.id for letter in letter_calls.letters(channel, which, closed_too=True)}
    click.echo("Waiting for new dead letters. Ctrl+C ends.", err=True)
    while until is None or time.monotonic() < until:
        time.sleep(POLL_S if until is None else max(0.0, min(POLL_S, until - time.monotonic())))
        found = {letter.id: letter for letter in letter_calls.letters(channel, which, closed_too=True)}
        yield from (letter for letter_id, letter in reversed(found.items()) if letter_id not in known)
        known = set(found)  # a letter that was deleted does not come back


def _operate(action: Action, address: str | None, which: Which, given: dict[str, Any]) -> None:
    if which.everything != bool(given.get("everything")):
        raise click.UsageError("Say which letters: ids or options such as --kind, or --all.")
    if not given["reason"] and not given["dry_run"]:
        raise click.UsageError("Say why with --reason, as one word such as worker_fixed.")
    operation_id = str(given["operation_id"] or uuid.uuid4())
    with connected(address) as channel:
        if given["dry_run"]:
            show_preview(letter_calls.preview(channel, action, which, operation_id), given["as_json"])
            return

        click.echo(f"Operation {operation_id}", err=True)  # before the first call, which may be interrupted

        def tell(progress: Progress) -> None:
            if progress.remaining_count:
                click.echo(f"{progress.done_count} of {progress.matched_count}", err=True)

        done = letter_calls.operate(
            channel, action, which, reason=given["reason"], operation_id=operation_id, on_progress=tell
        )
    if given["as_json"]:
        show_json(as_dict(done) | {"operation_id": operation_id})
    else:
        click.echo(told(action, done))
    if done.remaining_count:
        raise Failure(
            f"{counted(done.remaining_count)} could not be closed.",
            hint="The log of the server says why: letter_not_closed.",
        )
