"""The events of a segmenter. Samples are counted from the stream's start."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class UtteranceStarted:
    """Somebody begins to speak.

    Attributes:
        start: First sample of the utterance, padding included.
        speech: First sample of the speech itself.
    """

    start: int
    speech: int


@dataclass(frozen=True, slots=True)
class UtteranceEnded:
    """The utterance is over.

    Attributes:
        end: One past the last sample, padding included; at most the number of samples fed.
        speech: One past the last sample of the speech itself.
    """

    end: int
    speech: int


@dataclass(frozen=True, slots=True)
class SpeechPaused:
    """Silence began inside an utterance. The audio so far should be transcribed, in case the utterance is over.

    It replaces an earlier one of the same utterance.

    Attributes:
        end: Sample up to which to transcribe. If this pause ends the utterance, the utterance ends here.
    """

    end: int


@dataclass(frozen=True, slots=True)
class SpeechResumed:
    """Speech resumed, so the last pause does not end the utterance."""


@dataclass(frozen=True, slots=True)
class EndpointCandidate:
    """The last pause ends the utterance if a whole sentence was said before it.

    Nothing follows until ``Segmenter.decide`` is called.
    """


SpeechMark = UtteranceStarted | UtteranceEnded | SpeechPaused | SpeechResumed | EndpointCandidate
