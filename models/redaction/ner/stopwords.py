"""Stop words: words in German, Spanish, French and Hindi that the classifier takes for names.

They are about houses, meters, deliveries, visits and complaints. Must NOT be listed: what is a surname or a given name
too ("Keller", "Cuesta", "Fontaine", "Robin", "Caldera", "Pilar").
"""

from __future__ import annotations

import re
from typing import Final

from models.redaction.lexicons.loader import languages, word_lists, words
from models.redaction.ner.suffixes import ends_like_no_name
from models.redaction.normalize.transliterate import transliterate_word
from models.redaction.normalize.view import TextView

_SUBJECT: Final = "stopwords"
_ALL: Final = {language: words(language, _SUBJECT) for language in languages(_SUBJECT)}
_LOWERCASE: Final = {language: words(language, _SUBJECT, "lowercase") for language in languages(_SUBJECT)}
_LATIN_HINDI: Final = _ALL["hi"] | frozenset(map(transliterate_word, word_lists("hi", _SUBJECT)["loans"]))
"""Hindi stop words with the loan words in Latin letters, as the classifier reads them."""

_NONE: Final[frozenset[str]] = frozenset()


def is_stop_word(view: TextView, start: int, end: int, language: str, *, cased: bool = False) -> bool:
    """Whether the word at [start, end) of a text in this language is a stop word, which is nobody's name.

    Args:
        view: The text.
        start: Of the word.
        end: Of the word.
        language: ISO 639-1.
        cased: Whether the writer uses capitals.
    """
    listed = _LATIN_HINDI if language == "hi" or view.kind == "transliterated" else _ALL.get(language, _NONE)
    word = view.lower[start:end]
    small = cased and view.text[start:end] == word
    if word in listed or ends_like_no_name(word, language, small=small):
        return True
    return small and word in _LOWERCASE.get(language, _NONE)


def uses_capitals(view: TextView, language: str) -> bool:
    """Whether the writer uses capitals, so that lower case is evidence against a name.

    In German, capitalized nouns show it. In other languages only the first word can, and phone keyboards capitalize it
    by themselves.
    """
    if language == "de":
        return _NOUN.search(view.text) is not None
    return view.text[:1].isupper() or _NOUN.search(view.text) is not None


_NOUN = re.compile(r"[^\W\d_],? [A-ZÄÖÜÀÉÈÊÍÓÚ][a-zà-ÿ]")
