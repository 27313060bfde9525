"""Uploads: files that were accepted, and what became of them."""

from __future__ import annotations

from datetime import datetime

from models.errors import NotFound
from models.reasons import Reason
from models.text import RedactedText
from server.ledger.columns import (
    Cursor,
    Row,
    aware,
    count,
    fetch_all,
    fetch_one,
    insert,
    stored_time,
    text_columns,
    text_or_none,
    update,
)
from server.ledger.types import UploadRow, UploadState


def insert_upload(cursor: Cursor, row: UploadRow) -> None:
    """Store an upload whose id is new."""
    insert(
        cursor,
        "uploads",
        {
            "id": row.id,
            "session_id": row.session_id,
            "kind": row.kind,
            "state": row.state,
            "size_bytes": row.size_bytes,
            "sha256": row.sha256,
            "media_type": row.media_type,
            "create_time": stored_time(row.create_time),
            "update_time": stored_time(row.update_time),
            "progress": row.progress,
            "attempts": row.attempts,
            "failure_reason": row.failure_reason,
            **text_columns("text", row.text),
            "picture_path": row.picture_path,
            "picture_mime": row.picture_mime,
            "picture_bytes": row.picture_bytes,
            "picture_width": row.picture_width,
            "picture_height": row.picture_height,
            "painted": row.painted,
        },
    )


def get(cursor: Cursor, upload_id: str) -> UploadRow:
    """Find an upload.

    Raises:
        NotFound: UPLOAD_NOT_FOUND.
    """
    row = fetch_one(cursor, "SELECT * FROM uploads WHERE id = ?", [upload_id])
    if row is None:
        raise NotFound("There is no such upload.", reason=Reason.UPLOAD_NOT_FOUND)
    return _upload(row)


def list_of_session(cursor: Cursor, session_id: str) -> list[UploadRow]:
    """Uploads of a session, oldest first."""
    rows = fetch_all(cursor, "SELECT * FROM uploads WHERE session_id = ? ORDER BY create_time, id", [session_id])
    return [_upload(row) for row in rows]


def set_progress(cursor: Cursor, upload_id: str, now: datetime, progress: float) -> UploadRow:
    """Note that an upload is being processed, and how far it is, 0 to 1.

    Raises:
        NotFound: UPLOAD_NOT_FOUND.
    """
    changes: Row = {"state": UploadState.PROCESSING, "progress": progress, "update_time": stored_time(now)}
    update(cursor, "uploads", upload_id, changes)
    return get(cursor, upload_id)


def begin_attempt(cursor: Cursor, upload_id: str, now: datetime) -> UploadRow:
    """Count an attempt and note that the upload is being processed.

    Raises:
        NotFound: UPLOAD_NOT_FOUND.
    """
    count(
        cursor,
        "UPDATE uploads SET state = 'PROCESSING', attempts = attempts + 1, update_time = ? WHERE id = ?",
        [stored_time(now), upload_id],
    )
    return get(cursor, upload_id)


def finish(
    cursor: Cursor,
    upload_id: str,
    now: datetime,
    *,
    text: RedactedText | None,
    picture_path: str = "",
    picture_mime: str = "",
    picture_bytes: int = 0,
    picture_width: int = 0,
    picture_height: int = 0,
    painted: int = 0,
) -> UploadRow:
    """Store what an upload gave.

    Raises:
        NotFound: UPLOAD_NOT_FOUND.
    """
    changes: Row = {
        "state": UploadState.DONE,
        "progress": 1.0,
        "failure_reason": "",
        "update_time": stored_time(now),
        **text_columns("text", text),
        "picture_path": picture_path,
        "picture_mime": picture_mime,
        "picture_bytes": picture_bytes,
        "picture_width": picture_width,
        "picture_height": picture_height,
        "painted": painted,
    }
    update(cursor, "uploads", upload_id, changes)
    return get(cursor, upload_id)


def fail(cursor: Cursor, upload_id: str, now: datetime, reason: str) -> UploadRow:
    """Note that an upload failed for good, with a stable reason.

    Raises:
        NotFound: UPLOAD_NOT_FOUND.
    """
    changes: Row = {"state": UploadState.FAILED, "failure_reason": reason, "update_time": stored_time(now)}
    update(cursor, "uploads", upload_id, changes)
    return get(cursor, upload_id)


def reopen(cursor: Cursor, upload_id: str, now: datetime) -> UploadRow:
    """Put an upload back, because its job was taken out of the dead letters.

    Raises:
        NotFound: UPLOAD_NOT_FOUND.
    """
    changes: Row = {"state": UploadState.ACCEPTED, "failure_reason": "", "update_time": stored_time(now)}
    update(cursor, "uploads", upload_id, changes)
    return get(cursor, upload_id)


def _upload(row: Row) -> UploadRow:
    return UploadRow(
        id=row["id"],
        session_id=row["session_id"],
        kind=row["kind"],
        state=UploadState(row["state"]),
        size_bytes=row["size_bytes"],
        sha256=row["sha256"],
        media_type=row["media_type"],
        create_time=aware(row["create_time"]),
        update_time=aware(row["update_time"]),
        progress=row["progress"],
        attempts=row["attempts"],
        failure_reason=row["failure_reason"],
        text=text_or_none(row, "text"),
        picture_path=row["picture_path"],
        picture_mime=row["picture_mime"],
        picture_bytes=row["picture_bytes"],
        picture_width=row["picture_width"],
        picture_height=row["picture_height"],
        painted=row["painted"],
    )
