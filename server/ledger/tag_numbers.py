"""Numbers of tags: the same value has the same number within a session (``models.numbered_tags``).

Workers hold no state of a session, so they give the hash of a value, and the number is given here, in the transaction
that stores the text. Only one such transaction of a session runs at a time, so no two values get the same number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from models.numbered_tags import Numbers, TagNumbers
from models.text import RedactedText
from server.ledger.columns import Cursor, fetch_all, insert
from server.ledger.dialects import hold
from server.ledger.types import TurnRow


def known(cursor: Cursor, session_id: str) -> Numbers:
    """The numbers that a session has so far."""
    rows = fetch_all(cursor, "SELECT type, hash, number FROM tag_numbers WHERE session_id = ?", [session_id])
    return {(row["type"], row["hash"]): row["number"] for row in rows}


def numbered(cursor: Cursor, session_id: str, texts: Sequence[RedactedText]) -> list[RedactedText]:
    """The texts of a session with numbers in their tags. New values get the next numbers, in order of appearance."""
    if not any(text.identities for text in texts):
        return list(texts)
    hold(cursor, "tag_numbers", session_id)
    numbers = TagNumbers(known(cursor, session_id))
    written = [text.with_numbers(numbers) for text in texts]
    for (label, key), number in numbers.new.items():
        insert(cursor, "tag_numbers", {"session_id": session_id, "type": label, "hash": key, "number": number})
    return written


def numbered_turn(cursor: Cursor, turn: TurnRow) -> TurnRow:
    """A turn with numbers in its text and its words."""
    text, *words = numbered(cursor, turn.session_id, [turn.text, *(word.text for word in turn.words)])
    timed = zip(turn.words, words, strict=True)
    return replace(turn, text=text, words=tuple(replace(word, text=shown) for word, shown in timed))
