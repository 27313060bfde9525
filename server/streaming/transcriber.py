"""Turns utterances into redacted turns, one after the other, and stores each before anybody hears of it."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from models.reasons import Reason
from models.redaction.dialogue_context import answering
from models.redaction.types import RedactionContext
from models.speech.types import RedactedWord
from models.text import RawText, RedactedText, TextSource
from ray_tasks.types import Gateway, SpeechStep
from server.ledger.types import Clock, TurnRow
from server.observability.metrics import Metrics
from server.streaming.events import Final, Notice
from server.streaming.partials import Asked, Emit, InterimTranscriber, RecognitionConfig, understood
from server.streaming.priority_limiter import PriorityLimiter
from server.streaming.utterance import Utterance

TYPED_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class TypedUtterance:
    """Typed text that waits for its turn."""

    number: int
    text: RawText
    id: str = ""


@dataclass(frozen=True, slots=True)
class RecognizedUtterance:
    """A finished turn and where the stream stands after it.

    Attributes:
        finalized_samples: Samples of the stream whose finals are stored; unchanged by typed text.
        language: What the stream is recognised in from now on; empty while it is detected each time.
    """

    turn: TurnRow
    sealed_state: bytes
    next_utterance: int
    finalized_samples: int | None
    language: str = ""


Store = Callable[[RecognizedUtterance], Awaitable[None]]
Known = Callable[[str], Awaitable[TurnRow | None]]
Silence = Callable[[int, int], Awaitable[None]]


class Transcriber:
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
        listening: RecognitionConfig,
        *,
        sealed_state: bytes,
        emit: Emit,
        store: Store,
        known: Known,
        silence: Silence,
        clock: Clock,
        metrics: Metrics,
        asked: Asked = tuple,
        turnstile: PriorityLimiter | None = None,
    ) -> None:
        self._gateway = gateway
        self._listening = listening
        self._follower = InterimTranscriber(
            gateway, listening, sealed_state=sealed_state, emit=emit, asked=asked, turnstile=turnstile
        )
        self._emit = emit
        self._store = store
        self._known = known
        self._silence = silence
        self._clock = clock
        self._metrics = metrics
        self._asked = asked

    async def recognise(self, item: Utterance | TypedUtterance) -> TurnRow | None:
        """Work one item off and return its turn, or None when nobody spoke.

        Raises:
            Unavailable, Overloaded, DeadlineExceeded: The turn could not be made; its audio stays in the log.
        """
        if isinstance(item, TypedUtterance):
            return await self._read(item)
        step = await self._follower.follow(item)
        return None if step is None else await self._finish(item, step)

    async def _read(self, item: TypedUtterance) -> TurnRow | None:
        turn_id = self._turn_id(item.id)
        if item.id and (known := await self._known(turn_id)) is not None:
            # It was sent again after the connection broke. Whoever stored it has seen to its answer.
            await self._emit(Final(known))
            return None
        context = RedactionContext(TextSource.TYPED, self._listening.language or "en", scope=self._listening.scope)
        context = answering(context, self._asked())
        [redaction] = await self._gateway.redact([item.text], context, timeout_s=TYPED_TIMEOUT_S)
        turn = self._turn(item.number, TextSource.TYPED, redaction.text, language=self._listening.language)
        turn = replace(turn, id=turn_id)
        await self._store(
            RecognizedUtterance(turn, self._follower.sealed_state, item.number + 1, None, self._follower.language)
        )
        await self._announce(turn)
        return turn

    async def _finish(self, utterance: Utterance, step: SpeechStep) -> TurnRow | None:
        if not understood(step):
            await self._silence(utterance.number, utterance.end)
            await self._emit(Notice(Reason.NO_SPEECH, "Nobody was understood in this utterance.", utterance.number))
            return None
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
        await self._store(
            RecognizedUtterance(turn, step.sealed_state, utterance.number + 1, utterance.end, self._follower.language)
        )
        await self._announce(turn)
        self._metrics.final_seconds.observe(asyncio.get_running_loop().time() - utterance.closed_at)
        return turn

    async def _announce(self, turn: TurnRow) -> None:
        for entity, count in turn.text.counts.items():
            self._metrics.entities.labels(entity).inc(count)
        await self._emit(Final(turn))

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
