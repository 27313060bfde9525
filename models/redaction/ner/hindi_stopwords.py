"""Plain Hindi words that are missing from the list of common words: numbers, house, work, food, weather, verb forms.

They are looked up by their sound (see ``gazetteer``), so one spelling of each is enough.
"""

from __future__ import annotations

from typing import Final

from models.redaction.lexicons.loader import word_lists

_LISTS: Final = word_lists("hi", "common_words")

HINDI_STOP_WORDS: Final = tuple(
    dict.fromkeys((*_LISTS["words"], *(stem + ending for stem in _LISTS["verbs"] for ending in _LISTS["endings"])))
)
