"""The real classifier: properties, not exact answers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from tokenizers import Tokenizer

from models.redaction.ner.dequantize import unpack_blocks
from models.redaction.ner.engines import WEIGHTS_NAME
from models.redaction.redactor import LocalRedactor
from models.redaction.types import RedactionContext
from models.text import RawText, TextSource
from models.training.published_classifier import whole_classifier
from models.weights import store


def test_quantized_blocks_are_unpacked() -> None:
    packed = np.array([[[0x80, 0x9F]]], dtype=np.uint8)  # one column, one block, nibbles 0, 8, 15, 9
    dense = unpack_blocks(packed, np.array([[0.5]], dtype=np.float32), rows=3, columns=1)
    assert dense.tolist() == [[-4.0], [0.0], [3.5]]


@pytest.mark.models
def test_eight_bit_weights_differ_only_by_rounding(weights_cache: Path) -> None:
    """The same tensors in 32 bits are what ONNX Runtime computes from the 4-bit file; with all layers, as published."""
    classifier = whole_classifier(weights_cache)
    text = "This is Anna Schmidt of 12 Elm Street, call 415 555 0132."
    expected = _answers_of_the_packed_file(store.locate(WEIGHTS_NAME, weights_cache), text)
    assert {(g.start, g.end): g.label for g in classifier.classify([text])[0] if g.score > 0.5} == expected


def _answers_of_the_packed_file(folder: Path, text: str) -> dict[tuple[int, int], str]:
    """Words with their label by the file as published, on ONNX Runtime, without any code of ours."""
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    labels = json.loads((folder / "config.json").read_text(encoding="utf-8"))["id2label"]
    session = onnxruntime.InferenceSession(str(folder / "onnx" / "model_q4.onnx"), providers=["CPUExecutionProvider"])
    encoding = tokenizer.encode(text)
    ids = np.asarray([encoding.ids])
    feed = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
    best = session.run(None, feed)[0][0].argmax(axis=-1)
    by_word: dict[int, tuple[int, int, str]] = {}
    for word, (start, end), label in zip(encoding.word_ids, encoding.offsets, best, strict=True):
        if word is not None and labels[str(label)] != "O":
            first = by_word.get(word, (start, end, ""))[0]
            by_word[word] = (first, end, labels[str(label)][2:])
    return {(start, end): label for start, end, label in by_word.values()}


@pytest.mark.models
@pytest.mark.parametrize("source", [TextSource.SPEECH, TextSource.TYPED])
def test_names_of_the_demo_visit_are_found(real_redactor: LocalRedactor, source: TextSource) -> None:
    said = (
        "Hello my name is John Carter, I'm at the Riverside site to read the water meter. You can call me on "
        "415-555-0132 or write to "
        "john.carter@example.com. The meter reads 48217 cubic meters."
    )
    value = real_redactor.redact(RawText(said), RedactionContext(source)).text.value
    assert value == (
        "Hello my name is [REDACTED_NAME], I'm at the Riverside site to read the water meter. You can call me "
        "on [REDACTED_PHONE] or "
        "write to [REDACTED_EMAIL]. The meter reads 48217 cubic meters."
    )


@pytest.mark.models
def test_hindi_names_are_classified_in_latin_letters(real_redactor: LocalRedactor) -> None:
    redaction = real_redactor.redact(RawText("मेरा नाम राहुल शर्मा है"), RedactionContext(language="hi"))
    assert "राहुल" not in redaction.text.value
    assert "शर्मा" not in redaction.text.value


@pytest.mark.models
@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("fr", "Le compteur marque 01284,7 m3 à 8 h 15."),
        ("fr", "La réunion est à 9 h 45."),
        ("fr", "Ouvert de 8 h à 12 h 30"),
        ("hi", "मीटर रीडिंग 04821 है।"),
        ("de", "Die Bestellnummer ist 88120."),
    ],
)
def test_readings_and_times_are_not_redacted(real_redactor: LocalRedactor, language: str, text: str) -> None:
    assert real_redactor.redact(RawText(text), RedactionContext(language=language)).text.value == text
