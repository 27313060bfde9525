"""Turns: what was said or typed, and what was answered."""

from __future__ import annotations

import json
from dataclasses import replace

from models.errors import NotFound
from models.reasons import Reason
from models.speech.types import RedactedWord
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
    text_of,
    text_or_none,
    update,
)
from server.ledger.dialects import hold
from server.ledger.page_token import page_token_after, read_page_token
from server.ledger.types import Origin, TurnRow


def insert_turn(cursor: Cursor, row: TurnRow) -> bool:
    """Store a turn and count it in its session; the same utterance of a stream is stored once.

    Returns:
        Whether it is new.
    """
    hold(cursor, "stream", row.stream_id)
    if find_utterance(cursor, row.stream_id, row.utterance) is not None:
        return False
    insert(
        cursor,
        "turns",
        {
            "id": row.id,
            "session_id": row.session_id,
            "stream_id": row.stream_id,
            "utterance": row.utterance,
            "source": row.source,
            **text_columns("text", row.text),
            "create_time": stored_time(row.create_time),
            "confidence": row.confidence,
            "language": row.language,
            "start_s": row.start_s,
            "end_s": row.end_s,
            "compute_s": row.compute_s,
            **text_columns("reply", row.reply),
            "reply_origin": row.reply_origin,
            "reply_cut": row.reply_cut,
            "asked_field": row.asked_field,
        },
    )
    if row.words:
        insert(cursor, "turn_words", {"turn_id": row.id, "words": _stored_words(row)})
    count(
        cursor,
        "UPDATE sessions SET turn_count = turn_count + 1, update_time = greatest(update_time, ?) WHERE id = ?",
        [stored_time(row.create_time), row.session_id],
    )
    return True


def get(cursor: Cursor, turn_id: str) -> TurnRow:
    """Find a turn.

    Raises:
        NotFound: TURN_NOT_FOUND.
    """
    turn = find(cursor, turn_id)
    if turn is None:
        raise NotFound("There is no such turn.", reason=Reason.TURN_NOT_FOUND)
    return turn


def find_utterance(cursor: Cursor, stream_id: str, utterance: int) -> TurnRow | None:
    """The turn that an utterance of a stream became."""
    rows = fetch_all(cursor, "SELECT * FROM turns WHERE stream_id = ?", [stream_id])
    return next((_turn(row) for row in rows if row["utterance"] == utterance), None)


def find(cursor: Cursor, turn_id: str) -> TurnRow | None:
    """A turn, if it is there."""
    row = fetch_one(cursor, "SELECT * FROM turns WHERE id = ?", [turn_id])
    return None if row is None else _turn(row)


def list_of_stream(cursor: Cursor, stream_id: str, from_utterance: int) -> list[TurnRow]:
    """Turns of a stream from an utterance on, in order, with their words."""
    rows = fetch_all(cursor, "SELECT * FROM turns WHERE stream_id = ?", [stream_id])
    wanted = [_turn(row) for row in rows if row["utterance"] >= from_utterance]
    return sorted(with_words(cursor, wanted), key=lambda turn: turn.utterance)


def with_words(cursor: Cursor, turns: list[TurnRow]) -> list[TurnRow]:
    """The same turns, each with the words that are stored of it; one query for all."""
    if not turns:
        return []
    rows = fetch_all(
        cursor,
        "SELECT turn_id, words FROM turn_words WHERE turn_id IN (SELECT unnest(?::VARCHAR[]))",
        [[turn.id for turn in turns]],
    )
    stored = {row["turn_id"]: row["words"] for row in rows}
    return [replace(turn, words=_words(turn, stored[turn.id])) if turn.id in stored else turn for turn in turns]


def _words(turn: TurnRow, stored: str) -> tuple[RedactedWord, ...]:
    return tuple(
        RedactedWord(RedactedText.restore(value, {}, safe_for_llm=turn.text.safe_for_llm), start_s, end_s, confidence)
        for value, start_s, end_s, confidence in json.loads(stored)
    )


def _stored_words(turn: TurnRow) -> str:
    return json.dumps([(w.text.value, w.start_s, w.end_s, w.confidence) for w in turn.words], ensure_ascii=False)


def replace_texts(cursor: Cursor, turn: TurnRow) -> None:
    """Store the text, the words and the reply of a turn anew."""
    update(cursor, "turns", turn.id, {**text_columns("text", turn.text), **text_columns("reply", turn.reply)})
    if turn.words:
        count(cursor, "UPDATE turn_words SET words = ? WHERE turn_id = ?", [_stored_words(turn), turn.id])


def set_reply(
    cursor: Cursor, turn_id: str, reply: RedactedText | None, origin: Origin | None, cut: str = ""
) -> TurnRow:
    """Store the assistant's answer, with numbers in its tags; a better one replaces an earlier one.

    Args:
        cursor: Within a transaction of the writer.
        turn_id: UUID of the turn.
        reply: What was sent; None for nothing.
        origin: Who wrote it; None where nothing was written.
        cut: Stable reason why it is not whole; empty if it is.

    Raises:
        NotFound: TURN_NOT_FOUND.
    """
    if reply is not None:
        [reply] = tag_numbers.numbered(cursor, get(cursor, turn_id).session_id, [reply])
    update(cursor, "turns", turn_id, {**text_columns("reply", reply), "reply_origin": origin, "reply_cut": cut})
    return get(cursor, turn_id)


def list_of_session(cursor: Cursor, session_id: str) -> list[TurnRow]:
    """Turns of a session, oldest first."""
    rows = fetch_all(
        cursor, "SELECT * FROM turns WHERE session_id = ? ORDER BY create_time, utterance, id", [session_id]
    )
    return [_turn(row) for row in rows]


def page_of_session(cursor: Cursor, session_id: str, page_size: int, token: str = "") -> tuple[list[TurnRow], str]:
    """The newest turns of a session, oldest first.

    Args:
        cursor: Of a read.
        session_id: The session.
        page_size: At most this many.
        token: What the page before gave, for older ones; empty for the newest.

    Returns:
        The turns, and the token of the page of older ones; empty if there are none.

    Raises:
        InvalidInput: PAGE_TOKEN_INVALID.
    """
    at, before = read_page_token(token)
    rows = fetch_all(
        cursor,
        """SELECT * FROM turns WHERE session_id = $session
            AND ($at::TIMESTAMP IS NULL OR create_time < $at OR (create_time = $at AND id < $before))
        ORDER BY create_time DESC, id DESC LIMIT $most""",
        {"session": session_id, "at": at, "before": before, "most": page_size + 1},
    )
    found = [_turn(row) for row in rows[:page_size]]
    older = page_token_after(found[-1].create_time, found[-1].id) if len(rows) > page_size else ""
    return found[::-1], older


def _turn(row: Row) -> TurnRow:
    return TurnRow(
        id=row["id"],
        session_id=row["session_id"],
        stream_id=row["stream_id"],
        utterance=row["utterance"],
        source=row["source"],
        text=text_of(row, "text"),
        create_time=aware(row["create_time"]),
        confidence=row["confidence"],
        language=row["language"],
        start_s=row["start_s"],
        end_s=row["end_s"],
        compute_s=row["compute_s"],
        reply=text_or_none(row, "reply"),
        reply_origin=Origin(row["reply_origin"]) if row["reply_origin"] else None,
        reply_cut=row["reply_cut"] or "",
        asked_field=row["asked_field"] or "",
    )
