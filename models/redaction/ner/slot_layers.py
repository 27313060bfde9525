"""The layers of the slot tagger's encoder: the lower layers of the classifier, fitted further to spoken values.

Word embeddings and everything that is not in ``slot_layers.npz`` are the published ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from models.errors import WeightsError
from models.redaction.ner.dequantize import Tensors

LAYERS_FILE: Final = Path(__file__).with_name("slot_layers.npz")
LAYERS: Final = 2
"""Layers in the file. See docs/evaluation/constants/redaction.md, slot-layers."""

_SCALE: Final = "scale:"
_LARGEST_CODE: Final = 127


class FittedLayers:
    """The tensors of the published model with those of a file in their place; ``Tensors``.

    Args:
        published: The model that was fitted further.
        path: What ``write_layers`` wrote.

    Raises:
        WeightsError: The file lacks a tensor of the fitted layers, when that is asked for.
    """

    def __init__(self, published: Tensors, path: Path = LAYERS_FILE) -> None:
        self._published = published
        with np.load(path, allow_pickle=False) as content:
            self._own = {name: content[name] for name in content.files}

    def product(self, layer: str) -> npt.NDArray[np.float32]:
        """See ``Tensors``."""
        return self.tensor(f"{layer}.weight") if self._is_fitted(layer) else self._published.product(layer)

    def vector(self, name: str) -> npt.NDArray[np.float32]:
        """See ``Tensors``."""
        return self.tensor(name) if self._is_fitted(name) else self._published.vector(name)

    def embedding(self, name: str) -> npt.NDArray[np.float32]:
        """See ``Tensors``."""
        return self._published.embedding(name)

    def tensor(self, name: str) -> npt.NDArray[np.float32]:
        """See ``Tensors``."""
        if not self._is_fitted(name):
            return self._published.tensor(name)
        if name not in self._own:
            raise WeightsError(f"The file of the slot tagger's layers lacks {name}.")
        values = np.asarray(self._own[name], dtype=np.float32)
        scale = self._own.get(_SCALE + name)
        return values if scale is None else np.asarray(values * scale[:, None])

    @staticmethod
    def _is_fitted(name: str) -> bool:
        return name.startswith(tuple(f"bert.encoder.layer.{number}." for number in range(LAYERS)))


def write_layers(path: Path, tensors: Mapping[str, npt.NDArray[np.float32]]) -> None:
    """Write matrices with 8 bits a weight and a scale a row, and vectors with 16 bits."""
    content: dict[str, Any] = {}
    for name, values in tensors.items():
        if values.ndim == 1:
            content[name] = values.astype(np.float16)
            continue
        scale = (np.abs(values).max(axis=1) / _LARGEST_CODE).astype(np.float32)
        content[name] = np.rint(values / np.maximum(scale, np.finfo(np.float32).tiny)[:, None]).astype(np.int8)
        content[_SCALE + name] = scale
    np.savez_compressed(path, **content)
