"""The real classifier: properties, not exact answers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models.redaction.dequantize import unpack_blocks
from models.redaction.ner import NerOptions, RampartClassifier, TokenClassifier, load_classifier
from models.redaction.redactor import build_redactor
from models.redaction.types import RedactionContext
from models.text import RawText, TextSource


def test_unpacking_blocks() -> None:
    packed = np.array([[[0x80, 0x9F]]], dtype=np.uint8)  # one column, one block, nibbles 0, 8, 15, 9
    dense = unpack_blocks(packed, np.array([[0.5]], dtype=np.float32), rows=3, columns=1)
    assert dense.tolist() == [[-4.0], [0.0], [3.5]]


@pytest.fixture(scope="module")
def classifier(weights_cache: Path) -> RampartClassifier:
    return load_classifier(weights_cache)


@pytest.mark.models
def test_names_are_whole_words(classifier: TokenClassifier) -> None:
    text = "My manager is Bartholomew Featherstonehaugh."
    names = [g for g in classifier.classify([text])[0] if g.label in ("GIVEN_NAME", "SURNAME") and g.score > 0.4]
    assert [text[g.start : g.end] for g in names] == ["Bartholomew", "Featherstonehaugh"]


@pytest.mark.models
def test_batches_and_threads_change_nothing(classifier: TokenClassifier, weights_cache: Path) -> None:
    texts = ["Anna Schmidt called.", "", "x", "The pump of John Carter is loud. " * 40]
    alone = [classifier.classify([t])[0] for t in texts]
    assert classifier.classify(texts) == alone
    assert load_classifier(weights_cache, threads=2).classify(texts) == alone


@pytest.mark.models
def test_long_texts_are_read_to_the_end(classifier: TokenClassifier) -> None:
    text = "The valve was closed again. " * 300 + "It was John Carter who did it."
    last = [
        text[g.start : g.end]
        for g in classifier.classify([text])[0]
        if g.label in ("GIVEN_NAME", "SURNAME") and g.score > 0.4
    ]
    assert last[-2:] == ["John", "Carter"]


@pytest.mark.models
@pytest.mark.parametrize("source", [TextSource.SPEECH, TextSource.TYPED])
def test_the_demo_visit(weights_cache: Path, source: TextSource) -> None:
    said = (
        "Hello my name is John Carter, I'm at the Riverside site to read the water meter. You can call me on "
        "415-555-0132 or write to "
        "john.carter@example.com. The meter reads 48217 cubic meters."
    )
    value = build_redactor(weights_cache).redact(RawText(said), RedactionContext(source)).text.value
    assert value == (
        "Hello my name is [REDACTED_NAME], I'm at the Riverside site to read the water meter. You can call me "
        "on [REDACTED_PHONE] or "
        "write to [REDACTED_EMAIL]. The meter reads 48217 cubic meters."
    )


@pytest.mark.models
def test_hindi_names_are_judged_in_latin_letters(weights_cache: Path) -> None:
    redaction = build_redactor(weights_cache).redact(RawText("मेरा नाम राहुल शर्मा है"), RedactionContext(language="hi"))
    assert "राहुल" not in redaction.text.value
    assert "शर्मा" not in redaction.text.value


def test_options_leave_room() -> None:
    options = NerOptions()
    assert options.overlap_tokens < options.window_tokens - 2 <= 510
