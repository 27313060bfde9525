"""The label head: reads the classifier's labels out of the hidden states of its lower layers.

The published classifier ends in one product over its sixth layer. The lower layers hold most of the same information,
but not linearly, so a small network extracts it. ``models.training.fit_heads`` fits it to the labels of the published
classifier; the result is ``label_head.npz`` beside this file.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from models.redaction.ner.encoder import Floats
from models.redaction.slots.head import gelu

HEAD_FILE = Path(__file__).with_name("label_head.npz")


class LabelScorer(Protocol):
    """Turns hidden states into probabilities of labels."""

    @property
    def labels(self) -> tuple[str, ...]:
        """Without ``O``, and without B- or I-."""
        ...

    def probabilities(self, states: Floats) -> Floats:
        """From hidden states of tokens in a row, shape (tokens, width), to probabilities, shape (tokens, labels)."""
        ...


@dataclass(frozen=True, slots=True)
class LabelHead:
    """The network: a projection of each token's state, a hidden layer over three tokens, and one output for each label
    and for "no label".

    Attributes:
        names: Labels in the order of the outputs, shape (labels,).
        states: Weights of a token's state, shape (width, narrow).
        beside: Weights of the narrow states of a token, of the one before it and of the one after it, in this order,
            shape (3 * narrow, hidden).
        bias: Shape (hidden,).
        out: Shape (hidden, labels + 1).
        out_bias: Shape (labels + 1,).
    """

    names: npt.NDArray[np.str_]
    states: Floats
    beside: Floats
    bias: Floats
    out: Floats
    out_bias: Floats

    @classmethod
    def read(cls, path: Path = HEAD_FILE) -> LabelHead:
        """Read what ``write`` wrote."""
        with np.load(path, allow_pickle=False) as content:
            parts = {name: content[name].astype(np.float32) for name in content.files if name != "names"}
            return cls(content["names"], **parts)

    def write(self, path: Path) -> None:
        """Write it with 16 bits a weight."""
        parts: dict[str, Any] = {f.name: np.asarray(getattr(self, f.name)) for f in fields(self)}
        small = {name: part if name == "names" else part.astype(np.float16) for name, part in parts.items()}
        np.savez_compressed(path, **small)

    @property
    def labels(self) -> tuple[str, ...]:
        """See ``LabelScorer``."""
        return tuple(self.names.tolist())

    def probabilities(self, states: Floats) -> Floats:
        """See ``LabelScorer``."""
        width = self.states.shape[1]
        around = np.zeros((len(states), 3 * width), dtype=np.float32)
        narrow = np.matmul(states, self.states, out=around[:, :width])
        around[1:, width : 2 * width] = narrow[:-1]
        around[:-1, 2 * width :] = narrow[1:]
        outputs = gelu(around @ self.beside + self.bias) @ self.out + self.out_bias
        outputs -= outputs.max(axis=-1, keepdims=True)
        np.exp(outputs, out=outputs)
        outputs /= outputs.sum(axis=-1, keepdims=True)
        return outputs[:, :-1]
