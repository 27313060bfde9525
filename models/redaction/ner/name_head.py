"""The name head: judges which words are part of a name.

The classifier was made for English forms, in lower case. Its hidden states know more about names than its labels say,
above all in other languages. A small network reads that out of the states and labels of a word, what the name lists of
``gazetteer`` say of it, its capitals, and the same of its neighbours. ``models.training.fit_heads`` fits it; the result
is ``name_head.npz`` beside this file.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import chain, pairwise
from pathlib import Path
from typing import Any

import numpy as np

from models.redaction.ner.encoder import Floats
from models.redaction.ner.gazetteer import COLUMNS, FIRST_FREQUENCY, LANGUAGES, Gazetteer, load_gazetteer
from models.redaction.slots.head import gelu

HEAD_FILE = Path(__file__).with_name("name_head.npz")

_SENTENCE_START = re.compile(r"(?:^|[.!?:|\n\"\u201c\u201d\u201e\u00ab\u00bb])\s*$")
_BEFORE_CHARS = 3
_LEAST_ODDS = 1e-4
_ODDS_RANGE = 9.0
_SHAPE_COLUMNS = 8
_TEXT_WORDS = 40
"""Number of words from which a text counts as long."""

_EDGE = len(COLUMNS) + _SHAPE_COLUMNS
_PROBABILITIES = 4 * _EDGE + 4
"""First column of the classifier's probabilities."""
_LANGUAGE = slice(FIRST_FREQUENCY, FIRST_FREQUENCY + len(LANGUAGES))


def feature_count(labels: int) -> int:
    """Length of the rows that ``features`` gives for a classifier with this many labels."""
    return _PROBABILITIES + 3 * labels + len(LANGUAGES) + 2


def features(text: str, words: list[tuple[int, int]], probabilities: Floats, gazetteer: Gazetteer) -> Floats:
    """The inputs of the head beside the hidden states.

    Args:
        text: The text.
        words: Spans of its words, in order, at least one.
        probabilities: Of the labels, shape (words, labels).
        gazetteer: The name lists.

    Returns:
        Shape (words, ``feature_count``).
    """
    return with_probabilities(text_features(text, words, gazetteer, probabilities.shape[1]), probabilities)


def text_features(text: str, words: list[tuple[int, int]], gazetteer: Gazetteer, labels: int) -> Floats:
    """The part of ``features`` that needs no classifier; the columns of the probabilities stay zero."""
    spelled = [text[start:end] for start, end in words]
    shapes = [_shape(text[start:end], text[max(0, start - _BEFORE_CHARS) : start]) for start, end in words]
    rows = np.zeros((len(words), feature_count(labels)), dtype=np.float32)
    own = rows[:, :_EDGE]
    own[:, : len(COLUMNS)] = gazetteer.look_up(spelled)
    own[:, len(COLUMNS) :] = np.array(list(chain.from_iterable(shapes)), dtype=np.float32).reshape(len(words), -1)
    rows[1:, _EDGE : 2 * _EDGE] = own[:-1]
    rows[:-1, 2 * _EDGE : 3 * _EDGE] = own[1:]
    rows[2:, 3 * _EDGE : 4 * _EDGE] = own[:-2]
    gaps = rows[:, 4 * _EDGE : 4 * _EDGE + 2]
    gaps[:] = _gaps(text, words)
    rows[:-1, 4 * _EDGE + 2 : _PROBABILITIES] = gaps[1:]
    whole = rows[:, -len(LANGUAGES) - 2 :]
    means = np.add.reduce(own, axis=0) / np.float32(len(words))
    whole[:, :-2] = means[_LANGUAGE]
    whole[:, -2] = means[len(COLUMNS)]
    whole[:, -1] = min(len(words), _TEXT_WORDS) / _TEXT_WORDS
    return rows


def with_probabilities(rows: Floats, probabilities: Floats) -> Floats:
    """Fill in the columns that ``text_features`` left open."""
    clipped = np.minimum(np.maximum(probabilities, _LEAST_ODDS), 1 - _LEAST_ODDS)
    odds = np.log(clipped / (1 - clipped)) / np.float32(_ODDS_RANGE)
    own, before, after = (
        rows[:, _PROBABILITIES + n * odds.shape[1] : _PROBABILITIES + (n + 1) * odds.shape[1]] for n in range(3)
    )
    own[:] = odds
    before[0], before[1:] = -1.0, odds[:-1]
    after[-1], after[:-1] = -1.0, odds[1:]
    return rows


def _shape(word: str, before: str) -> tuple[float, ...]:
    within = before[-1:] == " " and before[-2:-1].isalnum()  # most words
    starts = not within and bool(_SENTENCE_START.search(before))
    last = before[-1:]
    if word.isalpha() and word.islower():
        return (0, 0, 0, starts, min(len(word), 36) / 12, last == "@", last == "#", 0)
    upper = word[:1].isupper()
    shouted = len(word) > 1 and word.isupper()
    return (
        upper,
        shouted,
        not word.isalpha() and any(map(str.isdigit, word)),
        starts,
        min(len(word), 36) / 12,
        last == "@",
        last == "#",
        not shouted and not word[1:].islower() and word[1:].lower() != word[1:],
    )


def _gaps(text: str, words: list[tuple[int, int]]) -> Floats:
    """Whether nothing but space, and whether a comma, stands before each word."""
    gaps = [text[end:start] for (_start, end), (start, _end) in pairwise(words)]
    return np.array([(False, False), *((not gap.strip(), "," in gap) for gap in gaps)], dtype=np.float32)


@dataclass(frozen=True, slots=True)
class NameHead:
    """The network: a hidden layer and one output.

    Attributes:
        states: Weights of the classifier's hidden state, shape (width, hidden).
        features: Weights of ``features``, shape (features, hidden).
        bias: Shape (hidden,).
        out: Shape (hidden,).
        out_bias: A number.
    """

    states: Floats
    features: Floats
    bias: Floats
    out: Floats
    out_bias: float

    @classmethod
    def read(cls, path: Path = HEAD_FILE) -> NameHead:
        """Read what ``write`` wrote."""
        with np.load(path, allow_pickle=False) as content:
            parts = {name: content[name].astype(np.float32) for name in content.files}
        return cls(parts["states"], parts["features"], parts["bias"], parts["out"], float(parts["out_bias"]))

    def write(self, path: Path) -> None:
        """Write it with 16 bits a weight."""
        names = ("states", "features", "bias", "out", "out_bias")
        parts: dict[str, Any] = {name: np.asarray(getattr(self, name), dtype=np.float16) for name in names}
        np.savez_compressed(path, **parts)

    def project(self, states: Floats) -> Floats:
        """The part of the hidden layer that comes from hidden states; of tokens, shape (tokens, hidden)."""
        return states @ self.states

    def score(self, projected: Floats, rows: Floats) -> Floats:
        """Probability that a word is part of a name, shape (words,).

        Args:
            projected: Mean of ``project`` over the tokens of each word, shape (words, hidden).
            rows: ``features`` of the words.
        """
        hidden = projected + rows @ self.features + self.bias
        odds = gelu(hidden) @ self.out + np.float32(self.out_bias)
        result: Floats = 1 / (1 + np.exp(np.minimum(-odds, 30)))
        return result


class NameScorer:
    """The head together with the lists that it reads."""

    def __init__(self, head: NameHead, gazetteer: Gazetteer) -> None:
        self._head = head
        self._gazetteer = gazetteer
        self.project = head.project
        self.width = head.states.shape[1]

    def text_features(self, text: str, words: list[tuple[int, int]], labels: int) -> Floats:
        """The features that need no classifier; see the function of the same name."""
        return text_features(text, words, self._gazetteer, labels)

    def scores(self, features: Floats, probabilities: Floats, projected: Floats) -> Floats:
        """Probability that each word is part of a name.

        Args:
            features: From ``text_features``; is filled in.
            probabilities: Of the labels, shape (words, labels).
            projected: See ``NameHead.score``.
        """
        return self._head.score(projected, with_probabilities(features, probabilities))


def load_name_scorer(cache: Path) -> NameScorer:
    """Read the head, and the lists from the cache, where they are fetched and compiled once.

    Raises:
        WeightsError: The lists are neither there nor to be had, or not the pinned ones.
    """
    return NameScorer(NameHead.read(), load_gazetteer(cache))
