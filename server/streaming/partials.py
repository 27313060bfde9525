"""Follows utterances while they are spoken: partials, looks at pauses, and what was said in all."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from models.errors import DeadlineExceeded, Overloaded, Unavailable
from models.redaction.types import RedactionScope
from models.speech.types import SAMPLE_RATE_HZ
from models.text import RedactedText
from ray_tasks.types import Gateway, SpeechStep, SpeechWindow
from server.observability.log import get_logger
from server.streaming.events import Output, Partial
from server.streaming.priority_limiter import PriorityLimiter
from server.streaming.utterance import EndpointDecision, Utterance

log = get_logger("follower")

# Audio between two looks: at least twice a second (the wire promises it), with room for the time that one takes.
PARTIAL_EVERY_S = 0.4
# Until the first text of an utterance is shown people wait for a sign that they are heard; two looks must agree on it.
HURRIED_EVERY_S = 0.1
# So much of an utterance is looked at in a hurry; where nothing could be shown by then, numbers or names are spoken.
HURRIED_S = 2.5
# Whisper needs something to work with; a shorter window makes it invent words. Up to 0.35 s of it precede the speech.
FIRST_PARTIAL_S = 0.45
# A language that was detected with this probability is kept for the stream. Of 265 pieces of 1.5 to 6 s of speech 116
# reached it, of which 2 were in another language; of the rest 44 were.
KEPT_LANGUAGE = 0.9
# It is let go behind a final of less confidence. Of 22 pieces of 4 s heard in a wrong language 13 were below, of the
# same in their own 1; and a language that is let go by mistake is only detected again.
DOUBTED_LANGUAGE = 0.45
PARTIAL_TIMEOUT_S = 4.0
FINAL_TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class RecognitionConfig:
    """What the stream was set up with.

    Attributes:
        language: In which it is recognised now; empty while it is detected each time.
        detects: Nobody said which language it is; one that was detected may turn out to be wrong.
    """

    session_id: str
    stream_id: str
    language: str
    vocabulary: tuple[str, ...]
    client_id: str = ""
    word_times: bool = False
    detects: bool = False

    @property
    def scope(self) -> RedactionScope:
        """Client and session, for the redaction."""
        return RedactionScope(self.client_id, self.session_id)


Emit = Callable[[Output], Awaitable[None]]
Asked = Callable[[], tuple[str, ...]]


class InterimTranscriber:
    """Follows the utterances of one stream, one after the other.

    Args:
        emit: Sends an event to the client.
        asked: Tells what the assistant asked for last; a bare answer is judged by it.
        turnstile: Shared by all streams; None for one of its own.

    Attributes:
        sealed_state: Sealed state of the workers behind what was heard so far.
        language: In which the stream is recognised from here on; empty while it is detected each time.
    """

    def __init__(
        self,
        gateway: Gateway,
        listening: RecognitionConfig,
        *,
        sealed_state: bytes,
        emit: Emit,
        asked: Asked = tuple,
        turnstile: PriorityLimiter | None = None,
    ) -> None:
        self.sealed_state = sealed_state
        self.language = listening.language
        self._gateway = gateway
        self._listening = listening
        self._emit = emit
        self._asked = asked
        self._turnstile = turnstile or PriorityLimiter(1)
        self._asked_for: frozenset[str] = frozenset()

    async def follow(self, utterance: Utterance) -> SpeechStep | None:
        """Send partials until the utterance is closed, and return what was said in the whole of it.

        Returns:
            None when the server leaves before it ended.

        Raises:
            Unavailable, Overloaded, DeadlineExceeded: It could not be recognised; its audio stays in the log.
        """
        self._asked_for = frozenset()
        step = await self._until_closed(utterance)
        if utterance.left:
            return None
        if step is None:
            step = await self._gateway.speech_step(self._window(utterance, final=True), timeout_s=FINAL_TIMEOUT_S)
        self.sealed_state = step.sealed_state
        if understood(step):
            self.language = self._language_after(step)
        return step

    async def _until_closed(self, utterance: Utterance) -> SpeechStep | None:
        """Send partials until the utterance is closed, and look at its pauses.

        Returns:
            What was heard up to the pause with which it ended, if that is known already.
        """
        shown, next_at = Partial(utterance.number, RedactedText.literal("")), int(FIRST_PARTIAL_S * SAMPLE_RATE_HZ)
        pause: EndpointDecision | None = None
        looked: SpeechStep | None = None
        while True:
            # While it is quiet nothing new can be shown.
            await utterance.wait_for(sys.maxsize if pause else next_at, pause)
            if utterance.pause is not pause:
                pause = utterance.pause
                looked = await self._look(utterance, pause) if pause is not None else None
            elif utterance.closed:
                return looked
            else:
                looked_at = utterance.size
                step = await self._partial(utterance)
                if step is not None:
                    self.sealed_state = step.sealed_state
                    partial = Partial(utterance.number, step.text, step.unsettled.words, step.unsettled.stability)
                    if partial != shown:
                        shown = partial
                        await self._emit(partial)
                next_at = looked_at + self._samples_between(utterance, shown.text.value)

    def _samples_between(self, utterance: Utterance, shown: str) -> int:
        """New audio before the next look; little only while nobody else has to wait for it."""
        hurried = not shown and utterance.size < HURRIED_S * SAMPLE_RATE_HZ and not self._turnstile.crowded
        return int((HURRIED_EVERY_S if hurried else PARTIAL_EVERY_S) * SAMPLE_RATE_HZ)

    async def _look(self, utterance: Utterance, pause: EndpointDecision) -> SpeechStep | None:
        """Recognise what lies before a pause, as if it were all; given up when somebody speaks on.

        Raises:
            Unavailable, Overloaded, DeadlineExceeded: Twice in a row, while the answer was waited for. Where the
                utterance ends depends on what was said alone, so nothing may be guessed; a resumed stream asks again.
        """
        step = await self._unless(
            utterance.wait_over(pause), self._ask(utterance, FINAL_TIMEOUT_S, final=True, pause=pause)
        )
        if step is None and pause.asked.is_set() and utterance.pause is pause and not utterance.closed:
            step = await self._ask(utterance, FINAL_TIMEOUT_S, final=True, pause=pause)
        pause.answer(step is not None and step.complete)
        return step

    async def _partial(self, utterance: Utterance) -> SpeechStep | None:
        """One partial, given up as soon as the utterance pauses or is closed: then that counts."""
        return await self._unless(utterance.wait_for(sys.maxsize), self._ask(utterance, PARTIAL_TIMEOUT_S, final=False))

    async def _ask(
        self, utterance: Utterance, timeout_s: float, *, final: bool, pause: EndpointDecision | None = None
    ) -> SpeechStep:
        async with self._turnstile.through(pause.asked if pause else None):
            window = self._window(utterance, final=final, size=pause.size if pause else None)
            return await self._gateway.speech_step(window, timeout_s=timeout_s)

    async def _unless(
        self, event: Coroutine[Any, Any, None], work: Coroutine[Any, Any, SpeechStep]
    ) -> SpeechStep | None:
        """Work that is a courtesy: given up on an event, and when it cannot be done."""
        call, happened = asyncio.ensure_future(work), asyncio.ensure_future(event)
        try:
            await asyncio.wait({call, happened}, return_when=asyncio.FIRST_COMPLETED)
            return call.result() if call.done() else None
        except (Unavailable, Overloaded, DeadlineExceeded) as error:
            # The final is no courtesy, and raises.
            log.debug("courtesy_skipped", error_type=type(error).__name__)
            return None
        finally:
            for task in (call, happened):
                task.cancel()
            await asyncio.gather(call, happened, return_exceptions=True)

    def _language_after(self, step: SpeechStep) -> str:
        """In which language the stream is recognised from here on; empty to detect it."""
        if self._listening.detects and step.confidence < DOUBTED_LANGUAGE:
            return ""
        if not self.language and step.language_probability >= KEPT_LANGUAGE:
            return step.language
        return self.language

    def _window(self, utterance: Utterance, *, final: bool, size: int | None = None) -> SpeechWindow:
        of = self._listening
        # A question that comes while somebody speaks adds to the one before; nothing that counted stops counting.
        self._asked_for |= frozenset(self._asked())
        asked_for = tuple(sorted(self._asked_for))
        return SpeechWindow(
            utterance.pcm(size),
            final,
            self.sealed_state,
            self.language,
            of.vocabulary,
            of.scope,
            asked_for,
            word_times=of.word_times,
        )


def understood(step: SpeechStep) -> bool:
    """Whether somebody was understood."""
    return not step.no_speech and bool(step.text)
