"""Reads config.json: which network it is, its sizes and its labels."""

from __future__ import annotations

from typing import Any, Final

from models.redaction.adding.errors import invalid, shown
from models.redaction.own_model.specification import ARCHITECTURES, Architecture

MOST_LABELS: Final = 500
LEAST_POSITIONS: Final = 32
_MOST_LABEL_CHARS: Final = 60
_ACTIVATIONS: Final = ("gelu", "gelu_new", "relu", "silu", "tanh")
_OTHERWISE: Final = ("is_decoder", "add_cross_attention", "pruned_heads", "quantization_config", "adapters")
"""Keys that make another network of it, unless they are empty."""

KNOWN: Final = (
    f"Known are {', '.join(ARCHITECTURES)}. "
    "A Whisper of transformers is converted with ct2-transformers-converter first."
)


def architecture_of(config: dict[str, Any]) -> str:
    """The name of the network.

    Raises:
        WeightsError: WEIGHTS_INVALID, it is not known, or something makes another network of it.
    """
    listed = config.get("architectures")
    named = listed[0] if isinstance(listed, list) and len(listed) == 1 else None
    if not isinstance(named, str) or named not in ARCHITECTURES:
        raise invalid(f"The model is of an architecture that cannot be added: {shown(named)}.", KNOWN)
    if unusual := [key for key in _OTHERWISE if config.get(key)]:
        raise invalid(f"'{unusual[0]}' in config.json makes a network of it that cannot be added.", KNOWN)
    if config.get("position_embedding_type", "absolute") != "absolute":
        raise invalid("The network has other than absolute positions.", KNOWN)
    return named


def sizes_of(config: dict[str, Any], known: Architecture) -> dict[str, int | float | str]:
    """The values that decide about the network.

    Raises:
        WeightsError: WEIGHTS_INVALID, one is missing, or it is none that such a network can have.
    """
    for key, most in known.sizes.items():
        if type(config.get(key)) is not int or not 0 < config[key] <= most:
            raise invalid(f"'{key}' in config.json is no number from 1 to {most}: {shown(config.get(key))}.")
    if config[known.width] % config[known.heads]:
        raise invalid(f"'{known.heads}' in config.json does not divide '{known.width}'.")
    if config["max_position_embeddings"] - known.skipped_positions < LEAST_POSITIONS:
        raise invalid(f"The network takes fewer than {LEAST_POSITIONS} tokens at a time.")
    if config.get(known.activation) not in _ACTIVATIONS:
        raise invalid(f"'{known.activation}' in config.json is none of {', '.join(_ACTIVATIONS)}.")
    if known.epsilon and (type(config.get(known.epsilon)) is not float or not 0 < config[known.epsilon] < 1):
        raise invalid(f"'{known.epsilon}' in config.json is no number between 0 and 1.")
    if known.skipped_positions and config.get("pad_token_id", 1) != known.skipped_positions - 1:
        raise invalid(f"'pad_token_id' in config.json is not {known.skipped_positions - 1}.")
    return {key: config[key] for key in known.keys}


def labels_of(config: dict[str, Any]) -> tuple[str, ...]:
    """The labels of the network, in order.

    Raises:
        WeightsError: WEIGHTS_INVALID, they are not numbered from 0, or there are too many, too long or equal ones.
    """
    named = config.get("id2label")
    if not isinstance(named, dict) or not 0 < len(named) <= MOST_LABELS:
        raise invalid(f"config.json has no id2label with 1 to {MOST_LABELS} labels.")
    labels = tuple(named.get(str(number)) for number in range(len(named)))
    if not all(
        isinstance(label, str) and label.isprintable() and 0 < len(label) <= _MOST_LABEL_CHARS for label in labels
    ):
        raise invalid(
            f"'id2label' in config.json does not number labels of up to {_MOST_LABEL_CHARS} characters from 0."
        )
    if len(set(labels)) < len(labels):
        raise invalid("'id2label' in config.json has a label twice.")
    return tuple(map(str, labels))
