"""Silero's voice activity detector (VAD) on ONNX Runtime: one probability of speech for every 32 ms.

The exported graph takes any number of frames with the state of the LSTM going in and out, so a whole clip is one call,
and a stream is the same call a few frames at a time.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from models.cancellation import NEVER, Cancellation
from models.media.samples import SAMPLE_RATE_HZ, Samples

FRAME_SAMPLES = 512
FRAME_S = FRAME_SAMPLES / SAMPLE_RATE_HZ
MODEL_FILE = "silero_vad_16k_sequence.onnx"

_CONTEXT_SAMPLES = 64
"""The model sees each frame together with the end of the frame before."""

_STATE_SHAPE = (1, 1, 128)
_BLOCK_FRAMES = 512
"""16 s a call: bounds the memory of long recordings."""

WARM_UP_FRAMES = 8
"""A fresh VAD that starts in the middle of speech reports it up to 0.2 s late; after this many frames it is warm.

Found in docs/evaluation/constants, "vad-warm-up".
"""

WORD_SAMPLES = SAMPLE_RATE_HZ
"""Shorter clips may begin in the middle of speech, so silence is put before them to warm the VAD up."""

Probabilities = npt.NDArray[np.float32]
"""Probability of speech in each frame of 512 samples, shape (frames,)."""


class VadStream(Protocol):
    """Detects speech in one stream."""

    def feed(self, samples: Samples) -> Probabilities:
        """Probabilities of the frames that these samples complete; the rest waits for more."""
        ...


class Vad(Protocol):
    """Detects speech. Safe for concurrent calls; a stream is not."""

    def probabilities(self, samples: Samples, cancellation: Cancellation = NEVER) -> Probabilities:
        """One for each frame of a whole clip; the last frame is filled up with silence.

        Raises:
            Cancelled, DeadlineExceeded: As ``cancellation`` says.
        """
        ...

    def stream(self) -> VadStream:
        """Begin a stream."""
        ...


class SileroVad:
    """Silero's model.

    Args:
        folder: Where the weights ``silero-vad`` were placed.
        threads: Of one call. The model is so small that a second thread makes it slower.
    """

    def __init__(self, folder: Path, threads: int = 1) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            str(folder / MODEL_FILE), sess_options=options, providers=["CPUExecutionProvider"]
        )

    def probabilities(self, samples: Samples, cancellation: Cancellation = NEVER) -> Probabilities:
        """See ``Vad``."""
        missing = -len(samples) % FRAME_SAMPLES
        lead_frames = WARM_UP_FRAMES if len(samples) < WORD_SAMPLES else 0
        lead = np.zeros(lead_frames * FRAME_SAMPLES, np.float32)

        def run(frames: Samples, hidden: Samples, cell: Samples) -> tuple[Probabilities, Samples, Samples]:
            cancellation.check()
            return self._run(frames, hidden, cell)

        found = SileroStream(run).feed(np.concatenate([lead, samples, np.zeros(missing, np.float32)]))
        return found[lead_frames:]

    def stream(self) -> SileroStream:
        """Begin a stream."""
        return SileroStream(self._run)

    def _run(self, frames: Samples, hidden: Samples, cell: Samples) -> tuple[Probabilities, Samples, Samples]:
        probabilities, hidden, cell = self._session.run(
            ["speech_probs", "hn", "cn"], {"input": frames, "h": hidden, "c": cell}
        )
        return probabilities.reshape(-1), hidden, cell


class _Run(Protocol):
    def __call__(self, frames: Samples, hidden: Samples, cell: Samples) -> tuple[Probabilities, Samples, Samples]: ...


class SileroStream:
    """State of one stream: the LSTM's, the end of the last frame, and samples that do not fill a frame yet."""

    def __init__(self, run: _Run) -> None:
        self._run = run
        self._hidden: Samples = np.zeros(_STATE_SHAPE, np.float32)
        self._cell: Samples = np.zeros(_STATE_SHAPE, np.float32)
        self._context: Samples = np.zeros(_CONTEXT_SAMPLES, np.float32)
        self._waiting: Samples = np.zeros(0, np.float32)

    def feed(self, samples: Samples) -> Probabilities:
        """Probabilities of the frames that these samples complete; the rest waits for more."""
        ready = np.concatenate([self._waiting, samples]) if len(self._waiting) else samples
        whole = len(ready) - len(ready) % FRAME_SAMPLES
        self._waiting = ready[whole:].copy()
        frames = ready[:whole].reshape(-1, FRAME_SAMPLES)
        blocks = [self._block(frames[at : at + _BLOCK_FRAMES]) for at in range(0, len(frames), _BLOCK_FRAMES)]
        return np.concatenate(blocks) if blocks else np.zeros(0, np.float32)

    def _block(self, frames: Samples) -> Probabilities:
        contexts = np.concatenate([self._context[None], frames[:-1, -_CONTEXT_SAMPLES:]])
        self._context = frames[-1, -_CONTEXT_SAMPLES:].copy()
        rows = np.concatenate([contexts, frames], axis=1)
        probabilities, self._hidden, self._cell = self._run(rows, self._hidden, self._cell)
        return probabilities
