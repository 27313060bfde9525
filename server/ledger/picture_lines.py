"""Where the lines of print of a picture lie, so that a page can show the place of a value.

Places alone are stored. The text of the lines stands with the upload, one line of text for each row of print and
`` | `` between its pieces; so what is redacted there later is redacted here, too. A text that no longer has the rows
that were stored gives no place.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from models.text import RedactedText
from models.vision.types import Box, RedactedPage
from server.ledger.columns import Cursor, fetch_all, insert
from server.ledger.types import UploadRow

_PIECES: Final = " | "
_DIGITS: Final = 4
_NUMBER: Final = re.compile(r"0*(\d+)(?:[.,](\d+))?\Z")


@dataclass(frozen=True, slots=True)
class PictureBox:
    """A place in a picture: left, top, width and height as shares of its width and height, 0 to 1."""

    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class PictureLine:
    """A piece of print and its place."""

    text: str
    box: PictureBox


Rows = list[list[PictureBox]]
"""For each row of print the places of its pieces."""


def rows_of(page: RedactedPage) -> Rows:
    """The places of all lines, in the rows of the page's text; empty if they do not fit together."""
    left, rows = list(page.lines), Rows()
    for text in page.text.value.split("\n"):
        row: list[PictureBox] = []
        read: list[str] = []
        while left and _PIECES.join(read) != text:
            line = left.pop(0)
            if line.text.value:
                row.append(_box(line.box, page.width, page.height))
                read.append(line.text.value)
        if _PIECES.join(read) != text:
            return []
        rows.append(row)
    return rows


def put(cursor: Cursor, upload_id: str, session_id: str, rows: Rows) -> None:
    """Store the places of the lines of an upload, in place of those of an earlier attempt; empty ones are not kept."""
    cursor.execute("DELETE FROM picture_lines WHERE upload_id = ?", [upload_id])
    if rows:
        stored = [[[box.left, box.top, box.width, box.height] for box in row] for row in rows]
        insert(cursor, "picture_lines", {"upload_id": upload_id, "session_id": session_id, "rows": json.dumps(stored)})


def of_uploads(cursor: Cursor, uploads: Collection[UploadRow]) -> dict[str, list[PictureLine]]:
    """The lines of pictures with their texts, by the id of the upload."""
    rows = fetch_all(
        cursor,
        "SELECT upload_id, rows FROM picture_lines WHERE upload_id IN (SELECT unnest(?::VARCHAR[]))",
        [[row.id for row in uploads]],
    )
    stored = {
        row["upload_id"]: [[PictureBox(*box) for box in boxes] for boxes in json.loads(row["rows"])] for row in rows
    }
    return {
        row.id: lines_of(row.text.value, stored[row.id]) for row in uploads if row.id in stored and row.text is not None
    }


def lines_of(text: str, rows: Rows) -> list[PictureLine]:
    """The pieces of a text with their places; a row whose pieces do not fit its places is one piece.

    Empty if the text has another number of rows.
    """
    texts = text.split("\n")
    if len(texts) != len(rows):
        return []
    lines: list[PictureLine] = []
    for line, boxes in zip(texts, rows, strict=True):
        pieces = line.split(_PIECES)
        if len(pieces) == len(boxes):
            lines += map(PictureLine, pieces, boxes)
        elif boxes:
            lines.append(PictureLine(line, _around(boxes)))
    return lines


def locate(value: str, lines: Sequence[PictureLine]) -> PictureLine | None:
    """The line that a value was read in: one that equals it, or else the shortest that has it as whole words.

    Case, spaces, raised digits, and the leading zeros and the decimal mark of a number do not count.
    """
    wanted = _normal(value)
    if not wanted:
        return None
    found = [line for line in lines if _has(_normal(line.text), wanted)]
    if not found and (number := _number(value)):
        found = [line for line in lines if number in map(_number, re.findall(r"\d+(?:[.,]\d+)?", line.text))]
    return min(found, key=lambda line: len(line.text), default=None)


def text_of_line(upload: UploadRow, line: PictureLine) -> RedactedText:
    """The text of a line of an upload, as redacted text."""
    assert upload.text is not None
    return RedactedText.restore(line.text, {}, safe_for_llm=upload.text.safe_for_llm)


def _has(text: str, words: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(words)}(?!\w)", text) is not None


def _normal(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def _number(text: str) -> tuple[str, str] | None:
    match = _NUMBER.match(text.strip())
    return (match[1], (match[2] or "").rstrip("0")) if match else None


def _box(corners: Box, width: int, height: int) -> PictureBox:
    """The upright rectangle around four corners, within the picture."""
    xs = [min(max(x / max(width, 1), 0.0), 1.0) for x, _ in corners]
    ys = [min(max(y / max(height, 1), 0.0), 1.0) for _, y in corners]
    sides = (min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys))
    return PictureBox(*(round(side, _DIGITS) for side in sides))


def _around(boxes: Sequence[PictureBox]) -> PictureBox:
    left, top = min(box.left for box in boxes), min(box.top for box in boxes)
    right, bottom = max(box.left + box.width for box in boxes), max(box.top + box.height for box in boxes)
    return PictureBox(left, top, round(right - left, _DIGITS), round(bottom - top, _DIGITS))
