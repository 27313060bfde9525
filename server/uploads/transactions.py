"""The transactions of an upload: what the ledger knows before its first byte, and what it keeps once it is accepted."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace
from datetime import datetime

from models.errors import Conflict, NotFound
from models.media.formats import MediaKind
from models.reasons import Reason
from models.text import RedactedText
from server.access import ownership
from server.access.caller import Caller
from server.ledger import events, jobs, sessions, tag_numbers, uploads
from server.ledger.columns import Cursor
from server.ledger.needed_media import open_reads
from server.ledger.types import JobRow, JobState, SessionRow, UploadRow, UploadState
from server.records.events import make_event
from server.records.session_progress import note_new_input
from server.uploads.types import DeclaredUpload, ReceivedBytes, Waiting

READ_PICTURE = "read_picture"
READ_RECORDING = "read_recording"
"""Kinds of the jobs that read uploads. Each has places of its own, so that no recording holds up a picture."""


@dataclass(frozen=True, slots=True)
class KnownFacts:
    """What the ledger says about an upload before its first byte.

    Attributes:
        spool_ids: Files of the spool that wait to be read for the session.
    """

    session: SessionRow | None
    upload: UploadRow | None
    waiting: Waiting
    spool_ids: set[str]


@dataclass(frozen=True, slots=True)
class Kept:
    """What the transaction stored. ``new`` is False if the same upload was accepted by another call meanwhile."""

    upload: UploadRow
    session: SessionRow
    new: bool


def facts_of(cursor: Cursor, description: DeclaredUpload, caller: Caller) -> KnownFacts:
    """What the ledger knows when the description has arrived, and the caller may know."""
    try:
        session = ownership.session(cursor, description.session_id, caller)
    except NotFound:
        session = None
    client_id = session.client_id if session else caller.client_id
    upload_id, known = ownership.stored_upload_id(cursor, client_id, description.upload_id)
    upload = uploads.get(cursor, upload_id) if known else None
    opened = open_reads(cursor, description.session_id)
    return KnownFacts(session, upload, Waiting(opened.number, len(opened.spool_ids)), opened.spool_ids)


def record(cursor: Cursor, upload: UploadRow, job: JobRow, caller: Caller) -> Kept:
    """Store an upload, its job and its event, or find that the same content was stored under its id meanwhile.

    Raises:
        NotFound: SESSION_NOT_FOUND.
        Conflict: UPLOAD_ID_REUSED, or the session has ended meanwhile.
    """
    session = sessions.held(cursor, ownership.session(cursor, upload.session_id, caller))
    stored_id, known = ownership.stored_upload_id(cursor, session.client_id, upload.id)
    upload, job = _stored_as(stored_id, upload, job)
    if known:
        earlier = uploads.get(cursor, stored_id)
        if (earlier.session_id, earlier.sha256) != (upload.session_id, upload.sha256):
            raise reused()
        return Kept(earlier, session, new=False)
    session, _moved = note_new_input(cursor, session, upload.create_time)
    if upload.display_name is not None:
        [numbered] = tag_numbers.numbered(cursor, upload.session_id, [upload.display_name])
        upload = replace(upload, display_name=numbered)
    ownership.note_participant(cursor, session.id, caller)
    uploads.insert_upload(cursor, upload)
    jobs.insert_job(cursor, job)
    accepted = make_event(
        session,
        "upload_accepted",
        upload.create_time,
        kind=upload.kind or "unspecified",
        media_type=upload.media_type,
        size_bytes=upload.size_bytes,
    )
    events.insert_event(cursor, accepted)
    return Kept(upload, session, new=True)


def _stored_as(stored_id: str, upload: UploadRow, job: JobRow) -> tuple[UploadRow, JobRow]:
    """The rows under the id that ``ownership.stored_upload_id`` gave; mostly it is the one that the client gave."""
    payload = job.payload | {"upload_id": stored_id}
    return (
        replace(upload, id=stored_id, given_id=upload.id),
        replace(job, key=f"{job.kind}:{stored_id}", payload=payload),
    )


def rows_of(
    seen: ReceivedBytes, display_name: RedactedText | None, spool_id: str, now: datetime
) -> tuple[UploadRow, JobRow]:
    """The rows of an upload that passed every check, and of the job that reads it."""
    described = seen.description
    assert seen.found is not None
    kind = READ_RECORDING if seen.found.kind is MediaKind.RECORDING else READ_PICTURE
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
        kind=kind,
        key=f"{kind}:{upload.id}",
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
