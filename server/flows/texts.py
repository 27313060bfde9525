"""Texts of a flow, in the languages of the people whom it asks."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field, StringConstraints

LONGEST_TEXT: Final = 500

OneText = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_TEXT, strip_whitespace=True)]
Language = Annotated[str, StringConstraints(pattern=r"^[a-z]{2}$")]
"""ISO 639-1 code."""

Text = Annotated[
    OneText | dict[Language, OneText],
    Field(description="One text in the first language of the flow, or one for each language: {en: ..., de: ...}."),
]

Words = Annotated[
    list[OneText] | dict[Language, list[OneText]],
    Field(description="Words in the first language of the flow, or a list for each language."),
]


def text_in(text: Text, language: str) -> str:
    """The text in a language; in the first that there is where that one is missing.

    Args:
        text: As the flow has it.
        language: ISO 639-1 code; a region is ignored.
    """
    if isinstance(text, str):
        return text
    return text.get(base_language(language)) or next(iter(text.values()))


def words_in(words: Words, language: str) -> list[str]:
    """The words in a language; those of all languages where that one is missing."""
    if isinstance(words, list):
        return list(words)
    own = words.get(base_language(language))
    return list(own) if own is not None else [word for each in words.values() for word in each]


def base_language(language: str) -> str:
    """The ISO 639-1 code of a language that may have a region, such as ``pt-BR``."""
    return language.replace("_", "-").split("-")[0].lower()
