"""The slot head: reads from the hidden states of its own encoder which words are parts of which values.

An iterated dilated convolution: each layer sees a word and the two at its distance, 1, 2, 4, ... words away, so that a
few layers see the announcement of a value far before or after it. ``models.training.fit_slot_tagger`` fits it; the
result is ``slot_head.npz`` beside this file.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from models.redaction.slots.features import Floats

HEAD_FILE: Final = Path(__file__).with_name("slot_head.npz")


@dataclass(frozen=True, slots=True)
class SlotHead:
    """The network.

    Attributes:
        names: Labels in the order of the outputs, the entity types first; shape (labels,).
        personal: How many of them are entity types; the others are harmless. The last output is no label at all.
        states: Weights of a token's hidden state, shape (width, hidden).
        features: Weights of ``slot_features``, shape (features, hidden).
        bias: Shape (hidden,).
        beside: For each layer the weights with which a word is read for itself, for the one after it and for the one
            before it at the layer's distance, side by side; shape (layers, hidden, 3 * hidden).
        beside_bias: Shape (layers, hidden).
        out: Shape (hidden, labels + 1).
        out_bias: Shape (labels + 1,).
    """

    names: npt.NDArray[np.str_]
    personal: npt.NDArray[np.int64]
    states: Floats
    features: Floats
    bias: Floats
    beside: Floats
    beside_bias: Floats
    out: Floats
    out_bias: Floats

    @classmethod
    def read(cls, path: Path = HEAD_FILE) -> SlotHead:
        """Read what ``write`` wrote."""
        with np.load(path, allow_pickle=False) as content:
            plain = ("names", "personal")
            parts = {name: content[name].astype(np.float32) for name in content.files if name not in plain}
            return cls(content["names"], content["personal"], **parts)

    def write(self, path: Path) -> None:
        """Write it with 16 bits a weight."""
        parts: dict[str, Any] = {f.name: np.asarray(getattr(self, f.name)) for f in fields(self)}
        small = {name: part.astype(np.float16) if part.dtype == np.float32 else part for name, part in parts.items()}
        np.savez_compressed(path, **small)

    def project(self, states: Floats) -> Floats:
        """The part of the first layer that comes from hidden states; of tokens, shape (tokens, hidden)."""
        return states @ self.states

    def probabilities(self, projected: Floats, rows: Floats) -> Floats:
        """Probabilities of the labels and, in the last column, of none; shape (words, labels + 1).

        Args:
            projected: Mean of ``project`` over the tokens of each word, shape (words, hidden).
            rows: ``slot_features`` of the words.
        """
        hidden = rows @ self.features
        hidden += projected
        hidden += self.bias
        hidden = gelu(hidden)
        for layer, (weights, bias) in enumerate(zip(self.beside, self.beside_bias, strict=True)):
            beside = _read_beside(hidden, weights, 2**layer)
            beside += bias
            hidden += gelu(beside)
        outputs = hidden @ self.out + self.out_bias
        outputs -= outputs.max(axis=-1, keepdims=True)
        np.exp(outputs, out=outputs)
        outputs /= outputs.sum(axis=-1, keepdims=True)
        return outputs


def _read_beside(hidden: Floats, weights: Floats, distance: int) -> Floats:
    """The sum of what a word, the one ``distance`` before it and the one ``distance`` after it contribute."""
    width = hidden.shape[1]
    own = hidden @ weights[:, :width]
    if distance < len(hidden):
        own[distance:] += hidden[:-distance] @ weights[:, width : 2 * width]
        own[:-distance] += hidden[distance:] @ weights[:, 2 * width :]
    return own


def gelu(hidden: Floats) -> Floats:
    """GELU, approximated by the logistic function."""
    result = hidden * np.float32(-1.702)
    np.minimum(result, np.float32(30), out=result)
    np.exp(result, out=result)
    result += 1
    np.divide(hidden, result, out=result)
    return result
