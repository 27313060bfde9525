"""Mutes the personal words of a recording, and checks that none is left.

The first transcript says what to mute. Then the muted file is transcribed again in another way: all of it, also where
the VAD finds no speech, with a beam, in other windows. What is personal in the second transcript is muted with more
padding. If something is still left, the whole segment around it is muted. If that does not help, there is no recording.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from models.cancellation import NEVER, Cancellation
from models.errors import NoSpeech
from models.media.audio_decoder import AudioLimits, decode
from models.media.samples import SAMPLE_RATE_HZ, Samples
from models.redaction.types import RedactionContext, Redactor
from models.speech.muting.timeline import (
    DEFAULT_MUTE_POLICY,
    MEDIA_TYPE,
    Interval,
    MutePolicy,
    MuteTimeline,
    UnmutedAudio,
    encode_flac,
    merge_intervals,
    mute,
)
from models.speech.types import Segment, SpeechOptions, Transcript
from models.text import Entity

Transcribe = Callable[[Samples, SpeechOptions], Transcript]
"""``SpeechEngine.transcribe``, or a call of it in a worker."""

SECOND_PASS_POLICY = MutePolicy(before_s=0.4, after_s=0.5, join_s=1.0)
"""For what the second transcript adds; its times are no better."""

_BEAM = 3


@dataclass(frozen=True, slots=True)
class RedactedRecording:
    """A recording without anything personal in it.

    Attributes:
        data: The file.
        media_type: ``audio/flac``.
        audio_s: Its length, the same as that of the original.
        muted: Start and end of the muted intervals, in seconds.
    """

    data: bytes
    media_type: str
    audio_s: float
    muted: tuple[Interval, ...]


def redact_recording(
    samples: Samples,
    segments: Sequence[Segment],
    redactor: Redactor,
    context: RedactionContext,
    transcribe: Transcribe,
    policy: MutePolicy = DEFAULT_MUTE_POLICY,
    cancellation: Cancellation = NEVER,
) -> RedactedRecording | None:
    """Mute what is personal, and check that none of it is left.

    Args:
        samples: The recording.
        segments: Its transcript, with the times of the words.
        redactor: Finds what is personal.
        context: Of the recording; the second transcript is in its language.
        transcribe: Makes the second transcript.
        policy: How much to mute around a word.
        cancellation: Of the call; the second transcript gets it, too.

    Returns:
        The recording, or None when something personal is still left.

    Raises:
        RedactionFailed: Something could not be judged.
        Cancelled, DeadlineExceeded: As ``cancellation`` says.
    """
    timeline = MuteTimeline(segments, policy)
    entities = _personal(timeline, redactor, context)
    distinctive = timeline.distinctive_words(entities)
    muted = merge_intervals(timeline.word_intervals(entities), policy.join_s)
    for whole_segments in (False, True, True):
        data = encode_flac(mute(samples, muted))
        cancellation.check()
        audio = UnmutedAudio(decode(data, AudioLimits(max_bytes=len(data))), muted)
        cancellation.check()
        again = _second_transcript(audio, context, transcribe, cancellation)
        left = [*_personal(again, redactor, context), *again.occurrences(distinctive)]
        if not left:
            return RedactedRecording(data, MEDIA_TYPE, len(samples) / SAMPLE_RATE_HZ, _within(muted, len(samples)))
        more = again.segment_intervals(left) if whole_segments else again.word_intervals(left)
        muted = merge_intervals([*muted, *more], SECOND_PASS_POLICY.join_s)
    return None


def _personal(timeline: MuteTimeline, redactor: Redactor, context: RedactionContext) -> list[Entity]:
    return list(redactor.redact(timeline.raw, context).entities) if timeline.text else []


def _second_transcript(
    audio: UnmutedAudio, context: RedactionContext, transcribe: Transcribe, cancellation: Cancellation
) -> MuteTimeline:
    """The transcript of the audio that is left, with times in the recording."""
    options = SpeechOptions(
        language=context.language, word_times=True, beam_size=_BEAM, everything=True, cancellation=cancellation
    )
    try:
        segments = transcribe(audio.samples, options).segments
    except NoSpeech:
        segments = ()
    return MuteTimeline([audio.to_recording(segment) for segment in segments], SECOND_PASS_POLICY)


def _within(intervals: Sequence[Interval], length: int) -> tuple[Interval, ...]:
    end_s = length / SAMPLE_RATE_HZ
    return tuple((begin, min(end, end_s)) for begin, end in intervals if begin < end_s)
