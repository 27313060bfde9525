"""How much of a window, and of the silence after it, the encoder gets."""

from __future__ import annotations

import math
from dataclasses import dataclass

from models.speech.whisper.onnx_decoder import BLOCK_FRAMES
from models.speech.whisper.silence_states import ENCODER_FRAMES_PER_S

_FULL_FRAMES = 30 * ENCODER_FRAMES_PER_S
"""Of the windows that Whisper was trained on."""


@dataclass(frozen=True, slots=True)
class ContextPolicy:
    """How much context a short window gets. Found in docs/evaluation/constants, "encoder-context".

    Attributes:
        min_cached_s: The first decoding pass of a shorter window encodes its silence, unless there is only one pass. So
            the language is detected better.
        encoded_tail_s: With cached silence, so much silence after the speech is still encoded.
        min_context_s: Without, the shortest context.
        tail_s: Without, so much silence after the speech is encoded.
        step_s: In batches, the context is a multiple of it, so that windows of different lengths fit into one.
        base_tokens: A hypothesis has at most so many tokens ...
        tokens_per_s: ... and so many more for each second; a longer one is a loop.
    """

    min_cached_s: float = 2.0
    encoded_tail_s: float = 0.5
    min_context_s: float = 9.0
    tail_s: float = 2.5
    step_s: float = 5.0
    base_tokens: int = 14
    tokens_per_s: float = 12.5

    def most_tokens(self, length_s: float) -> int:
        """Most tokens of a window of that length; a hypothesis with more is a loop."""
        return int(self.base_tokens + self.tokens_per_s * length_s)


DEFAULT_CONTEXT = ContextPolicy()


def encoder_frames(
    length_s: float,
    cached: int,
    decoding_pass: int,
    policy: ContextPolicy = DEFAULT_CONTEXT,
    *,
    quick: bool = False,
) -> tuple[int, int]:
    """Encoder frames to compute, and total frames after appending the cached silence frames.

    Args:
        length_s: Of the window, at most 30.
        cached: Frames of silence in the cache; 0 for none.
        decoding_pass: 0 for the first pass.
        policy: How much context a short window gets.
        quick: Whether there is only one pass.
    """
    speech = _in_blocks(length_s + policy.encoded_tail_s)
    if speech <= cached and decoding_pass == 0 and (quick or length_s >= policy.min_cached_s):
        return speech, cached
    if decoding_pass > 0 and not cached:
        return _FULL_FRAMES, _FULL_FRAMES
    encoded = min(_FULL_FRAMES, _in_blocks(max(policy.min_context_s, length_s + policy.tail_s)))
    return encoded, encoded


def batch_frames(length_s: float, decoding_pass: int, policy: ContextPolicy = DEFAULT_CONTEXT) -> int:
    """Encoder frames to compute for a window that is decoded in a batch; arguments as for ``encoder_frames``."""
    frames, _ = encoder_frames(length_s, 0, decoding_pass, policy)
    step = round(policy.step_s * ENCODER_FRAMES_PER_S)
    return min(_FULL_FRAMES, step * math.ceil(frames / step))


def _in_blocks(length_s: float) -> int:
    """Encoder frames of a length in whole blocks, because oneDNN keeps buffers for every different length."""
    return BLOCK_FRAMES * math.ceil(length_s * ENCODER_FRAMES_PER_S / BLOCK_FRAMES)
