"""Scripted speech engines and VADs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from models.cancellation import NEVER, Cancellation
from models.errors import NoSpeech
from models.media.samples import SAMPLE_RATE_HZ, Samples
from models.speech.endpointing.silero_vad import FRAME_SAMPLES, Probabilities
from models.speech.types import Segment, SpeechOptions, Transcript
from models.text import RawText


class ScriptedVad:
    """A VAD that takes the level of a frame as its probability of speech. Real side: ``SileroVad``."""

    def probabilities(self, samples: Samples, cancellation: Cancellation = NEVER) -> Probabilities:
        cancellation.check()
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


class StatefulVad(ScriptedVad):
    """Like a recurrent network: earlier speech in a stream raises later probabilities."""

    def stream(self) -> StatefulStream:
        return StatefulStream()


class StatefulStream(ScriptedStream):
    """State of ``StatefulVad``: frames so far, and how many of them were speech."""

    def __init__(self) -> None:
        super().__init__()
        self._frames = 0
        self._loud = 0

    def feed(self, samples: Samples) -> Probabilities:
        found = super().feed(samples)
        for index, probability in enumerate(found):
            self._frames += 1
            self._loud += probability > 0.5
            if self._frames > 125 and self._loud % 2:
                found[index] = min(1.0, probability + 0.3)
        return found


class ScriptedSpeech:
    """An engine that gives one text after the other, and no speech for an empty one."""

    name = "scripted"
    device = "cpu"
    at_once = 1

    def __init__(self, texts: Sequence[str | RawText]) -> None:
        self._texts = [text if isinstance(text, RawText) else RawText(text) for text in texts]
        self.options: list[SpeechOptions] = []

    def transcribe(self, samples: Samples, options: SpeechOptions) -> Transcript:
        self.options.append(options)
        text = self._texts.pop(0)
        if not text:
            raise NoSpeech("Nobody speaks in the recording.")
        length_s = len(samples) / SAMPLE_RATE_HZ
        segment = Segment(text, 0.0, length_s, 0.9)
        return Transcript((segment,), options.language or "en", length_s, 0.25)
