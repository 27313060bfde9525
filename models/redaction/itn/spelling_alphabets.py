"""Words that stand for letters in spelling: the telephone alphabet, and what recognition makes of letters."""

from __future__ import annotations

from typing import Final

from models.redaction.lexicons.loader import word_lists, word_tables

PHONETIC: Final = {word: word[0] for word in word_lists("en", "spelling")["phonetic"]}
"""Understood in every language; they count only in a run of such words, or after "as in" and "for"."""

LETTER_SOUNDS: Final = {
    word: letter for letter, entries in word_tables("en", "spoken")["letter_sounds"].items() for word in entries
}
"""What recognition writes for a letter. A word counts only after sure letters and before more of them."""
