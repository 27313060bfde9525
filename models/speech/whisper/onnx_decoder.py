"""Whisper's decoder on the CPU, one token after the other.

On processors other than Intel's CTranslate2 packs its weights anew at each step: one takes some 15 ms there, and some 8
here, on the same core. A step reads all weights once, so the memory bounds it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from models.speech.whisper.onnx_graph import (
    ENCODED,
    LOGITS,
    MASK,
    POSITIONS,
    TOKENS,
    WANTED,
    WEIGHTS,
    heard_names,
    next_names,
    past_names,
)
from models.speech.whisper.single_digit import Probabilities

Floats = npt.NDArray[np.float32]

BLOCK = 10
"""Neighbouring states of silence are much alike: of so many the mean counts as often, and a step, which attends to
less, takes a quarter less. Of 1,722 letters of spellings 1,092 are wrong, 1,075 with all states, and 1,085 where the
silence is encoded."""

_NEAR = 50
"""States right behind the speech that stand for themselves; without any, 1,123 letters are wrong."""

_NEVER = -1e9
"""Added to a score, it leaves nothing of it. Minus infinity would make numbers that are none where all are hidden."""


@dataclass(frozen=True, slots=True)
class TokenRules:
    """What a transcript may hold, as the weights say.

    Attributes:
        end: The token that ends it.
        silence: The token whose probability at the start is that of nobody speaking.
        never: Tokens that it never holds.
        not_first: Tokens that it does not begin with, besides.
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
        mean_logprob: Of the tokens and the end.
        no_speech: Probability that nobody speaks.
        first_token: Probabilities of what it begins with, shape (vocabulary,); None where they cannot be had.
    """

    tokens: list[int]
    mean_logprob: float
    no_speech: float
    first_token: Probabilities | None


class OnnxDecoder:
    """Greedy decoding. Safe to be called from several threads.

    Args:
        step: File of ``decoder_graph.build_step``.
        attention: File of ``decoder_graph.build_attention``.
        rules: What a transcript may hold.
        silence: Of ``silence.silence_file``, shape (n, width).
        threads: Of one step.
    """

    def __init__(self, step: Path, attention: Path, rules: TokenRules, silence: Floats, threads: int = 1) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        # Transcripts have all lengths: for each ONNX Runtime would remember a pattern, and its arena would grow.
        options.enable_cpu_mem_arena = options.enable_mem_pattern = False
        self._step, self._attention = (
            ort.InferenceSession(str(file), options, providers=["CPUExecutionProvider"]) for file in (step, attention)
        )
        self._rules = rules
        layers = len(self._attention.get_outputs()) // 2
        self._heard, self._past, self._next = heard_names(layers), past_names(layers), next_names(layers)
        heads, _, width = next(put.shape for put in self._step.get_inputs() if put.name == self._past[0])
        self._nothing = np.zeros((heads, 0, width), np.float32)
        self._remembered = range(int(np.argmax(silence.any(axis=1))), len(silence))
        # Keys have their states along the last axis, values along the one before.
        self._axes = {name: 1 if number % 2 else 2 for number, name in enumerate(self._heard)}
        self._silence = self._attended(silence)
        self._blocks = {name: _means(self._silence[name], axis) for name, axis in self._axes.items()}

    def listen(self, states: Floats, context: int) -> DecodingState:
        """Begin with one window.

        Args:
            states: What the encoder made of it, shape (t, width).
            context: So many states are attended to; from ``t`` on those of remembered silence.

        Raises:
            ValueError: From there to there no silence is remembered, or ``t`` or ``context`` is no multiple of
                ``BLOCK``.
        """
        heard, count = self._attended(states), len(states)
        near, known = min(context, count + _NEAR), self._remembered
        if count < context and (count < known.start or context > known.stop or count % BLOCK or context % BLOCK):
            raise ValueError(f"silence is remembered from {known.start} to {known.stop}, in blocks of {BLOCK}")
        far = slice(near // BLOCK, context // BLOCK)
        for name, axis in self._axes.items():
            before = (slice(None),) * axis
            behind = self._silence[name][(*before, slice(count, near))], self._blocks[name][(*before, far)]
            heard[name] = np.concatenate([heard[name], *behind], axis=axis)
        weights = np.zeros(heard[self._heard[0]].shape[-1], np.float32)
        weights[max(count, near) :] = np.log(BLOCK)
        return DecodingState(self, {name: _value(array) for name, array in heard.items()} | {WEIGHTS: _value(weights)})

    def _attended(self, states: Floats) -> dict[str, Floats]:
        arrays = self._attention.run(self._heard, {ENCODED: states})
        return dict(zip(self._heard, arrays, strict=True))

    def begin(self) -> dict[str, ort.OrtValue]:
        """Keys and values of no token."""
        return {name: _value(self._nothing) for name in self._past}

    def step(
        self,
        tokens: Sequence[int],
        before: int,
        wanted: Sequence[int],
        past: dict[str, ort.OrtValue],
        heard: dict[str, ort.OrtValue],
    ) -> tuple[Floats, dict[str, ort.OrtValue]]:
        """One call of the graph; see ``DecodingState.follow``."""
        count = len(tokens)
        given = {
            TOKENS: _value(np.array(tokens, np.int64)),
            POSITIONS: _value(np.arange(before, before + count)),
            WANTED: _value(np.array(wanted, np.int64)),
            MASK: _value(np.triu(np.full((count, before + count), _NEVER, np.float32), before + 1)),
        }
        logits, *after = self._step.run_with_ort_values([LOGITS, *self._next], given | past | heard)
        return cast(Floats, logits.numpy()), dict(zip(self._past, after, strict=True))

    @property
    def rules(self) -> TokenRules:
        """What a transcript may hold."""
        return self._rules


class DecodingState:
    """One window, ready to be decoded as often as one likes. Made by ``OnnxDecoder.listen``."""

    def __init__(self, decoder: OnnxDecoder, heard: dict[str, ort.OrtValue]) -> None:
        self._decoder = decoder
        self._heard = heard

    def likeliest(self, start: int, among: Sequence[int]) -> tuple[int, float]:
        """Which of some tokens comes behind the start: its place among them, and its probability if it must be one."""
        logits, _ = self.follow([start])
        shares = softmax(logits[0, list(among)])
        best = int(shares.argmax())
        return best, float(shares[best])

    def follow(
        self,
        tokens: Sequence[int],
        before: int = 0,
        past: dict[str, ort.OrtValue] | None = None,
        wanted: Sequence[int] | None = None,
    ) -> tuple[Floats, dict[str, ort.OrtValue]]:
        """Take tokens in.

        Args:
            tokens: New ones.
            before: How many there were.
            past: Keys and values of those before, as this method gave them.
            wanted: Which of the new ones are asked what comes behind them; None for all.

        Returns:
            Logits, shape (wanted, vocabulary), and the keys and values of all tokens.
        """
        asked = range(len(tokens)) if wanted is None else wanted
        return self._decoder.step(tokens, before, asked, self._decoder.begin() if past is None else past, self._heard)

    def decode(self, prompt: Sequence[int], start: int, room: int, go_on: Callable[[], None]) -> DecodedTokens:
        """Take the likeliest token each time.

        Args:
            prompt: What comes before the transcript, the start included.
            start: Index of the start of the transcript in the prompt.
            room: Most tokens.
            go_on: Called before each; may raise.
        """
        rules = self._decoder.rules
        tokens, total = list[int](), 0.0
        logits, past = self.follow(prompt, wanted=[start, len(prompt) - 1])
        no_speech = float(softmax(logits[0])[rules.silence])
        scores = logits[-1]
        first = scores[[]]
        while True:
            scores[list(rules.never)] = -np.inf
            if not tokens:
                scores[list(rules.not_first)] = -np.inf
                first = softmax(scores)
            best = int(scores.argmax())
            total -= float(np.log(np.exp(scores - scores[best]).sum()))
            if best == rules.end or len(tokens) == room:
                return DecodedTokens(tokens, total / (len(tokens) + 1), no_speech, first)
            tokens.append(best)
            go_on()
            logits, past = self.follow([best], len(prompt) + len(tokens) - 1, past)
            scores = logits[0]


def _means(array: Floats, axis: int) -> Floats:
    """Of every ``BLOCK`` neighbours along an axis; neighbours that are fewer at the end are left out."""
    array = np.take(array, range(array.shape[axis] // BLOCK * BLOCK), axis)
    shape = (*array.shape[:axis], -1, BLOCK, *array.shape[axis + 1 :])
    return np.asarray(array.reshape(shape).mean(axis=axis + 1), np.float32)


def softmax(logits: Floats) -> Probabilities:
    """Probabilities, shape (n,)."""
    powers = np.exp(logits - logits.max())
    return np.asarray(powers / powers.sum(), np.float32)


def _value(array: npt.NDArray[Any]) -> ort.OrtValue:
    return ort.OrtValue.ortvalue_from_numpy(np.ascontiguousarray(array))
