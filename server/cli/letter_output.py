"""What `vestibule dlq` prints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from server.cli.messages import as_dict
from server.cli.output import show_json, show_table, time_text

if TYPE_CHECKING:
    from vestibule.v1.admin_pb2 import DeadLetter

    from server.cli.letter_calls import Action, Progress

COLUMNS: Final = ("id", "kind", "reason", "attempts", "when", "state", "message")


def row(letter: DeadLetter) -> tuple[object, ...]:
    """A letter as a row of a table."""
    when, state = time_text(letter.create_time), letter.closed_as or "open"
    return letter.id, letter.kind, letter.reason, letter.attempts, when, state, letter.message


def counted(number: int) -> str:
    """So many letters."""
    return "1 letter" if number == 1 else f"{number} letters"


def told(action: Action, done: Progress) -> str:
    """What an operation did."""
    if not done.matched_count:
        return "No open letter matches. Nothing was changed."
    one = done.matched_count == 1
    part = "" if done.done_count == done.matched_count else f"{done.done_count} of "
    queue = "put back into its queue" if one else "put back into their queues"
    became = queue if action == "redrive" else "discarded"
    return f"{part}{counted(done.matched_count)} {'was' if one else 'were'} {became}."


def show_preview(found: Progress, as_json: bool) -> None:
    """What an operation would be about."""
    if as_json:
        show_json(as_dict(found))
        return
    if not found.matched_count:
        click.echo("No open letter matches.")
        return
    show_table(("kind", "reason", "letters"), [(c.kind, c.reason, c.count) for c in found.counts])
    verb = "matches" if found.matched_count == 1 else "match"
    click.echo(f"{counted(found.matched_count)} {verb}. Nothing was changed.")
