"""The name head while it is fitted: the words it learns from, and the network.

The label head must be there already; ``fit_heads`` puts the two together.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch

from models.redaction.ner.classifier import RampartClassifier
from models.redaction.ner.encoder import Floats
from models.redaction.ner.gazetteer import Gazetteer
from models.redaction.ner.name_head import NameHead, features
from models.training.label_network import CHUNK
from models.training.labelled_sets import PERSONS
from models.training.name_texts import Text

UNLABELLED = frozenset(("PERpart", "PERderiv", "TITLE", "OTHpart"))
"""Labels of words that are neither names nor plain words; nothing is learned from them."""
HIDDEN = 32
EPOCHS = 10
BATCH = 512
PARTS = 2
"""Heads that are fitted from different seeds and averaged."""
FORM_WEIGHT = 4.2
"""Weight of a word that the teacher's head labelled."""
_STATE_NOISE, _FEATURE_NOISE = 0.07, 0.05
"""Standard deviations of the noise on the inputs; the quantized encoder adds some as well."""


@dataclass(frozen=True)
class Table:
    """Words of many texts: their inputs, and whether they are names."""

    states: Floats
    rows: Floats
    names: Floats
    weights: Floats
    texts: npt.NDArray[np.int64]


def table_of(
    texts: list[Text], classifier: RampartClassifier, gazetteer: Gazetteer
) -> tuple[Table, list[list[tuple[int, int]]]]:
    """The words of the texts as the classifier sees them, and their spans in each text."""
    states, rows, names, weights, numbers, spans = [], [], [], [], [], []
    chunks = (texts[at : at + CHUNK] for at in range(0, len(texts), CHUNK))
    pooled = (seen for chunk in chunks for seen in classifier.pooled_words([t.text for t in chunk]))
    for number, (text, words) in enumerate(zip(texts, pooled, strict=True)):
        spans.append(words.spans)
        if not words.spans:
            continue
        states.append(words.states.astype(np.float16))
        rows.append(features(text.text, words.spans, words.probabilities, gazetteer))
        for start, end in words.spans:
            kinds = {kind for a, b, kind in text.spans if a < end and start < b}
            name = not kinds.isdisjoint(PERSONS)
            names.append(float(name))
            weights.append(0.0 if kinds & UNLABELLED else text.weight * (2.5 if name else 0.8 if kinds else 1.0))
            numbers.append(number)
    return Table(
        np.concatenate(states).astype(np.float32),
        np.concatenate(rows),
        np.array(names, dtype=np.float32),
        np.array(weights, dtype=np.float32),
        np.array(numbers),
    ), spans


class Network(torch.nn.Module):
    """The head while it is fitted, with noise and dropout on its inputs."""

    def __init__(self, width: int, features: int) -> None:
        super().__init__()
        self.states = torch.nn.Linear(width, HIDDEN, bias=False)
        self.features = torch.nn.Linear(features, HIDDEN)
        self.out = torch.nn.Linear(HIDDEN, 1)
        self.drop_input, self.drop = torch.nn.Dropout(0.12), torch.nn.Dropout(0.25)

    def forward(self, states: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        """Log-odds of a name."""
        if self.training:
            states = states + _STATE_NOISE * torch.randn_like(states)
            rows = rows + _FEATURE_NOISE * torch.randn_like(rows)
        hidden = self.states(self.drop_input(states)) + self.features(self.drop_input(rows))
        active = hidden * torch.sigmoid(1.702 * hidden)
        return self.out(self.drop(active))[:, 0]  # type: ignore[no-any-return]

    def head(self) -> NameHead:
        """The fitted head in the form that the product loads."""

        def array(value: torch.Tensor) -> Floats:
            return np.ascontiguousarray(value.detach().numpy())

        return NameHead(
            array(self.states.weight.T), array(self.features.weight.T), array(self.features.bias),
            array(self.out.weight[0]), float(self.out.bias.detach()[0]),
        )  # fmt: skip


def fit(table: Table) -> NameHead:
    """Fit several heads to all words and put them side by side, so that their log-odds are averaged."""
    heads = [_fit_one(table, seed) for seed in range(PARTS)]
    return NameHead(
        np.concatenate([h.states for h in heads], axis=1),
        np.concatenate([h.features for h in heads], axis=1),
        np.concatenate([h.bias for h in heads]),
        np.concatenate([h.out / PARTS for h in heads]),
        sum(h.out_bias for h in heads) / PARTS,
    )


def _fit_one(table: Table, seed: int) -> NameHead:
    torch.manual_seed(seed)
    states, rows, names, weights = (
        torch.from_numpy(part) for part in (table.states, table.rows, table.names, table.weights)
    )
    network = Network(states.shape[1], rows.shape[1])
    steps = EPOCHS * -(-len(states) // BATCH)
    optimizer = torch.optim.AdamW(network.parameters(), lr=2e-3, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=steps)
    for _epoch in range(EPOCHS):
        for batch in torch.split(torch.randperm(len(states)), BATCH):
            odds = network(states[batch], rows[batch])
            loss = torch.nn.functional.binary_cross_entropy_with_logits(odds, names[batch], weight=weights[batch])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
    network.eval()
    return network.head()


def scores_of(head: NameHead, table: Table) -> Floats:
    """Probabilities of all words."""
    return head.score(head.project(table.states), table.rows)


def labelled_by(teacher: NameHead, deep: Table, table: Table) -> Table:
    """The words of ``table`` with the teacher's probabilities, from the states of ``deep``, as their labels."""
    return replace(table, names=scores_of(teacher, deep), weights=np.full_like(table.weights, FORM_WEIGHT))


def concatenated(first: Table, second: Table) -> Table:
    """The words of both tables."""
    return Table(
        np.concatenate([first.states, second.states]),
        np.concatenate([first.rows, second.rows]),
        np.concatenate([first.names, second.names]),
        np.concatenate([first.weights, second.weights]),
        np.concatenate([first.texts, second.texts + first.texts[-1] + 1]),
    )
