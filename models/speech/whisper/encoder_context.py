"""How much of a window, and of the silence behind it, is encoded."""

from __future__ import annotations

import math
from dataclasses import dataclass

from models.speech.whisper.onnx_decoder import BLOCK
from models.speech.whisper.silence_states import STATES_PER_S

_FULL_STATES = 30 * STATES_PER_S
"""Of the windows that Whisper was trained on."""


@dataclass(frozen=True, slots=True)
class ContextRules:
    """How much context a short window gets.

    Attributes:
        least_remembered_s: A shorter window is encoded with its silence, unless one look at it is enough: of 54 pieces
            of 0.6 to 1.1 s 36 were given their language with a probability of 0.9, and 10 with remembered silence.
        encoded_tail_s: Where silence is remembered, so much of it behind the speech is encoded all the same. With 0.3 s
            0.051 instead of 0.043 of the words of 32 clips of many kinds were wrong; 0.7 to 1.5 s changed nothing.
        least_s: Where it is not, no context is shorter. Each window looked at once, with 9 s and a tail of 2.5, with 8
            and 2, 11 and 3, and 30 s: words wrong of 80 clips of children and learners 0.44, 0.46, 0.43, 0.46; of 30
            clips of many kinds 0.06, 0.05, 0.08, 0.09; of 90 spellings 0.50, 0.57, 0.54, 0.47; compute 47, 45, 53 and
            218 s.
        tail_s: And so much silence behind the speech is encoded.
        tokens: A hypothesis may have so many tokens ...
        tokens_per_s: ... and so many more for each second; it is a loop otherwise.
    """

    least_remembered_s: float = 2.0
    encoded_tail_s: float = 0.5
    least_s: float = 9.0
    tail_s: float = 2.5
    tokens: int = 14
    tokens_per_s: float = 12.5


DEFAULT_CONTEXT = ContextRules()


def states_for(
    length_s: float, remembered: int, effort: int, rules: ContextRules = DEFAULT_CONTEXT, *, quick: bool = False
) -> tuple[int, int]:
    """How many states to encode, and how many there are to be with those of remembered silence behind them.

    Args:
        length_s: Of the window, at most 30.
        remembered: States of silence that are remembered; 0 for none.
        effort: 0 for the first look, more for each further one.
        rules: What to go by.
        quick: One look is enough.
    """
    spoken = _in_blocks(length_s + rules.encoded_tail_s)
    if spoken <= remembered and effort == 0 and (quick or length_s >= rules.least_remembered_s):
        return spoken, remembered
    if effort > 0 and not remembered:
        return _FULL_STATES, _FULL_STATES
    encoded = min(_FULL_STATES, _in_blocks(max(rules.least_s, length_s + rules.tail_s)))
    return encoded, encoded


def _in_blocks(length_s: float) -> int:
    """States of so many seconds, in whole blocks; oneDNN keeps something for every length, 120 MB in 500 calls."""
    return BLOCK * math.ceil(length_s * STATES_PER_S / BLOCK)
