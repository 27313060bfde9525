"""Words with times, from tokens with times."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from models.speech.types import Word
from models.text import RawText

TimedTokens = tuple[tuple[int, float, float, float], ...]
"""(token, start in seconds, end in seconds, probability), in order."""

_INCOMPLETE = "\N{REPLACEMENT CHARACTER}"


class TokenTextDecoder(Protocol):
    """Gives the text of tokens."""

    def decode(self, ids: list[int], *, skip_special_tokens: bool = True) -> str:
        """Text of these tokens together."""
        ...


def group_words(tokens: TimedTokens, decoder: TokenTextDecoder) -> tuple[Word, ...]:
    """Join tokens to words. A word begins with a space; punctuation belongs to the word before it.

    In scripts without spaces a "word" is about one character, as in openai-whisper.
    """
    words: list[Word] = []
    for text, start_s, end_s, probability in _characters(tokens, decoder):
        begins = not words or text.startswith(" ") or (_spaceless(text) and any(c.isalnum() for c in text))
        if begins:
            words.append(Word(RawText(text.strip()), start_s, end_s, probability))
        else:
            before = words[-1]
            joined = RawText(before.text.reveal() + text)
            words[-1] = Word(joined, before.start_s, end_s, min(before.confidence, probability))
    return tuple(w for w in words if len(w.text))


def _characters(tokens: TimedTokens, decoder: TokenTextDecoder) -> Iterator[tuple[str, float, float, float]]:
    """Join tokens until they make whole characters: a character of three bytes may be three tokens."""
    waiting: list[tuple[int, float, float, float]] = []
    for token in tokens:
        waiting.append(token)
        text = decoder.decode([t[0] for t in waiting])
        if not text.endswith(_INCOMPLETE):
            yield text, waiting[0][1], token[2], min(t[3] for t in waiting)
            waiting = []


def _spaceless(text: str) -> bool:
    """Whether the text has letters of Chinese, Japanese, Thai, Lao, Burmese or Khmer, which have no spaces."""
    return any(
        "\u0e00" <= c <= "\u0eff" or "\u1000" <= c <= "\u109f" or "\u1780" <= c <= "\u17ff" or "\u3040" <= c <= "\u9fff"
        for c in text
    )
