"""Whether what was said so far can be all of it."""

from __future__ import annotations

import re

from models.text import RawText

_ENDED = re.compile(r"(?<![.…])[.!?。।؟][\"'”\u2019)\]]*$")
"""One mark that ends a sentence. Whisper writes "..." and "-" where somebody trails off, a comma where more comes."""


LEAST_WORDS = 3
"""Of a sentence: "Hello." and "Yes." mostly have another one right behind them."""


def ends_sentence(text: RawText) -> bool:
    """Whether the text ends with a whole sentence, as far as its punctuation tells, and is long enough to be all."""
    said = text.reveal().rstrip()
    return len(said.split()) >= LEAST_WORDS and _ENDED.search(said) is not None
