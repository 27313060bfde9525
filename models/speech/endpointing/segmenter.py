"""Cuts a stream of samples into utterances, as they are spoken."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import numpy as np

from models.media.samples import SAMPLE_RATE_HZ, Samples
from models.speech.endpointing.energy_vad import EnergyVadStream, FrameEnergy
from models.speech.endpointing.marks import (
    EndpointCandidate,
    SpeechMark,
    SpeechPaused,
    SpeechResumed,
    UtteranceEnded,
    UtteranceStarted,
)
from models.speech.endpointing.policy import DEFAULT_POLICY, EarlyEndPolicy, UtterancePolicy
from models.speech.endpointing.silero_vad import FRAME_S, FRAME_SAMPLES, WARM_UP_FRAMES, Vad

_PIECE_SAMPLES = 16 * FRAME_SAMPLES
"""The VAD is fed in pieces of this size. After the end of an utterance it repeats one piece at most."""

_ECHO_FRAMES = 10
"""After the end of an utterance the VAD may still report speech for 0.3 s."""


class Segmenter:
    """Finds utterances in one stream. Utterances never overlap, and their order is that of the stream.

    Each utterance is found by a fresh VAD that starts where the one before ended, after a short warm-up. So a stream
    that is resumed after an utterance is cut as if it had never broken: the audio alone decides where utterances begin
    and end, not the pieces in which it comes, nor what was said before.

    Args:
        vad: Tells where speech is.
        policy: When an utterance begins and ends.
        resume_at: Sample of the stream from which on utterances are looked for: 0, or the end of a finished utterance.
    """

    _speech_from: int | None
    _paused_at: int | None

    def __init__(self, vad: Vad, policy: UtterancePolicy = DEFAULT_POLICY.utterances, resume_at: int = 0) -> None:
        self._vad = vad
        self._policy = policy
        self.start = resume_at - _warm_up_before(resume_at)
        """Sample of the stream with which ``feed`` must begin."""
        self._fed = self.start
        self._waiting: Samples = np.zeros(0, np.float32)  # fed, but an EndpointCandidate is open
        self._recent: Samples = np.zeros(0, np.float32)
        self._kept_samples = (
            int(policy.end_silence_s * SAMPLE_RATE_HZ) + WARM_UP_FRAMES * FRAME_SAMPLES + 2 * _PIECE_SAMPLES
        )
        self._start_vad(resume_at)

    def feed(self, samples: Samples) -> list[SpeechMark]:
        """Process the next samples.

        Returns:
            The events that these samples made certain, in order. After an ``EndpointCandidate`` nothing follows until
            ``decide`` is called.
        """
        self._waiting = np.concatenate([self._waiting, samples])
        return self._advance()

    def decide(self, over: bool) -> list[SpeechMark]:
        """Say whether the utterance of the last ``EndpointCandidate`` is over. Then process what was fed meanwhile.

        Returns:
            The events that the decision made certain, in order.
        """
        marks: list[SpeechMark] = []
        self._undecided = False
        if over and self._paused_at is not None:
            marks.append(self._end_utterance(self._paused_at))
            self._restart()
        return marks + self._advance()

    def end(self) -> list[SpeechMark]:
        """End a running utterance, because the client or the end of the stream says so.

        Not to be called while an ``EndpointCandidate`` is undecided.
        """
        marks: list[SpeechMark] = []
        if self._speech_from is None:
            return marks
        if not self._started:
            marks.append(self._start_utterance(self._speech_from))  # a short "yes" before the button was released
        marks.append(self._end_utterance(self._fed))
        self._restart()
        return marks + self._advance()

    def _start_vad(self, at: int) -> None:
        """Start with a fresh VAD, so that it is warm at the sample ``at``."""
        warm_up = _warm_up_before(at)
        self._stream = self._vad.stream()
        self._energy = EnergyVadStream(self._policy.energy)
        self._pending: deque[tuple[float, FrameEnergy]] = deque()  # frames that the VAD has seen, not yet processed
        self._base = at - warm_up
        self._frame = 0  # counts from the base on
        self._warm_up_frames = warm_up // FRAME_SAMPLES
        self._free_from = at  # first sample that no utterance holds
        self._ended = self._undecided = False
        self._tail_at = 0  # sample of the last SpeechPaused that assumed the end by silence
        self._reset_speech()

    def _restart(self) -> None:
        """Go back to where the utterance ended, and process again what was fed since."""
        self._start_vad(self._free_from)
        self._detect(self._recent[len(self._recent) - (self._fed - self._base) :])

    def _advance(self) -> list[SpeechMark]:
        marks = self._process_frames()
        while len(self._waiting) and not self._undecided:
            piece, self._waiting = self._waiting[:_PIECE_SAMPLES], self._waiting[_PIECE_SAMPLES:]
            self._fed += len(piece)
            self._recent = np.concatenate([self._recent, piece])[-self._kept_samples :]
            self._detect(piece)
            marks += self._process_frames()
        return marks

    def _detect(self, samples: Samples) -> None:
        self._pending += zip(self._stream.feed(samples).tolist(), self._energy.feed(samples), strict=True)

    def _process_frames(self) -> list[SpeechMark]:
        """Process frames up to an ``EndpointCandidate``."""
        marks: list[SpeechMark] = []
        while self._pending and not self._undecided:
            self._count_frame(*self._pending.popleft())
            self._frame += 1
            marks += self._find_boundaries()
            if self._ended:
                self._restart()
        return marks

    def _count_frame(self, probability: float, energy: FrameEnergy) -> None:
        if self._frame < self._warm_up_frames:
            return
        if self._speech_from is None:
            after_utterance = self._warm_up_frames > 0 and self._frame < self._warm_up_frames + _ECHO_FRAMES
            echo = energy.near_floor and after_utterance
            if probability >= self._policy.onset and not echo:
                self._speech_from, self._speech_to, self._speech_frames = self._frame, self._frame + 1, 1
                self._sound_to = self._speech_to
        elif probability >= self._policy.offset:
            self._speech_to = self._frame + 1
            self._speech_frames += 1
            if not energy.silent:
                self._sound_to = self._speech_to

    def _find_boundaries(self) -> list[SpeechMark]:
        if self._speech_from is None:
            return []
        marks: list[SpeechMark] = []
        if not self._started and self._speech_frames * FRAME_S >= self._policy.min_speech_s:
            marks.append(self._start_utterance(self._speech_from))
        silence_s = (self._frame - self._speech_to) * FRAME_S
        if not self._started:
            if silence_s >= self._policy.short_pause_s:
                self._reset_speech()  # it was only a click
            return marks
        here = self._sample(self._frame)
        length_s = (here - self._free_from) / SAMPLE_RATE_HZ
        cut_early = length_s >= self._policy.max_utterance_s - self._policy.early_cut_s
        if silence_s >= (self._policy.short_pause_s if cut_early else self._policy.end_silence_s):
            marks.append(self._end_utterance(min(self._tail_end(), here)))
        elif length_s >= self._policy.max_utterance_s:
            marks.append(self._end_utterance(here))
        elif self._policy.early_end is not None:
            marks += self._find_pause(self._policy.early_end, here)
        return marks

    def _find_pause(self, policy: EarlyEndPolicy, here: int) -> list[SpeechMark]:
        """Mark a pause when it begins, when it may end the utterance, when it goes on, and when speech resumes."""
        silence_s = (self._frame - self._sound_to) * FRAME_S
        if self._paused_at is None:
            return self._pause(here) if silence_s >= policy.transcribe_s else []
        if silence_s < policy.transcribe_s:
            self._paused_at = None
            return [SpeechResumed()]
        if silence_s - FRAME_S < policy.end_s <= silence_s:
            self._undecided = True
            return [EndpointCandidate()]
        # The text so far ends no sentence, so the full silence will end the utterance. Its end is known by now.
        tail_end = self._tail_end()
        if silence_s > policy.end_s and self._tail_at < tail_end <= here:
            self._tail_at = tail_end
            return self._pause(tail_end)
        return []

    def _pause(self, at: int) -> list[SpeechMark]:
        self._paused_at = at
        return [SpeechPaused(at)]

    def _tail_end(self) -> int:
        return self._sample(self._speech_to) + int(self._policy.tail_s * SAMPLE_RATE_HZ)

    def _sample(self, frame: int) -> int:
        return self._base + frame * FRAME_SAMPLES

    def _start_utterance(self, frame: int) -> UtteranceStarted:
        speech = self._sample(frame)
        start = max(self._free_from, speech - int(self._policy.pre_roll_s * SAMPLE_RATE_HZ))
        self._free_from = start  # the utterance's length counts from here
        self._started = True
        return UtteranceStarted(start, speech)

    def _end_utterance(self, end: int) -> UtteranceEnded:
        self._free_from = end
        self._ended = True
        return UtteranceEnded(end, min(self._sample(self._speech_to), end))

    def _reset_speech(self) -> None:
        self._speech_from = None  # a frame: speech, or what may become speech
        self._speech_to = 0  # the frame after the last one that counted as speech
        self._sound_to = 0  # the same without silent frames
        self._paused_at = None  # a sample
        self._speech_frames = 0
        self._started = False


def segmenter_factory(vad: Vad, policy: UtterancePolicy) -> Callable[[int, float | None, float | None], Segmenter]:
    """Make segmenters that share one VAD.

    Args:
        vad: Safe for concurrent calls; each segmenter has its own stream.
        policy: The server's.

    Returns:
        A function of (``resume_at``, the client's ``end_silence_s`` and ``max_utterance_s`` or None).
    """

    def make(resume_at: int, end_silence_s: float | None, max_utterance_s: float | None) -> Segmenter:
        return Segmenter(vad, policy.for_client(end_silence_s, max_utterance_s), resume_at)

    return make


def _warm_up_before(sample: int) -> int:
    """Samples before a place in a stream with which the VAD warms up: whole frames of what there is."""
    return min(WARM_UP_FRAMES * FRAME_SAMPLES, sample - sample % FRAME_SAMPLES)
