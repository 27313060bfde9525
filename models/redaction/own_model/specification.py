"""What is known of a token classifier that was added, and the network that it describes.

The networks are those of ``transformers``. Everything that decides about them is in the specification, which is written
when a model is added. No code, no class and no other setting comes from the files that were given.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

SPECIFICATION_FILE: Final = "ner.json"
TENSORS_FILE: Final = "model.safetensors"
TOKENIZER_FILE: Final = "tokenizer.json"

WORD_PIECE: Final = "WordPiece"
BYTE_LEVEL: Final = "BPE"


@dataclass(frozen=True, slots=True)
class Architecture:
    """A network that can be added.

    Attributes:
        config: Name of its configuration in ``transformers``.
        sizes: Keys of that configuration that are whole numbers, each with the largest that is taken.
        width: Key of the width of a layer.
        heads: Key of the number of heads, which divides the width.
        activation: Key of the activation function.
        epsilon: Key of the term of the layer norm; empty where the network has a fixed one.
        vocabulary: Kind of vocabulary: ``WordPiece`` or ``BPE`` of bytes.
        skipped_positions: Positions at the start that no token has.
    """

    config: str
    sizes: Mapping[str, int]
    width: str
    heads: str
    activation: str
    epsilon: str
    vocabulary: str
    skipped_positions: int = 0

    @property
    def keys(self) -> tuple[str, ...]:
        """All keys of the configuration that decide about the network."""
        return (*self.sizes, self.activation, *((self.epsilon,) if self.epsilon else ()))


_MOST_LAYERS, _MOST_WIDTH = 48, 4096
_TABLES: Final = {"vocab_size": 500_000, "max_position_embeddings": 8192}
_BERT: Final = MappingProxyType(
    {
        **_TABLES,
        "hidden_size": _MOST_WIDTH,
        "num_hidden_layers": _MOST_LAYERS,
        "num_attention_heads": 128,
        "intermediate_size": 4 * _MOST_WIDTH,
        "type_vocab_size": 16,
    }
)
_DISTILLED: Final = MappingProxyType(
    {
        **_TABLES,
        "dim": _MOST_WIDTH,
        "n_layers": _MOST_LAYERS,
        "n_heads": 128,
        "hidden_dim": 4 * _MOST_WIDTH,
    }
)

ARCHITECTURES: Final[Mapping[str, Architecture]] = MappingProxyType(
    {
        "BertForTokenClassification": Architecture(
            "BertConfig", _BERT, "hidden_size", "num_attention_heads", "hidden_act", "layer_norm_eps", WORD_PIECE
        ),
        "DistilBertForTokenClassification": Architecture(
            "DistilBertConfig", _DISTILLED, "dim", "n_heads", "activation", "", WORD_PIECE
        ),
        "RobertaForTokenClassification": Architecture(
            "RobertaConfig",
            _BERT,
            "hidden_size",
            "num_attention_heads",
            "hidden_act",
            "layer_norm_eps",
            BYTE_LEVEL,
            skipped_positions=2,
        ),
    }
)
"""By the name that ``architectures`` of a config.json has, which is that of the class in ``transformers``."""


@dataclass(frozen=True, slots=True)
class Specification:
    """A token classifier that was added.

    Attributes:
        architecture: A key of ``ARCHITECTURES``.
        config: The values of the keys that decide about the network.
        types: For each label of the network the entity type, or an empty text where it is nothing personal.
        first: Token before a text.
        last: Token after it.
    """

    architecture: str
    config: dict[str, int | float | str]
    types: tuple[str, ...]
    first: int
    last: int

    @property
    def positions(self) -> int:
        """Most tokens of a window, those around the text included."""
        return int(self.config["max_position_embeddings"]) - ARCHITECTURES[self.architecture].skipped_positions

    @classmethod
    def read(cls, folder: Path) -> Specification:
        """Of a model in the cache."""
        found = json.loads((folder / SPECIFICATION_FILE).read_text(encoding="utf-8"))
        return cls(**{**found, "types": tuple(found["types"])})

    def write(self, folder: Path) -> None:
        """Beside the other files of the model."""
        content = json.dumps(asdict(self), indent=2) + "\n"
        (folder / SPECIFICATION_FILE).write_text(content, encoding="utf-8")

    def build(self, tensors: Mapping[str, Any]) -> Any:
        """The network with these tensors, which are not copied.

        Raises:
            RuntimeError: They are not those of the network.
        """
        import torch

        network = self._without_memory()
        network.load_state_dict(tensors, assign=True)
        made = {
            "position_ids": lambda shape: torch.arange(shape[-1]).expand(shape),
            "token_type_ids": lambda shape: torch.zeros(shape, dtype=torch.long),
        }
        for path, buffer in list(network.named_buffers()):
            if buffer.is_meta:  # files do not have it
                module, _, name = path.rpartition(".")
                network.get_submodule(module).register_buffer(name, made[name](buffer.shape), persistent=False)
        network.train(mode=False)
        return network

    def _without_memory(self) -> Any:
        """The network with shapes alone."""
        import torch
        import transformers

        known = ARCHITECTURES[self.architecture]
        config = getattr(transformers, known.config)(num_labels=len(self.types), **self._values(known))
        with torch.device("meta"):
            return getattr(transformers, self.architecture)(config)

    def _values(self, known: Architecture) -> dict[str, int | float | str]:
        # Positions of RoBERTa begin after the number of the padding token.
        padding = {"pad_token_id": known.skipped_positions - 1} if known.skipped_positions else {}
        return {**self.config, **padding}

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of every tensor of the network."""
        return {name: tuple(tensor.shape) for name, tensor in self._without_memory().state_dict().items()}
