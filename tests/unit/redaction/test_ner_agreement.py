"""How far the engines of the classifier agree on fixed sentences; docs/evaluation/redaction.md has more sets."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from benchmarks._named import UNNAMED, named
from models.redaction.ner.engine_choice import ENGINES
from models.redaction.ner.engines import build_classifier
from models.redaction.ner.gazetteer import WEIGHTS_NAME
from models.redaction.ner.types import TokenClassifier
from models.redaction.normalize.words import WORD
from models.redaction.redactor import LocalRedactor
from models.redaction.types import RedactionContext
from models.text import RawText
from models.training.form_texts import FormSource
from models.training.name_texts import NameSource
from models.weights import store

pytestmark = pytest.mark.models

LEAST_SAME_LABELS = 0.99
"""Share of words that get the same label."""
LEAST_SAME_ENTITIES = 0.9
"""Share of entities, of those that either engine finds, that are the same: type, start and end."""
SURE = 0.5

Sentence = tuple[str, str]


@pytest.fixture(scope="module")
def sentences(weights_cache: Path) -> list[Sentence]:
    """Language and text: sentences with and without names, and lines with addresses and numbers."""
    chance = random.Random(11)
    lists = store.locate(WEIGHTS_NAME, weights_cache)
    forms = FormSource(lists, NameSource(lists, chance), chance).lines(300)
    return [*((language, text) for language, text, _names in named()), *UNNAMED, *(("en", line) for line in forms)]


@pytest.fixture(scope="module")
def classifiers(weights_cache: Path) -> list[TokenClassifier]:
    return [build_classifier(weights_cache, engine, "cpu") for engine in ENGINES]


def labels(classifier: TokenClassifier, text: str) -> dict[tuple[int, int], str]:
    found = sorted(classifier.classify([text])[0], key=lambda word: word.score)
    return {(word.start, word.end): word.label for word in found if word.score >= SURE}


def test_engines_give_words_the_same_labels(classifiers: list[TokenClassifier], sentences: list[Sentence]) -> None:
    words = same = 0
    for _language, text in sentences:
        one, two = (labels(classifier, text) for classifier in classifiers)
        spans = [match.span() for match in WORD.finditer(text)]
        words += len(spans)
        same += sum(one.get(span) == two.get(span) for span in spans)
    assert words > 2000
    assert same / words >= LEAST_SAME_LABELS


def test_engines_find_the_same_entities(classifiers: list[TokenClassifier], sentences: list[Sentence]) -> None:
    found = []
    for redactor in map(LocalRedactor, classifiers):
        entities = set()
        for number, (language, text) in enumerate(sentences):
            redaction = redactor.redact(RawText(text), RedactionContext(language=language))
            entities |= {(number, e.type, e.start, e.end) for e in redaction.entities}
        found.append(entities)
    one, two = found
    assert len(one | two) > 200
    assert len(one & two) / len(one | two) >= LEAST_SAME_ENTITIES
