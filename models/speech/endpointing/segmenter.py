"""Cuts a stream of samples into utterances, as they are spoken."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np

from models.errors import InvalidInput
from models.speech.endpointing.energy_vad import EnergyVad, EnergyVadStream
from models.speech.endpointing.pauses import EndpointCandidate, EndpointRules, SpeechPaused, SpeechResumed
from models.speech.endpointing.silero_vad import FRAME_S, FRAME_SAMPLES, Vad
from models.speech.types import SAMPLE_RATE_HZ, Samples


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


SpeechMark = SpeechBegan | SpeechEnded | SpeechPaused | SpeechResumed | EndpointCandidate


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
        pauses: When pauses are told, and asked about; None for never.
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
    pauses: EndpointRules | None = None

    def __post_init__(self) -> None:
        if not 0 < self.end_below <= self.begin_at <= 1:
            raise InvalidInput("Speech must end at a lower probability than it begins at.")
        if self.tail_s > self.silence_s or self.max_utterance_s <= self.silence_s:
            raise InvalidInput("An utterance must have room for its own silence.")


DEFAULT_SEGMENTER_RULES = SegmenterRules()

_LEAD_SAMPLES = 8 * FRAME_SAMPLES
"""A fresh detector that begins in the middle of speech notices it up to 0.2 s late; after 0.26 s it is warm. Counted on
816 places in spoken clips."""

_PIECE_SAMPLES = 16 * FRAME_SAMPLES
"""At the end of an utterance the detector goes back; what it heard beyond is heard again, at most so much."""


_ECHO_FRAMES = 10
"""Behind the end of an utterance the detector may go on for 0.3 s with what it heard before."""


def lead_before(sample: int) -> int:
    """Samples before a place in a stream that the detector wants to hear first, whole frames of what there is."""
    return min(_LEAD_SAMPLES, sample - sample % FRAME_SAMPLES)


class Segmenter:
    """Finds utterances in one stream. Utterances never overlap, and their order is that of the stream.

    Every utterance is found by a detector that begins to listen where the one before ended, after a short lead-in. So a
    stream that is taken up again behind an utterance is cut as if it had never broken: where utterances begin and end
    depends on the audio alone, not on the pieces in which it comes, nor on what was said a minute ago.

    Args:
        vad: Listens.
        rules: When an utterance begins and ends.
        lead: So many samples at the beginning are heard, but belong to no utterance: on a stream that is taken up
            again, ``lead_before`` the place where it goes on.
    """

    _speech_from: int | None
    _paused_at: int | None

    def __init__(self, vad: Vad, rules: SegmenterRules = DEFAULT_SEGMENTER_RULES, lead: int = 0) -> None:
        self._vad = vad
        self._rules = rules
        self._fed = 0
        self._waiting: Samples = np.zeros(0, np.float32)  # fed, but behind a question
        self._recent: Samples = np.zeros(0, np.float32)
        self._kept_samples = int(rules.silence_s * SAMPLE_RATE_HZ) + _LEAD_SAMPLES + 2 * _PIECE_SAMPLES
        self._start(0, lead // FRAME_SAMPLES)

    def feed(self, samples: Samples) -> list[SpeechMark]:
        """Listen on.

        Returns:
            What became certain with these samples, in order. After an ``EndpointCandidate`` nothing follows until
            ``decide`` is called.
        """
        self._waiting = np.concatenate([self._waiting, samples])
        return self._go_on()

    def decide(self, over: bool) -> list[SpeechMark]:
        """Answer a ``EndpointCandidate``: whether the utterance is over. Then listen on to what was fed meanwhile.

        Returns:
            What became certain with it, in order.
        """
        marks: list[SpeechMark] = []
        self._asking = False
        if over and self._paused_at is not None:
            marks.append(self._close(self._paused_at))
            self._anew()
        return marks + self._go_on()

    def end(self) -> list[SpeechMark]:
        """The client, or the stream's end, says that the utterance is over. Not while a question is open."""
        marks: list[SpeechMark] = []
        if self._speech_from is None:
            return marks
        if not self._begun:
            marks.append(self._begin(self._speech_from))  # a short "yes" before the button was released
        marks.append(self._close(self._fed))
        self._anew()
        return marks + self._go_on()

    def _start(self, base: int, lead_frames: int) -> None:
        """Listen with a fresh detector, from the sample ``base`` on."""
        self._stream = self._vad.stream()
        self._quiet = EnergyVadStream()
        self._ahead: deque[tuple[float, EnergyVad]] = deque()  # frames that were heard, but not judged
        self._base = base
        self._frame = 0  # counts from the base on
        self._lead_frames = lead_frames
        self._free_from = base + lead_frames * FRAME_SAMPLES  # first sample that no utterance holds
        self._closed = self._asking = False
        self._tail_at = 0  # a sample: the end that was told last in case that the detector's silence decides
        self._forget()

    def _anew(self) -> None:
        """Go back to where the utterance ended, with the lead-in, and hear again what was fed since."""
        end = self._free_from
        lead = lead_before(end)
        self._start(end - lead, lead // FRAME_SAMPLES)
        self._listen(self._recent[len(self._recent) - (self._fed - self._base) :])

    def _go_on(self) -> list[SpeechMark]:
        marks = self._walk()
        while len(self._waiting) and not self._asking:
            piece, self._waiting = self._waiting[:_PIECE_SAMPLES], self._waiting[_PIECE_SAMPLES:]
            self._fed += len(piece)
            self._recent = np.concatenate([self._recent, piece])[-self._kept_samples :]
            self._listen(piece)
            marks += self._walk()
        return marks

    def _listen(self, samples: Samples) -> None:
        self._ahead += zip(self._stream.feed(samples).tolist(), self._quiet.feed(samples), strict=True)

    def _walk(self) -> list[SpeechMark]:
        """Judge frames, up to a question."""
        marks: list[SpeechMark] = []
        while self._ahead and not self._asking:
            self._hear(*self._ahead.popleft())
            self._frame += 1
            marks += self._decide()
            if self._closed:
                self._anew()
        return marks

    def _hear(self, probability: float, hush: EnergyVad) -> None:
        if self._frame < self._lead_frames:
            return
        if self._speech_from is None:
            echo = hush.faint and self._lead_frames > 0 and self._frame < self._lead_frames + _ECHO_FRAMES
            if probability >= self._rules.begin_at and not echo:
                self._speech_from, self._speech_to, self._voiced = self._frame, self._frame + 1, 1
                self._sound_to = self._speech_to
        elif probability >= self._rules.end_below:
            self._speech_to = self._frame + 1
            self._voiced += 1
            if not hush.quiet:
                self._sound_to = self._speech_to

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
        here = self._sample(self._frame)
        length_s = (here - self._free_from) / SAMPLE_RATE_HZ
        hurried = length_s >= self._rules.max_utterance_s - self._rules.hurry_s
        if pause_s >= (self._rules.short_pause_s if hurried else self._rules.silence_s):
            marks.append(self._close(min(self._tail(), here)))
        elif length_s >= self._rules.max_utterance_s:
            marks.append(self._close(here))
        elif self._rules.pauses is not None:
            marks += self._look(self._rules.pauses, here)
        return marks

    def _look(self, rules: EndpointRules, here: int) -> list[SpeechMark]:
        """Tell of a pause when it begins, when it may be the end, when it goes on, and when it is over."""
        quiet_s = (self._frame - self._sound_to) * FRAME_S
        if self._paused_at is None:
            return self._pause(here) if quiet_s >= rules.look_s else []
        if quiet_s < rules.look_s:
            self._paused_at = None
            return [SpeechResumed()]
        if quiet_s - FRAME_S < rules.sure_s <= quiet_s:
            self._asking = True
            return [EndpointCandidate()]
        # It is no end of a sentence, or it would be over. Where the detector's silence would end it is known by now.
        tail = self._tail()
        if quiet_s > rules.sure_s and self._tail_at < tail <= here:
            self._tail_at = tail
            return self._pause(tail)
        return []

    def _pause(self, at: int) -> list[SpeechMark]:
        self._paused_at = at
        return [SpeechPaused(at)]

    def _tail(self) -> int:
        return self._sample(self._speech_to) + int(self._rules.tail_s * SAMPLE_RATE_HZ)

    def _sample(self, frame: int) -> int:
        return self._base + frame * FRAME_SAMPLES

    def _begin(self, frame: int) -> SpeechBegan:
        speech = self._sample(frame)
        start = max(self._free_from, speech - int(self._rules.pre_roll_s * SAMPLE_RATE_HZ))
        self._free_from = start  # the utterance's length counts from here
        self._begun = True
        return SpeechBegan(start, speech)

    def _close(self, end: int) -> SpeechEnded:
        self._free_from = end
        self._closed = True
        return SpeechEnded(end, min(self._sample(self._speech_to), end))

    def _forget(self) -> None:
        self._speech_from = None  # a frame: speech, or what may become speech
        self._speech_to = 0  # the frame after the last one that counted
        self._sound_to = 0  # the same, quiet frames left out
        self._paused_at = None  # a sample
        self._voiced = 0
        self._begun = False
