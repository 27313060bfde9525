"""Whether what was said so far can be all of it."""

from __future__ import annotations

import re

from models.text import RawText

_ENDED = re.compile(r"(?<![.…])[.!?。।؟][\"'”\u2019)\]]*$")
"""One mark that ends a sentence. Whisper writes "..." and "-" where somebody trails off, a comma where more comes."""


def ends_sentence(text: RawText) -> bool:
    """Whether the text ends with a whole sentence, as far as its punctuation tells."""
    return _ENDED.search(text.reveal().rstrip()) is not None
