"""What a new turn, upload or answer changes in its session, in the transaction that stores it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from server.ledger import recommendations, sessions
from server.ledger.columns import Cursor
from server.ledger.types import SessionRow, SessionState


def note_new_input(cursor: Cursor, session: SessionRow, now: datetime) -> tuple[SessionRow, bool]:
    """Note that a turn, an upload or an answer of the app came in.

    The first one moves the session to IN_PROGRESS. A record that waits for approval was built without the
    new one, so it is superseded and the session goes back to IN_PROGRESS.

    Args:
        cursor: Within a transaction of the writer.
        session: As this transaction has read it.
        now: When it came.

    Returns:
        The session as it is now, and whether its stage changed.

    Raises:
        Conflict: SESSION_ENDED.
    """
    session = sessions.held(cursor, session)
    sessions.check_open(session)
    if session.state is SessionState.IN_PROGRESS:
        sessions.touch(cursor, session.id, now)
        return replace(session, update_time=now), False
    reason = ""
    if session.state is SessionState.AWAITING_APPROVAL:
        recommendations.supersede_pending(cursor, session.id)
        reason = "new_material"
    return sessions.move(cursor, session, SessionState.IN_PROGRESS, now, reason), True
