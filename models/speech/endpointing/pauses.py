"""Pauses inside utterances: perhaps somebody is done, perhaps only out of breath."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SpeechPaused:
    """It has become quiet inside an utterance: time to recognise what was said so far, in case that it was all.

    A later one replaces an earlier one.

    Attributes:
        end: Sample up to which one listens; if the utterance ends with this pause, it ends there.
    """

    end: int


@dataclass(frozen=True, slots=True)
class SpeechResumed:
    """The last pause was none."""


@dataclass(frozen=True, slots=True)
class EndpointCandidate:
    """The last pause is long enough, if what was said before it is a whole sentence. ``Segmenter.decide`` answers."""


@dataclass(frozen=True, slots=True)
class EndpointRules:
    """When a pause is worth a look.

    Attributes:
        look_s: Quiet after which what was said is recognised, in case that it was all.
        sure_s: Quiet that ends an utterance whose text is a whole sentence.
    """

    look_s: float = 0.12
    sure_s: float = 0.28
