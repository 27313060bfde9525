"""Dead letters as messages, and filters of requests as conditions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from vestibule.v1 import admin_pb2

from models.tracing.spans import TRACEPARENT
from server.jobs.letter_operations import OperationResult
from server.ledger.job_attempts import JobAttemptRow
from server.ledger.letter_filter import LetterFilter
from server.ledger.types import DeadLetterRow
from server.rpc import convert

NOT_SHOWN = frozenset({"spool_id", TRACEPARENT})
"""References of a job that mean nothing outside the server."""


def letter_filter(
    request: admin_pb2.DeadLetterFilter, visible_to: str, pseudonym: Callable[[str], str]
) -> LetterFilter:
    """The conditions of a request.

    Args:
        request: Checked by the rules of the proto.
        visible_to: Client of the caller; empty for every client.
        pseudonym: What the server calls a client of tokens, from the id that its issuer gave it.
    """
    before = convert.moment(request.create_before) if request.HasField("create_before") else None
    return LetterFilter(
        tuple(request.dead_letter_ids),
        request.kind,
        request.reason,
        request.session_id,
        (request.client_id, pseudonym(request.client_id)) if request.client_id else (),
        before,
        visible_to,
    )


def letter_message(row: DeadLetterRow) -> admin_pb2.DeadLetter:
    """One letter."""
    return admin_pb2.DeadLetter(
        id=row.id,
        job_id=row.job_id,
        kind=row.kind,
        session_id=row.session_id,
        reason=row.reason,
        message=row.message,
        attempts=row.attempts,
        policy=row.policy,
        create_time=convert.timestamp(row.create_time),
        open=row.closed_time is None,
        close_time=convert.timestamp(row.closed_time) if row.closed_time else None,
        closed_as=row.closed_as,
        close_reason=row.closed_reason,
        correlation_id=row.correlation_id,
        build=row.build,
    )


def letter_with_attempts(
    row: DeadLetterRow, attempts: Sequence[JobAttemptRow], payload: dict[str, str]
) -> admin_pb2.GetDeadLetterResponse:
    """One letter with the attempts at its job and the ids that the job works on."""
    return admin_pb2.GetDeadLetterResponse(
        dead_letter=letter_message(row),
        attempts=[
            admin_pb2.JobAttempt(
                number=attempt.number,
                begin_time=convert.timestamp(attempt.begin_time),
                end_time=convert.timestamp(attempt.end_time),
                outcome=attempt.outcome,
                reason=attempt.reason,
                build=attempt.build,
            )
            for attempt in attempts
        ],
        references={name: value for name, value in payload.items() if name not in NOT_SHOWN},
    )


def redriven(result: OperationResult) -> admin_pb2.RedriveDeadLettersResponse:
    """What an operation did, or would do."""
    found = result.progress
    return admin_pb2.RedriveDeadLettersResponse(
        matched_count=found.matched,
        done_count=found.done,
        remaining_count=len(found.open_ids),
        failed_count=result.failed,
        counts=letter_counts(result.progress.counts),
    )


def discarded(result: OperationResult) -> admin_pb2.DiscardDeadLettersResponse:
    """What an operation did, or would do."""
    found = result.progress
    return admin_pb2.DiscardDeadLettersResponse(
        matched_count=found.matched,
        done_count=found.done,
        remaining_count=len(found.open_ids),
        failed_count=result.failed,
        counts=letter_counts(result.progress.counts),
    )


def letter_counts(counts: Mapping[tuple[str, str], int]) -> list[admin_pb2.DeadLetterCount]:
    """Letters by kind and reason, the most frequent first."""
    listed = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [admin_pb2.DeadLetterCount(kind=kind, reason=reason, count=number) for (kind, reason), number in listed]
