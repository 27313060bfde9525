"""Cuts a stream of samples into utterances, as they are spoken."""

from __future__ import annotations

from dataclasses import dataclass

from models.errors import InvalidInput
from models.speech.types import SAMPLE_RATE_HZ, Samples
from models.speech.vad import FRAME_S, FRAME_SAMPLES, Probabilities, VadStream


@dataclass(frozen=True, slots=True)
class SpeechBegan:
    """Somebody begins to speak.

    Attributes:
        start: First sample of the utterance, counted from the stream's start, padding included.
        speech: First sample of the speech itself.
    """

    start: int
    speech: int


@dataclass(frozen=True, slots=True)
class SpeechEnded:
    """The utterance is over.

    Attributes:
        end: Sample after its last one, padding included; never more than were fed.
        speech: Sample after the last one of the speech itself.
    """

    end: int
    speech: int


SpeechMark = SpeechBegan | SpeechEnded


@dataclass(frozen=True, slots=True)
class SegmenterRules:
    """When an utterance begins and ends.

    Attributes:
        begin_at: A frame counts as speech from this probability on, while nobody speaks.
        end_below: And goes on counting down to this one, once somebody does.
        silence_s: Silence that ends an utterance.
        min_speech_s: Shorter sounds, a click or a cough, begin none.
        max_utterance_s: A longer utterance is cut, so that it fits into the speech model's window.
        hurry_s: So long before that, a pause of ``short_pause_s`` is taken instead, so that no word is cut in two.
        short_pause_s: See ``hurry_s``.
        pre_roll_s: Kept before the speech: the detector notices soft consonants late.
        tail_s: Kept after it.
    """

    begin_at: float = 0.5
    end_below: float = 0.35
    silence_s: float = 0.6
    min_speech_s: float = 0.12
    max_utterance_s: float = 28.0
    hurry_s: float = 7.0
    short_pause_s: float = 0.16
    pre_roll_s: float = 0.35
    tail_s: float = 0.25

    def __post_init__(self) -> None:
        if not 0 < self.end_below <= self.begin_at <= 1:
            raise InvalidInput("Speech must end at a lower probability than it begins at.")
        if self.tail_s > self.silence_s or self.max_utterance_s <= self.silence_s:
            raise InvalidInput("An utterance must have room for its own silence.")


DEFAULT_SEGMENTER_RULES = SegmenterRules()


class Segmenter:
    """Finds utterances in one stream. Utterances never overlap, and their order is that of the stream.

    Args:
        vad: Listens to this stream alone.
        rules: When an utterance begins and ends.
    """

    def __init__(self, vad: VadStream, rules: SegmenterRules = DEFAULT_SEGMENTER_RULES) -> None:
        self._vad = vad
        self._rules = rules
        self._frame = 0
        self._fed = 0
        self._free_from = 0  # first sample that no utterance holds
        self._speech_from: int | None = None  # a frame: speech, or what may become speech
        self._speech_to = 0  # the frame after the last one that counted
        self._voiced = 0
        self._begun = False

    def feed(self, samples: Samples) -> list[SpeechMark]:
        """Listen on.

        Returns:
            What became certain with these samples, in order.
        """
        self._fed += len(samples)
        return self._walk(self._vad.feed(samples))

    def end(self) -> list[SpeechMark]:
        """The client, or the stream's end, says that the utterance is over."""
        marks: list[SpeechMark] = []
        if self._speech_from is not None and not self._begun:
            marks.append(self._begin(self._speech_from))  # a short "yes" before the button was released
        if self._begun:
            marks.append(self._close(self._fed))
        self._forget()
        return marks

    def _walk(self, probabilities: Probabilities) -> list[SpeechMark]:
        marks: list[SpeechMark] = []
        for probability in probabilities:
            self._hear(float(probability))
            self._frame += 1
            marks += self._decide()
        return marks

    def _hear(self, probability: float) -> None:
        if self._speech_from is None:
            if probability >= self._rules.begin_at:
                self._speech_from, self._speech_to, self._voiced = self._frame, self._frame + 1, 1
        elif probability >= self._rules.end_below:
            self._speech_to = self._frame + 1
            self._voiced += 1

    def _decide(self) -> list[SpeechMark]:
        if self._speech_from is None:
            return []
        marks: list[SpeechMark] = []
        if not self._begun and self._voiced * FRAME_S >= self._rules.min_speech_s:
            marks.append(self._begin(self._speech_from))
        pause_s = (self._frame - self._speech_to) * FRAME_S
        if not self._begun:
            if pause_s >= self._rules.short_pause_s:
                self._forget()  # it was only a click
            return marks
        length_s = self._frame * FRAME_S - self._free_from / SAMPLE_RATE_HZ
        hurried = length_s >= self._rules.max_utterance_s - self._rules.hurry_s
        if pause_s >= (self._rules.short_pause_s if hurried else self._rules.silence_s):
            tail = self._speech_to * FRAME_SAMPLES + int(self._rules.tail_s * SAMPLE_RATE_HZ)
            marks.append(self._close(min(tail, self._frame * FRAME_SAMPLES)))
            self._forget()
        elif length_s >= self._rules.max_utterance_s:
            marks.append(self._close(self._frame * FRAME_SAMPLES))
            marks.append(self._begin(self._frame))
            self._speech_from, self._speech_to = self._frame, self._frame
        return marks

    def _begin(self, frame: int) -> SpeechBegan:
        speech = frame * FRAME_SAMPLES
        start = max(self._free_from, speech - int(self._rules.pre_roll_s * SAMPLE_RATE_HZ))
        self._free_from = start  # the utterance's length counts from here
        self._begun = True
        return SpeechBegan(start, speech)

    def _close(self, end: int) -> SpeechEnded:
        self._free_from = end
        self._begun = False
        return SpeechEnded(end, min(self._speech_to * FRAME_SAMPLES, end))

    def _forget(self) -> None:
        self._speech_from = None
        self._voiced = 0
        self._begun = False
