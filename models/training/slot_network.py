"""The slot tagger while it is fitted: the lower layers of the classifier and the head; see ``fit_slot_tagger``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from models.redaction.ner.encoder import Floats
from models.redaction.slots.features import CONFIDENCE_COLUMNS, FEATURES, LANGUAGE_COLUMNS, QUESTION_COLUMNS
from models.redaction.slots.head import SlotHead
from models.training.slot_table import NONE, NOT_PERSONAL, SlotTable

HIDDEN = 192
LAYERS = 5
"""Layers of the head."""
EPOCHS = 2
BATCH_TOKENS = 2400
"""Tokens of a batch, padding included."""
MOST_TOKENS = 182
"""Texts of more tokens are not learned from: there are few, and a batch of them is mostly padding."""
_RATE, _ENCODER_RATE = 2e-3, 3e-4
_FORGOTTEN = ((CONFIDENCE_COLUMNS, 0.4), (QUESTION_COLUMNS, 0.4), (LANGUAGE_COLUMNS, 0.1))
"""Features that are not always known, and the share of texts in which they are left out while fitting."""


@dataclass(frozen=True)
class Batch:
    """Texts of similar length, padded. ``places`` is where their words stand in the table.

    ``tokens`` and ``known`` have the shape (texts, tokens); ``pool`` (texts, words, tokens) is the share of each token
    in its word; ``features``, ``labels`` and ``real``, one for a word and zero for padding, begin with (texts, words).
    """

    tokens: torch.Tensor
    known: torch.Tensor
    pool: torch.Tensor
    features: torch.Tensor
    labels: torch.Tensor
    weights: torch.Tensor
    real: torch.Tensor
    places: npt.NDArray[np.int64]


def batches(table: SlotTable, order: np.random.Generator | None = None, tokens: int = BATCH_TOKENS) -> Iterator[Batch]:
    """All texts but very long ones, those of similar length together; shuffled if ``order`` is given."""
    lengths = np.diff(table.token_starts)
    ties = order.random(table.texts) if order else np.zeros(table.texts)
    words = np.diff(table.starts)
    by_length = [int(n) for n in np.lexsort((ties, lengths)) if words[n] and lengths[n] <= MOST_TOKENS]
    groups: list[list[int]] = []
    group: list[int] = []
    for number in by_length:
        if group and (len(group) + 1) * lengths[number] > tokens:
            groups.append(group)
            group = []
        group.append(number)
    groups += [group] if group else []
    for n in order.permutation(len(groups)) if order else range(len(groups)):
        yield _batch(table, groups[n])


def _batch(table: SlotTable, texts: list[int]) -> Batch:
    tokens, known = _padded(table.token_starts, texts)
    places, real = _padded(table.starts, texts)
    steps = np.arange(tokens.shape[1])
    edges = table.edges[places]
    inside = (edges[..., :1] <= steps) & (steps < edges[..., 1:]) & real[..., None]
    pool = inside / np.maximum(inside.sum(axis=2, keepdims=True), 1)
    return Batch(
        torch.from_numpy(np.where(known, table.tokens[tokens], 0).astype(np.int64)),
        torch.from_numpy(known.astype(np.int64)),
        torch.from_numpy(pool.astype(np.float32)),
        torch.from_numpy(table.features[places]).float(),
        torch.from_numpy(table.labels[places].astype(np.int64)),
        torch.from_numpy(table.weights[texts]),
        torch.from_numpy(real.astype(np.float32)),
        places,
    )


def _padded(starts: npt.NDArray[np.int64], texts: list[int]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Places of the parts of each text, padded with its first one, and which of them are real."""
    first, lengths = starts[texts][:, None], np.diff(starts)[texts][:, None]
    steps = np.arange(int(lengths.max()))[None]
    real = steps < lengths
    return np.where(real, first + steps, first), real


class SlotNetwork(torch.nn.Module):
    """The tagger while it is fitted.

    Args:
        bert: The layers of the classifier that go on learning. Its embeddings stay as they are.
        labels: How many there are, none left out.
        layers: Of the head.
    """

    def __init__(self, bert: Any, labels: int, layers: int = LAYERS) -> None:
        super().__init__()
        for module in bert.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.0  # few epochs, and a quarter of the time
        bert.config._attn_implementation = "eager"  # a third faster than the fused attention, for texts this short
        for parameter in bert.embeddings.parameters():
            parameter.requires_grad = False
        self.bert = bert
        self.states = torch.nn.Linear(bert.config.hidden_size, HIDDEN, bias=False)
        self.features = torch.nn.Linear(FEATURES, HIDDEN)
        self.beside = torch.nn.ModuleList(torch.nn.Linear(HIDDEN, 3 * HIDDEN, bias=False) for _ in range(layers))
        self.beside_bias = torch.nn.Parameter(torch.zeros(layers, HIDDEN))
        self.out = torch.nn.Linear(HIDDEN, labels + 1)
        self.drop_input, self.drop = torch.nn.Dropout(0.1), torch.nn.Dropout(0.15)

    def forward(self, batch: Batch) -> torch.Tensor:
        """Log-odds of the labels and of none, shape (texts, words, labels + 1)."""
        features = _forgetful(batch.features) if self.training else batch.features
        read = self.bert(input_ids=batch.tokens, attention_mask=batch.known).last_hidden_state
        states = torch.bmm(batch.pool, self.states(read).float())
        real = batch.real[..., None]
        hidden = _gelu(self.drop_input(states + self.features(features))) * real
        for layer, (beside, bias) in enumerate(zip(self.beside, self.beside_bias, strict=True)):
            hidden = hidden + _gelu(_shifted(beside(self.drop(hidden)), 2**layer) + bias) * real
        return self.out(self.drop(hidden))  # type: ignore[no-any-return]

    def head(self, personal: tuple[str, ...], harmless: tuple[str, ...]) -> SlotHead:
        """The fitted head in the form that the product loads."""
        return SlotHead(
            np.array([*personal, *harmless]),
            np.array(len(personal)),
            _array(self.states.weight.T),
            _array(self.features.weight.T),
            _array(self.features.bias),
            np.stack([_array(layer.weight.T) for layer in self.beside]),  # type: ignore[arg-type]
            _array(self.beside_bias),
            _array(self.out.weight.T),
            _array(self.out.bias),
        )

    def encoder(self) -> Mapping[str, Floats]:
        """The fitted layers under their names in the published model."""
        return {f"bert.encoder.{name}": _array(value) for name, value in self.bert.encoder.named_parameters()}


def _array(value: torch.Tensor) -> Floats:
    return np.ascontiguousarray(value.detach().numpy())


def _gelu(hidden: torch.Tensor) -> torch.Tensor:
    return hidden * torch.sigmoid(1.702 * hidden)


def _shifted(parts: torch.Tensor, distance: int) -> torch.Tensor:
    """The sum of what a word, the one ``distance`` before it and the one ``distance`` after it contribute."""
    own, before, after = parts.chunk(3, dim=2)
    words = own.shape[1]
    before = torch.nn.functional.pad(before, (0, 0, distance, 0))[:, :words]
    return own + before + torch.nn.functional.pad(after, (0, 0, 0, distance))[:, distance:]


def _forgetful(features: torch.Tensor) -> torch.Tensor:
    """The features without some of what is not always known, text by text."""
    features = features.clone()
    for columns, share in _FORGOTTEN:
        features[torch.rand(len(features)) < share, :, columns] = 0
    return features


def fit_slots(network: SlotNetwork, table: SlotTable, personal: int, seed: int = 0, epochs: int = EPOCHS) -> None:
    """Fit the network to all words of a table, in whose labels the personal ones come first."""
    right = _right_outputs(personal, network.out.out_features - 1)
    torch.manual_seed(seed)
    order = np.random.default_rng(seed)
    learning = [parameter for parameter in network.bert.parameters() if parameter.requires_grad]
    rest = [p for name, p in network.named_parameters() if not name.startswith("bert.")]
    rates = [_ENCODER_RATE, _RATE]
    optimizer = torch.optim.AdamW(
        [{"params": some, "lr": rate} for some, rate in zip((learning, rest), rates, strict=True)], weight_decay=1e-2
    )
    steps = epochs * (sum(1 for _ in batches(table)) + 1)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rates, total_steps=steps, pct_start=0.15)
    network.train()
    for epoch in range(epochs):
        total = words = 0.0
        for batch in batches(table, order):
            loss, count = _loss(network, batch, right)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            total, words = total + float(loss.detach()) * count, words + count
        print(f"slots: epoch {epoch}, loss {total / words:.4f}", flush=True)
    network.eval()


def _loss(network: SlotNetwork, batch: Batch, right: torch.Tensor) -> tuple[torch.Tensor, float]:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        odds = network(batch).float()
    each = odds.logsumexp(dim=2) - (odds + right[batch.labels]).logsumexp(dim=2)
    weights = batch.real * batch.weights[:, None]
    return (each * weights).sum() / weights.sum(), float(weights.sum())


def _right_outputs(personal: int, labels: int) -> torch.Tensor:
    """Zero for the outputs that are right for a label, minus infinity for others; shape (labels + 2, labels + 1).

    A negative label counts from the end of the rows, as an index does.
    """
    right = torch.full((labels + 2, labels + 1), -torch.inf)
    right[range(labels), range(labels)] = 0
    right[NONE, labels] = 0
    right[NOT_PERSONAL, personal:] = 0
    return right


def probabilities(network: SlotNetwork, table: SlotTable) -> Floats:
    """Of the labels and of none, for all words of a table, shape (words, labels + 1). Very long texts have none."""
    result = np.zeros((len(table.labels), network.out.out_features), dtype=np.float32)
    result[:, -1] = 1
    with torch.no_grad():
        for batch in batches(table, tokens=4 * BATCH_TOKENS):
            odds = network(batch).softmax(dim=2).numpy()
            real = batch.real.numpy() > 0
            result[batch.places[real]] = odds[real]
    return result
