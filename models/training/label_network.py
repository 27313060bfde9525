"""The label head while it is fitted: the tokens it learns from, and the network; see ``fit_heads``."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from models.redaction.ner.classifier import RampartClassifier
from models.redaction.ner.encoder import Floats
from models.redaction.ner.label_head import LabelHead

WIDTH = 384
"""Of the classifier's states."""
LABEL_NARROW = 64
LABEL_HIDDEN = 96
LABEL_EPOCHS = 10
BATCH = 512
CHUNK = 64
"""Lines that are read at a time."""


class NoLabels:
    """Takes the place of the label head until it is fitted."""

    def __init__(self, labels: tuple[str, ...]) -> None:
        self.labels = labels

    def probabilities(self, states: Floats) -> Floats:
        """No token has a label."""
        return np.zeros((len(states), len(self.labels)), dtype=np.float32)


@dataclass(frozen=True)
class DistillationData:
    """Tokens of many texts: the student's states and the teacher's probabilities.

    Between two texts stands a row of zeros, which is what the label head sees beyond the ends of a text.
    """

    states: torch.Tensor
    targets: torch.Tensor
    tokens: torch.Tensor


def distillation_data(lines: list[str], teacher: RampartClassifier, student: RampartClassifier) -> DistillationData:
    """Run both over the lines."""
    states = [np.zeros((1, WIDTH), dtype=np.float16)]
    targets = [np.zeros((1, len(teacher.labels) + 1), dtype=np.float16)]
    for at in range(0, len(lines), CHUNK):
        chunk = lines[at : at + CHUNK]
        for (labels, _), (_, state) in zip(teacher.token_rows(chunk), student.token_rows(chunk), strict=True):
            if len(state):
                none = np.maximum(1 - labels.sum(axis=1, keepdims=True), 0)
                states += [state.astype(np.float16), states[0]]
                targets += [np.concatenate([labels, none], axis=1).astype(np.float16), targets[0]]
    known = torch.from_numpy(np.concatenate(states))
    return DistillationData(known, torch.from_numpy(np.concatenate(targets)), torch.nonzero(known.any(dim=1))[:, 0])


class LabelNetwork(torch.nn.Module):
    """The label head while it is fitted, with noise and dropout on its inputs."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.narrow = torch.nn.Linear(WIDTH, LABEL_NARROW, bias=False)
        self.inner = torch.nn.Linear(3 * LABEL_NARROW, LABEL_HIDDEN)
        self.outer = torch.nn.Linear(LABEL_HIDDEN, outputs)
        self.drop = torch.nn.Dropout(0.1)

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """Log-odds from the states of tokens, of those before and of those after, shape (tokens, 3, width)."""
        hidden = self.inner(self.narrow(states + 0.05 * torch.randn_like(states)).flatten(1))
        return self.outer(self.drop(hidden * torch.sigmoid(1.702 * hidden)))  # type: ignore[no-any-return]

    def head(self, labels: tuple[str, ...]) -> LabelHead:
        """The fitted head in the form that the product loads."""
        weights = (self.narrow.weight.T, self.inner.weight.T, self.inner.bias, self.outer.weight.T, self.outer.bias)
        return LabelHead(np.array(labels), *(np.ascontiguousarray(w.detach().numpy()) for w in weights))


def fit_labels(lines: list[str], teacher: RampartClassifier, student: RampartClassifier) -> LabelHead:
    """Fit a label head on the student's states to the teacher's probabilities."""
    data = distillation_data(lines, teacher, student)
    torch.manual_seed(0)
    network = LabelNetwork(data.targets.shape[1])
    optimizer = torch.optim.AdamW(network.parameters(), lr=2e-3, weight_decay=1e-3)
    steps = LABEL_EPOCHS * -(-len(data.tokens) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=steps)
    for epoch in range(LABEL_EPOCHS):
        total = 0.0
        for batch in torch.split(data.tokens[torch.randperm(len(data.tokens))], BATCH):
            seen = torch.stack([data.states[batch + shift] for shift in (0, -1, 1)], dim=1).float()
            loss = -(data.targets[batch].float() * network(seen).log_softmax(dim=1)).sum(dim=1).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += float(loss.detach()) * len(batch)
        print(f"labels: epoch {epoch}, loss {total / len(data.tokens):.4f}", flush=True)
    return network.head(teacher.labels)
