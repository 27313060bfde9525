"""Uploads: files that were accepted, and what was read in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from models.errors import NotFound
from models.reasons import Reason
from models.text import RedactedText
from server.ledger import tag_numbers
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
from server.ledger.page_token import page_token_after, read_page_token
from server.ledger.picture_labels import PictureLabel, labels_json, labels_of
from server.ledger.types import Artifact, UploadRow, UploadState


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
            **text_columns("display_name", row.display_name),
            **_artifact_columns(row.artifact),
            "given_id": row.given_id,
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


def page_of_session(cursor: Cursor, session_id: str, page_size: int, token: str = "") -> tuple[list[UploadRow], str]:
    """The newest uploads of a session, oldest first.

    Args:
        cursor: Of a read.
        session_id: The session.
        page_size: At most this many.
        token: What the page before gave, for older ones; empty for the newest.

    Returns:
        The uploads, and the token of the page of older ones; empty if there are none.

    Raises:
        InvalidInput: PAGE_TOKEN_INVALID.
    """
    at, before = read_page_token(token)
    rows = fetch_all(
        cursor,
        """SELECT * FROM uploads WHERE session_id = $session
            AND ($at::TIMESTAMP IS NULL OR create_time < $at OR (create_time = $at AND id < $before))
        ORDER BY create_time DESC, id DESC LIMIT $most""",
        {"session": session_id, "at": at, "before": before, "most": page_size + 1},
    )
    found = [_upload(row) for row in rows[:page_size]]
    older = page_token_after(found[-1].create_time, found[-1].id) if len(rows) > page_size else ""
    return found[::-1], older


def set_progress(cursor: Cursor, upload_id: str, now: datetime, progress: float) -> UploadRow:
    """Record the progress of an upload that is being processed, 0 to 1.

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


def undo_attempt(cursor: Cursor, upload_id: str, now: datetime) -> UploadRow:
    """Take back what ``begin_attempt`` did, because nobody was asked: the upload waits again.

    Raises:
        NotFound: UPLOAD_NOT_FOUND.
    """
    changes: Row = {
        "state": UploadState.ACCEPTED,
        "progress": 0.0,
        "attempts": max(0, get(cursor, upload_id).attempts - 1),
        "update_time": stored_time(now),
    }
    update(cursor, "uploads", upload_id, changes)
    return get(cursor, upload_id)


def finish(
    cursor: Cursor,
    upload_id: str,
    now: datetime,
    *,
    text: RedactedText | None,
    artifact: Artifact | None = None,
) -> UploadRow:
    """Store what was read in an upload, with numbers in its tags.

    Raises:
        NotFound: UPLOAD_NOT_FOUND.
    """
    if text is not None:
        [text] = tag_numbers.numbered(cursor, get(cursor, upload_id).session_id, [text])
    changes: Row = {
        "state": UploadState.DONE,
        "progress": 1.0,
        "failure_reason": "",
        "update_time": stored_time(now),
        **text_columns("text", text),
        **_artifact_columns(artifact),
    }
    update(cursor, "uploads", upload_id, changes)
    return get(cursor, upload_id)


def set_labels(cursor: Cursor, upload_id: str, now: datetime, labels: Sequence[PictureLabel]) -> UploadRow:
    """Store the labels of a picture, with numbers in their tags. None at all are no change of the upload.

    Raises:
        NotFound: UPLOAD_NOT_FOUND.
    """
    texts = tag_numbers.numbered(cursor, get(cursor, upload_id).session_id, [label.text for label in labels])
    numbered = [replace(label, text=text) for label, text in zip(labels, texts, strict=True)]
    changed = {"update_time": stored_time(now)} if numbered else {}
    update(cursor, "uploads", upload_id, {"labels": labels_json(numbered), **changed})
    return get(cursor, upload_id)


def fail(cursor: Cursor, upload_id: str, now: datetime, reason: str) -> UploadRow:
    """Record that an upload failed permanently, with a stable reason.

    Raises:
        NotFound: UPLOAD_NOT_FOUND.
    """
    changes: Row = {"state": UploadState.FAILED, "failure_reason": reason, "update_time": stored_time(now)}
    update(cursor, "uploads", upload_id, changes)
    return get(cursor, upload_id)


def redrive(cursor: Cursor, upload_id: str, now: datetime) -> UploadRow:
    """Put an upload back, because its job was redriven.

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
        artifact=_artifact(row),
        display_name=text_or_none(row, "display_name"),
        given_id=row["given_id"],
        labels=labels_of(row["labels"]),
    )


def _artifact(row: Row) -> Artifact | None:
    if not row["artifact_path"]:
        return None
    return Artifact(
        path=row["artifact_path"],
        media_type=row["artifact_mime"],
        size_bytes=row["artifact_bytes"],
        painted=row["painted"],
        width=row["artifact_width"],
        height=row["artifact_height"],
    )


def _artifact_columns(artifact: Artifact | None) -> Row:
    stored = artifact or Artifact("", "", 0, 0)
    return {
        "artifact_path": stored.path,
        "artifact_mime": stored.media_type,
        "artifact_bytes": stored.size_bytes,
        "artifact_width": stored.width,
        "artifact_height": stored.height,
        "painted": stored.painted,
    }
