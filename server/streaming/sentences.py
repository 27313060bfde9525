"""Regroups the pieces of a reply into sentences, the smallest pieces that can be redacted."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator

import regex

LONGEST_PIECE_CHARACTERS = 400
"""Text without a sentence end is cut after so many characters."""

# Unicode says which marks end a sentence (Sentence_Terminal). Most scripts that do not part words by spaces do not part
# sentences by them either. Marks in ASCII and the full stops also stand within words, numbers and addresses, so only
# white space shows that they end a sentence. Closing quotation marks and brackets stay with their sentence.
_SENTENCE_END = regex.compile(
    r"(?<=[\p{Sentence_Terminal}…])\s+"
    r"|[[\p{Sentence_Terminal}]--[\p{Sentence_Break=ATerm}\p{ASCII}]]\p{Sentence_Terminal}*"
    r"[\p{Close_Punctuation}\p{Final_Punctuation}\"']*\s*"
    r"|\n+",
    regex.VERSION1,
)


async def sentences(pieces: AsyncIterator[str]) -> AsyncGenerator[str, None]:
    """Yield sentence by sentence, each with the white space after it. The last one may not be whole."""
    waiting = ""
    async for piece in pieces:
        waiting += piece
        while cut := _first_cut(waiting):
            yield waiting[:cut]
            waiting = waiting[cut:]
    if waiting:
        yield waiting


def _first_cut(text: str) -> int:
    """Length of the first whole sentence; 0 when there is none yet."""
    found = _SENTENCE_END.search(text)
    # White space or marks at the very end may continue in the next piece.
    if found is not None and found.end() < len(text):
        return int(found.end())
    if len(text) > LONGEST_PIECE_CHARACTERS:
        space = text.rfind(" ", 0, LONGEST_PIECE_CHARACTERS)
        return space + 1 if space > 0 else LONGEST_PIECE_CHARACTERS
    return 0
