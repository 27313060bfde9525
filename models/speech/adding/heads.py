"""The cross-attentions that tell the times of words, for checkpoints, which do not name them."""

from __future__ import annotations

import base64
import gzip
from collections.abc import Mapping

import numpy as np

_BY_SIZE = {
    (4, 51_864): "tiny.en",
    (4, 51_865): "tiny",
    (6, 51_864): "base.en",
    (6, 51_865): "base",
    (12, 51_864): "small.en",
    (12, 51_865): "small",
    (24, 51_864): "medium.en",
    (24, 51_865): "medium",
    (32, 51_865): "large-v2",
    (32, 51_866): "large-v3",
    (4, 51_866): "large-v3-turbo",
}
"""Layers of the decoder and size of the vocabulary of the published models."""


def alignment_heads(dims: Mapping[str, int]) -> list[list[int]]:
    """Pairs of layer and head: those of the published model of that size, else all of the upper half of the layers."""
    from whisper import _ALIGNMENT_HEADS

    layers, heads = dims["n_text_layer"], dims["n_text_head"]
    name = _BY_SIZE.get((layers, dims["n_vocab"]))
    if name:
        mask = np.frombuffer(gzip.decompress(base64.b85decode(_ALIGNMENT_HEADS[name])), bool)
        if len(mask) == layers * heads:
            return [[int(layer), int(head)] for layer, head in np.argwhere(mask.reshape(layers, heads))]
    return [[layer, head] for layer in range(layers // 2, layers) for head in range(heads)]
