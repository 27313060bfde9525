"""The token classifier that finds names and what belongs to them.

Rampart (National Design Studio, CC BY 4.0): BERT, 6 layers of 384, lower case, 35 labels. It says for every token
what it is part of; a word takes the most certain opinion of its tokens, so a span never cuts a word.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from models import weights
from models.errors import WeightsError
from models.redaction.dequantize import build_int8

WEIGHTS_NAME = "rampart-pii"
_PACKED_FILE = Path("onnx") / "model_q4.onnx"
_INT8_FILE = "model_int8_v1.onnx"

WORD = re.compile(
    r"[^\W_](?:[\w\u0300-\u036f\u0900-\u0903\u093a-\u094f\u0951-\u0957\u0962\u0963\u200c\u200d]|['\u2019](?=\w))*"
)
"""Letters, digits and marks; Python's ``\\w`` leaves out the vowel signs of Devanagari."""


@dataclass(frozen=True, slots=True)
class WordGuess:
    """What the classifier thinks of one word.

    Attributes:
        start: First code point in the text.
        end: One past the last.
        label: Best label other than ``O``, without its B- or I-.
        score: Probability of that label, in [0, 1].
    """

    start: int
    end: int
    label: str
    score: float


class TokenClassifier(Protocol):
    """Judges the words of texts. Safe to call from several threads."""

    def classify(self, texts: list[str]) -> list[list[WordGuess]]:
        """One list a text, in order; words that are surely nothing are left out."""
        ...


@dataclass(frozen=True, slots=True)
class NerOptions:
    """How to run the classifier.

    Attributes:
        window_tokens: Tokens judged at once, the two special ones included; the model knows 512 positions.
        overlap_tokens: Shared by neighbouring windows, more than any name has.
        floor: Guesses under this probability are not reported.
        threads: Texts judged at the same time. Each runs on one core and alone: 8-bit ranges are taken over a whole
            batch, so padding texts together would let one change the answer for another (and is no faster on a core).
    """

    window_tokens: int = 256
    overlap_tokens: int = 48
    floor: float = 0.05
    threads: int = 1


class RampartClassifier:
    """The real one, on ONNX Runtime."""

    def __init__(self, folder: Path, model_file: Path, options: NerOptions = NerOptions()) -> None:
        import onnxruntime
        from tokenizers import Tokenizer

        self._options = options
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        names = [config["id2label"][str(i)] for i in range(len(config["id2label"]))]
        self._labels = sorted({name[2:] for name in names if name != "O"})
        self._columns = [[i for i, name in enumerate(names) if name[2:] == label] for label in self._labels]
        self._cls, self._sep = self._special("[CLS]"), self._special("[SEP]")
        session = onnxruntime.SessionOptions()
        session.intra_op_num_threads = 1
        session.inter_op_num_threads = 1
        session.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(str(model_file), session, providers=["CPUExecutionProvider"])
        self._pool = ThreadPoolExecutor(options.threads, thread_name_prefix="ner") if options.threads > 1 else None

    def classify(self, texts: list[str]) -> list[list[WordGuess]]:
        """See ``TokenClassifier``."""
        if self._pool is None or len(texts) < 2:
            return [self._classify_one(text) for text in texts]
        return list(self._pool.map(self._classify_one, texts, chunksize=1))

    def _special(self, token: str) -> int:
        number = self._tokenizer.token_to_id(token)
        if number is None:
            raise WeightsError(f"The vocabulary of {WEIGHTS_NAME} has no {token}.")
        return int(number)

    def _classify_one(self, text: str) -> list[WordGuess]:
        encoding = self._tokenizer.encode(text, add_special_tokens=False)
        if not encoding.ids:
            return []
        probabilities = self._probabilities(np.asarray(encoding.ids, dtype=np.int64))
        return list(self._words(text, encoding.offsets, probabilities))

    def _probabilities(self, ids: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        """Label probabilities, shape (tokens, labels); where windows overlap the higher one counts."""
        room = self._options.window_tokens - 2
        result = np.zeros((len(ids), len(self._labels)), dtype=np.float32)
        step = room - self._options.overlap_tokens
        for start in range(0, max(1, len(ids) - self._options.overlap_tokens), step):
            window = ids[start : start + room]
            row = np.concatenate(([self._cls], window, [self._sep])).astype(np.int64)[None, :]
            feed = {"input_ids": row, "attention_mask": np.ones_like(row), "token_type_ids": np.zeros_like(row)}
            logits = self._session.run(None, feed)[0][0, 1:-1]
            exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True))
            soft = exponentials / exponentials.sum(axis=-1, keepdims=True)
            merged = np.stack([soft[:, columns].sum(axis=-1) for columns in self._columns], axis=-1)
            np.maximum(result[start : start + room], merged, out=result[start : start + room])
        return result

    def _words(
        self, text: str, offsets: list[tuple[int, int]], probabilities: npt.NDArray[np.float32]
    ) -> Iterator[WordGuess]:
        token, count = 0, len(offsets)
        for match in WORD.finditer(text):
            start, end = match.span()
            while token < count and offsets[token][1] <= start:
                token += 1
            last = token
            while last < count and offsets[last][0] < end:
                last += 1
            if last == token:
                continue
            scores = probabilities[token:last].max(axis=0)
            best = int(scores.argmax())
            if scores[best] >= self._options.floor:
                yield WordGuess(start, end, self._labels[best], float(scores[best]))


def load_classifier(cache: Path, threads: int = 1) -> RampartClassifier:
    """Load the pinned weights, fetching and converting them once.

    Raises:
        WeightsError: They are neither there nor to be had, or not the pinned ones.
    """
    folder = weights.place(WEIGHTS_NAME, cache)
    model_file = weights.derived(
        WEIGHTS_NAME, cache, _INT8_FILE, lambda source, target: build_int8(source / _PACKED_FILE, target)
    )
    return RampartClassifier(folder, model_file, NerOptions(threads=threads))
