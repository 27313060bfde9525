"""What the slot tagger learns from: rows of labelled spoken texts, and their words as the tagger sees them."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from models.redaction.entities import LABELS
from models.redaction.itn.lexicon import lexicon_for
from models.redaction.ner.classifier import RampartClassifier
from models.redaction.ner.encoder import Floats
from models.redaction.ner.name_head import NameScorer
from models.redaction.normalize.transliterate import transliterated
from models.redaction.normalize.view import TextView, original
from models.redaction.slots.features import QUESTIONS, SlotContext, slot_features
from models.text import RecognizedWord
from models.training.label_network import CHUNK

T = TypeVar("T")

NONE = -1
"""The label of a word that is part of no value."""
NOT_PERSONAL = -2
"""The label of a number of which no more is known than that it is not personal."""


@dataclass(frozen=True)
class SlotRow:
    """A labelled text.

    Attributes:
        group: Which kind of text it is, for the figures.
        text: As recognition wrote it.
        spans: Start, end and label of its values, personal and harmless.
        context: What else is known of it.
        weight: How much it counts.
        whole: Whether every harmless value is labelled, too.
    """

    group: str
    text: str
    spans: tuple[tuple[int, int, str], ...]
    context: SlotContext
    weight: float = 1.0
    whole: bool = True


def read_rows(path: Path, splits: Sequence[str], group: str = "") -> Iterator[SlotRow]:
    """The rows of a JSONL file, packed or not, in which something was heard; see ``models.training.spoken``."""
    with (gzip.open if path.suffix == ".gz" else open)(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            if row["split"] in splits and row["text"].strip():
                spans = tuple((s["start"], s["end"], s["label"]) for s in row["spans"])
                words = tuple(RecognizedWord(*word) for word in row.get("words") or ())
                context = SlotContext(row["lang"], _questions(row.get("asked")), words, typed=row.get("typed", False))
                yield SlotRow(group or path.stem, row["text"], spans, context, whole=row.get("whole", True))


def _questions(asked: str | None) -> tuple[str, ...]:
    """What the assistant's question for a label counts as, see ``dialogue_context``: all papers count as one."""
    return (asked if asked in QUESTIONS else "ID",) if asked else ()


def labels_of(rows: Iterable[SlotRow]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The entity types in the rows, and their other labels, each sorted."""
    found = {label for row in rows for _start, _end, label in row.spans}
    return tuple(sorted(found & LABELS)), tuple(sorted(found - LABELS))


@dataclass(frozen=True)
class SlotTable:
    """The words of many texts, one text after the other.

    Attributes:
        tokens: Token ids of all texts, the special ones included; int32.
        token_starts: First token of each text, and the number of all tokens at the end.
        edges: Of each word its first token in its text and the one after its last; int32, shape (words, 2).
        features: ``slot_features``, float16, shape (words, features).
        labels: Index of each word's label, or ``NONE``; int8.
        weights: Of each text.
        starts: First word of each text, and the number of all words at the end.
    """

    tokens: npt.NDArray[np.int32]
    token_starts: npt.NDArray[np.int64]
    edges: npt.NDArray[np.int32]
    features: npt.NDArray[np.float16]
    labels: npt.NDArray[np.int8]
    weights: Floats
    starts: npt.NDArray[np.int64]

    @property
    def texts(self) -> int:
        """How many there are."""
        return len(self.starts) - 1


def joined(tables: Sequence[SlotTable]) -> SlotTable:
    """The texts of all tables."""
    return SlotTable(
        np.concatenate([t.tokens for t in tables]),
        _starts([t.token_starts for t in tables]),
        np.concatenate([t.edges for t in tables]),
        np.concatenate([t.features for t in tables]),
        np.concatenate([t.labels for t in tables]),
        np.concatenate([t.weights for t in tables]),
        _starts([t.starts for t in tables]),
    )


def _starts(parts: Sequence[npt.NDArray[np.int64]]) -> npt.NDArray[np.int64]:
    return np.cumsum(np.concatenate([[0], *map(np.diff, parts)]))


def table_of(
    rows: Sequence[SlotRow], labels: Sequence[str], classifier: RampartClassifier, names: NameScorer
) -> tuple[SlotTable, list[list[tuple[int, int]]]]:
    """The words of the rows, and the spans of the words in each text."""
    index = {label: number for number, label in enumerate(labels)}
    words = list(_words(rows, classifier, names))
    targets = [[_label(span, row, index) for span in text.spans] for row, text in zip(rows, words, strict=True)]
    return SlotTable(
        np.array([token for text in words for token in text.tokens], dtype=np.int32),
        np.cumsum([0, *(len(text.tokens) for text in words)]),
        np.concatenate([text.edges for text in words]),
        np.concatenate([text.features for text in words]),
        np.array([label for text in targets for label in text], dtype=np.int8),
        np.array([row.weight for row in rows], dtype=np.float32),
        np.cumsum([0, *map(len, targets)]),
    ), [text.spans for text in words]


@dataclass(frozen=True)
class _Words:
    spans: list[tuple[int, int]]
    tokens: list[int]
    edges: npt.NDArray[np.int32]
    features: npt.NDArray[np.float16]


def _chunks(items: Sequence[T]) -> Iterator[Sequence[T]]:
    return (items[at : at + CHUNK] for at in range(0, len(items), CHUNK))


def _words(rows: Sequence[SlotRow], classifier: RampartClassifier, names: NameScorer) -> Iterator[_Words]:
    for chunk in _chunks(rows):
        views = [transliterated(row.text) or original(row.text) for row in chunk]
        texts = [view.text for view in views]
        read = zip(chunk, views, classifier.pooled_words(texts), classifier.tokenized(texts), strict=True)
        for row, view, pooled, (tokens, words) in read:
            likely = _name_scores(view, pooled.spans, pooled.probabilities, pooled.states, names)
            spans = [view.original_span(*span) for span in pooled.spans]
            features = slot_features(row.text, spans, likely, row.context)
            edges = np.array(words.edges, dtype=np.int32).reshape(-1, 2) + 1  # after the special token
            yield _Words(spans, tokens, edges, features.astype(np.float16))


def _name_scores(
    view: TextView, spans: list[tuple[int, int]], probabilities: Floats, states: Floats, names: NameScorer
) -> Floats:
    if not spans:
        return np.zeros(0, dtype=np.float32)
    features = names.text_features(view.text, spans, probabilities.shape[1])
    return names.scores(features, probabilities, names.project(states))


def _label(span: tuple[int, int], row: SlotRow, index: dict[str, int]) -> int:
    """The label of the span that covers most of a word; of two alike, the first."""
    start, end = span
    shared = [(min(end, b) - max(start, a), -n) for n, (a, b, _label) in enumerate(row.spans) if a < end and start < b]
    if shared:
        return index[row.spans[-max(shared)[1]][2]]
    return NONE if row.whole or not _is_number(row.text[start:end], row.context.language) else NOT_PERSONAL


def _is_number(word: str, language: str) -> bool:
    return any(map(str.isdigit, word)) or word.lower() in lexicon_for(language).numbers
