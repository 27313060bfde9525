"""The classifier as it was published, all six layers; the heads of the product's two learn from it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from models.redaction.ner.classifier import RampartClassifier
from models.redaction.ner.dequantize import PackedModel
from models.redaction.ner.encoder import Floats
from models.redaction.ner.engines import PACKED_FILE, WEIGHTS_NAME, assemble_classifier
from models.redaction.ner.name_head import NameScorer
from models.weights import store


class WholeLabels:
    """The last product of the published file, read as the publisher does; a ``LabelScorer``.

    Args:
        source: The file.
        config: The JSON beside it.
    """

    def __init__(self, source: PackedModel, config: dict[str, Any]) -> None:
        names = [config["id2label"][str(i)] for i in range(len(config["id2label"]))]
        self.labels = tuple(sorted({name[2:] for name in names if name != "O"}))
        columns = [[i for i, name in enumerate(names) if name[2:] == label] for label in self.labels]
        order = [*(i for label in columns for i in label), *(i for i, name in enumerate(names) if name == "O")]
        self._starts = np.cumsum([0, *(len(label) for label in columns)])
        self._weights = source.product("classifier")[order].T
        self._bias = source.vector("classifier.bias")[order]

    def probabilities(self, states: Floats) -> Floats:
        """See ``LabelScorer``."""
        outputs = states @ self._weights + self._bias
        exponentials = np.exp(outputs - outputs.max(axis=-1, keepdims=True))
        sums: Floats = np.add.reduceat(exponentials, self._starts, axis=-1)[:, :-1]
        sums /= exponentials.sum(axis=-1, keepdims=True)
        return sums


def whole_classifier(cache: Path, names: NameScorer | None = None) -> RampartClassifier:
    """All layers, with the publisher's own labels."""
    folder = store.place(WEIGHTS_NAME, cache)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    labels = WholeLabels(PackedModel(folder / PACKED_FILE), config)
    return assemble_classifier(cache, names, labels=labels, layers=config["num_hidden_layers"])
