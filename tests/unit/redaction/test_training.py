"""The fitting of the name head, on words that are easy to tell apart."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch

from models.redaction.ner.name_head import NameHead
from models.training.name_network import Table, concatenated, fit, scores_of

WORDS, WIDTH, FEATURES = 600, 6, 5


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """As the command does: the products are too small to share."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def easy_table() -> Table:
    """A word is a name where the first of its states is above zero."""
    chance = np.random.default_rng(5)
    states = chance.normal(size=(WORDS, WIDTH)).astype(np.float32)
    states[:, 0] = np.where(states[:, 0] > 0, 3, -3)
    rows = chance.normal(size=(WORDS, FEATURES)).astype(np.float32)
    names = (states[:, 0] > 0).astype(np.float32)
    return Table(states, rows, names, np.ones(WORDS, np.float32), np.arange(WORDS))


def arrays(head: NameHead) -> list[bytes]:
    return [part.tobytes() for part in (head.states, head.features, head.bias, head.out)]


def test_training_learns_separable_data_deterministically() -> None:
    table = easy_table()
    head = fit(table)
    assert ((scores_of(head, table) > 0.5) == (table.names > 0.5)).mean() > 0.95
    assert arrays(fit(table)) == arrays(head)


def test_words_without_weight_do_not_affect_training() -> None:
    table = easy_table()
    wrong = replace(table, names=1 - table.names, weights=np.zeros_like(table.weights))
    scores = scores_of(fit(concatenated(table, wrong)), table)
    assert scores[table.names == 1].mean() > scores[table.names == 0].mean() + 0.3


def test_concatenated_tables_number_their_texts_consecutively() -> None:
    table = easy_table()
    assert concatenated(table, table).texts.tolist() == list(range(2 * WORDS))
