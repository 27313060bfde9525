"""Whisper models with random weights, as small as an engine takes them."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

import torch
from whisper.model import ModelDimensions, Whisper


def dimensions(vocabulary: int = 51_864, mels: int = 80) -> ModelDimensions:
    """Those of a model with one layer on each side."""
    return ModelDimensions(mels, 1500, 64, 1, 1, vocabulary, 448, 64, 1, 1)


def content(vocabulary: int = 51_864, mels: int = 80) -> dict[str, Any]:
    """What openai-whisper saves; the numbers are always the same. The caller may change it."""
    return deepcopy(_content(vocabulary, mels))


@cache
def _content(vocabulary: int, mels: int) -> dict[str, Any]:
    torch.manual_seed(3)
    dims = dimensions(vocabulary, mels)
    state = Whisper(dims).half().state_dict()
    return {"dims": asdict(dims), "model_state_dict": {k: torch.randn_like(v) * 0.02 for k, v in state.items()}}


def checkpoint(path: Path, vocabulary: int = 51_864, mels: int = 80) -> Path:
    """A checkpoint of openai-whisper."""
    torch.save(content(vocabulary, mels), path)
    return path
