"""Gives the tags of a redacted text the words that another text of the same speech has in their place."""

from __future__ import annotations

import re
from difflib import SequenceMatcher

_PIECE = re.compile(r"\[REDACTED_[A-Z][A-Z0-9_]*\]|[\w\u0900-\u0963\u0970-\u097f]+")
_UNKNOWN = "—"
"""Stands for a tag for which the other text has nothing."""


def restored(redacted: str, heard: str) -> tuple[str, list[tuple[int, int]]]:
    """The redacted text with words in place of its tags, and the spans of these words.

    Words that stand in the redacted text are never hidden, whatever the other text has. Of words that only the other
    text has, those beside a tag go to it; several tags without a word between them in common share them as one.

    Args:
        redacted: A text with tags.
        heard: The same speech, heard once more, without tags.
    """
    pieces = list(_PIECE.finditer(redacted))
    words = list(_PIECE.finditer(heard))
    left = [piece.group().lower() for piece in pieces]
    right = [word.group().lower() for word in words]
    text, at = "", 0
    hidden: list[tuple[int, int]] = []
    for kind, i, j, k, m in SequenceMatcher(None, left, right, autojunk=False).get_opcodes():
        if kind == "insert":
            continue
        content = heard[words[k].start() : words[m - 1].end()] if m > k else _UNKNOWN
        for piece in pieces[i:j]:
            if not piece.group().startswith("["):
                continue
            text += redacted[at : piece.start()]
            hidden.append((len(text), len(text) + len(content)))
            text, at, content = text + content, piece.end(), _UNKNOWN
    return text + redacted[at:], hidden
