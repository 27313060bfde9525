"""The slot tagger: what is run is the network that was fitted."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import BertConfig, BertModel

from models.redaction.ner.slot_layers import FittedLayers, write_layers
from models.redaction.slots.entities import REACH
from models.redaction.slots.features import FEATURES
from models.redaction.slots.head import SlotHead
from models.training.slot_network import SlotNetwork, fit_slots, probabilities
from models.training.slot_table import NONE, NOT_PERSONAL, SlotTable, joined

WIDTH, VOCABULARY = 32, 40
PERSONAL, HARMLESS = ("PHONE", "SECRET"), ("READING",)
HIGH = VOCABULARY // 2
"""Tokens from this number on belong to personal words."""


def table(lengths: list[int], seed: int = 0) -> SlotTable:
    """Random words of one token each, between two special tokens; the number of the token decides the label."""
    chance = np.random.default_rng(seed)
    texts = [chance.integers(2, VOCABULARY, length) for length in lengths]
    words = np.concatenate(texts)
    return SlotTable(
        np.concatenate([np.concatenate([[0], text, [1]]) for text in texts]).astype(np.int32),
        np.cumsum([0, *(length + 2 for length in lengths)]),
        np.concatenate([np.stack([np.arange(n), np.arange(n) + 1], axis=1) + 1 for n in lengths]).astype(np.int32),
        chance.random((len(words), FEATURES)).astype(np.float16),
        np.where(words >= HIGH, 0, NONE).astype(np.int8),
        np.ones(len(lengths), np.float32),
        np.cumsum([0, *lengths]),
    )


def bert(seed: int = 2) -> Any:
    torch.manual_seed(seed)
    sizes: dict[str, Any] = {
        "hidden_size": WIDTH,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 48,
    }
    return BertModel(BertConfig(vocab_size=VOCABULARY, **sizes), add_pooling_layer=False)


def network(layers: int = 4) -> SlotNetwork:
    torch.manual_seed(3)
    return SlotNetwork(bert(), len(PERSONAL) + len(HARMLESS), layers).eval()


def states_of(fitted: SlotNetwork, texts: SlotTable) -> np.ndarray[Any, np.dtype[np.float32]]:
    with torch.no_grad():
        ids = torch.from_numpy(texts.tokens.astype(np.int64))[None]
        return np.asarray(fitted.bert(input_ids=ids).last_hidden_state[0, 1:-1].numpy())


@pytest.mark.parametrize("layers", [1, 2, 4])
@pytest.mark.parametrize("words", [1, 2, 7, 40])
def test_numpy_gives_the_probabilities_of_the_fitted_network(words: int, layers: int) -> None:
    fitted, texts = network(layers), table([words])
    head = fitted.head(PERSONAL, HARMLESS)
    found = head.probabilities(head.project(states_of(fitted, texts)), texts.features.astype(np.float32))
    assert found == pytest.approx(probabilities(fitted, texts), abs=2e-3)
    assert found.sum(axis=1) == pytest.approx(np.ones(words), abs=1e-5)


def test_texts_of_a_batch_do_not_see_each_other() -> None:
    lengths = [3, 9, 3, 1]
    parts = [table([length], seed) for seed, length in enumerate(lengths)]
    together = probabilities(network(), joined(parts))
    alone = np.concatenate([probabilities(network(), part) for part in parts])
    assert alone == pytest.approx(together, abs=1e-5)


def test_four_layers_reach_fifteen_words_and_no_further() -> None:
    head = network().head(PERSONAL, HARMLESS)
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
    head = network().head(PERSONAL, HARMLESS)
    head.write(tmp_path / "head.npz")
    read = SlotHead.read(tmp_path / "head.npz")
    assert read.names.tolist() == [*PERSONAL, *HARMLESS]
    assert int(read.personal) == len(PERSONAL)
    assert read.beside == pytest.approx(head.beside, abs=1e-3)
    assert read.beside.dtype == np.float32


class Published:
    """The tensors of a model as it was published."""

    def __init__(self, model: Any) -> None:
        self._own = {f"bert.{name}": value.detach().numpy() for name, value in model.named_parameters()}

    def product(self, layer: str) -> Any:
        return self._own[f"{layer}.weight"]

    def tensor(self, name: str) -> Any:
        return self._own[name]

    vector = tensor

    def embedding(self, name: str) -> Any:
        return self._own[f"{name}.weight"]


def test_written_layers_take_the_place_of_the_published_ones_and_embeddings_stay(tmp_path: Path) -> None:
    fitted, published = SlotNetwork(bert(5), 3), Published(bert(9))
    write_layers(tmp_path / "layers.npz", fitted.encoder())
    read = FittedLayers(published, tmp_path / "layers.npz")
    query = "bert.encoder.layer.0.attention.self.query"
    own = fitted.encoder()[f"{query}.weight"]
    assert read.product(query) == pytest.approx(own, abs=float(np.abs(own).max()) / 200)
    assert np.array_equal(read.tensor(f"{query}.weight"), read.product(query))
    assert read.vector("bert.encoder.layer.0.output.LayerNorm.weight") == pytest.approx(np.ones(WIDTH), abs=1e-3)
    words = "bert.embeddings.word_embeddings"
    assert np.array_equal(read.embedding(words), published.embedding(words))
    assert np.array_equal(read.tensor(f"{words}.weight"), published.embedding(words))
    assert np.array_equal(read.vector("bert.embeddings.LayerNorm.bias"), np.zeros(WIDTH))


def test_fitting_learns_repeats_itself_and_leaves_the_embeddings() -> None:
    texts = table([8] * 60)
    first, second = network(1), network(1)
    before = first.bert.embeddings.word_embeddings.weight.clone()
    for fitted in (first, second):
        fit_slots(fitted, texts, len(PERSONAL), seed=1, epochs=40)
    found = probabilities(first, texts)
    assert ((found[:, 0] > 0.5) == (texts.labels == 0)).mean() > 0.9
    assert np.array_equal(found, probabilities(second, texts))
    assert torch.equal(first.bert.embeddings.word_embeddings.weight, before)


def test_a_number_that_is_not_personal_may_be_harmless_or_none() -> None:
    texts = table([8] * 60)
    number = texts.labels == NONE
    fitted = network(1)
    labels = np.where(number, NOT_PERSONAL, 0).astype(np.int8)
    fit_slots(fitted, replace(texts, labels=labels), len(PERSONAL), epochs=40)
    found = probabilities(fitted, texts)[number]
    assert np.median(found[:, :2].sum(axis=1)) < 0.2
