"""All texts of the ledger that came from a person or a model, to be redacted again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from models.text import RedactedText
from server.ledger import answers, recommendations, sessions, turns, uploads
from server.ledger.columns import Cursor, count, fetch_all, stored_time, text_columns, update
from server.ledger.event_properties import PropertyValue, properties_columns, properties_of
from server.ledger.picture_labels import PictureLabel
from server.ledger.reviews_decisions import CommentRow, comments_of_session
from server.ledger.types import RecommendationRow, SessionRow, TurnRow, UploadRow

_FIRST = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class SessionTexts:
    """Everything of one session that holds text, oldest first."""

    session: SessionRow
    turns: list[TurnRow]
    uploads: list[UploadRow]
    records: list[RecommendationRow]
    comments: list[CommentRow] = field(default_factory=list)
    answers: list[tuple[str, RedactedText]] = field(default_factory=list)
    answer_times: list[datetime] = field(default_factory=list)

    @property
    def newest(self) -> datetime:
        """When the newest text was stored."""
        turned, read = [row.create_time for row in self.turns], [row.update_time for row in self.uploads]
        written = [row.time for row in self.comments]
        recorded = [row.create_time for row in self.records]
        return max([self.session.create_time, *turned, *read, *written, *recorded, *self.answer_times])


@dataclass(frozen=True, slots=True)
class EventTexts:
    """The name and the properties of an event that an app recorded, and the language of its session, if it is known."""

    id: str
    session_id: str
    client_id: str
    name: str
    properties: Mapping[str, PropertyValue]
    language: str = ""


def session_ids(cursor: Cursor) -> list[str]:
    """Ids of all sessions, oldest first."""
    return [row["id"] for row in fetch_all(cursor, "SELECT id FROM sessions ORDER BY create_time, id")]


def number_of_app_events(cursor: Cursor, since: datetime | None) -> int:
    """How many events ``app_events`` lists in all."""
    sql = "SELECT count(*) FROM events WHERE device_time IS NOT NULL AND server_time > ?"
    return count(cursor, sql, [stored_time(since or _FIRST)])


def of_session(cursor: Cursor, session_id: str) -> SessionTexts:
    """The texts of a session, turns with their words. The session has its language also where that was detected.

    Raises:
        NotFound: SESSION_NOT_FOUND.
    """
    session = sessions.get(cursor, session_id)
    return SessionTexts(
        replace(session, language=sessions.language_of(cursor, session)),
        turns.with_words(cursor, turns.list_of_session(cursor, session_id)),
        [row for row in uploads.list_of_session(cursor, session_id) if row.text or row.display_name or row.labels],
        recommendations.list_of_session(cursor, session_id),
        [row for row in comments_of_session(cursor, session_id) if row.text],
        answers.texts_of_session(cursor, session_id),
        [row.create_time for row in answers.list_of_session(cursor, session_id) if row.create_time is not None],
    )


def app_events(cursor: Cursor, after_id: str, since: datetime | None, limit: int) -> list[EventTexts]:
    """Events of apps that came after a time, in the order of their ids after an id. The server's own hold no text."""
    rows = fetch_all(
        cursor,
        """SELECT id, session_id, client_id, name, properties, properties_meta FROM events
        WHERE device_time IS NOT NULL AND id > ? AND server_time > ? ORDER BY id LIMIT ?""",
        [after_id, stored_time(since or _FIRST), limit],
    )
    languages = sessions.languages_of(cursor, list({row["session_id"] for row in rows}))
    return [
        EventTexts(
            row["id"],
            row["session_id"],
            row["client_id"],
            row["name"],
            properties_of(row),
            languages.get(row["session_id"], ""),
        )
        for row in rows
    ]


def replace_upload_text(cursor: Cursor, upload_id: str, text: RedactedText) -> None:
    """Store the text of an upload anew."""
    update(cursor, "uploads", upload_id, text_columns("text", text))


def replace_upload_name(cursor: Cursor, upload_id: str, name: RedactedText) -> None:
    """Store the display name of an upload anew."""
    update(cursor, "uploads", upload_id, text_columns("display_name", name))


def replace_labels(cursor: Cursor, upload_id: str, labels: Sequence[PictureLabel]) -> None:
    """Store the labels of a picture anew."""
    uploads.set_labels(cursor, upload_id, uploads.get(cursor, upload_id).update_time, labels)


def replace_comment(cursor: Cursor, comment_id: str, text: RedactedText) -> None:
    """Store the text of a comment anew."""
    update(cursor, "review_comments", comment_id, text_columns("text", text))


def replace_record(cursor: Cursor, recommendation_id: str, record: RedactedText, content_hash: str) -> None:
    """Store a record anew, with the hash of what is shown from now on."""
    update(
        cursor, "recommendations", recommendation_id, {**text_columns("record", record), "content_hash": content_hash}
    )


def replace_answer(cursor: Cursor, row_id: str, text: RedactedText) -> None:
    """Store a value of a field anew."""
    answers.replace_text(cursor, row_id, text)


def replace_events(cursor: Cursor, changed: Sequence[EventTexts]) -> None:
    """Store names and properties of events anew."""
    for event in changed:
        update(cursor, "events", event.id, {"name": event.name, **properties_columns(event.properties)})
