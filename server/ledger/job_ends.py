"""How a job ends, and how an end is undone.

===========  ============  =======================  =========================
function     job           dead letter              what can follow
===========  ============  =======================  =========================
``finish``   DONE          none                     nothing
``fail``     DEAD          written, open            ``redrive`` or ``discard``
``redrive``  QUEUED again  closed as ``retried``    new attempts
``discard``  stays DEAD    closed as ``discarded``  nothing
===========  ============  =======================  =========================

Each runs in one transaction of the writer, together with what the job's handler records.
"""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import datetime

from models.errors import Conflict
from models.reasons import Reason
from server.ledger import dead_letters
from server.ledger.columns import Cursor, count, stored_time, update
from server.ledger.dead_letters import DISCARDED, REDRIVEN
from server.ledger.job_attempts import build_of
from server.ledger.jobs import require_lease
from server.ledger.locks import lock_letters
from server.ledger.types import DeadLetterRow, JobRow, JobState


def finish(cursor: Cursor, job_id: str, *, owner: str, attempt: int | None = None) -> None:
    """End a job successfully.

    Raises:
        Conflict: LEASE_LOST when the owner no longer holds the job for this attempt, so that a result counts once.
    """
    require_lease(cursor, job_id, owner, attempt)
    _end(cursor, job_id, JobState.DONE)


def fail(
    cursor: Cursor,
    job_id: str,
    now: datetime,
    *,
    reason: str,
    message: str,
    owner: str,
    attempt: int | None = None,
    exhausted: bool = True,
    begun: bool = True,
) -> DeadLetterRow:
    """End a job that failed permanently, and write its dead letter.

    Args:
        cursor: Within a transaction of the writer.
        job_id: UUID of the job.
        now: The time now.
        reason: Stable reason of the last failure.
        message: One sentence written by us.
        owner: Who holds the lease.
        attempt: Number of the attempt that failed; None for any.
        exhausted: Whether its retry policy ran out; False for a failure that no retry can mend.
        begun: Whether the attempt counts.

    Raises:
        Conflict: LEASE_LOST when the owner no longer holds the job.
    """
    job = require_lease(cursor, job_id, owner, attempt)
    _end(cursor, job_id, JobState.DEAD)
    attempts = job.attempts if begun else max(0, job.attempts - 1)
    update(cursor, "jobs", job_id, {"last_reason": reason, "attempts": attempts})
    letter = _letter_of(replace(job, attempts=attempts), now, reason, message, exhausted=exhausted)
    dead_letters.insert_letter(cursor, letter)
    return letter


def redrive(cursor: Cursor, letter_id: str, now: datetime, reason: str = "") -> DeadLetterRow:
    """Put the job of a dead letter back into its queue with all its attempts. Repeating it changes nothing.

    Args:
        cursor: Within a transaction of the writer.
        letter_id: UUID of the letter.
        now: The time now.
        reason: Why, a machine word.

    Raises:
        NotFound: DEAD_LETTER_NOT_FOUND.
        Conflict: WRONG_STATE when it was discarded.
    """
    lock_letters(cursor)
    letter = dead_letters.get(cursor, letter_id)
    if letter.closed_as == REDRIVEN:
        return letter
    _require_open(letter)
    count(
        cursor,
        # As a job that was never tried it is due at once, whatever the clock says.
        """UPDATE jobs SET state = 'QUEUED', attempts = 0, first_attempt_time = NULL, claim_time = NULL,
            next_attempt_time = ?
        WHERE id = ? AND state = 'DEAD'""",
        [stored_time(now), letter.job_id],
    )
    return dead_letters.close(cursor, letter_id, now, REDRIVEN, reason)


def discard(cursor: Cursor, letter_id: str, now: datetime, reason: str) -> DeadLetterRow:
    """Discard a dead letter permanently; its job stays DEAD. Repeating it changes nothing.

    Args:
        cursor: Within a transaction of the writer.
        letter_id: UUID of the letter.
        now: The time now.
        reason: A machine word.

    Raises:
        NotFound: DEAD_LETTER_NOT_FOUND.
        Conflict: WRONG_STATE when it was redriven.
    """
    lock_letters(cursor)
    letter = dead_letters.get(cursor, letter_id)
    if letter.closed_as == DISCARDED:
        return letter
    _require_open(letter)
    return dead_letters.close(cursor, letter_id, now, DISCARDED, reason)


def _end(cursor: Cursor, job_id: str, state: JobState) -> None:
    update(cursor, "jobs", job_id, {"state": state, "lease_owner": "", "lease_until": None})


def _letter_of(job: JobRow, now: datetime, reason: str, message: str, *, exhausted: bool) -> DeadLetterRow:
    return DeadLetterRow(
        id=str(uuid.uuid4()),
        job_id=job.id,
        kind=job.kind,
        session_id=job.session_id,
        reason=reason,
        message=message,
        attempts=job.attempts,
        policy=job.policy if exhausted else "",
        create_time=now,
        correlation_id=job.correlation_id,
        build=build_of(job.lease_owner),
    )


def _require_open(letter: DeadLetterRow) -> None:
    if letter.closed_as:
        raise Conflict(f"The dead letter was {letter.closed_as} before.", reason=Reason.WRONG_STATE)
