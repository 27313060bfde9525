"""A token classifier that the operator added, on PyTorch and the CPU."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any, Final

import numpy as np
import regex

from models.redaction.ner.encoder import Floats
from models.redaction.ner.token_pooling import TokenizedWords, words_of
from models.redaction.ner.windows import Window, WindowSize, cut
from models.redaction.own_model.specification import TENSORS_FILE, TOKENIZER_FILE, Specification
from models.redaction.own_model.types import PersonalWord

LEAST_SCORE: Final = 0.02
"""Words with a lower probability of being personal are not reported."""

_LARGEST_WINDOW: Final = 256
_OVERLAP_SHARE: Final = 5
"""Neighbouring windows share a fifth of their tokens."""
_WORD: Final = regex.compile(r"[\p{L}\p{N}](?:[\p{L}\p{N}\p{M}\u200c\u200d]|['\u2019](?=[\p{L}\p{N}]))*")
"""A word goes on over the marks of every script. The built-in classifier knows those of its own languages only."""


class OwnTagger:
    """An ``OwnModel`` from the files that ``models.redaction.adding`` wrote.

    Every window runs alone and without padding on one core, so a text gets the same scores in every batch.

    Args:
        name: Under which it was added.
        folder: Of its files.
        threads: Windows that run at the same time. PyTorch then uses one thread for each operator in the whole process.

    Raises:
        RuntimeError: The tensors do not fit the specification.
    """

    def __init__(self, name: str, folder: Path, threads: int = 1) -> None:
        import torch
        from safetensors import safe_open
        from tokenizers import Tokenizer

        torch.set_num_threads(1)
        self.name = name
        self._torch: Any = torch
        known = Specification.read(folder)
        with safe_open(folder / TENSORS_FILE, framework="pt") as opened:  # one tensor at a time
            names = list(opened.keys())
            self._network = known.build({n: opened.get_tensor(n).to(torch.float32, copy=True) for n in names})
        self._tokenizer = Tokenizer.from_file(str(folder / TOKENIZER_FILE))
        self._ends = known.first, known.last
        tokens = min(_LARGEST_WINDOW, known.positions)
        self._size = WindowSize(tokens, tokens // _OVERLAP_SHARE)
        self._types = sorted({label for label in known.types if label})
        columns = [[at for at, label in enumerate(known.types) if label == wanted] for wanted in self._types]
        self._columns = [np.array(each) for each in columns]
        self._ahead = 2 * threads
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="own-model")

    def personal_words(self, texts: list[str], check: Callable[[], None]) -> list[list[PersonalWord]]:
        """See ``OwnModel``.

        A word takes the highest probability of its tokens, and a token in two windows the higher one.

        Raises:
            ArithmeticError: The network gave something that is no number.
        """
        encodings = [self._tokenizer.encode(text, add_special_tokens=False) for text in texts]
        rows = [np.zeros((len(each.ids), len(self._types) + 1), dtype=np.float32) for each in encodings]
        for window, found in self._run(cut([each.ids for each in encodings], self._size, *self._ends), check):
            part = rows[window.text][window.start : window.start + len(found)]
            np.maximum(part, found, out=part)
        words = (words_of(text, encoding.offsets, _WORD) for text, encoding in zip(texts, encodings, strict=True))
        return [list(self._words(each, row)) for each, row in zip(words, rows, strict=True)]

    def _words(self, words: TokenizedWords, rows: Floats) -> Iterator[PersonalWord]:
        if not words.spans:
            return
        highest = words.highest(rows)
        types = highest[:, :-1].argmax(axis=1).tolist()
        for (start, end), kind, score in zip(words.spans, types, highest[:, -1].tolist(), strict=True):
            if score >= LEAST_SCORE:
                yield PersonalWord(start, end, self._types[kind], score)

    def _run(self, windows: list[Window], check: Callable[[], None]) -> Iterator[tuple[Window, Floats]]:
        """The rows of each window; few windows are started before they are needed."""
        waiting = iter(windows)

        def start(window: Window) -> tuple[Window, Future[Floats]]:
            return window, self._pool.submit(self._scores, window.ids)

        started = deque(map(start, islice(waiting, self._ahead)))
        try:
            while started:
                check()
                window, future = started.popleft()
                found = future.result()
                started.extend(map(start, islice(waiting, 1)))
                yield window, found
        finally:
            for _, future in started:
                future.cancel()

    def _scores(self, ids: list[int]) -> Floats:
        """For each token of the text the probability of each type, and last that of all types together."""
        with self._torch.inference_mode():
            logits = self._network(input_ids=self._torch.tensor([ids])).logits[0, 1:-1]
            probabilities = self._torch.softmax(logits, dim=-1).numpy()
        if not np.isfinite(probabilities).all():
            raise ArithmeticError("the network gave something that is no number")
        of_types = [probabilities[:, columns].sum(axis=1) for columns in self._columns]
        scores: Floats = np.stack([*of_types, np.sum(of_types, axis=0)], axis=1)
        return scores


def load_own_model(name: str, cache: Path, threads: int = 1) -> OwnTagger:
    """Load a model that was added.

    Args:
        name: Under which it was added.
        cache: Root of the weights cache.
        threads: Windows that run at the same time.

    Raises:
        WeightsError: There is none of that name, it is another kind of model, or a file is missing.
    """
    from models.weights.store import locate
    from models.weights.uses import check_ner

    check_ner(name, cache)
    return OwnTagger(name, locate(name, cache), threads)
