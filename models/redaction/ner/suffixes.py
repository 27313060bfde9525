"""Endings of German, Spanish and French words that hardly any surname has.

Each was checked against the list of a million people: an ending is listed if hardly any name has it; the exceptions are
named. Participles are not here: "casado", "esmée" and "gebert" are names. Must NOT be listed: -stand (Hiestand), -uhr
(Niebuhr), -keit, -eur, -ado and the like, but for words in small letters in a text that has capitals.
"""

from __future__ import annotations

import re
from typing import Final

from models.redaction.lexicons.loader import ANY, languages, word_lists, words

_SUBJECT: Final = "endings"
_ALL, _LOWERCASE = (
    {language: re.compile("|".join(word_lists(language, _SUBJECT)[name])) for language in languages(_SUBJECT)}
    for name in ("all", "lowercase")
)
_NAMES: Final = words(ANY, "names_like_words")


def ends_like_no_name(word: str, language: str, *, small: bool) -> bool:
    """Whether a word has an ending that names do not have.

    Args:
        word: The word in lower case.
        language: ISO 639-1.
        small: Whether the word is lower-case in a text whose writer uses capitals.
    """
    if word in _NAMES:
        return False
    patterns = [_ALL.get(language), _LOWERCASE.get(language) if small else None]
    return any(pattern is not None and pattern.fullmatch(word) is not None for pattern in patterns)
