"""The transactions of an upload: what the ledger knows before its first byte, and what it keeps once it is accepted."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace
from datetime import datetime

from models.errors import Conflict, NotFound
from models.reasons import Reason
from models.text import RedactedText
from server.ledger import events, jobs, sessions, tag_numbers, uploads
from server.ledger.columns import Cursor
from server.ledger.types import JobRow, JobState, SessionRow, UploadRow, UploadState
from server.records.events import make_event
from server.records.session_progress import note_new_input
from server.uploads.types import DeclaredUpload, ReceivedBytes, Waiting

READ_UPLOAD = "read_upload"
"""Kind of the job that reads an upload."""


@dataclass(frozen=True, slots=True)
class KnownFacts:
    """What the ledger says about an upload before its first byte."""

    session: SessionRow | None
    upload: UploadRow | None
    waiting: Waiting


@dataclass(frozen=True, slots=True)
class Kept:
    """What the transaction stored. ``new`` is False if the same upload was accepted by another call meanwhile."""

    upload: UploadRow
    session: SessionRow
    new: bool


def facts_of(cursor: Cursor, description: DeclaredUpload) -> KnownFacts:
    """What the ledger knows when the description has arrived."""
    try:
        session = sessions.get(cursor, description.session_id)
    except NotFound:
        session = None
    waiting = Waiting(
        jobs=jobs.count_open(cursor),
        session_jobs=jobs.count_open_of_session(cursor, description.session_id),
        session_bytes=uploads.waiting_bytes(cursor, description.session_id),
    )
    return KnownFacts(session, _find(cursor, description.upload_id), waiting)


def _find(cursor: Cursor, upload_id: str) -> UploadRow | None:
    try:
        return uploads.get(cursor, upload_id)
    except NotFound:
        return None


def record(cursor: Cursor, upload: UploadRow, job: JobRow) -> Kept:
    """Store an upload, its job and its event, or find that the same content was stored under its id meanwhile.

    Raises:
        Conflict: UPLOAD_ID_REUSED, or the session has ended meanwhile.
    """
    known = _find(cursor, upload.id)
    if known is not None:
        if (known.session_id, known.sha256) != (upload.session_id, upload.sha256):
            raise reused()
        return Kept(known, sessions.get(cursor, known.session_id), new=False)
    session, _moved = note_new_input(cursor, upload.session_id, upload.create_time)
    if upload.display_name is not None:
        [numbered] = tag_numbers.numbered(cursor, upload.session_id, [upload.display_name])
        upload = replace(upload, display_name=numbered)
    uploads.insert_upload(cursor, upload)
    jobs.enqueue(cursor, job)
    accepted = make_event(
        session,
        "upload_accepted",
        upload.create_time,
        kind=upload.kind or "unspecified",
        media_type=upload.media_type,
        size_bytes=upload.size_bytes,
    )
    events.append(cursor, accepted)
    return Kept(upload, session, new=True)


def rows_of(
    seen: ReceivedBytes, display_name: RedactedText | None, spool_id: str, now: datetime
) -> tuple[UploadRow, JobRow]:
    """The rows of an upload that passed every check, and of the job that reads it."""
    described = seen.description
    assert seen.found is not None
    upload = UploadRow(
        id=described.upload_id,
        session_id=described.session_id,
        kind=described.kind,
        state=UploadState.ACCEPTED,
        size_bytes=seen.size_bytes,
        sha256=seen.sha256.hex(),
        media_type=seen.found.mime,
        create_time=now,
        update_time=now,
        display_name=display_name,
    )
    job = JobRow(
        id=str(uuid.uuid4()),
        kind=READ_UPLOAD,
        key=f"{READ_UPLOAD}:{upload.id}",
        session_id=upload.session_id,
        payload={"upload_id": upload.id, "spool_id": spool_id},
        state=JobState.QUEUED,
        policy="network",
        create_time=now,
        next_attempt_time=now,
    )
    return upload, job


def reused() -> Conflict:
    """The error for an upload id under which other content was stored."""
    return Conflict(
        "Another upload has this id.", reason=Reason.UPLOAD_ID_REUSED, hint="Make a new upload_id for new content."
    )
