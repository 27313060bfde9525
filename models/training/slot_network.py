"""The slot head while it is fitted; see ``fit_slot_tagger``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from models.redaction.ner.encoder import Floats
from models.redaction.slots.features import CONFIDENCE_COLUMNS, FEATURES, LANGUAGE_COLUMNS, QUESTION_COLUMNS
from models.redaction.slots.head import SlotHead
from models.training.slot_table import NONE, NOT_PERSONAL, Directions, SlotTable

DIRECTIONS = 192
HIDDEN = 96
LAYERS = 5
EPOCHS = 10
BATCH_WORDS = 1536
"""Words of a batch, padding included."""
_RATE = 3e-3
_STATE_NOISE = 0.06
_FORGOTTEN = ((CONFIDENCE_COLUMNS, 0.4), (QUESTION_COLUMNS, 0.4), (LANGUAGE_COLUMNS, 0.1))
"""Features that are not always known, and the share of texts in which they are left out while fitting."""


@dataclass(frozen=True)
class Batch:
    """Texts of similar length, padded; shape (texts, words, ...). ``real`` is one for a word and zero for padding,
    ``places`` is where the words stand in the table.
    """

    states: torch.Tensor
    features: torch.Tensor
    labels: torch.Tensor
    weights: torch.Tensor
    real: torch.Tensor
    places: npt.NDArray[np.int64]


def batches(table: SlotTable, order: np.random.Generator | None = None, words: int = BATCH_WORDS) -> Iterator[Batch]:
    """All texts, those of similar length together; shuffled if ``order`` is given."""
    lengths = np.diff(table.starts)
    ties = order.random(table.texts) if order else np.zeros(table.texts)
    by_length = [int(n) for n in np.lexsort((ties, lengths)) if lengths[n]]
    groups: list[list[int]] = []
    group: list[int] = []
    for number in by_length:
        if group and (len(group) + 1) * lengths[number] > words:
            groups.append(group)
            group = []
        group.append(number)
    groups += [group] if group else []
    for n in order.permutation(len(groups)) if order else range(len(groups)):
        yield _batch(table, groups[n], lengths)


def _batch(table: SlotTable, texts: list[int], lengths: npt.NDArray[np.int64]) -> Batch:
    width = int(lengths[texts[-1]])
    steps = np.arange(width)
    real = steps[None] < lengths[texts][:, None]
    places = np.where(real, table.starts[texts][:, None] + steps[None], table.starts[texts][:, None])
    known = torch.from_numpy(real.astype(np.float32))
    return Batch(
        torch.from_numpy(table.states[places]).float(),
        torch.from_numpy(table.features[places]).float(),
        torch.from_numpy(table.labels[places].astype(np.int64)),
        torch.from_numpy(table.weights[texts]),
        known,
        places,
    )


class SlotNetwork(torch.nn.Module):
    """The head while it is fitted, with noise and dropout on its inputs."""

    def __init__(self, labels: int, layers: int = LAYERS) -> None:
        super().__init__()
        self.states = torch.nn.Linear(DIRECTIONS, HIDDEN, bias=False)
        self.features = torch.nn.Linear(FEATURES, HIDDEN)
        self.beside = torch.nn.ModuleList(torch.nn.Linear(HIDDEN, 3 * HIDDEN, bias=False) for _ in range(layers))
        self.beside_bias = torch.nn.Parameter(torch.zeros(layers, HIDDEN))
        self.out = torch.nn.Linear(HIDDEN, labels + 1)
        self.drop_input, self.drop = torch.nn.Dropout(0.1), torch.nn.Dropout(0.1)

    def forward(self, states: torch.Tensor, features: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
        """Log-odds of the labels and of none, shape (texts, words, labels + 1)."""
        if self.training:
            states = states + _STATE_NOISE * torch.randn_like(states)
            features = _forgetful(features)
        known = self.drop_input(self.states(states) + self.features(features))
        hidden = _gelu(known) * real[..., None]
        for layer, (beside, bias) in enumerate(zip(self.beside, self.beside_bias, strict=True)):
            hidden = hidden + _gelu(_shifted(beside(self.drop(hidden)), 2**layer) + bias) * real[..., None]
        return self.out(self.drop(hidden))  # type: ignore[no-any-return]

    def head(self, personal: tuple[str, ...], harmless: tuple[str, ...], directions: Directions) -> SlotHead:
        """The fitted head in the form that the product loads."""
        states = directions.weights @ _array(self.states.weight.T)
        bias = _array(self.features.bias) - directions.means @ _array(self.states.weight.T)

        return SlotHead(
            np.array([*personal, *harmless]),
            np.array(len(personal)),
            states,
            _array(self.features.weight.T),
            bias,
            np.stack([_array(layer.weight.T) for layer in self.beside]),  # type: ignore[arg-type]
            _array(self.beside_bias),
            _array(self.out.weight.T),
            _array(self.out.bias),
        )


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


def fit_slots(
    table: SlotTable, personal: int, labels: int, seed: int = 0, epochs: int = EPOCHS, layers: int = LAYERS
) -> SlotNetwork:
    """Fit the network to all words of a table, which has this many labels, the personal ones first."""
    right = _right_outputs(personal, labels)
    torch.manual_seed(seed)
    order = np.random.default_rng(seed)
    network = SlotNetwork(labels, layers)
    optimizer = torch.optim.AdamW(network.parameters(), lr=_RATE, weight_decay=1e-3)
    steps = epochs * sum(1 for _ in batches(table))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, _RATE, total_steps=steps)
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
    return network


def _loss(network: SlotNetwork, batch: Batch, right: torch.Tensor) -> tuple[torch.Tensor, float]:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        odds = network(batch.states, batch.features, batch.real).float()
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
    """Of the labels and of none, for all words of a table, shape (words, labels + 1)."""
    result = np.zeros((len(table.labels), network.out.out_features), dtype=np.float32)
    with torch.no_grad():
        for batch in batches(table, words=8 * BATCH_WORDS):
            odds = network(batch.states, batch.features, batch.real).softmax(dim=2).numpy()
            real = batch.real.numpy() > 0
            result[batch.places[real]] = odds[real]
    return result
