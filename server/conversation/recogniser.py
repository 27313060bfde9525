"""Turns utterances into redacted turns, one after the other, and stores each before anybody hears of it."""

from __future__ import annotations

import asyncio
import sys
import uuid
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, replace
from typing import Any

from models.errors import DeadlineExceeded, Overloaded, Unavailable
from models.redaction.asked import answering
from models.redaction.types import RedactionContext, Whose
from models.speech.types import SAMPLE_RATE_HZ, RedactedWord
from models.text import RawText, RedactedText, TextSource
from ray_tasks.types import Gateway, SpeechStep, SpeechWindow
from server.conversation.events import Final, Notice, Output, Partial
from server.conversation.turnstile import Turnstile
from server.conversation.utterance import Pause, Utterance
from server.ledger.types import Clock, TurnRow
from server.log import get_logger
from server.metrics import Metrics

log = get_logger("recogniser")

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
TYPED_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class Typed:
    """Typed text that waits for its turn."""

    number: int
    text: RawText
    id: str = ""


@dataclass(frozen=True, slots=True)
class Listening:
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
    def whose(self) -> Whose:
        """Client and session, for the redaction."""
        return Whose(self.client_id, self.session_id)


@dataclass(frozen=True, slots=True)
class Heard:
    """A finished turn and where the stream stands after it.

    Attributes:
        finalized_samples: Samples of the stream whose finals are stored; unchanged by typed text.
        language: What the stream is recognised in from now on; empty while it is detected each time.
    """

    turn: TurnRow
    carry: bytes
    next_utterance: int
    finalized_samples: int | None
    language: str = ""


Emit = Callable[[Output], Awaitable[None]]
Store = Callable[[Heard], Awaitable[None]]
Known = Callable[[str], Awaitable[TurnRow | None]]
Silence = Callable[[int, int], Awaitable[None]]
Asked = Callable[[], tuple[str, ...]]


class Recogniser:
    """The recognition of one stream.

    Args:
        emit: Sends an event to the client.
        store: Makes a turn durable, together with its events.
        known: Finds a turn that is stored already.
        silence: Records that an utterance, up to a sample, held no speech.
        asked: Tells what the assistant asked for last; a bare answer is judged by it.
        turnstile: Shared by all streams; None for one of its own.
    """

    def __init__(
        self,
        gateway: Gateway,
        listening: Listening,
        *,
        carry: bytes,
        emit: Emit,
        store: Store,
        known: Known,
        silence: Silence,
        clock: Clock,
        metrics: Metrics,
        asked: Asked = tuple,
        turnstile: Turnstile | None = None,
    ) -> None:
        self._gateway = gateway
        self._listening = listening
        self._carry = carry
        self._language = listening.language
        self._emit = emit
        self._store = store
        self._known = known
        self._silence = silence
        self._clock = clock
        self._metrics = metrics
        self._asked = asked
        self._turnstile = turnstile or Turnstile(1)
        self._asked_for: frozenset[str] = frozenset()

    async def recognise(self, item: Utterance | Typed) -> TurnRow | None:
        """Work one item off and return its turn, or None when nobody spoke.

        Raises:
            Unavailable, Overloaded, DeadlineExceeded: The turn could not be made; its audio stays in the log.
        """
        if isinstance(item, Typed):
            return await self._read(item)
        self._asked_for = frozenset()
        looked = await self._follow(item)
        return None if item.left else await self._finish(item, looked)

    async def _read(self, item: Typed) -> TurnRow | None:
        turn_id = self._turn_id(item.id)
        if item.id and (known := await self._known(turn_id)) is not None:
            # It was sent again after the connection broke. Whoever stored it has seen to its answer.
            await self._emit(Final(known))
            return None
        context = RedactionContext(TextSource.TYPED, self._listening.language or "en", whose=self._listening.whose)
        context = answering(context, self._asked())
        [redaction] = await self._gateway.redact([item.text], context, timeout_s=TYPED_TIMEOUT_S)
        turn = self._turn(item.number, TextSource.TYPED, redaction.text, language=self._listening.language)
        turn = replace(turn, id=turn_id)
        await self._store(Heard(turn, self._carry, item.number + 1, None, self._language))
        await self._announce(turn)
        return turn

    async def _follow(self, utterance: Utterance) -> SpeechStep | None:
        """Send partials until the utterance is closed, and look at its pauses.

        Returns:
            What was heard up to the pause with which it ended, if that is known already.
        """
        shown, next_at = Partial(utterance.number, RedactedText.literal("")), int(FIRST_PARTIAL_S * SAMPLE_RATE_HZ)
        pause: Pause | None = None
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
                    self._carry = step.carry
                    partial = Partial(utterance.number, step.text, step.unsettled.words, step.unsettled.stability)
                    if partial != shown:
                        shown = partial
                        await self._emit(partial)
                next_at = looked_at + self._samples_between(utterance, shown.text.value)

    def _samples_between(self, utterance: Utterance, shown: str) -> int:
        """New audio before the next look; little only while nobody else has to wait for it."""
        hurried = not shown and utterance.size < HURRIED_S * SAMPLE_RATE_HZ and not self._turnstile.crowded
        return int((HURRIED_EVERY_S if hurried else PARTIAL_EVERY_S) * SAMPLE_RATE_HZ)

    async def _look(self, utterance: Utterance, pause: Pause) -> SpeechStep | None:
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
        self, utterance: Utterance, timeout_s: float, *, final: bool, pause: Pause | None = None
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

    async def _finish(self, utterance: Utterance, step: SpeechStep | None) -> TurnRow | None:
        if step is None:
            step = await self._gateway.speech_step(self._window(utterance, final=True), timeout_s=FINAL_TIMEOUT_S)
        self._carry = step.carry
        if step.no_speech or not step.text:
            await self._silence(utterance.number, utterance.end)
            await self._emit(Notice("NO_SPEECH", "Nobody was understood in this utterance.", utterance.number))
            return None
        self._language = self._language_after(step)
        turn = self._turn(
            utterance.number,
            TextSource.SPEECH,
            step.text,
            language=step.language,
            confidence=step.confidence,
            start_s=utterance.start_s,
            end_s=utterance.end_s,
            compute_s=step.compute_s,
            words=step.words,
        )
        await self._store(Heard(turn, step.carry, utterance.number + 1, utterance.end, self._language))
        await self._announce(turn)
        self._metrics.final_seconds.observe(asyncio.get_running_loop().time() - utterance.closed_at)
        return turn

    def _language_after(self, step: SpeechStep) -> str:
        """In which language the stream is recognised from here on; empty to detect it."""
        if self._listening.detects and step.confidence < DOUBTED_LANGUAGE:
            return ""
        if not self._language and step.language_probability >= KEPT_LANGUAGE:
            return step.language
        return self._language

    async def _announce(self, turn: TurnRow) -> None:
        for entity, count in turn.text.counts.items():
            self._metrics.entities.labels(entity).inc(count)
        await self._emit(Final(turn))

    def _window(self, utterance: Utterance, *, final: bool, size: int | None = None) -> SpeechWindow:
        of = self._listening
        # A question that comes while somebody speaks adds to the one before; nothing that counted stops counting.
        self._asked_for |= frozenset(self._asked())
        asked_for = tuple(sorted(self._asked_for))
        return SpeechWindow(
            utterance.pcm(size),
            final,
            self._carry,
            self._language,
            of.vocabulary,
            of.whose,
            asked_for,
            word_times=of.word_times,
        )

    def _turn_id(self, text_id: str) -> str:
        """One id for one text of a stream; a fresh one for a text without an id."""
        name = f"{self._listening.stream_id}/{text_id}"
        return str(uuid.uuid5(uuid.NAMESPACE_OID, name) if text_id else uuid.uuid4())

    def _turn(
        self,
        number: int,
        source: TextSource,
        text: RedactedText,
        *,
        language: str,
        confidence: float = 1.0,
        start_s: float = 0.0,
        end_s: float = 0.0,
        compute_s: float = 0.0,
        words: tuple[RedactedWord, ...] = (),
    ) -> TurnRow:
        return TurnRow(
            id=str(uuid.uuid4()),
            session_id=self._listening.session_id,
            stream_id=self._listening.stream_id,
            utterance=number,
            source=source,
            text=text,
            create_time=self._clock(),
            confidence=confidence,
            language=language,
            start_s=start_s,
            end_s=end_s,
            compute_s=compute_s,
            # Words count from where their utterance begins.
            words=tuple(replace(w, start_s=w.start_s + start_s, end_s=w.end_s + start_s) for w in words),
        )
