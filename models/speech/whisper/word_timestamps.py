"""Words with times and confidences, from tokens."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

from models.speech.types import Word
from models.text import RawText, RecognizedWord

TimedTokens = tuple[tuple[int, float, float, float], ...]
"""(token, start in seconds, end in seconds, probability), in order."""

_INCOMPLETE = "\N{REPLACEMENT CHARACTER}"


class _Character(NamedTuple):
    """What one token adds to a text, or several that make one character."""

    text: str
    start_s: float
    end_s: float
    probability: float


class TokenTextDecoder(Protocol):
    """Gives the text of tokens."""

    def decode(self, ids: list[int], *, skip_special_tokens: bool = True) -> str:
        """Text of these tokens together."""
        ...


def group_words(tokens: TimedTokens, decoder: TokenTextDecoder) -> tuple[Word, ...]:
    """Join tokens to words. A word begins with a space; punctuation belongs to the word before it.

    In scripts without spaces a "word" is about one character, as in openai-whisper.
    """
    words = [
        Word(
            RawText("".join(c.text for c in word).strip()),
            word[0].start_s,
            word[-1].end_s,
            min(c.probability for c in word),
        )
        for word in _grouped(tokens, decoder)
    ]
    return tuple(w for w in words if len(w.text))


def rate_words(
    tokens: Sequence[int], probabilities: Sequence[float], decoder: TokenTextDecoder, text: str
) -> tuple[RecognizedWord, ...]:
    """The confidences of the words of a text: the product of the probabilities of their letters and digits.

    Found in docs/evaluation/constants, "word-confidence".

    Args:
        tokens: Of the text, without special ones.
        probabilities: One for each token.
        decoder: Gives the text of the tokens.
        text: The text of all tokens, without white space at its ends.

    Returns:
        The words with their punctuation; none if the tokens one by one do not make the text.
    """
    untimed = tuple((token, 0.0, 0.0, p) for token, p in zip(tokens, probabilities, strict=True))
    words = [("".join(c.text for c in word), _joint_probability(word)) for word in _grouped(untimed, decoder)]
    whole = "".join(written for written, _ in words)
    if whole.strip() != text:
        return ()
    rated, at = list[RecognizedWord](), len(whole.lstrip()) - len(whole)
    for written, confidence in words:
        start = at + len(written) - len(written.lstrip())
        at += len(written)
        if written.strip():
            rated.append(RecognizedWord(start, start + len(written.strip()), confidence))
    return tuple(rated)


def _joint_probability(word: Sequence[_Character]) -> float:
    """Punctuation does not count: the engine is never sure of it."""
    return min(1.0, math.prod(c.probability for c in word if any(map(str.isalnum, c.text))))


def _grouped(tokens: TimedTokens, decoder: TokenTextDecoder) -> Iterator[list[_Character]]:
    """The characters of each word."""
    word: list[_Character] = []
    for character in _characters(tokens, decoder):
        text = character.text
        if word and (text.startswith(" ") or (_spaceless(text) and any(c.isalnum() for c in text))):
            yield word
            word = []
        word.append(character)
    if word:
        yield word


def _characters(tokens: TimedTokens, decoder: TokenTextDecoder) -> Iterator[_Character]:
    """Join tokens until they make whole characters: a character of three bytes may be three tokens."""
    waiting: list[tuple[int, float, float, float]] = []
    for token in tokens:
        waiting.append(token)
        text = decoder.decode([t[0] for t in waiting])
        if not text.endswith(_INCOMPLETE):
            yield _Character(text, waiting[0][1], token[2], min(t[3] for t in waiting))
            waiting = []


def _spaceless(text: str) -> bool:
    """Whether the text has letters of Chinese, Japanese, Thai, Lao, Burmese or Khmer, which have no spaces."""
    return any(
        "\u0e00" <= c <= "\u0eff" or "\u1000" <= c <= "\u109f" or "\u1780" <= c <= "\u17ff" or "\u3040" <= c <= "\u9fff"
        for c in text
    )
