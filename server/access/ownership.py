"""The one place that fetches a row by an id which came with an RPC.

A row of another client is answered like one that does not exist: the same statements run in both cases, and the same
function raises the same error. What remains is the time in which DuckDB reads a row: for a session 0.31 ms instead of
0.25, which tells something only to somebody who guesses random UUIDs. Jobs and housekeeping, which act for no caller,
use ``server.ledger`` directly; tests/unit/access/test_ownership_everywhere.py holds the list.
"""

from __future__ import annotations

import uuid
from typing import Final

from server.access.caller import INTERNAL, Caller
from server.ledger import dead_letters, owners, participants, recommendations, sessions, streams, uploads
from server.ledger.columns import Cursor
from server.ledger.locks import lock_session_of
from server.ledger.streams import StreamRow
from server.ledger.types import DeadLetterRow, RecommendationRow, SessionRow, UploadRow

_NO_ID: Final = ""
_SECOND_OWNERS: Final = uuid.UUID("8c0f3a52-6f0d-4a3e-9a63-3f6b0e1f7f10")


def session(cursor: Cursor, session_id: str, caller: Caller) -> SessionRow:
    """A session.

    Raises:
        NotFound: SESSION_NOT_FOUND.
    """
    found = sessions.find(cursor, session_id)
    if found is None or not caller.may_see(found.client_id):
        raise sessions.not_found()
    return found


def open_session(cursor: Cursor, session_id: str, caller: Caller) -> SessionRow:
    """A session that has not ended.

    Raises:
        NotFound: SESSION_NOT_FOUND.
        Conflict: SESSION_ENDED.
    """
    found = session(cursor, session_id, caller)
    sessions.check_open(found)
    return found


def recommendation(cursor: Cursor, recommendation_id: str, caller: Caller) -> RecommendationRow:
    """A recommendation.

    Raises:
        NotFound: RECOMMENDATION_NOT_FOUND.
    """
    return recommendations.get(cursor, _visible(cursor, "recommendations", recommendation_id, caller))


def held_recommendation(cursor: Cursor, recommendation_id: str, caller: Caller) -> RecommendationRow:
    """The same, within a transaction that changes it or its session: nobody else changes either meanwhile.

    Raises:
        NotFound: RECOMMENDATION_NOT_FOUND.
    """
    lock_session_of(cursor, "recommendations", recommendation_id)
    return recommendation(cursor, recommendation_id, caller)


def stream(cursor: Cursor, stream_id: str, caller: Caller) -> StreamRow:
    """A conversation stream.

    Raises:
        NotFound: STREAM_NOT_FOUND.
    """
    return streams.get(cursor, _visible(cursor, "streams", stream_id, caller))


def upload(cursor: Cursor, upload_id: str, caller: Caller) -> UploadRow:
    """An upload, by the id that its client gave.

    Raises:
        NotFound: UPLOAD_NOT_FOUND.
    """
    second_id = _second_owners_id(caller.client_id, upload_id)
    first, second = owners.sessions_of_uploads(cursor, upload_id, second_id)
    if _visible_session(cursor, first or _NO_ID, caller):
        return uploads.get(cursor, upload_id)
    return uploads.get(cursor, second_id if _visible_session(cursor, second or _NO_ID, caller) else _NO_ID)


def dead_letter(cursor: Cursor, letter_id: str, caller: Caller) -> DeadLetterRow:
    """A dead letter. One without a session is shown to callers of every client only.

    Raises:
        NotFound: DEAD_LETTER_NOT_FOUND.
    """
    visible = _visible(cursor, "dead_letters", letter_id, caller)
    return dead_letters.get(cursor, visible if caller.client_id else letter_id)


def note_participant(cursor: Cursor, session_id: str, caller: Caller) -> None:
    """Note that a caller opened a session, spoke in it or uploaded to it; the server itself takes part in none.

    Raises:
        NotFound: SESSION_NOT_FOUND, it was erased.
    """
    sessions.get(cursor, session_id)
    if caller != INTERNAL:
        participants.add(cursor, session_id, caller.subject)


def stored_upload_id(cursor: Cursor, client_id: str, upload_id: str) -> tuple[str, bool]:
    """The id under which an upload of a client is stored: the given one, unless another client has taken it.

    Ids of uploads are made by clients. One that sends the id of another client's upload must neither learn that it
    exists nor keep the other from using it.

    Returns:
        The id, and whether the client has an upload under it already.
    """
    second_id = _second_owners_id(client_id, upload_id)
    first, second = owners.sessions_of_uploads(cursor, upload_id, second_id)
    owner = owners.client_of(cursor, first or _NO_ID)
    if owner in (None, client_id):
        return upload_id, first is not None
    return second_id, second is not None


def _second_owners_id(client_id: str, upload_id: str) -> str:
    return str(uuid.uuid5(_SECOND_OWNERS, f"{client_id}/{upload_id}"))


def _visible(cursor: Cursor, table: owners.Owned, row_id: str, caller: Caller) -> str:
    """The id, if the caller may see the row; otherwise the empty one, which no row has."""
    session_id = owners.session_of(cursor, table, row_id)
    return row_id if _visible_session(cursor, session_id, caller) else _NO_ID


def _visible_session(cursor: Cursor, session_id: str, caller: Caller) -> str:
    owner = owners.client_of(cursor, session_id)
    return session_id if owner is not None and caller.may_see(owner) else _NO_ID
