"""A ledger, a spool and a folder of pictures in which everything of a session has a mark."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from models.sealed_values import SealedValue
from models.speech.types import RedactedWord
from models.text import RedactedText
from server.flows.definition import FlowDefinition
from server.flows.progress import Answer, AnswerStatus
from server.ledger import (
    answers,
    dead_letters,
    events,
    job_attempts,
    jobs,
    model_comparisons,
    participants,
    picture_lines,
    recommendations,
    redactions,
    reviews,
    reviews_decisions,
    sealed_values,
    sessions,
    streams,
    turns,
    uploads,
)
from server.ledger.columns import Cursor, count
from server.ledger.embedded import EmbeddedLedger
from server.ledger.picture_lines import PictureBox
from server.ledger.reviews import Claim, Claimant
from server.ledger.reviews_decisions import CommentRow, FieldDecision, FieldDecisionRow
from server.ledger.schema import TABLES
from server.ledger.types import (
    Approval,
    Artifact,
    DeadLetterRow,
    JobState,
    RecommendationRow,
    SessionRow,
    SessionState,
    UploadState,
)
from server.uploads.spool import Spool
from tests.fakes.guide import FLOWS
from tests.unit.ledger import makers
from tests.unit.ledger.makers import NOW
from tests.unit.ledger.migrated import open_ledger

SESSION_COLUMNS = {"session_id", "turn_id", "job_id"}


def mark_of(name: str) -> str:
    """A text that no compression takes apart, and that is found as it is in a file."""
    return f"{name}-{hashlib.sha256(name.encode()).hexdigest()}"


class Stored(NamedTuple):
    """Ids under which files of a session are kept."""

    spool_id: str
    stream_id: str
    job_id: str


def fill_rows(cursor: Cursor, row: SessionRow, name: str) -> Stored:
    """Store a session with one row of everything, each with the mark of a name."""
    session_id = row.id
    said = RedactedText.restore(mark_of(name), {}, safe_for_llm=True)
    sessions.insert_or_get(cursor, row)
    stream = makers.stream(session_id)
    streams.insert_stream(cursor, stream)
    words = (RedactedWord(said, 0.0, 1.0, 1.0),)
    turn = replace(makers.turn(session_id, stream_id=stream.id), text=said, words=words)
    turns.insert_turn(cursor, turn)
    compared = RedactedText.restore(mark_of(f"{name}-candidate"), {}, safe_for_llm=True)
    model_comparisons.insert_comparison(cursor, makers.comparison(turn, text=compared))
    answered = Answer("site", "site_name", AnswerStatus.ANSWERED, said, "speech")
    answers.append(cursor, session_id, FLOWS.default, [answered], 0, NOW)
    job = makers.job(session_id)
    spool_id, upload = makers.new_id(), makers.upload(session_id)
    jobs.enqueue(cursor, replace(job, payload={"upload_id": upload.id, "spool_id": spool_id}, state=JobState.DEAD))
    uploads.insert_upload(cursor, replace(upload, state=UploadState.PROCESSING))
    uploads.finish(cursor, upload.id, NOW, text=said, artifact=Artifact(f"{job.id}.jpg", "image/jpeg", 5, 1, 2, 3))
    proposed = replace(makers.recommendation(session_id), record=said)
    recommendations.insert_recommendation(cursor, proposed)
    _review(cursor, proposed, upload.id, name)
    event = makers.event(session_id, name=mark_of(f"{name}-event"))
    events.append(cursor, replace(event, client_id=row.client_id))
    letter = DeadLetterRow(makers.new_id(), job.id, job.kind, session_id, "BROKEN_MEDIA", mark_of(name), 1, "", NOW)
    dead_letters.insert_letter(cursor, letter)
    job_attempts.insert_attempt(cursor, job, NOW, "dead", "BROKEN_MEDIA")
    cursor.execute("INSERT INTO tag_numbers VALUES (?, 'NAME', ?, 1)", [session_id, mark_of(f"{name}-tag")])
    sealed = SealedValue("PHONE", "contact_phone", "crm", mark_of(f"{name}-sealed").encode(), "0" * 32)
    sealed_values.store(cursor, session_id, upload.id, [sealed], NOW)
    participants.add(cursor, session_id, mark_of(f"{name}-subject"))
    redactions.store(cursor, session_id, "rules", NOW)
    return Stored(spool_id, stream.id, job.id)


def _review(cursor: Cursor, row: RecommendationRow, upload_id: str, name: str) -> None:
    ids = (row.session_id, row.id)
    staff = mark_of(f"{name}-staff")
    reviews.put_claim(cursor, row.session_id, Claim(Claimant("key:a", staff), NOW, NOW))
    decision = FieldDecisionRow(*ids, row.id, "site_name", FieldDecision.ACCEPTED, "", staff, "key:a", NOW)
    reviews_decisions.insert_decisions(cursor, [decision])
    said = RedactedText.restore(mark_of(f"{name}-comment"), {}, safe_for_llm=True)
    reviews_decisions.insert_comment(cursor, CommentRow(makers.new_id(), *ids, said, "", staff, "key:a", NOW))
    reviews_decisions.add_approval(cursor, row, Approval("key:a", staff, NOW))
    picture_lines.put(cursor, upload_id, row.session_id, [[PictureBox(0.1, 0.2, 0.3, 0.4)]])


def rows_of(cursor: Cursor, session_id: str) -> dict[str, int]:
    """Rows of a session by table, for all tables that can have some."""
    found = {}
    for table in TABLES:
        names = {name for name, _, _ in table.columns}
        if "session_id" in names:
            where = "session_id = ?"
        elif "job_id" in names:
            where = "job_id IN (SELECT id FROM jobs WHERE session_id = ?)"
        elif "turn_id" in names:
            where = "turn_id IN (SELECT id FROM turns WHERE session_id = ?)"
        elif table.name in ("sessions", "redactions"):
            where = "id = ?"
        else:
            continue
        found[table.name] = count(cursor, f"SELECT count(*) FROM {table.name} WHERE {where}", [session_id])
    return found


@dataclass
class Store:
    """Everything that a server stores.

    Attributes:
        now: The time, which a test moves.
    """

    home: Path
    now: datetime = NOW
    ended: list[frozenset[str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.ledger: EmbeddedLedger = open_ledger(self.home / "data" / "ledger.duckdb", lambda: self.now)
        self.spool = Spool(self.home / "spool", bytes(32))
        self.pictures = self.home / "pictures"
        self.pictures.mkdir()

    async def end(self, session_ids: frozenset[str]) -> None:
        """``SessionWork``: remembers what was to be ended."""
        self.ended.append(session_ids)

    def fill(
        self,
        name: str,
        client: str = "app",
        subject: str = "",
        *,
        state: SessionState = SessionState.COMPLETED,
        flow: FlowDefinition = FLOWS.default,
    ) -> str:
        """Store one row of everything for a session, each with the mark of its name; returns the session's id."""
        row = replace(
            makers.session(client_id=client),
            variant=mark_of(f"{name}-variant"),
            subject_hash=subject,
            state=state,
            flow=flow.name,
            flow_version=flow.version,
        )
        self.ledger.write_now(lambda cursor: self._fill(cursor, row, name))
        return row.id

    def _fill(self, cursor: Cursor, row: SessionRow, name: str) -> None:
        stored = fill_rows(cursor, row, name)
        self.spool.put(stored.spool_id, [b"content"])
        with_log = self.spool.open_log(stored.stream_id)
        with_log.append(b"audio")
        with_log.close()
        (self.pictures / f"{stored.job_id}.jpg").write_bytes(mark_of(f"{name}-picture").encode())

    def marks(self, name: str) -> set[str]:
        """The marks of a session that are in any file."""
        wanted = {
            mark_of(f"{name}{part}") for part in ("", "-variant", "-event", "-tag", "-sealed", "-picture", "-candidate")
        }
        everything = b"\n".join(file.read_bytes() for file in self.home.rglob("*") if file.is_file())
        return {mark for mark in wanted if mark.encode() in everything}

    def rows(self, session_id: str) -> dict[str, int]:
        """Rows of a session by table, for all tables that can have some."""
        return asyncio.run(self.ledger.read(lambda cursor: rows_of(cursor, session_id)))

    def spooled(self) -> int:
        """Files in the spool."""
        return len(self.spool.ids()) + len(self.spool.log_ids())
