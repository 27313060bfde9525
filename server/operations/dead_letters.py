"""The dead letters of a running server.

from datetime import timedelta
from server.operations import clear_older_than, list_letters, retry_letters

print(len(list_letters(kind="read_picture")))
retry_letters(failed_with="WORKER_LOST", reason="worker_fixed")
clear_older_than(timedelta(days=3))
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, TypedDict

from server.cli import letter_calls
from server.cli.letter_calls import Action, Which
from server.cli.messages import as_dict
from server.cli.remote import connected
from server.settings import prepare_process


class Closed(TypedDict):
    """What an operation did: the letters that it was about, and how many of them it closed."""

    operation_id: str
    matched: int
    done: int


def list_letters(
    *,
    kind: str = "",
    failed_with: str = "",
    session_id: str = "",
    client_id: str = "",
    older_than: timedelta | None = None,
    closed_too: bool = False,
    address: str | None = None,
) -> list[dict[str, Any]]:
    """Letters, newest first, with the fields of ``vestibule dlq list --json``.

    Args:
        kind: Only of this kind of job.
        failed_with: Only with this reason.
        session_id: Only of this session.
        client_id: Only of sessions of this client.
        older_than: Only older ones.
        closed_too: Also those that were redriven or discarded.
        address: Host and port of the server; None takes the setting.

    Raises:
        Failure: The server does not answer, or refuses.
    """
    prepare_process()  # before gRPC is imported
    which = Which((), kind, failed_with, session_id, client_id, older_than)
    with connected(address) as channel:
        return [as_dict(letter) for letter in letter_calls.letters(channel, which, closed_too=closed_too)]


def retry_letters(
    ids: Sequence[str] = (),
    *,
    reason: str,
    kind: str = "",
    failed_with: str = "",
    older_than: timedelta | None = None,
    operation_id: str = "",
    address: str | None = None,
) -> Closed:
    """Put the jobs of open letters back into their queues; without a condition those of all.

    Args:
        ids: Only these letters.
        reason: Why, a machine word.
        kind: Only of this kind of job.
        failed_with: Only with this reason.
        older_than: Only older ones.
        operation_id: UUID of an operation to go on with; empty begins a new one.
        address: Host and port of the server; None takes the setting.

    Raises:
        Failure: The server does not answer, or refuses.
    """
    which = Which(tuple(ids), kind, failed_with, older_than=older_than)
    return _close("redrive", which, reason, operation_id, address)


def clear_older_than(
    age: timedelta, *, reason: str = "cleared", operation_id: str = "", address: str | None = None
) -> Closed:
    """Discard open letters that are older.

    Args:
        age: Of the letters.
        reason: Why, a machine word.
        operation_id: UUID of an operation to go on with; empty begins a new one.
        address: Host and port of the server; None takes the setting.

    Raises:
        Failure: The server does not answer, or refuses.
    """
    return _close("discard", Which(older_than=age), reason, operation_id, address)


def _close(action: Action, which: Which, reason: str, operation_id: str, address: str | None) -> Closed:
    prepare_process()  # before gRPC is imported
    operation_id = operation_id or str(uuid.uuid4())
    with connected(address) as channel:
        done = letter_calls.operate(channel, action, which, reason=reason, operation_id=operation_id)
    return Closed(operation_id=operation_id, matched=done.matched_count, done=done.done_count)
