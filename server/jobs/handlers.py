"""The background work: read an upload, try for a better record, try for a better reply."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.errors import Conflict, VestibuleError
from models.redaction.types import RedactionScope
from models.speech.muting.redact_recording import RedactedRecording
from models.text import RedactedText
from models.vision.types import RedactedPage
from ray_tasks.types import Gateway
from server.jobs.types import NOTHING, Handler, Outcome
from server.ledger import events, recommendations, sessions, turns, uploads
from server.ledger.columns import Cursor
from server.ledger.types import (
    Clock,
    JobRow,
    Origin,
    RecommendationRow,
    RecommendationState,
    TurnRow,
    UploadRow,
)
from server.ledger.writer import Ledger
from server.llm.history import history_of
from server.llm.types import Assistant, Exchange
from server.records.events import make_event
from server.records.pubsub import LateReply, WatchHub
from server.records.recommender import PROPOSE_RECORD, Recommender
from server.records.redact_output import redact_all
from server.runtime.folders import make_private_folder
from server.runtime.private_files import write_atomically
from server.uploads.disk import disk_errors
from server.uploads.service import READ_UPLOAD
from server.uploads.spool import Spool

REPLY = "reply"
"""Kind of the job that answers a turn for which the fallback had to stand in."""

PICTURE_TIMEOUT_S = 60.0
RECORDING_TIMEOUT_S = 600.0
"""A recording of 10 MB may last an hour; two cores read it at several times the speed of speech."""

BEGUN, HANDED_OVER, READ = 0.1, 0.5, 0.9
"""Progress of an upload: taken up, decrypted and given to a worker, read and waiting to be stored."""

_EXTENSIONS = {"image/jpeg": "jpg", "image/png": "png", "audio/flac": "flac"}


@dataclass(frozen=True, slots=True)
class _Reading:
    """What a worker read; the picture's fields stay empty for a recording."""

    text: RedactedText
    compute_s: float
    picture: dict[str, Any]


class ReadUpload(Handler):
    """Reads a picture or a recording. The content leaves the spool when the result is durable."""

    kind = READ_UPLOAD
    deadline_s = RECORDING_TIMEOUT_S + 60.0

    def __init__(
        self,
        ledger: Ledger,
        spool: Spool,
        gateway: Gateway,
        hub: WatchHub,
        pictures: Path,
        clock: Clock,
        *,
        keep_recordings: bool = False,
    ) -> None:
        self._ledger = ledger
        self._spool = spool
        self._gateway = gateway
        self._hub = hub
        self._pictures = pictures
        self._clock = clock
        self._keep_recordings = keep_recordings

    async def run(self, job: JobRow) -> Outcome[UploadRow]:
        """See ``Handler``."""
        upload_id = job.payload["upload_id"]
        upload, language, scope = await self._ledger.write(lambda cursor: self._begin(cursor, upload_id))
        self._publish(upload)
        content = await asyncio.to_thread(self._spool.read, job.payload["spool_id"])
        await self._progress(upload_id, HANDED_OVER)
        reading = await self._read(job, upload, content, language, scope)

        def record(cursor: Cursor) -> UploadRow:
            now = self._clock()
            row = uploads.finish(cursor, upload_id, now, text=reading.text, **reading.picture)
            session = sessions.get(cursor, row.session_id)
            done = make_event(
                session,
                "upload_read",
                now,
                took_s=(now - row.create_time).total_seconds(),
                kind=row.kind or "unspecified",
                entities=sum(reading.text.counts.values()),
                compute_ms=round(1000 * reading.compute_s),
            )
            events.append(cursor, done)
            return row

        async def after(row: UploadRow) -> None:
            self._publish(row)
            await self.forget(job)

        return Outcome(record, after)

    def failed(self, job: JobRow, error: VestibuleError, *, redrivable: bool) -> Outcome[UploadRow]:
        """See ``Handler``."""

        def record(cursor: Cursor) -> UploadRow:
            now = self._clock()
            row = uploads.fail(cursor, job.payload["upload_id"], now, error.reason)
            session = sessions.get(cursor, row.session_id)
            events.append(cursor, make_event(session, "upload_failed", now, reason=error.reason.lower()))
            return row

        async def after(row: UploadRow) -> None:
            self._publish(row)
            if not redrivable:
                await self.forget(job)

        return Outcome(record, after)

    def redriven(self, job: JobRow) -> Outcome[UploadRow]:
        """See ``Handler``."""

        async def after(row: UploadRow) -> None:
            self._publish(row)

        return Outcome(lambda cursor: uploads.reopen(cursor, job.payload["upload_id"], self._clock()), after)

    async def forget(self, job: JobRow) -> None:
        """See ``Handler``."""
        await asyncio.to_thread(self._spool.delete, job.payload["spool_id"])

    def _begin(self, cursor: Cursor, upload_id: str) -> tuple[UploadRow, str, RedactionScope]:
        uploads.begin_attempt(cursor, upload_id, self._clock())
        row = uploads.set_progress(cursor, upload_id, self._clock(), BEGUN)
        session = sessions.get(cursor, row.session_id)
        return row, session.language, RedactionScope(session.client_id, session.id)

    async def _read(
        self, job: JobRow, upload: UploadRow, content: bytes, language: str, scope: RedactionScope
    ) -> _Reading:
        if not upload.media_type.startswith("image/"):
            heard = await self._gateway.read_recording(
                content,
                language=language,
                timeout_s=RECORDING_TIMEOUT_S,
                scope=scope,
                keep_redacted=self._keep_recordings,
            )
            await self._progress(upload.id, READ)
            columns = await self._keep(job, heard.redacted) if heard.redacted else {}
            return _Reading(heard.text, heard.compute_s, columns)
        page = await self._gateway.read_picture(
            content, document_type=upload.kind, timeout_s=PICTURE_TIMEOUT_S, scope=scope
        )
        await self._progress(upload.id, READ)
        name = await self._store(job, page.image_mime, page.image)
        return _Reading(page.text, page.compute_s, _picture_columns(name, page))

    async def _keep(self, job: JobRow, muted: RedactedRecording) -> dict[str, Any]:
        name = await self._store(job, muted.media_type, muted.data)
        return {
            "picture_path": name,
            "picture_mime": muted.media_type,
            "picture_bytes": len(muted.data),
            "painted": len(muted.muted),
        }

    async def _store(self, job: JobRow, media_type: str, content: bytes) -> str:
        # Named by the job: an attempt that is repeated writes the same file again, and leaves none behind.
        name = f"{job.id}.{_EXTENSIONS.get(media_type, 'bin')}"
        await asyncio.to_thread(_store_file, self._pictures, name, content)
        return name

    async def _progress(self, upload_id: str, progress: float) -> None:
        row = await self._ledger.write(lambda cursor: uploads.set_progress(cursor, upload_id, self._clock(), progress))
        self._publish(row)

    def _publish(self, row: UploadRow) -> None:
        self._hub.publish(row, row.session_id, row.id)


def _store_file(folder: Path, name: str, content: bytes) -> None:
    with disk_errors():
        make_private_folder(folder)
        write_atomically(folder / name, content)


def _picture_columns(name: str, page: RedactedPage) -> dict[str, Any]:
    return {
        "picture_path": name,
        "picture_mime": page.image_mime,
        "picture_bytes": len(page.image),
        "picture_width": page.width,
        "picture_height": page.height,
        "painted": page.painted,
    }


class ProposeRecord(Handler):
    """Has the upstream write the record for which the fallback had to stand in."""

    kind = PROPOSE_RECORD

    def __init__(self, ledger: Ledger, recommender: Recommender) -> None:
        self._ledger = ledger
        self._recommender = recommender

    async def run(self, job: JobRow) -> Outcome[Any]:
        """See ``Handler``."""
        pending_id = job.payload["recommendation_id"]
        pending = await self._ledger.read(lambda cursor: recommendations.get(cursor, pending_id))
        if pending.state is not RecommendationState.PENDING or pending.origin is not Origin.FALLBACK:
            return NOTHING  # decided, or withdrawn: nobody waits for a better one
        try:
            better = await self._recommender.build(job.session_id, fallback=False)
        except Conflict:
            return NOTHING  # the session ended just now

        async def after(row: RecommendationRow | None) -> None:
            if row is not None:
                self._recommender.publish(row)

        return Outcome(lambda cursor: self._recommender.replace_fallback(cursor, pending_id, better), after)


class WriteReply(Handler):
    """Has the upstream answer a turn for which the fallback had to stand in."""

    kind = REPLY

    def __init__(self, ledger: Ledger, gateway: Gateway, assistant: Assistant, hub: WatchHub, clock: Clock) -> None:
        self._ledger = ledger
        self._gateway = gateway
        self._assistant = assistant
        self._hub = hub
        self._clock = clock

    async def run(self, job: JobRow) -> Outcome[Any]:
        """See ``Handler``."""
        turn_id = job.payload["turn_id"]
        turn, earlier, scope = await self._ledger.read(lambda cursor: _turn_and_earlier(cursor, turn_id))
        if turn.reply_origin is Origin.MODEL or not turn.text.safe_for_llm:
            return NOTHING
        language = turn.language or "en"
        reply = await self._assistant.reply(turn.text, earlier, language=language, fallback=False)
        written = "".join([piece async for piece in reply.pieces])
        [text] = await redact_all(self._gateway, [written], language, scope)

        def record(cursor: Cursor) -> TurnRow:
            row = turns.set_reply(cursor, turn_id, text, reply.origin)
            session = sessions.get(cursor, row.session_id)
            now = self._clock()
            took_s = (now - row.create_time).total_seconds()
            events.append(cursor, make_event(session, "replied_late", now, took_s=took_s, origin=reply.origin))
            return row

        async def after(row: TurnRow) -> None:
            self._hub.publish(LateReply(row.id, text, reply.origin), row.session_id)

        return Outcome(record, after)


def _turn_and_earlier(cursor: Cursor, turn_id: str) -> tuple[TurnRow, list[Exchange], RedactionScope]:
    turn = turns.get(cursor, turn_id)
    rows = turns.list_of_session(cursor, turn.session_id)
    before = rows[: next(n for n, row in enumerate(rows) if row.id == turn_id)]
    session = sessions.get(cursor, turn.session_id)
    return turn, history_of(before), RedactionScope(session.client_id, session.id)


def build_handlers(
    ledger: Ledger,
    spool: Spool,
    gateway: Gateway,
    assistant: Assistant,
    recommender: Recommender,
    hub: WatchHub,
    *,
    pictures: Path,
    clock: Clock,
    keep_recordings: bool = False,
) -> Sequence[Handler]:
    """One handler for each kind of job.

    Args:
        ledger: Where results are recorded.
        spool: Holds the content of uploads.
        gateway: Reads and redacts.
        assistant: Writes replies.
        recommender: Writes records.
        hub: Hears of results.
        pictures: Folder of the redacted pictures and recordings.
        clock: The time now.
        keep_recordings: Whether recordings are kept once they are muted.
    """
    return (
        ReadUpload(ledger, spool, gateway, hub, pictures, clock, keep_recordings=keep_recordings),
        ProposeRecord(ledger, recommender),
        WriteReply(ledger, gateway, assistant, hub, clock),
    )
