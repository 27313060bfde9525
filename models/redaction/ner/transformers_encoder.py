"""The second encoder: the published classifier as PyTorch weights of ``transformers``, in 32 bits.

It runs the same layers as the default encoder and feeds the same heads. It is slower on a CPU, and it can use a GPU.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from models.redaction.ner.dequantize import PackedModel, Tensors
from models.redaction.ner.encoder import Floats


class TransformersEncoder:
    """Hidden states of tokens in 32 bits, on the CPU or a GPU; a ``TokenEncoder``.

    Every text runs alone and without padding, so its states do not depend on its neighbours in the batch.

    Args:
        config_file: The published ``config.json``.
        source: The weights.
        layers: How many layers run, from the lowest.
        device: ``cpu``, ``cuda``, or ``auto`` for the GPU where there is one. Decided once, here.
        threads: Texts that run at the same time, each on one core. PyTorch then uses one thread for each operator in
            the whole process.
    """

    name = "transformers"

    def __init__(self, config_file: Path, source: Tensors, layers: int, device: str = "auto", threads: int = 1) -> None:
        import torch

        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        if device == "cpu":
            torch.set_num_threads(1)
        self.device = device
        self._torch: Any = torch
        bert = load_weights(config_file, source, layers).bert
        self._bert = bert.to(device)
        self._width = int(bert.config.hidden_size)
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="encoder")

    def begin(self, texts: Sequence[Sequence[int]], length: int) -> Callable[[], Floats]:
        """See ``TokenEncoder``."""
        pending = [self._pool.submit(self._states, ids) for ids in texts]

        def result() -> Floats:
            states = np.zeros((len(texts), length, self._width), dtype=np.float32)
            for row, ids, future in zip(states, texts, pending, strict=True):
                row[: len(ids)] = future.result()
            return states

        return result

    def _states(self, ids: Sequence[int]) -> Floats:
        with self._torch.inference_mode():
            tokens = self._torch.tensor([list(ids)], device=self.device)
            states: Floats = self._bert(input_ids=tokens).last_hidden_state[0].float().cpu().numpy()
        return states


def load_published(config_file: Path, packed_file: Path) -> Any:
    """The whole published classifier, a ``BertForTokenClassification`` that is ready to run."""
    return load_weights(config_file, PackedModel(packed_file))


def load_weights(config_file: Path, source: Tensors, layers: int | None = None) -> Any:
    """A ``BertForTokenClassification`` with these weights. Nothing is fetched.

    No other thread may build a model meanwhile: Transformers draws no random weights in the whole process.

    Args:
        config_file: Of the model.
        source: Of its weights.
        layers: How many are built, from the lowest on; None for all.

    Raises:
        ValueError: A weight is missing.
    """
    import torch
    from transformers import BertConfig, BertForTokenClassification
    from transformers.initialization import no_init_weights

    config = BertConfig(**json.loads(config_file.read_text(encoding="utf-8")))
    if layers is not None:
        config.num_hidden_layers = min(layers, config.num_hidden_layers)
    with no_init_weights():  # drawing random numbers costs more than reading those of the file
        model = BertForTokenClassification(config)
    names = dict(model.named_parameters())
    missing = model.load_state_dict({name: torch.tensor(source.tensor(name)) for name in names}, strict=False)
    if set(missing.missing_keys) & set(names):  # buffers, such as the numbers of the positions, are not in the file
        raise ValueError("the published file lacks weights of the classifier")
    model.train(mode=False)
    return model
