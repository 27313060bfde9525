"""What a speech worker makes of the samples of a window, and of its segments. Functions without state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from models.errors import InvalidInput
from models.media.samples import Samples
from models.reasons import Reason
from models.redaction.dialogue_context import answering
from models.redaction.sealing import Sealer
from models.redaction.streaming.open_tail import values_with_tail
from models.redaction.streaming.partials import PartialState
from models.redaction.types import Redaction, RedactionContext
from models.sealed_values import SealedValue
from models.speech.types import Segment
from models.text import RawText, RedactedText, TextSource
from ray_tasks.types import SpeechStep, SpeechWindow

NO_TEXT: Final = RedactedText.literal("")


def samples_of(pcm: bytes) -> Samples:
    """Mono float32 samples. They are checked here because the engines do not check them."""
    if len(pcm) % 4:
        raise InvalidInput("The length of the window is not a multiple of 4 bytes.", reason=Reason.BAD_AUDIO)
    samples = np.frombuffer(pcm, dtype="<f4")
    if not np.isfinite(samples).all():
        raise InvalidInput("The window holds samples that are not finite numbers.", reason=Reason.BAD_AUDIO)
    return samples


def redaction_context(language: str | None, window: SpeechWindow | None = None) -> RedactionContext:
    """What the redaction knows about an utterance: language, scope and what was asked for."""
    context = RedactionContext(source=TextSource.SPEECH, language=language or "en")
    if window is None:
        return context
    return answering(replace(context, scope=window.scope), window.asked_for, window.hints)


def step_without_speech(
    window: SpeechWindow, state: PartialState, sealed_state: bytes, audio_s: float, weights: str
) -> SpeechStep:
    """The result of a window without speech; a partial keeps the text that it showed before."""
    return SpeechStep(
        text=NO_TEXT if window.final else state.shown,
        sealed_state=sealed_state,
        confidence=0.0,
        language=window.language,
        no_speech=True,
        audio_s=audio_s,
        compute_s=0.0,
        weights=weights,
    )


def mean_confidence(segments: tuple[Segment, ...]) -> float:
    """Mean over the segments, weighted by their length."""
    lengths = [max(segment.end_s - segment.start_s, 1e-3) for segment in segments]
    return sum(s.confidence * length for s, length in zip(segments, lengths, strict=True)) / sum(lengths)


def shifted(segment: Segment, by_s: float) -> Segment:
    """The segment, and its words, so many seconds later."""
    words = tuple(replace(word, start_s=word.start_s + by_s, end_s=word.end_s + by_s) for word in segment.words)
    return replace(segment, start_s=segment.start_s + by_s, end_s=segment.end_s + by_s, words=words)


def sealed_values(
    sealer: Sealer | None, tail: RawText, text: RawText, redactions: Sequence[Redaction], language: str
) -> tuple[SealedValue, ...]:
    """The sealed values of an utterance; one that begins in the tail of the utterance before is whole.

    Args:
        sealer: None if nothing is to be sealed.
        tail: The open tail; may be empty.
        text: The utterance.
        redactions: Those of ``texts_with_tail``.
        language: ISO 639-1 code.
    """
    if sealer is None:
        return ()
    whole, entities = values_with_tail(tail, text, redactions)
    return sealer.values(whole, entities, TextSource.SPEECH, language)
