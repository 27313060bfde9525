"""Builds the classifier on one of its engines, by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from models.redaction.ner import slot_layers
from models.redaction.ner.classifier import RampartClassifier, Slots
from models.redaction.ner.ctranslate2_encoder import CTranslate2Encoder, EncoderFile, build_encoder
from models.redaction.ner.dequantize import PackedModel, Tensors
from models.redaction.ner.encoder import TokenEncoder
from models.redaction.ner.engine_choice import DEFAULT_ENGINE, TRANSFORMERS, Device, check_engine
from models.redaction.ner.label_head import LabelHead, LabelScorer
from models.redaction.ner.name_head import NameScorer, load_name_scorer
from models.redaction.ner.slot_layers import LAYERS_FILE, FittedLayers
from models.redaction.slots.tagger import load_slot_tagger
from models.weights import store

WEIGHTS_NAME: Final = "rampart-pii"
PACKED_FILE: Final = Path("onnx") / "model_q4.onnx"
LAYERS: Final = 2
"""Layers that run; the heads were fitted to these. See docs/evaluation/constants/redaction.md, classifier-layers."""

_CONVERTED_FILE = "encoder_{layers}_int8_v3.npz"
_SLOT_FILE = "slot_encoder_{pin}_int8_v1.npz"


def build_classifier(
    cache: Path, engine: str = DEFAULT_ENGINE, device: Device = "auto", threads: int = 1
) -> RampartClassifier:
    """Load the pinned weights and name lists; they are fetched and converted once.

    Args:
        cache: Folder of the weights.
        engine: One of ``engine_choice.ENGINES``.
        device: ``auto`` takes the GPU where the engine can use one; read the choice from the classifier's ``device``.
        threads: Texts that the encoder works on at the same time.

    Raises:
        InvalidInput: There is no engine of that name, or it cannot use that device.
        WeightsError: The weights are neither there nor to be had, or not the pinned ones.
    """
    check_engine(engine, device)
    slots = Slots(load_slot_tagger(), _encoder(cache, engine, device, threads, slot_layers.LAYERS, fitted=True))
    return assemble_classifier(cache, load_name_scorer(cache), engine, device, threads, slots=slots)


def assemble_classifier(
    cache: Path,
    names: NameScorer | None,
    engine: str = DEFAULT_ENGINE,
    device: Device = "auto",
    threads: int = 1,
    labels: LabelScorer | None = None,
    layers: int = LAYERS,
    slots: Slots | None = None,
) -> RampartClassifier:
    """Like ``build_classifier``, with another name scorer (or none), another label scorer, more layers, or other slots
    (or none).
    """
    check_engine(engine, device)
    folder = store.place(WEIGHTS_NAME, cache)
    encoder = _encoder(cache, engine, device, threads, layers)
    return RampartClassifier(folder / "tokenizer.json", encoder, labels or LabelHead.read(), names, slots=slots)


def _encoder(
    cache: Path, engine: str, device: Device, threads: int, layers: int, *, fitted: bool = False
) -> TokenEncoder:
    """The first layers of the published model, or those that were fitted to spoken values."""
    folder = store.place(WEIGHTS_NAME, cache)
    if engine == TRANSFORMERS:
        from models.redaction.ner.transformers_encoder import TransformersEncoder

        return TransformersEncoder(folder / "config.json", _weights(folder, fitted=fitted), layers, device, threads)

    def build(source: Path, target: Path) -> None:
        heads = json.loads((source / "config.json").read_text(encoding="utf-8"))["num_attention_heads"]
        build_encoder(_weights(source, fitted=fitted), target, layers, heads)

    name = _SLOT_FILE.format(pin=store.sha256_of(LAYERS_FILE)[:12]) if fitted else _CONVERTED_FILE.format(layers=layers)
    return CTranslate2Encoder(EncoderFile.read(store.derived(WEIGHTS_NAME, cache, name, build)), threads)


def _weights(folder: Path, *, fitted: bool) -> Tensors:
    published = PackedModel(folder / PACKED_FILE)
    return FittedLayers(published) if fitted else published
