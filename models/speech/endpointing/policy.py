"""The segmentation policy: when speech starts, pauses and ends. The server's streams and the speech workers share it.

A stream is cut into utterances as it is spoken; a recording is cut into windows before it is transcribed. Both find
speech with hysteresis: it starts at a frame whose probability of speech is at least ``onset``, and lasts until the
probability stays below ``offset``.

Found in docs/evaluation/constants, "segmentation".
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from models.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class EnergyPolicy:
    """Which frames the energy VAD calls silent.

    Attributes:
        memory_s: Seconds of audio whose levels are remembered for the comparison.
        above_floor_db: A frame near the noise floor is at most so far above the lowest level.
        below_speech_db: A silent frame is also at least so far below the highest level.
        floor_db: Lower levels count as this one, relative to full scale: the noise of a microphone in a silent room.
    """

    memory_s: float = 6.0
    above_floor_db: float = 6.0
    below_speech_db: float = 20.0
    floor_db: float = -70.0


@dataclass(frozen=True, slots=True)
class EarlyEndPolicy:
    """When a pause may end an utterance before its full silence.

    Attributes:
        transcribe_s: Silence after which the audio so far is transcribed, in case the utterance is over.
        end_s: Silence that ends an utterance whose transcript is a whole sentence.
    """

    transcribe_s: float = 0.12
    end_s: float = 0.28


@dataclass(frozen=True, slots=True)
class UtterancePolicy:
    """How a stream is cut into utterances.

    Attributes:
        onset: Probability of speech that starts an utterance.
        offset: Probability below which a frame counts as silence.
        end_silence_s: Silence that ends an utterance.
        min_speech_s: Shorter sounds, a click or a cough, start none.
        max_utterance_s: A longer utterance is cut, so that it fits into the speech model's window.
        early_cut_s: In the last seconds before ``max_utterance_s``, a pause of ``short_pause_s`` ends the utterance, so
            that no word is cut in two.
        short_pause_s: See ``early_cut_s``.
        pre_roll_s: Kept before the speech: the VAD notices soft consonants late.
        tail_s: Kept after the speech.
        early_end: When a pause may end it early; None for never.
        energy: Which frames are silent.
    """

    onset: float = 0.5
    offset: float = 0.35
    end_silence_s: float = 0.6
    min_speech_s: float = 0.12
    max_utterance_s: float = 28.0
    early_cut_s: float = 7.0
    short_pause_s: float = 0.16
    pre_roll_s: float = 0.35
    tail_s: float = 0.25
    early_end: EarlyEndPolicy | None = field(default_factory=EarlyEndPolicy)
    energy: EnergyPolicy = field(default_factory=EnergyPolicy)

    def __post_init__(self) -> None:
        if not 0 < self.offset <= self.onset <= 1:
            raise InvalidInput("Speech must end at a lower probability than it begins at.")
        if self.tail_s > self.end_silence_s or self.max_utterance_s <= self.end_silence_s:
            raise InvalidInput("An utterance must have room for its own silence.")

    def with_longest(self, max_utterance_s: float) -> UtterancePolicy:
        """The policy with another longest utterance; the same share of it is cut early."""
        early_cut_s = self.early_cut_s * max_utterance_s / self.max_utterance_s
        return replace(self, max_utterance_s=max_utterance_s, early_cut_s=early_cut_s)

    def for_client(self, end_silence_s: float | None = None, max_utterance_s: float | None = None) -> UtterancePolicy:
        """The policy of one stream.

        Args:
            end_silence_s: Silence that ends an utterance, if the client chooses it; whole sentences wait for it too.
            max_utterance_s: Longest utterance that the client wants; it never exceeds this policy's.
        """
        policy = self.with_longest(min(self.max_utterance_s, max_utterance_s or self.max_utterance_s))
        if end_silence_s is None:
            return policy
        return replace(
            policy,
            end_silence_s=end_silence_s,
            tail_s=min(self.tail_s, end_silence_s),
            early_end=self.early_end and replace(self.early_end, end_s=end_silence_s),
        )


@dataclass(frozen=True, slots=True)
class WindowPolicy:
    """How a recording is cut into windows.

    Attributes:
        onset: Probability that starts speech.
        offset: Probability below which a frame counts as silence.
        min_pause_s: Shorter dips do not end speech.
        padding_s: Kept before and after speech: the VAD notices soft consonants late.
        max_window_s: Longer speech is cut at a pause, or where it is least likely to be a word. Whisper would take
            30 s, but attention costs the square of the length, and several windows can be decoded at once.
        drop_pause_s: A longer silence ends a window, so that no time is spent on it.
        everything: Least probability of speech of a clip that must be transcribed whole, also where the VAD finds no
            speech. High enough for ``onset`` and for the thresholds of a hypothesis.
    """

    onset: float = 0.35
    offset: float = 0.20
    min_pause_s: float = 0.20
    padding_s: float = 0.40
    max_window_s: float = 16.0
    drop_pause_s: float = 4.0
    everything: float = 0.65


@dataclass(frozen=True, slots=True)
class SegmentationPolicy:
    """The policies for streams and recordings.

    Attributes:
        utterances: For streams.
        windows: For recordings.
    """

    utterances: UtterancePolicy = field(default_factory=UtterancePolicy)
    windows: WindowPolicy = field(default_factory=WindowPolicy)


DEFAULT_POLICY = SegmentationPolicy()
