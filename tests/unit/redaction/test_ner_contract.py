"""What the classifier must do on every engine, on real weights, and how far the engines agree."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from models.errors import InvalidInput
from models.redaction.ner.engine_choice import ENGINES
from models.redaction.ner.engines import build_classifier
from models.redaction.ner.types import TokenClassifier, WordPrediction
from models.redaction.redactor import LocalRedactor
from models.redaction.types import RedactionContext
from models.text import RawText, TextSource

pytestmark = pytest.mark.models

NAMES = ("GIVEN_NAME", "SURNAME")


@pytest.fixture(scope="module", params=ENGINES)
def classifier(request: pytest.FixtureRequest, weights_cache: Path) -> TokenClassifier:
    return build_classifier(weights_cache, request.param, "cpu")


def names_in(classifier: TokenClassifier, text: str) -> list[str]:
    found = classifier.classify([text])[0]
    return [text[word.start : word.end] for word in found if word.label in NAMES and word.score > 0.4]


def test_it_reports_its_engine_and_device(classifier: TokenClassifier) -> None:
    assert classifier.name in ENGINES
    assert classifier.device == "cpu"


def test_names_are_whole_words(classifier: TokenClassifier) -> None:
    found = names_in(classifier, "My manager is Bartholomew Featherstonehaugh.")
    assert found == ["Bartholomew", "Featherstonehaugh"]


def test_texts_without_words_have_no_predictions(classifier: TokenClassifier) -> None:
    assert classifier.classify(["", "  ", "..."]) == [[], [], []]
    assert classifier.classify([]) == []


def test_batches_and_threads_do_not_change_the_predictions(classifier: TokenClassifier, weights_cache: Path) -> None:
    """To the last bit: a score beside a threshold must not fall to the other side of it."""
    texts = ["Anna Schmidt called.", "", "x", "The pump of John Carter is loud. " * 40, "Ring Maria.", "Is it Ana?"]
    texts += ["Ask Jo Reed " + "or Lee Ray " * n for n in range(30)]
    alone = [classifier.classify([text])[0] for text in texts]
    for each in (classifier, build_classifier(weights_cache, classifier.name, "cpu", threads=2)):
        assert each.classify(texts) == alone
        assert each.classify(texts[::-1]) == alone[::-1]


def test_several_threads_may_call_it(classifier: TokenClassifier) -> None:
    texts = [f"Please ask {name} Brown about the pump." for name in ("Anna", "Ravi", "Marta", "Piotr")]
    expected = classifier.classify(texts)
    results: dict[int, list[list[WordPrediction]]] = {}
    callers = [threading.Thread(target=lambda n=n: results.update({n: classifier.classify(texts)})) for n in range(4)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert list(results.values()) == [expected] * 4


def test_long_texts_are_read_to_the_end(classifier: TokenClassifier) -> None:
    text = "The valve was closed again. " * 300 + "It was John Carter who did it."
    assert names_in(classifier, text)[-2:] == ["John", "Carter"]


@pytest.mark.parametrize("source", [TextSource.SPEECH, TextSource.TYPED])
def test_the_visit_of_the_demo_is_redacted(classifier: TokenClassifier, source: TextSource) -> None:
    said = (
        "Hello my name is John Carter, I'm at the Riverside site to read the water meter. You can call me on "
        "415-555-0132 or write to john.carter@example.com. The meter reads 48217 cubic meters."
    )
    redaction = LocalRedactor(classifier).redact(RawText(said), RedactionContext(source))
    assert redaction.text.value == (
        "Hello my name is [REDACTED_NAME], I'm at the Riverside site to read the water meter. You can call me on "
        "[REDACTED_PHONE] or write to [REDACTED_EMAIL]. The meter reads 48217 cubic meters."
    )


def test_an_unknown_engine_is_refused(weights_cache: Path) -> None:
    with pytest.raises(InvalidInput, match="ctranslate2, transformers"):
        build_classifier(weights_cache, "onnx")


def test_the_default_engine_has_no_gpu(weights_cache: Path) -> None:
    with pytest.raises(InvalidInput, match="CPU only"):
        build_classifier(weights_cache, "ctranslate2", "cuda")


def test_the_default_engine_does_not_import_transformers(weights_cache: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from models.redaction.ner.engines import build_classifier;"
        "build_classifier(Path(sys.argv[1]), 'ctranslate2', 'cpu').classify(['Ask Anna.']);"
        "print('ctranslate2' in sys.modules, 'transformers' in sys.modules)"
    )
    command = [sys.executable, "-c", program, str(weights_cache)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "True False"
