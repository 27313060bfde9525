"""The head that judges names: its inputs, its file, and one made by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models.redaction.ner.gazetteer import COLUMNS, Gazetteer
from models.redaction.ner.name_head import NameHead, NameScorer, feature_count, features

LABELS = 17
STATE_WIDTH = 384


def _inputs(text: str, words: list[str]) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    spans, at = [], 0
    for word in words:
        at = text.index(word, at)
        spans.append((at, at + len(word)))
        at += len(word)
    return features(text, spans, np.full((len(spans), LABELS), 0.5, dtype=np.float32), Gazetteer.empty())


def test_every_word_has_a_row() -> None:
    rows = _inputs("Anna came, then BEN left.", ["Anna", "came", "then", "BEN", "left"])
    assert rows.shape == (5, feature_count(LABELS))
    assert np.isfinite(rows).all()
    assert _inputs("x", ["x"]).shape == (1, feature_count(LABELS))


@pytest.mark.parametrize(
    ("text", "word", "shape"),
    [  # capital, all capitals, digit, first of a sentence, -, after @, after #, capital inside
        ("so Anna", "Anna", (1, 0, 0, 0, 0, 0, 0)),
        ("Anna", "Anna", (1, 0, 0, 1, 0, 0, 0)),
        ("no. ANNA", "ANNA", (1, 1, 0, 1, 0, 0, 0)),
        ("so @anna", "anna", (0, 0, 0, 0, 1, 0, 0)),
        ("so #anna", "anna", (0, 0, 0, 0, 0, 1, 0)),
        ("so McCoy", "McCoy", (1, 0, 0, 0, 0, 0, 1)),
        ("so a1b", "a1b", (0, 0, 1, 0, 0, 0, 0)),
    ],
)
def test_word_shapes_are_computed(text: str, word: str, shape: tuple[int, ...]) -> None:
    first = len(COLUMNS)
    row = _inputs(text, [word])[0]
    assert tuple(row[[first, first + 1, first + 2, first + 3, first + 5, first + 6, first + 7]].tolist()) == shape


def _by_hand(hidden: int = 2) -> NameHead:
    """Says that a capital makes a name."""
    rows = np.zeros((feature_count(LABELS), hidden), dtype=np.float32)
    rows[len(COLUMNS), 0] = 4
    bias = np.full(hidden, -2, dtype=np.float32)
    return NameHead(np.zeros((STATE_WIDTH, hidden), np.float32), rows, bias, np.array([4, 0], np.float32), -2.0)


def test_the_head_classifies_by_its_inputs(tmp_path: Path) -> None:
    _by_hand().write(tmp_path / "head.npz")
    head = NameHead.read(tmp_path / "head.npz")
    scorer = NameScorer(head, Gazetteer.empty())
    projected = scorer.project(np.zeros((2, STATE_WIDTH), np.float32))
    given = scorer.text_features("Anna came", [(0, 4), (5, 9)], LABELS)
    scores = scorer.scores(given, np.full((2, LABELS), 0.5, np.float32), projected)
    assert scores[0] > 0.9
    assert scores[1] < 0.2


def test_extreme_inputs_give_probabilities() -> None:
    scorer = NameScorer(_by_hand(), Gazetteer.empty())
    for size in (-1e6, 1e6):
        given = scorer.text_features("Anna", [(0, 4)], LABELS)
        scores = scorer.scores(given, np.ones((1, LABELS), np.float32), np.full((1, 2), size, np.float32))
        assert 0 <= scores[0] <= 1


def test_the_fitted_head_fits_the_classifier() -> None:
    head = NameHead.read()
    hidden = len(head.bias)
    assert head.states.shape == (STATE_WIDTH, hidden)
    assert head.features.shape == (feature_count(LABELS), hidden)
    assert head.out.shape == (hidden,)
    assert all(np.isfinite(part).all() for part in (head.states, head.features, head.bias, head.out))
