"""Function words: pronouns, auxiliaries, conjunctions, articles and greetings, which identify nobody.

Not listed: what recognition writes for a number or a sign ("to", "for", "at"), what is a name as well ("will", "can"),
and what leads streets or surnames ("am", "auf", "rue", "de", "von").
"""

from __future__ import annotations

from functools import lru_cache

from models.redaction.lexicons.loader import words


@lru_cache(maxsize=16)
def function_words(language: str) -> frozenset[str]:
    """The function words of a language, by its ISO 639-1 code, lower case and NFC; none if it has no list."""
    return words(language, "function_words")


@lru_cache(maxsize=16)
def complete_words(language: str) -> frozenset[str]:
    """Function words that hardly any name begins with. They cannot be a name that the end of the audio cut off."""
    return words(language, "function_words", "complete")
