"""Token pooling: which tokens each word has, and their combined scores and states."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.redaction.ner.encoder import Floats
from models.redaction.normalize.words import WORD


@dataclass(frozen=True, slots=True)
class PooledWords:
    """The words of one text with the pooled values of their tokens.

    Attributes:
        spans: Of the words, in order.
        probabilities: The highest of the tokens of each word, shape (words, labels).
        states: The mean of its tokens' projected states, shape (words, width).
    """

    spans: list[tuple[int, int]]
    probabilities: Floats
    states: Floats


@dataclass(frozen=True, slots=True)
class TokenizedWords:
    """The words of a text, and the tokens of each: first and one past the last, word after word in one array.

    Words share a token when the tokenizer takes them for one, as around an unknown symbol: "a\u2603b".
    """

    spans: list[tuple[int, int]]
    edges: npt.NDArray[np.intp]

    def pool(self, probabilities: Floats, states: Floats) -> PooledWords:
        """From the rows of tokens to the rows of words."""
        if not self.spans:
            return PooledWords([], probabilities[:0], states[:0])
        return PooledWords(self.spans, self.highest(probabilities), self.means(states))

    def highest(self, rows: Floats) -> Floats:
        """The highest of the rows of each word's tokens, shape (words, columns). There is a word."""
        # reduceat takes [cut, next cut) for every cut; what lies between words is dropped. A row is added, since no cut
        # may lie at the end, where several words end that share the last token.
        highest: Floats = np.maximum.reduceat(_one_longer(rows), self.edges, axis=0)[::2]
        return highest

    def means(self, states: Floats) -> Floats:
        """The mean of the rows of each word's tokens, shape (words, width)."""
        if not self.spans:
            return states[:0]
        first, counts = self.edges[::2], self.edges[1::2] - self.edges[::2]
        sums: Floats = states[first]
        added = 1
        while (longer := np.flatnonzero(counts > added)).size:  # few words have many tokens
            sums[longer] += states[first[longer] + added]
            added += 1
        sums /= counts[:, None].astype(np.float32)
        return sums


def _one_longer(rows: Floats) -> Floats:
    return np.concatenate([rows, np.zeros_like(rows[:1])])


def words_of(text: str, offsets: list[tuple[int, int]], word: re.Pattern[str] = WORD) -> TokenizedWords:
    """Assign tokens to words. A word without a token is left out.

    Args:
        text: That was split into tokens.
        offsets: Start and end of each token.
        word: Matches a word.
    """
    words, edges = [], []
    token, count = 0, len(offsets)
    for match in word.finditer(text):
        start, end = match.span()
        while token < count and offsets[token][1] <= start:
            token += 1
        last = token
        while last < count and offsets[last][0] < end:
            last += 1
        if last > token:
            words.append((start, end))
            edges += [token, last]
    return TokenizedWords(words, np.array(edges, dtype=np.intp))
