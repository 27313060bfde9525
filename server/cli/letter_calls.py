"""What the commands and scripts ask a server about dead letters."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Literal

from server.cli.remote import CALL_TIMEOUT_S

if TYPE_CHECKING:
    import grpc
    from vestibule.v1.admin_pb2 import (
        DeadLetter,
        DeadLetterFilter,
        DiscardDeadLettersResponse,
        GetDeadLetterResponse,
        RedriveDeadLettersResponse,
    )

    Progress = RedriveDeadLettersResponse | DiscardDeadLettersResponse

PAGE_SIZE = 200
OPERATION_TIMEOUT_S = 60.0
"""Timeout of one call of an operation: the server works for some seconds, and may finish another operation first."""

Action = Literal["redrive", "discard"]


@dataclass(frozen=True, slots=True)
class Which:
    """Which letters are meant; what is empty holds for every letter.

    Attributes:
        reason: Of the failure.
        older_than: Age of the letter.
    """

    ids: Sequence[str] = ()
    kind: str = ""
    reason: str = ""
    session_id: str = ""
    client_id: str = ""
    older_than: timedelta | None = None

    @property
    def everything(self) -> bool:
        """Whether there is no condition."""
        return self == Which()

    def message(self) -> DeadLetterFilter:
        """As the request has it. Call it once for an operation: an age is counted from now."""
        from vestibule.v1.admin_pb2 import DeadLetterFilter

        found = DeadLetterFilter(
            dead_letter_ids=self.ids,
            kind=self.kind,
            reason=self.reason,
            session_id=self.session_id,
            client_id=self.client_id,
        )
        if self.older_than is not None:
            found.create_before.FromDatetime(datetime.now(UTC) - self.older_than)
        return found


def letters(channel: grpc.Channel, which: Which, *, closed_too: bool) -> Iterator[DeadLetter]:
    """Dead letters, newest first, fetched in pages."""
    from vestibule.v1.admin_pb2 import ListDeadLettersRequest
    from vestibule.v1.admin_pb2_grpc import AdminServiceStub

    token, condition = "", which.message()
    while True:
        request = ListDeadLettersRequest(
            page_size=PAGE_SIZE, page_token=token, include_closed=closed_too, filter=condition
        )
        page = AdminServiceStub(channel).ListDeadLetters(request, timeout=CALL_TIMEOUT_S)
        yield from page.dead_letters
        token = page.next_page_token
        if not token:
            return


def letter(channel: grpc.Channel, letter_id: str) -> GetDeadLetterResponse:
    """One letter with the attempts at its job."""
    from vestibule.v1.admin_pb2 import GetDeadLetterRequest
    from vestibule.v1.admin_pb2_grpc import AdminServiceStub

    return AdminServiceStub(channel).GetDeadLetter(
        GetDeadLetterRequest(dead_letter_id=letter_id), timeout=CALL_TIMEOUT_S
    )


def preview(channel: grpc.Channel, action: Action, which: Which, operation_id: str) -> Progress:
    """What an operation would be about; nothing changes."""
    return _call(channel, action)(which.message(), "preview", operation_id, True)


def operate(
    channel: grpc.Channel,
    action: Action,
    which: Which,
    *,
    reason: str,
    operation_id: str,
    on_progress: Callable[[Progress], None] = lambda _progress: None,
) -> Progress:
    """Redrive or discard letters; returns when all are closed, or when what is left cannot be.

    Args:
        channel: To the server.
        action: What to do.
        which: With which letters.
        reason: Why, a machine word.
        operation_id: UUID. The same one again goes on with that operation.
        on_progress: Called after each call.
    """
    call, condition = _call(channel, action), which.message()
    done = -1
    while True:
        progress = call(condition, reason, operation_id, False)
        on_progress(progress)
        if not progress.remaining_count or progress.done_count <= done:
            return progress
        done = progress.done_count


def _call(channel: grpc.Channel, action: Action) -> Callable[[DeadLetterFilter, str, str, bool], Progress]:
    from vestibule.v1.admin_pb2 import DiscardDeadLettersRequest, RedriveDeadLettersRequest
    from vestibule.v1.admin_pb2_grpc import AdminServiceStub

    stub = AdminServiceStub(channel)

    def redrive(condition: DeadLetterFilter, reason: str, operation_id: str, dry_run: bool) -> Progress:
        request = RedriveDeadLettersRequest(filter=condition, reason=reason, operation_id=operation_id, dry_run=dry_run)
        return stub.RedriveDeadLetters(request, timeout=OPERATION_TIMEOUT_S)

    def discard(condition: DeadLetterFilter, reason: str, operation_id: str, dry_run: bool) -> Progress:
        request = DiscardDeadLettersRequest(filter=condition, reason=reason, operation_id=operation_id, dry_run=dry_run)
        return stub.DiscardDeadLetters(request, timeout=OPERATION_TIMEOUT_S)

    return redrive if action == "redrive" else discard
