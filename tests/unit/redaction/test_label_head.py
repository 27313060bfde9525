"""The network that reads labels out of hidden states."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models.redaction.ner.label_head import LabelHead

HIDDEN = 2


def _head() -> LabelHead:
    """The first hidden unit reads the token's own state, the second those before it and ten times those after it."""
    beside = np.array([[1, 0], [0, 1], [0, 10]], dtype=np.float32)
    out = np.array([[1, 0], [1, 0]], dtype=np.float32)
    zeros = np.zeros(HIDDEN, dtype=np.float32)
    return LabelHead(np.array(["CITY"]), np.ones((1, 1), dtype=np.float32), beside, zeros, out, zeros)


def test_a_token_is_classified_by_its_own_and_its_neighbours_states() -> None:
    alone, among = np.array([[2.0]], dtype=np.float32), np.array([[1.0], [2.0], [3.0]], dtype=np.float32)
    head = _head()
    assert head.probabilities(alone)[0, 0] == pytest.approx(1 / (1 + np.exp(-2 / (1 + np.exp(-1.702 * 2)))))
    both = 1 + 10 * 3
    expected = 2 / (1 + np.exp(-1.702 * 2)) + both / (1 + np.exp(-1.702 * both))
    assert head.probabilities(among)[1, 0] == pytest.approx(1 / (1 + np.exp(-expected)))


def test_no_tokens_have_no_labels() -> None:
    assert _head().probabilities(np.zeros((0, 1), dtype=np.float32)).shape == (0, 1)


def test_label_probabilities_sum_to_less_than_one() -> None:
    head = LabelHead.read()
    found = head.probabilities(np.random.default_rng(3).normal(size=(40, head.states.shape[0])).astype(np.float32))
    assert found.shape == (40, len(head.labels))
    assert (found >= 0).all()
    assert (found.sum(axis=1) < 1).all()


def test_a_head_is_unchanged_after_write_and_read(tmp_path: Path) -> None:
    head = LabelHead.read()
    head.write(tmp_path / "head.npz")
    again = LabelHead.read(tmp_path / "head.npz")
    assert again.labels == head.labels
    assert np.array_equal(again.states, head.states)


@pytest.mark.models
def test_it_knows_the_labels_of_the_published_classifier(weights_cache: Path) -> None:
    from models.training.published_classifier import whole_classifier

    assert LabelHead.read().labels == whole_classifier(weights_cache).labels
