"""A recording with its personal words muted, or none.

What was heard first says what to mute. Then the file as it would be kept is heard once more, in another way: all of
it, also where no speech was found, with a beam, in windows cut elsewhere. If anything personal is left, that is muted
more generously; if it is still there, the whole stretch of speech around it; and if that does not help either, there
is no recording.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from models.errors import NoSpeech
from models.media.audio_decoder import AudioLimits, decode
from models.redaction.types import RedactionContext, Redactor
from models.speech.muting.timeline import (
    DEFAULT_RULES,
    MEDIA_TYPE,
    Audible,
    MuteRules,
    MuteTimeline,
    Stretch,
    encode_flac,
    joined,
    silenced,
)
from models.speech.types import SAMPLE_RATE_HZ, Samples, Segment, SpeechOptions, Transcript
from models.text import Entity, RawText

Listen = Callable[[Samples, SpeechOptions], Transcript]
"""``SpeechEngine.transcribe``, or a call that ends there."""

AGAIN = MuteRules(before_s=0.4, after_s=0.5, join_s=1.0)
"""For what the second hearing found, whose times are no better."""

_BEAM = 3


@dataclass(frozen=True, slots=True)
class RedactedRecording:
    """A recording without anything personal in it.

    Attributes:
        data: The file.
        media_type: ``audio/flac``.
        audio_s: Its length, the same as before.
        muted: Begin and end of the silent stretches, in seconds.
    """

    data: bytes
    media_type: str
    audio_s: float
    muted: tuple[Stretch, ...]


def redact_recording(
    samples: Samples,
    heard: Sequence[Segment],
    redactor: Redactor,
    context: RedactionContext,
    listen: Listen,
    rules: MuteRules = DEFAULT_RULES,
) -> RedactedRecording | None:
    """Mute what is personal and prove that it is gone.

    Args:
        samples: The recording.
        heard: What was heard in it, with the times of the words.
        redactor: Says what is personal.
        context: Of the recording; its language is used to listen again.
        listen: Recognises, for the proof.
        rules: How generously to mute.

    Returns:
        The recording, or None where what is personal stays audible.

    Raises:
        RedactionFailed: Something could not be judged.
    """
    timeline = MuteTimeline(heard, rules)
    entities = _personal(timeline, redactor, context)
    telling = timeline.telling(entities)
    stretches = joined(timeline.stretches(entities), rules.join_s)
    for whole in (False, True, True):
        data = encode_flac(silenced(samples, stretches))
        again = _heard_again(Audible(decode(data, AudioLimits(max_bytes=len(data))), stretches), context, listen)
        left = [*_personal(again, redactor, context), *again.repeats(telling)]
        if not left:
            return RedactedRecording(data, MEDIA_TYPE, len(samples) / SAMPLE_RATE_HZ, _within(stretches, len(samples)))
        more = again.whole_segments(left) if whole else again.stretches(left)
        stretches = joined([*stretches, *more], AGAIN.join_s)
    return None


def _personal(timeline: MuteTimeline, redactor: Redactor, context: RedactionContext) -> list[Entity]:
    return list(redactor.redact(RawText(timeline.text), context).entities) if timeline.text else []


def _heard_again(audible: Audible, context: RedactionContext, listen: Listen) -> MuteTimeline:
    """What is heard in all that is left, with times in the recording."""
    options = SpeechOptions(language=context.language, word_times=True, beam_size=_BEAM, everything=True)
    try:
        heard = listen(audible.samples, options).segments
    except NoSpeech:
        heard = ()
    return MuteTimeline([audible.placed(segment) for segment in heard], AGAIN)


def _within(stretches: Sequence[Stretch], length: int) -> tuple[Stretch, ...]:
    end_s = length / SAMPLE_RATE_HZ
    return tuple((begin, min(end, end_s)) for begin, end in stretches if begin < end_s)
