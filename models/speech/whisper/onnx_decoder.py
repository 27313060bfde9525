"""An optional backend: greedy decoding with Whisper's decoder on ONNX Runtime, on the CPU, one token after the other.

It replaces CTranslate2's greedy decoding. CTranslate2 packs its weights anew at each step on processors other than
Intel's, and a step is bound by memory: a step takes about half the time here. Nothing depends on it:
``CTranslate2Engine`` decodes alone when it is given no ``OnnxDecoder``, and always with a beam, on a GPU, and for
languages in ``script.SCRIPTS``. Found in docs/evaluation/constants, "onnx-decoder".
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from models.speech.whisper.onnx_graph import (
    ENCODED,
    FRAME_WEIGHTS,
    LOGITS,
    MASK,
    POSITIONS,
    TOKENS,
    WANTED,
    cross_names,
    next_names,
    past_names,
)
from models.speech.whisper.single_digit import Probabilities

Floats = npt.NDArray[np.float32]

BLOCK_FRAMES = 10
"""So many neighbouring frames of silence are replaced by their mean, with their weight: a step attends to fewer."""

_SINGLE_FRAMES = 50
"""Frames right after the speech that are not replaced by a mean."""

_MASKED = -1e9
"""Added to the score of a token that must not be attended to. Minus infinity would give NaN where all are masked."""


@dataclass(frozen=True, slots=True)
class TokenRules:
    """Which tokens a transcript may hold, according to the weights.

    Attributes:
        end: The token that ends a transcript.
        silence: The token whose probability at the start is that of no speech.
        never: Tokens that are suppressed everywhere.
        not_first: Tokens that are also suppressed at the start.
    """

    end: int
    silence: int
    never: tuple[int, ...]
    not_first: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class DecodedTokens:
    """A greedy hypothesis.

    Attributes:
        tokens: Without the end.
        mean_logprob: Mean log-probability of the tokens and the end.
        no_speech: Probability of no speech.
        probabilities: One for each token.
        first_token: Probabilities of the first token, shape (vocabulary,); None where the engine does not give them.
    """

    tokens: list[int]
    mean_logprob: float
    no_speech: float
    probabilities: Sequence[float]
    first_token: Probabilities | None


class OnnxDecoder:
    """Greedy decoding. Safe to be called from several threads.

    Args:
        step: File of ``onnx_graph.build_step``.
        attention: File of ``onnx_graph.build_attention``.
        rules: Which tokens a transcript may hold.
        silence: Of ``silence_states.silence_file``, shape (n, width).
        threads: Of one step.
    """

    def __init__(self, step: Path, attention: Path, rules: TokenRules, silence: Floats, threads: int = 1) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        # ONNX Runtime would keep a memory pattern for every length of a transcript, and its arena would grow.
        options.enable_cpu_mem_arena = options.enable_mem_pattern = False
        self._step, self._attention = (
            ort.InferenceSession(str(file), options, providers=["CPUExecutionProvider"]) for file in (step, attention)
        )
        self._rules = rules
        layers = len(self._attention.get_outputs()) // 2
        self._cross, self._past, self._next = cross_names(layers), past_names(layers), next_names(layers)
        heads, _, width = next(put.shape for put in self._step.get_inputs() if put.name == self._past[0])
        self._empty = np.zeros((heads, 0, width), np.float32)
        self._cached = range(int(np.argmax(silence.any(axis=1))), len(silence))
        # Keys have their frames along the last axis, values along the axis before it.
        self._axes = {name: 1 if number % 2 else 2 for number, name in enumerate(self._cross)}
        self._silence = self._cross_attention(silence)
        self._blocks = {name: _means(self._silence[name], axis) for name, axis in self._axes.items()}

    def start_window(self, encoded: Floats, context: int) -> DecodingState:
        """Start with one window.

        Args:
            encoded: Its encoder output, shape (t, width).
            context: Frames that are attended to; those from ``t`` on are cached silence.

        Raises:
            ValueError: No silence is cached for these frames, or ``t`` or ``context`` is no multiple of
                ``BLOCK_FRAMES``.
        """
        cross, count = self._cross_attention(encoded), len(encoded)
        single_end, known = min(context, count + _SINGLE_FRAMES), self._cached
        if count < context and (
            count < known.start or context > known.stop or count % BLOCK_FRAMES or context % BLOCK_FRAMES
        ):
            raise ValueError(f"silence is cached from {known.start} to {known.stop}, in blocks of {BLOCK_FRAMES}")
        blocks = slice(single_end // BLOCK_FRAMES, context // BLOCK_FRAMES)
        for name, axis in self._axes.items():
            all_before = (slice(None),) * axis
            single = self._silence[name][(*all_before, slice(count, single_end))]
            means = self._blocks[name][(*all_before, blocks)]
            cross[name] = np.concatenate([cross[name], single, means], axis=axis)
        weights = np.zeros(cross[self._cross[0]].shape[-1], np.float32)
        weights[max(count, single_end) :] = np.log(BLOCK_FRAMES)
        return DecodingState(
            self, {name: _value(array) for name, array in cross.items()} | {FRAME_WEIGHTS: _value(weights)}
        )

    def _cross_attention(self, encoded: Floats) -> dict[str, Floats]:
        """Keys and values of the encoder's frames."""
        arrays = self._attention.run(self._cross, {ENCODED: encoded})
        return dict(zip(self._cross, arrays, strict=True))

    def empty_past(self) -> dict[str, ort.OrtValue]:
        """Keys and values of no token."""
        return {name: _value(self._empty) for name in self._past}

    def step(
        self,
        tokens: Sequence[int],
        before: int,
        wanted: Sequence[int],
        past: dict[str, ort.OrtValue],
        cross: dict[str, ort.OrtValue],
    ) -> tuple[Floats, dict[str, ort.OrtValue]]:
        """One call of the graph; see ``DecodingState.append``."""
        count = len(tokens)
        inputs = {
            TOKENS: _value(np.array(tokens, np.int64)),
            POSITIONS: _value(np.arange(before, before + count)),
            WANTED: _value(np.array(wanted, np.int64)),
            MASK: _value(np.triu(np.full((count, before + count), _MASKED, np.float32), before + 1)),
        }
        logits, *after = self._step.run_with_ort_values([LOGITS, *self._next], inputs | past | cross)
        return cast(Floats, logits.numpy()), dict(zip(self._past, after, strict=True))

    @property
    def rules(self) -> TokenRules:
        """Which tokens a transcript may hold."""
        return self._rules


class DecodingState:
    """One window, which can be decoded any number of times. Made by ``OnnxDecoder.start_window``."""

    def __init__(self, decoder: OnnxDecoder, cross: dict[str, ort.OrtValue]) -> None:
        self._decoder = decoder
        self._cross = cross

    def most_likely(self, start: int, among: Sequence[int]) -> tuple[int, float]:
        """The most likely of some tokens after the start: its index in ``among``, and its probability within them."""
        logits, _ = self.append([start])
        probabilities = softmax(logits[0, list(among)])
        best = int(probabilities.argmax())
        return best, float(probabilities[best])

    def append(
        self,
        tokens: Sequence[int],
        before: int = 0,
        past: dict[str, ort.OrtValue] | None = None,
        wanted: Sequence[int] | None = None,
    ) -> tuple[Floats, dict[str, ort.OrtValue]]:
        """Append tokens.

        Args:
            tokens: New ones.
            before: Number of tokens before them.
            past: Keys and values of the tokens before them, as returned by this method.
            wanted: Indices of the new tokens after which logits are wanted; None for all.

        Returns:
            Logits, shape (wanted, vocabulary), and the keys and values of all tokens.
        """
        indices = range(len(tokens)) if wanted is None else wanted
        past = self._decoder.empty_past() if past is None else past
        return self._decoder.step(tokens, before, indices, past, self._cross)

    def decode(
        self, prompt: Sequence[int], start: int, max_tokens: int, check_cancelled: Callable[[], None]
    ) -> DecodedTokens:
        """Decode greedily.

        Args:
            prompt: The tokens before the transcript, with its start.
            start: Index of the start of the transcript in the prompt.
            max_tokens: Most tokens of the transcript.
            check_cancelled: Called before each token; may raise.
        """
        rules = self._decoder.rules
        tokens, logprobs = list[int](), list[float]()
        logits, past = self.append(prompt, wanted=[start, len(prompt) - 1])
        no_speech = float(softmax(logits[0])[rules.silence])
        scores = logits[-1]
        first = scores[[]]
        while True:
            scores[list(rules.never)] = -np.inf
            if not tokens:
                scores[list(rules.not_first)] = -np.inf
                first = softmax(scores)
            best = int(scores.argmax())
            logprobs.append(-float(np.log(np.exp(scores - scores[best]).sum())))
            if best == rules.end or len(tokens) == max_tokens:
                probabilities = [math.exp(logprob) for logprob in logprobs[: len(tokens)]]
                return DecodedTokens(tokens, sum(logprobs) / len(logprobs), no_speech, probabilities, first)
            tokens.append(best)
            check_cancelled()
            logits, past = self.append([best], len(prompt) + len(tokens) - 1, past)
            scores = logits[0]


def _means(array: Floats, axis: int) -> Floats:
    """Means of every ``BLOCK_FRAMES`` neighbours along an axis; a smaller rest at the end is left out."""
    array = np.take(array, range(array.shape[axis] // BLOCK_FRAMES * BLOCK_FRAMES), axis)
    shape = (*array.shape[:axis], -1, BLOCK_FRAMES, *array.shape[axis + 1 :])
    return np.asarray(array.reshape(shape).mean(axis=axis + 1), np.float32)


def softmax(logits: Floats) -> Probabilities:
    """Probabilities, shape (n,)."""
    powers = np.exp(logits - logits.max())
    return np.asarray(powers / powers.sum(), np.float32)


def _value(array: npt.NDArray[Any]) -> ort.OrtValue:
    return ort.OrtValue.ortvalue_from_numpy(np.ascontiguousarray(array))
