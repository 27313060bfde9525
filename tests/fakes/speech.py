"""Speech engines and detectors that say what a test wrote down."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from models.errors import NoSpeech
from models.speech.types import SAMPLE_RATE_HZ, Samples, Segment, SpeechOptions, Transcript
from models.speech.vad import FRAME_SAMPLES, Probabilities
from models.text import RawText


class ScriptedVad:
    """A detector that takes the loudness of a frame for its probability of speech. Real side: ``SileroVad``."""

    def probabilities(self, samples: Samples) -> Probabilities:
        missing = -len(samples) % FRAME_SAMPLES
        return self.stream().feed(np.concatenate([samples, np.zeros(missing, np.float32)]))

    def stream(self) -> ScriptedStream:
        return ScriptedStream()


class ScriptedStream:
    """State of ``ScriptedVad``: samples that do not fill a frame yet."""

    def __init__(self) -> None:
        self._waiting: Samples = np.zeros(0, np.float32)

    def feed(self, samples: Samples) -> Probabilities:
        ready = np.concatenate([self._waiting, samples])
        whole = len(ready) - len(ready) % FRAME_SAMPLES
        self._waiting = ready[whole:]
        return np.asarray(np.abs(ready[:whole]).reshape(-1, FRAME_SAMPLES).max(axis=1, initial=0.0), np.float32)


class ScriptedSpeech:
    """An engine that gives one text after the other, and no speech for an empty one."""

    name = "scripted"
    device = "cpu"

    def __init__(self, texts: Sequence[str]) -> None:
        self._texts = list(texts)
        self.asked: list[SpeechOptions] = []

    def transcribe(self, samples: Samples, options: SpeechOptions) -> Transcript:
        self.asked.append(options)
        text = self._texts.pop(0)
        if not text:
            raise NoSpeech("Nobody speaks in the recording.")
        length_s = len(samples) / SAMPLE_RATE_HZ
        segment = Segment(RawText(text), 0.0, length_s, 0.9, 0.01)
        return Transcript((segment,), options.language or "en", length_s, 0.25)
