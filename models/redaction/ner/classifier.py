"""The token classifier that finds names and what belongs to them.

Rampart (National Design Studio, CC BY 4.0): BERT, 6 layers of 384, lower case, 17 labels. It says for every token
what it is part of; a word takes the most certain opinion of its tokens, so a span never cuts a word.

Only the two lower layers run. What the upper four add was measured: next to a head that also reads name lists,
capitals and neighbours they find hardly a name more, and they take two thirds of the time. ``label_head`` and
``name_head`` read the labels and the names out of what the two layers know.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby, islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from models.errors import WeightsError
from models.redaction.ner.encoder import AHEAD, Encoder, EncoderFile, Floats, build_encoder
from models.redaction.ner.label_head import LabelHead, LabelJudge
from models.redaction.ner.name_head import NameJudge, load_name_judge
from models.redaction.ner.token_pooling import Observation, TokenizedWords, words_of
from models.redaction.ner.types import WordGuess
from models.weights import store

if TYPE_CHECKING:
    from tokenizers import Encoding

WEIGHTS_NAME = "rampart-pii"
PACKED_FILE = Path("onnx") / "model_q4.onnx"
_ENCODER_FILE = "encoder_{layers}_int8_v3.npz"
LAYERS = 2
"""Layers that run; the heads were fitted to these."""
_PAD_TO = 8

NAME_LABELS = ("GIVEN_NAME", "SURNAME")


@dataclass(frozen=True, slots=True)
class NerOptions:
    """How to run the classifier.

    Attributes:
        window_tokens: Tokens judged at once, the two special ones included; the model knows 512 positions.
        overlap_tokens: Shared by neighbouring windows, more than any name has.
        batch_tokens: Tokens of the windows that are judged together, padding included. The weights are read once for
            all of them, which at the length of a sentence takes a third of the time; more than this gains nothing.
        floor: Guesses under this probability are not reported.
        threads: Threads that share the work of a batch.
    """

    window_tokens: int = 256
    overlap_tokens: int = 48
    batch_tokens: int = 512
    floor: float = 0.05
    threads: int = 1


_Projection = Callable[[Floats], Floats]


def _itself(states: Floats) -> Floats:
    return states


class RampartClassifier:
    """The real one, on CTranslate2.

    A text gets the same guesses, to the last bit, whatever else is in the batch and however many threads there are:
    the encoder scales its 8-bit activations token by token, every window is padded to the next multiple of 8 whether
    it is alone or not (attention sums in another order at another length), and the rest is done window by window.
    """

    def __init__(
        self,
        folder: Path,
        file: EncoderFile,
        labels: LabelJudge,
        names: NameJudge | None = None,
        options: NerOptions = NerOptions(),
    ) -> None:
        from tokenizers import Tokenizer

        self._options = options
        self._names = names
        self._label_judge = labels
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._labels = labels.labels
        self._name_columns = [self._labels.index(label) for label in NAME_LABELS]
        self._other_columns = [n for n, label in enumerate(self._labels) if label not in NAME_LABELS]
        self._cls, self._sep = self._special("[CLS]"), self._special("[SEP]")
        self._encoder = Encoder(file, options.threads)

    @property
    def labels(self) -> tuple[str, ...]:
        """In the order of the columns of ``observe``."""
        return self._labels

    def classify(self, texts: list[str]) -> list[list[WordGuess]]:
        """See ``TokenClassifier``."""
        return self.begin(texts)()

    def begin(self, texts: list[str]) -> Callable[[], list[list[WordGuess]]]:
        """See ``TokenClassifier``."""
        names = self._names
        observed, words = self._begin(texts, names.project if names else None)
        labels = len(self._labels)
        known = [
            names.known(text, w.spans, labels) if names and w.spans else None
            for text, w in zip(texts, words, strict=True)
        ]
        return lambda: [list(self._guesses(*seen)) for seen in zip(observed(), known, strict=True)]

    def observe(self, texts: list[str]) -> list[Observation]:
        """What the classifier sees of the words of each text, the hidden states included; to fit a head to."""
        return self._begin(texts, _itself)[0]()

    def observe_tokens(self, texts: list[str]) -> list[tuple[Floats, Floats]]:
        """Of every token of each text its probabilities, shape (tokens, labels), and its hidden state."""
        return self._begin_tokens([encoding.ids for encoding in self._encoded(texts)], _itself)()

    def _encoded(self, texts: list[str]) -> list[Encoding]:
        return [self._tokenizer.encode(text, add_special_tokens=False) for text in texts]

    def _begin(
        self, texts: list[str], project: _Projection | None
    ) -> tuple[Callable[[], list[Observation]], list[TokenizedWords]]:
        """Start, and find the words while the encoder works."""
        encodings = self._encoded(texts)
        tokens = self._begin_tokens([encoding.ids for encoding in encodings], project)
        words = [words_of(text, encoding.offsets) for text, encoding in zip(texts, encodings, strict=True)]
        return lambda: [w.seen(*seen) for w, seen in zip(words, tokens(), strict=True)], words

    def _begin_tokens(
        self, ids: list[list[int]], project: _Projection | None
    ) -> Callable[[], list[tuple[Floats, Floats]]]:
        batches = _batches(self._windows(ids), self._options.batch_tokens)
        started = deque(map(self._start, islice(batches, AHEAD)))

        def states() -> Iterator[tuple[list[_Window], Floats]]:
            while started:
                batch, outcome = started.popleft()
                ready = outcome()
                started.extend(map(self._start, islice(batches, 1)))
                yield batch, ready

        return lambda: self._tokens(ids, states(), project)

    def _special(self, token: str) -> int:
        number = self._tokenizer.token_to_id(token)
        if number is None:
            raise WeightsError(f"The vocabulary of {WEIGHTS_NAME} has no {token}.")
        return int(number)

    def _start(self, batch: list[_Window]) -> tuple[list[_Window], Callable[[], Floats]]:
        return batch, self._encoder.begin([window.ids for window in batch], _padded(batch[0]))

    def _windows(self, texts: list[list[int]]) -> list[_Window]:
        room = self._options.window_tokens - 2
        step = room - self._options.overlap_tokens
        return [
            _Window(text, start, [self._cls, *ids[start : start + room], self._sep])
            for text, ids in enumerate(texts)
            if ids
            for start in range(0, max(1, len(ids) - self._options.overlap_tokens), step)
        ]

    def _tokens(
        self, texts: list[list[int]], batches: Iterable[tuple[list[_Window], Floats]], project: _Projection | None
    ) -> list[tuple[Floats, Floats]]:
        """Of every token of every text its label probabilities and its projected hidden state.

        Where windows overlap the higher probability counts, and the state from the window that sees more around it.
        """
        room = self._options.window_tokens - 2
        result = [np.zeros((len(ids), len(self._labels)), dtype=np.float32) for ids in texts]
        projected = [np.zeros((len(ids), 0), dtype=np.float32) for ids in texts]
        for batch, states in batches:
            for window, padded in zip(batch, states, strict=True):
                state = padded[1 : len(window.ids) - 1]
                part = result[window.text][window.start : window.start + room]
                np.maximum(part, self._label_judge.probabilities(state), out=part)
                if project is not None:
                    self._keep(projected, window, project(state), len(texts[window.text]))
        return list(zip(result, projected, strict=True))

    def _keep(self, projected: list[Floats], window: _Window, part: Floats, length: int) -> None:
        if not projected[window.text].shape[1]:
            projected[window.text] = np.zeros((length, part.shape[1]), dtype=np.float32)
        skip = self._options.overlap_tokens // 2 if window.start else 0
        end = window.start + len(part)
        last = end if end == length else end - self._options.overlap_tokens + self._options.overlap_tokens // 2
        projected[window.text][window.start + skip : last] = part[skip : last - window.start]

    def _guesses(self, seen: Observation, known: Floats | None) -> Iterator[WordGuess]:
        """What each word is: a name, something else, or either."""
        if not seen.words:
            return
        floor = self._options.floor
        of_names = seen.probabilities[:, self._name_columns]
        names = of_names.max(axis=1)
        if self._names is not None and known is not None:
            names = self._names.scores(known, seen.probabilities, seen.states)
        which = of_names.argmax(axis=1).tolist()
        others = seen.probabilities[:, self._other_columns]
        best, scores = others.argmax(axis=1).tolist(), others.max(axis=1).tolist()
        for number, ((start, end), name) in enumerate(zip(seen.words, names.tolist(), strict=True)):
            if name >= floor:
                yield WordGuess(start, end, NAME_LABELS[which[number]], name)
            if scores[number] >= floor:
                yield WordGuess(start, end, self._labels[self._other_columns[best[number]]], scores[number])


@dataclass(frozen=True, slots=True)
class _Window:
    """A stretch of one text: which text, its first token there, and the tokens with the special ones."""

    text: int
    start: int
    ids: list[int]


def _padded(window: _Window) -> int:
    """Tokens of a window after padding."""
    return -len(window.ids) // _PAD_TO * -_PAD_TO


def _batches(windows: list[_Window], tokens: int) -> Iterator[list[_Window]]:
    """Windows that are padded to the same length together, at most ``tokens`` in a batch of more than one."""
    for length, group in groupby(sorted(windows, key=_padded), key=_padded):
        alike = list(group)
        size = max(1, tokens // length)
        yield from (alike[at : at + size] for at in range(0, len(alike), size))


def load_classifier(cache: Path, threads: int = 1) -> RampartClassifier:
    """Load the pinned weights and lists, fetching and converting them once.

    Raises:
        WeightsError: They are neither there nor to be had, or not the pinned ones.
    """
    return open_classifier(cache, load_name_judge(cache), threads)


def open_classifier(
    cache: Path, names: NameJudge | None, threads: int = 1, labels: LabelJudge | None = None, layers: int = LAYERS
) -> RampartClassifier:
    """The same with another judge of names, or with none; with other labels, or more layers."""
    folder = store.place(WEIGHTS_NAME, cache)

    def build(source: Path, target: Path) -> None:
        heads = json.loads((source / "config.json").read_text(encoding="utf-8"))["num_attention_heads"]
        build_encoder(source / PACKED_FILE, target, layers, heads)

    file = store.derived(WEIGHTS_NAME, cache, _ENCODER_FILE.format(layers=layers), build)
    judge = labels or LabelHead.read()
    return RampartClassifier(folder, EncoderFile.read(file), judge, names, NerOptions(threads=threads))
