"""The slot head: the network that is run is the network that was fitted."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from models.redaction.slots.entities import REACH
from models.redaction.slots.features import FEATURES
from models.redaction.slots.head import SlotHead
from models.training.slot_network import DIRECTIONS, SlotNetwork, fit_slots, probabilities
from models.training.slot_table import NONE, NOT_PERSONAL, Directions, SlotTable

WIDTH = 256
TURNED = Directions(
    np.random.default_rng(5).standard_normal((WIDTH, DIRECTIONS)).astype(np.float32) / np.float32(16),
    np.random.default_rng(6).standard_normal(DIRECTIONS).astype(np.float32),
)
PERSONAL, HARMLESS = ("PHONE", "SECRET"), ("READING",)


def table(lengths: list[int], seed: int = 0) -> SlotTable:
    """Random words; the first hidden value of a word decides its label."""
    chance = np.random.default_rng(seed)
    words = sum(lengths)
    states = chance.standard_normal((words, DIRECTIONS)).astype(np.float16)
    labels = np.where(states[:, 0] > 0, 0, NONE).astype(np.int8)
    features = chance.random((words, FEATURES)).astype(np.float16)
    return SlotTable(states, features, labels, np.ones(len(lengths), np.float32), np.cumsum([0, *lengths]))


def network(layers: int = 4) -> SlotNetwork:
    torch.manual_seed(3)
    return SlotNetwork(len(PERSONAL) + len(HARMLESS), layers).eval()


@pytest.mark.parametrize("layers", [1, 2, 4])
@pytest.mark.parametrize("words", [1, 2, 7, 40])
def test_numpy_gives_the_probabilities_of_the_fitted_network(words: int, layers: int) -> None:
    fitted, texts = network(layers), table([words])
    states = np.random.default_rng(7).standard_normal((words, WIDTH)).astype(np.float32)
    head = fitted.head(PERSONAL, HARMLESS, TURNED)
    found = head.probabilities(head.project(states), texts.features.astype(np.float32))
    assert found == pytest.approx(probabilities(fitted, replace(texts, states=TURNED.along(states))), abs=2e-3)
    assert found.sum(axis=1) == pytest.approx(np.ones(words), abs=1e-5)


def test_texts_of_a_batch_do_not_see_each_other() -> None:
    texts = table([3, 9, 3, 1])
    together = probabilities(network(), texts)
    for number, (start, end) in enumerate(zip(texts.starts, texts.starts[1:], strict=False)):
        one = SlotTable(
            texts.states[start:end], texts.features[start:end], texts.labels[start:end],
            texts.weights[number : number + 1], np.array([0, end - start]),
        )  # fmt: skip
        assert probabilities(network(), one) == pytest.approx(together[start:end], abs=1e-6)


def test_four_layers_reach_fifteen_words_and_no_further() -> None:
    head = network().head(PERSONAL, HARMLESS, TURNED)
    rows = np.zeros((40, FEATURES), np.float32)
    states = np.zeros((40, WIDTH), np.float32)
    before = head.probabilities(head.project(states), rows)
    states[0] = 5.0
    changed = np.abs(head.probabilities(head.project(states), rows) - before).max(axis=1) > 0
    assert changed[:16].all()
    assert not changed[16:].any()


def test_the_shipped_head_reaches_as_far_as_partials_wait() -> None:
    assert sum(2**layer for layer in range(len(SlotHead.read().beside))) == REACH


def test_a_written_head_is_read_as_it_was(tmp_path: Path) -> None:
    head = network().head(PERSONAL, HARMLESS, TURNED)
    head.write(tmp_path / "head.npz")
    read = SlotHead.read(tmp_path / "head.npz")
    assert read.names.tolist() == [*PERSONAL, *HARMLESS]
    assert int(read.personal) == len(PERSONAL)
    assert read.beside == pytest.approx(head.beside, abs=1e-3)
    assert read.beside.dtype == np.float32


def test_fitting_learns_and_repeats_itself() -> None:
    texts = table([8] * 60)
    first, second = (fit_slots(texts, len(PERSONAL), 3, seed=1, epochs=40, layers=1) for _ in range(2))
    found = probabilities(first, texts)
    assert ((found[:, 0] > 0.5) == (texts.labels == 0)).mean() > 0.9
    assert np.array_equal(found, probabilities(second, texts))


def test_a_number_that_is_not_personal_may_be_harmless_or_none() -> None:
    texts = table([8] * 60)
    number = texts.states[:, 0] < 0
    labels = np.where(number, NOT_PERSONAL, 0).astype(np.int8)
    fitted = fit_slots(
        SlotTable(texts.states, texts.features, labels, texts.weights, texts.starts), 2, 3, epochs=40, layers=1
    )
    found = probabilities(fitted, texts)[number]
    assert np.median(found[:, :2].sum(axis=1)) < 0.2
