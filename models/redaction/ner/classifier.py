"""The token classifier: predicts for every word of a text which kind of personal data it may be part of.

The model is Rampart (National Design Studio, CC BY 4.0): BERT, 6 layers of 384, lower case, 17 labels. Only its two
lower layers run. ``label_head`` and ``name_head`` read the labels and the names out of their hidden states. A word
takes the highest probability of its tokens, so an entity never cuts a word. For spoken and typed texts, a second
encoder runs beside it: the same two layers, fitted further, under the slot tagger.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from models.errors import WeightsError
from models.redaction.ner.encoder import BATCHES_AHEAD, Floats, TokenEncoder
from models.redaction.ner.label_head import LabelScorer
from models.redaction.ner.name_head import NameScorer
from models.redaction.ner.token_pooling import PooledWords, TokenizedWords, words_of
from models.redaction.ner.types import Classified, WordPrediction
from models.redaction.ner.windows import TokenRows, Window, WindowSize, batches, cut
from models.redaction.slots.tagger import SlotScorer
from models.redaction.slots.types import SlotWord, TaggedText

if TYPE_CHECKING:
    from tokenizers import Encoding

NAME_LABELS = ("GIVEN_NAME", "SURNAME")

LEAST_PROBABILITY = 0.05
"""Predictions below this are not reported."""

_Projection = Callable[[Floats], Floats]
_Encoded = Callable[[], Iterator[tuple[Window, Floats]]]


def _unchanged(states: Floats) -> Floats:
    return states


@dataclass(frozen=True, slots=True)
class Slots:
    """What tags the words of spoken and typed texts.

    Attributes:
        tagger: Reads the slots out of hidden states.
        encoder: Gives them. Its layers were fitted to spoken values, so those of the classifier are no use.
    """

    tagger: SlotScorer
    encoder: TokenEncoder


class RampartClassifier:
    """The classifier on local weights; a ``TokenClassifier``.

    A text gets bit-identical predictions for every batch and number of threads. The encoder guarantees this for the
    hidden states, and the rest works window by window.

    Args:
        tokenizer_file: The published ``tokenizer.json``.
        encoder: Gives the hidden states.
        labels: Reads the labels out of them.
        names: Judges which words are names; without one the labels do.
        size: How long texts are cut.
        slots: Tags the words of spoken and typed texts; without it they have no slots.
    """

    def __init__(
        self,
        tokenizer_file: Path,
        encoder: TokenEncoder,
        labels: LabelScorer,
        names: NameScorer | None = None,
        size: WindowSize | None = None,
        slots: Slots | None = None,
    ) -> None:
        from tokenizers import Tokenizer

        self._size = size or WindowSize()
        self._encoder = encoder
        self._names = names
        self._slots = slots
        self._label_scorer = labels
        self._tokenizer = Tokenizer.from_file(str(tokenizer_file))
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._labels = labels.labels
        self._name_columns = np.array([self._labels.index(label) for label in NAME_LABELS])
        self._other_columns = np.array([n for n, label in enumerate(self._labels) if label not in NAME_LABELS])
        self._cls, self._sep = self._special("[CLS]"), self._special("[SEP]")

    @property
    def name(self) -> str:
        """See ``TokenClassifier``."""
        return self._encoder.name

    @property
    def device(self) -> str:
        """See ``TokenClassifier``."""
        return self._encoder.device

    @property
    def labels(self) -> tuple[str, ...]:
        """In the order of the columns of ``pooled_words``."""
        return self._labels

    def classify(self, texts: list[str]) -> list[list[WordPrediction]]:
        """See ``TokenClassifier``."""
        return [classified.words for classified in self.begin(texts)()]

    def begin(self, texts: list[str], tagged: Sequence[TaggedText] | None = None) -> Callable[[], list[Classified]]:
        """See ``TokenClassifier``."""
        names, labels = self._names, len(self._labels)
        encodings = self._tokenized(texts)
        ids = [encoding.ids for encoding in encodings]
        windows = self._batches(ids)
        tokens = self._begin_tokens(ids, windows, names.project if names else None)
        slots = self._begin_slots(ids, windows) if tagged is not None else None
        words = [words_of(text, encoding.offsets) for text, encoding in zip(texts, encodings, strict=True)]
        features = [
            names.text_features(text, w.spans, labels) if names and w.spans else None
            for text, w in zip(texts, words, strict=True)
        ]

        def classified() -> list[Classified]:
            pooled = [w.pool(*rows) for w, rows in zip(words, tokens(), strict=True)]
            found = [self._classified(*word) for word in zip(pooled, features, strict=True)]
            if slots is None or tagged is None:
                return [Classified(predictions, []) for predictions, _names in found]
            states = [w.means(rows) for w, rows in zip(words, slots(), strict=True)]
            return [
                Classified(predictions, self._tagged(text, w.spans, of_names, rows))
                for (predictions, of_names), text, w, rows in zip(found, tagged, words, states, strict=True)
            ]

        return classified

    def pooled_words(self, texts: list[str]) -> list[PooledWords]:
        """The words of each text with their probabilities and full hidden states, for fitting a head."""
        encodings = self._tokenized(texts)
        rows = self._rows(encodings)
        words = [words_of(text, encoding.offsets) for text, encoding in zip(texts, encodings, strict=True)]
        return [w.pool(*row) for w, row in zip(words, rows, strict=True)]

    def tokenized(self, texts: list[str]) -> list[tuple[list[int], TokenizedWords]]:
        """The token ids of each text, the special ones included, and its words, for fitting an encoder.

        The tokens of the words are counted without the special one before them.
        """
        return [
            ([self._cls, *encoding.ids, self._sep], words_of(text, encoding.offsets))
            for text, encoding in zip(texts, self._tokenized(texts), strict=True)
        ]

    def token_rows(self, texts: list[str]) -> list[tuple[Floats, Floats]]:
        """For every token of each text: its probabilities, shape (tokens, labels), and its hidden state."""
        return self._rows(self._tokenized(texts))

    def _rows(self, encodings: list[Encoding]) -> list[tuple[Floats, Floats]]:
        ids = [encoding.ids for encoding in encodings]
        return self._begin_tokens(ids, self._batches(ids), _unchanged)()

    def _tokenized(self, texts: list[str]) -> list[Encoding]:
        return [self._tokenizer.encode(text, add_special_tokens=False) for text in texts]

    def _special(self, token: str) -> int:
        number = self._tokenizer.token_to_id(token)
        if number is None:
            raise WeightsError(f"The vocabulary of the classifier has no {token}.")
        return int(number)

    def _batches(self, ids: list[list[int]]) -> list[list[Window]]:
        return list(batches(cut(ids, self._size, self._cls, self._sep), self._size.batch_tokens))

    def _begin_tokens(
        self, ids: list[list[int]], windows: list[list[Window]], project: _Projection | None
    ) -> Callable[[], list[tuple[Floats, Floats]]]:
        encoded = self._begin_windows(windows, self._encoder)
        return lambda: self._joined([len(text) for text in ids], encoded, project)

    def _begin_slots(self, ids: list[list[int]], windows: list[list[Window]]) -> Callable[[], list[Floats]] | None:
        """Start the encoder of the slots: for every token of every text what the tagger reads of its hidden state."""
        if self._slots is None:
            return None
        encoded, project = self._begin_windows(windows, self._slots.encoder), self._slots.tagger.project

        def joined() -> list[Floats]:
            rows = TokenRows([len(text) for text in ids], self._size.overlap)
            for window, padded in encoded():
                rows.add(window, project(padded[1 : len(window.ids) - 1]))
            return rows.rows

        return joined

    def _begin_windows(self, windows: list[list[Window]], encoder: TokenEncoder) -> _Encoded:
        """Start the first batches of windows. Each finished batch starts one more."""
        waiting = iter(windows)
        start = partial(_start, encoder)
        started = deque(map(start, islice(waiting, BATCHES_AHEAD)))

        def encoded() -> Iterator[tuple[Window, Floats]]:
            while started:
                batch, outcome = started.popleft()
                states = outcome()
                started.extend(map(start, islice(waiting, 1)))
                yield from zip(batch, states, strict=True)

        return encoded

    def _joined(
        self, lengths: list[int], encoded: _Encoded, project: _Projection | None
    ) -> list[tuple[Floats, Floats]]:
        """For every token of every text: its label probabilities and its projected hidden state.

        Where windows overlap, the higher probability counts.
        """
        probabilities = [np.zeros((length, len(self._labels)), dtype=np.float32) for length in lengths]
        projected = TokenRows(lengths, self._size.overlap)
        for window, padded in encoded():
            states = padded[1 : len(window.ids) - 1]
            part = probabilities[window.text][window.start : window.start + len(states)]
            np.maximum(part, self._label_scorer.probabilities(states), out=part)
            if project is not None:
                projected.add(window, project(states))
        return list(zip(probabilities, projected.rows, strict=True))

    def _classified(self, words: PooledWords, features: Floats | None) -> tuple[list[WordPrediction], Floats]:
        """What each word of a text is, and how likely it is part of a name."""
        if not words.spans:
            return [], np.zeros(0, dtype=np.float32)
        of_names = words.probabilities[:, self._name_columns]
        if self._names is not None and features is not None:
            names = self._names.scores(features, words.probabilities, words.states)
        else:
            names = of_names.max(axis=1)
        return list(self._predictions(words, names, of_names.argmax(axis=1).tolist())), names

    def _tagged(self, text: TaggedText, spans: list[tuple[int, int]], names: Floats, states: Floats) -> list[SlotWord]:
        return self._slots.tagger.words(text, spans, names, states) if self._slots and spans else []

    def _predictions(self, words: PooledWords, names: Floats, which: list[int]) -> Iterator[WordPrediction]:
        """What each word is: a name, something else, or either."""
        others = words.probabilities[:, self._other_columns]
        best, scores = others.argmax(axis=1).tolist(), others.max(axis=1).tolist()
        for number, ((start, end), name) in enumerate(zip(words.spans, names.tolist(), strict=True)):
            if name >= LEAST_PROBABILITY:
                yield WordPrediction(start, end, NAME_LABELS[which[number]], name)
            if scores[number] >= LEAST_PROBABILITY:
                yield WordPrediction(start, end, self._labels[self._other_columns[best[number]]], scores[number])


def _start(encoder: TokenEncoder, batch: list[Window]) -> tuple[list[Window], Callable[[], Floats]]:
    return batch, encoder.begin([window.ids for window in batch], batch[0].padded)
