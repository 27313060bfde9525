"""The job that asks the vision upstream what a picture shows.

It has no way to the original: it knows no spool, and reads redacted pictures only.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from models.redaction.types import RedactionScope
from ray_tasks.types import Gateway
from server.jobs.types import NOTHING, Completion, Handler
from server.ledger import events, jobs, sessions, uploads
from server.ledger.columns import Cursor
from server.ledger.jobs import new_job
from server.ledger.picture_labels import PictureLabel
from server.ledger.transactional import Ledger
from server.ledger.types import Clock, JobRow, SessionRow, UploadRow
from server.llm.labeller import VISION_API
from server.llm.labels import Labeller
from server.llm.shown_picture import may_be_shown, shown_picture
from server.records.events import make_event
from server.records.label_texts import redact_labels
from server.records.open_labels import LABEL_PICTURE
from server.records.pubsub import PubSub
from server.records.redact_output import REDACT_TIMEOUT_S
from server.setting_groups import LabelSettings


class LabelPicture(Handler):
    """Labels one picture that was read.

    Args:
        labeller: The vision upstream.
        gateway: Redacts the labels.
        settings: Of the vision upstream.
        artifacts: Folder of the redacted pictures.
    """

    kind = LABEL_PICTURE

    def __init__(
        self,
        ledger: Ledger,
        gateway: Gateway,
        pubsub: PubSub,
        clock: Clock,
        labeller: Labeller,
        settings: LabelSettings,
        artifacts: Path,
    ) -> None:
        self._ledger = ledger
        self._gateway = gateway
        self._pubsub = pubsub
        self._clock = clock
        self._labeller = labeller
        self._artifacts = artifacts
        self._side_px = settings.side_px
        self.deadline_s = settings.timeout_s + 2 * REDACT_TIMEOUT_S

    def enqueue(self, cursor: Cursor, upload: UploadRow, now: datetime) -> None:
        """Accept the labelling of a picture that was read just now, if there is anybody to ask and anything to show."""
        if self._labeller.configured and may_be_shown(upload):
            key = f"{LABEL_PICTURE}:{upload.id}"
            jobs.enqueue(
                cursor, new_job(LABEL_PICTURE, key, upload.session_id, {"upload_id": upload.id}, VISION_API, now)
            )

    async def run(self, job: JobRow) -> Completion[UploadRow] | Completion[None]:
        """See ``Handler``. Without a picture or an open session there is nothing to do any more."""
        upload_id = job.payload["upload_id"]
        upload, session, language = await self._ledger.read(lambda cursor: _rows(cursor, upload_id))
        if session.state.ended:
            return NOTHING
        picture = await asyncio.to_thread(shown_picture, upload, self._artifacts, self._side_px)
        if picture is None:
            return NOTHING
        found = await self._labeller.label(picture, language=language, retry=job.attempts > 1)
        scope = RedactionScope(session.client_id, session.id)
        texts = await redact_labels(self._gateway, [label.text for label in found], language, scope)
        labels = [
            PictureLabel(text, label.confidence)
            for text, label in zip(texts, found, strict=True)
            if text and text.safe_for_llm
        ]
        return Completion(lambda cursor: self._store(cursor, upload, labels), self._publish)

    def _store(self, cursor: Cursor, upload: UploadRow, labels: Sequence[PictureLabel]) -> UploadRow:
        now = self._clock()
        row = uploads.get(cursor, upload.id)
        if not may_be_shown(row):
            return row  # what was read in it was deleted by age meanwhile
        row = uploads.set_labels(cursor, upload.id, now, labels)
        session = sessions.get(cursor, row.session_id)
        hidden = sum(sum(label.text.counts.values()) for label in labels)
        events.append(
            cursor,
            make_event(
                session,
                "picture_labelled",
                now,
                took_s=(now - row.create_time).total_seconds(),
                kind=row.kind or "unspecified",
                labels=len(labels),
                entities=hidden,
            ),
        )
        return row

    async def _publish(self, row: UploadRow) -> None:
        self._pubsub.publish(row, row.session_id, row.id)


def _rows(cursor: Cursor, upload_id: str) -> tuple[UploadRow, SessionRow, str]:
    """The upload, its session, and the language of that."""
    upload = uploads.get(cursor, upload_id)
    session = sessions.get(cursor, upload.session_id)
    return upload, session, sessions.language_of(cursor, session) or "en"
