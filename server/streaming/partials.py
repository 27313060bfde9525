"""Recognises an utterance while it is spoken: partials, decodes at pauses, and the final decode."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Coroutine
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any, Protocol

from models.errors import DeadlineExceeded, Overloaded, Unavailable
from models.media.samples import SAMPLE_RATE_HZ
from models.redaction.dialogue_context import AnswerHints
from models.redaction.flow_words import NO_FLOW_WORDS, FlowWords
from models.redaction.types import RedactionScope
from models.sealed_values import SealRequest
from models.text import RedactedText
from models.tracing.spans import untraced
from ray_tasks.types import Gateway, SpeechStep, SpeechWindow
from server.observability.log import get_logger
from server.streaming.events import Emit, Partial
from server.streaming.load_meter import SpeechLoadMeter
from server.streaming.priority_limiter import PriorityLimiter
from server.streaming.utterance import EndpointDecision, Utterance

log = get_logger("partials")

# Each constant has an entry in docs/evaluation/constants/streaming.md.
# New audio between two partials. The wire promises two a second; this leaves time for the decode itself.
PARTIAL_EVERY_S = 0.4
# The same, until the first text of the utterance is shown.
FIRST_TEXT_EVERY_S = 0.1
# The faster rate stops after so much audio: an utterance that shows nothing by then holds numbers or names.
FIRST_TEXT_WITHIN_S = 2.5
# Audio before the first partial, padding included. In a shorter window Whisper invents words.
FIRST_PARTIAL_S = 0.45
# A language detected with this probability is kept for the rest of the stream.
KEEP_LANGUAGE_PROBABILITY = 0.9
# After a final with less confidence, a detected language is detected again.
REDETECT_BELOW_CONFIDENCE = 0.45
PARTIAL_TIMEOUT_S = 4.0
FINAL_TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class Decode:
    """What the workers were sent, what they answered, and how many seconds that took."""

    window: SpeechWindow
    step: SpeechStep
    took_s: float


@dataclass(frozen=True, slots=True)
class SpeechBackend:
    """What the transcription of all streams shares."""

    gateway: Gateway
    limiter: PriorityLimiter
    load: SpeechLoadMeter

    async def decode(self, window: SpeechWindow, timeout_s: float) -> Decode:
        """Recognise and redact a window; finals count towards the load.

        Raises:
            Unavailable, Overloaded, DeadlineExceeded: See ``Gateway``.
        """
        with self.load.working() if window.final else nullcontext():
            clock = asyncio.get_running_loop().time
            began = clock()
            step = await self.gateway.speech_step(window, timeout_s=timeout_s)
            return Decode(window, step, clock() - began)


def _nothing_sealed() -> SealRequest | None:
    return None


@dataclass(frozen=True, slots=True)
class RecognitionConfig:
    """How a stream is transcribed.

    Attributes:
        language: Language of the stream; empty while it is detected in each window.
        detects: Whether the language was detected. Detected languages may be detected again; given ones may not.
        vocabulary: Words to expect.
        word_times: Whether finals come with their words.
        seal: Says which values of the next final or typed text are sealed.
        hints: Says what the answer to the open question may consist of besides.
        flow_words: Words and codes of the flow of the session.
        known_language: Says in which language typed text is read while ``language`` is empty; may be empty, too.
    """

    session_id: str
    stream_id: str
    language: str
    vocabulary: tuple[str, ...]
    client_id: str = ""
    word_times: bool = False
    detects: bool = False
    seal: Callable[[], SealRequest | None] = _nothing_sealed
    hints: Callable[[], AnswerHints] = AnswerHints
    flow_words: FlowWords = NO_FLOW_WORDS
    known_language: Callable[[], str] = lambda: ""

    @property
    def scope(self) -> RedactionScope:
        """Client, session and the words of its flow, for the redaction."""
        return RedactionScope(self.client_id, self.session_id, flow_words=self.flow_words)

    @property
    def sealing_scope(self) -> RedactionScope:
        """The same, with the values that are sealed now: for a text that will be stored."""
        return replace(self.scope, seal=self.seal())


AskedFor = Callable[[], tuple[str, ...]]
"""What the assistant asked for last, see ``models.redaction.dialogue_context``; a bare answer is judged by it."""


class PartialNumbers(Protocol):
    """``server.records.numbering.KnownNumbers``."""

    def begin(self) -> None: ...  # noqa: D102
    async def number(self, text: RedactedText) -> RedactedText: ...  # noqa: D102


class InterimTranscriber:
    """Transcribes the utterances of one stream, one after the other.

    Attributes:
        sealed_state: State of the workers after what was recognised so far; opaque.
        language: Language of the stream from here on; empty while it is detected in each window.
    """

    def __init__(
        self,
        backend: SpeechBackend,
        config: RecognitionConfig,
        *,
        sealed_state: bytes,
        emit: Emit,
        asked_for: AskedFor,
        numbers: PartialNumbers,
    ) -> None:
        self.config = config
        self.sealed_state = sealed_state
        self.language = config.language
        self._backend = backend
        self._emit = emit
        self._asked_for = asked_for
        self._numbers = numbers
        self._asked_during: frozenset[str] = frozenset()

    async def run(self, utterance: Utterance) -> Decode | None:
        """Send partials until the utterance is closed, and return the decode of the whole of it.

        Returns:
            None when the server stops before the utterance ended.

        Raises:
            Unavailable, Overloaded, DeadlineExceeded: It could not be recognised; its audio stays in the log.
        """
        self._asked_during = frozenset()
        self._numbers.begin()
        decode = await self._until_closed(utterance)
        if utterance.suspended:
            return None
        if decode is None:
            decode = await self._backend.decode(self._window(utterance, final=True), FINAL_TIMEOUT_S)
        self.sealed_state = decode.step.sealed_state
        if has_speech(decode.step):
            self.language = self._language_after(decode.step)
        return decode

    async def _until_closed(self, utterance: Utterance) -> Decode | None:
        """Send partials and decode pauses until the utterance is closed.

        Returns:
            What was recognised up to the pause that ended it, if that is known already.
        """
        shown, next_at = Partial(utterance.number, RedactedText.literal("")), int(FIRST_PARTIAL_S * SAMPLE_RATE_HZ)
        pause: EndpointDecision | None = None
        decode: Decode | None = None
        while True:
            # During a pause there is nothing new to show.
            await utterance.wait_for(sys.maxsize if pause else next_at, pause)
            if utterance.pause is not pause:
                pause = utterance.pause
                decode = await self._decode_pause(utterance, pause) if pause is not None else None
            elif utterance.closed:
                return decode
            else:
                decoded = utterance.size
                shown = await self._show_partial(utterance, shown)
                next_at = decoded + self._samples_between(utterance, shown.text.value)

    async def _show_partial(self, utterance: Utterance, shown: Partial) -> Partial:
        """Decode and send one partial; returns what the client sees now."""
        decode = await self._decode_partial(utterance)
        if decode is None:
            return shown
        step = decode.step
        self.sealed_state = step.sealed_state
        text = await self._numbers.number(step.text)
        partial = Partial(utterance.number, text, step.held_back.words, step.held_back.stability)
        if partial != shown:
            await self._emit(partial)
        return partial

    def _samples_between(self, utterance: Utterance, shown: str) -> int:
        """New audio before the next partial. The faster rate is taken only while no other stream waits for a worker."""
        first_text = (
            not shown and utterance.size < FIRST_TEXT_WITHIN_S * SAMPLE_RATE_HZ and not self._backend.limiter.crowded
        )
        return int((FIRST_TEXT_EVERY_S if first_text else PARTIAL_EVERY_S) * SAMPLE_RATE_HZ)

    async def _decode_pause(self, utterance: Utterance, pause: EndpointDecision) -> Decode | None:
        """Decode the audio before a pause as a final, and decide the pause. Cancelled when speech resumes.

        Raises:
            Unavailable, Overloaded, DeadlineExceeded: Twice in a row, while segmentation waits for the decision. Where
                an utterance ends depends on what was said alone, so it is never guessed; a resumed stream tries again.
        """
        decode = await self._unless(
            utterance.wait_resumed(pause), self._decode(utterance, FINAL_TIMEOUT_S, final=True, pause=pause)
        )
        if decode is None and pause.awaited.is_set() and utterance.pause is pause and not utterance.closed:
            decode = await self._decode(utterance, FINAL_TIMEOUT_S, final=True, pause=pause)
        pause.decide(decode is not None and decode.step.complete)
        return decode

    async def _decode_partial(self, utterance: Utterance) -> Decode | None:
        """One partial, given up as soon as the utterance pauses or is closed. There are many, so they have no spans."""
        with untraced():
            return await self._unless(
                utterance.wait_for(sys.maxsize), self._decode(utterance, PARTIAL_TIMEOUT_S, final=False)
            )

    async def _decode(
        self, utterance: Utterance, timeout_s: float, *, final: bool, pause: EndpointDecision | None = None
    ) -> Decode:
        async with self._backend.limiter.acquire(pause.awaited if pause else None):
            window = self._window(utterance, final=final, size=pause.size if pause else None)
            return await self._backend.decode(window, timeout_s)

    async def _unless(self, event: Coroutine[Any, Any, None], work: Coroutine[Any, Any, Decode]) -> Decode | None:
        """Do optional work: it is cancelled on the event, and None when it fails."""
        call, happened = asyncio.ensure_future(work), asyncio.ensure_future(event)
        try:
            await asyncio.wait({call, happened}, return_when=asyncio.FIRST_COMPLETED)
            return call.result() if call.done() else None
        except (Unavailable, Overloaded, DeadlineExceeded) as error:
            log.debug("optional_decode_failed", error_type=type(error).__name__)
            return None
        finally:
            for task in (call, happened):
                task.cancel()
            await asyncio.gather(call, happened, return_exceptions=True)

    def _language_after(self, step: SpeechStep) -> str:
        """Language of the stream after a final; empty to detect it."""
        if self.config.detects and step.confidence < REDETECT_BELOW_CONFIDENCE:
            return ""
        if not self.language and step.language_probability >= KEEP_LANGUAGE_PROBABILITY:
            return step.language
        return self.language

    def _window(self, utterance: Utterance, *, final: bool, size: int | None = None) -> SpeechWindow:
        # The question that was open when the utterance began still applies if another question comes during it.
        self._asked_during |= frozenset(self._asked_for())
        return SpeechWindow(
            utterance.pcm(size),
            final,
            self.sealed_state,
            self.language,
            self.config.vocabulary,
            self.config.sealing_scope if final else self.config.scope,
            tuple(sorted(self._asked_during)),
            word_times=self.config.word_times,
            hints=self.config.hints(),
        )


def has_speech(step: SpeechStep) -> bool:
    """Whether words were recognised."""
    return not step.no_speech and bool(step.text)
