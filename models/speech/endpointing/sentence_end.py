"""Whether a transcript ends with a whole sentence."""

from __future__ import annotations

import re

from models.text import RawText

_ENDED = re.compile(r"(?<![.…])[.!?。।؟][\"'”\u2019)\]]*$")
"""A single mark that ends a sentence. Whisper writes "..." or "-" where a speaker trails off."""


MIN_WORDS = 3
"""Shorter sentences, such as "Hello." and "Yes.", are mostly followed by another one at once."""


def ends_sentence(text: RawText) -> bool:
    """Whether the text ends with a sentence of ``MIN_WORDS`` or more, judged by its punctuation."""
    said = text.reveal().rstrip()
    return len(said.split()) >= MIN_WORDS and _ENDED.search(said) is not None
