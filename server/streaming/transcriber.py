"""Makes redacted turns of utterances and typed text, in order. A turn is stored before its final is sent."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from models.reasons import Reason
from models.redaction.dialogue_context import answering
from models.redaction.types import RedactionContext
from models.sealed_values import SealedValue
from models.speech.types import RedactedWord
from models.text import RawText, RedactedText, TextSource
from models.tracing.attributes import AUDIO_S, COMPUTE_S, ENTITIES, FINAL_DELAY_S, SOURCE, UTTERANCE
from models.tracing.spans import Span, current_span
from ray_tasks.types import Gateway, SpeechStep, SpeechWindow
from server.ledger.types import Clock, TurnRow
from server.observability.metrics import Metrics
from server.streaming.events import Emit, Final, Notice
from server.streaming.partials import AskedFor, Decode, InterimTranscriber, has_speech
from server.streaming.utterance import Utterance

TYPED_TIMEOUT_S = 60.0
"""Redaction takes milliseconds. The rest is for a cluster that is started again: any call waits for it so long."""


@dataclass(frozen=True, slots=True)
class TypedUtterance:
    """Typed text that waits to be redacted."""

    number: int
    text: RawText
    id: str = ""
    known: str | None = None


@dataclass(frozen=True, slots=True)
class RecognizedUtterance:
    """A finished turn and where the stream stands after it.

    Attributes:
        sealed_state: State of the workers after the turn; opaque.
        finalized_samples: Samples of the stream whose finals are stored; None for typed text, which moves nothing.
        language: Language of the stream from now on; empty where it is detected again, then the stored one stays.
        delay_s: Seconds from the end of the utterance until it was recognized; None for typed text.
        sealed: Values of the turn that are sealed for another system.
        known: The question that the person knew when they began, see ``StreamGuidance.known``.
    """

    turn: TurnRow
    sealed_state: bytes
    next_utterance: int
    finalized_samples: int | None
    language: str = ""
    delay_s: float | None = None
    sealed: tuple[SealedValue, ...] = ()
    known: str | None = None


Heard = Callable[[TurnRow, SpeechWindow, SpeechStep, float], None]
"""Told of each final that was stored: the turn, what the workers were sent and what they answered, and how many seconds
that took. It returns at once. See ``server.speech_models.shadow``."""


def _nobody_listens(_turn: TurnRow, _window: SpeechWindow, _step: SpeechStep, _took_s: float) -> None:
    """See ``Heard``."""


class TurnStore(Protocol):
    """``server.streaming.repository.StreamRepository``."""

    async def store_turn(self, recognized: RecognizedUtterance) -> TurnRow: ...  # noqa: D102
    async def find_turn(self, turn_id: str) -> TurnRow | None: ...  # noqa: D102
    async def store_repeated(self, utterance: int) -> None: ...  # noqa: D102
    async def store_silence(self, utterance: int, finalized_samples: int, spoken_s: float) -> None: ...  # noqa: D102


class Transcriber:
    """The turns of one stream.

    Args:
        interim: Transcribes speech.
        gateway: Redacts typed text.
        store: Makes a turn durable, together with its event, and returns it with numbered tags.
        emit: Sends an event to the client.
        heard: Told of each final of speech after it was sent.
    """

    def __init__(
        self,
        interim: InterimTranscriber,
        gateway: Gateway,
        store: TurnStore,
        *,
        emit: Emit,
        asked_for: AskedFor,
        clock: Clock,
        metrics: Metrics,
        heard: Heard = _nobody_listens,
    ) -> None:
        self._interim = interim
        self._gateway = gateway
        self._store = store
        self._emit = emit
        self._asked_for = asked_for
        self._clock = clock
        self._metrics = metrics
        self._heard = heard

    async def transcribe(self, item: Utterance | TypedUtterance) -> TurnRow | None:
        """Store the turn of one item, send its final, and return it; None when there is no new turn.

        Raises:
            Unavailable, Overloaded, DeadlineExceeded: The turn could not be made; its audio stays in the log.
        """
        current_span().set(UTTERANCE, item.number)
        if isinstance(item, TypedUtterance):
            return await self._redact_typed(item)
        decode = await self._interim.run(item)
        return None if decode is None else await self._finish(item, decode)

    async def _redact_typed(self, item: TypedUtterance) -> TurnRow | None:
        turn_id = self._turn_id(item.id)
        if item.id and (known := await self._store.find_turn(turn_id)) is not None:
            # The client sent it again after the connection broke. Its reply was requested when it was first stored.
            if known.stream_id != self._interim.config.stream_id:
                known = replace(known, utterance=item.number)
                await self._store.store_repeated(item.number)
            await self._emit(Final(known))
            return None
        config = self._interim.config
        language = self._interim.language or config.known_language()
        context = RedactionContext(TextSource.TYPED, language or "en", scope=config.sealing_scope)
        context = answering(context, self._asked_for(), config.hints())
        [redaction] = await self._gateway.redact([item.text], context, timeout_s=TYPED_TIMEOUT_S)
        turn = self._turn(item.number, TextSource.TYPED, redaction.text, language=language)
        turn = replace(turn, id=turn_id)
        state, detected = self._interim.sealed_state, self._interim.language
        recognized = RecognizedUtterance(
            turn, state, item.number + 1, None, detected, sealed=redaction.sealed, known=item.known
        )
        turn = await self._store.store_turn(recognized)
        await self._announce(turn)
        return turn

    async def _finish(self, utterance: Utterance, decode: Decode) -> TurnRow | None:
        step = decode.step
        if not has_speech(step):
            spoken_s = utterance.end_s - utterance.start_s
            await self._store.store_silence(utterance.number, utterance.end, spoken_s)
            await self._emit(Notice(Reason.NO_SPEECH, "No speech was understood in this utterance.", utterance.number))
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
        following, language = utterance.number + 1, self._interim.language
        delay_s = _since(utterance)
        state, sealed = step.sealed_state, step.sealed
        turn = await self._store.store_turn(
            RecognizedUtterance(turn, state, following, utterance.end, language, delay_s, sealed, utterance.known)
        )
        await self._announce(turn)
        took_s = _since(utterance)
        self._metrics.final_seconds.observe(took_s)
        current_span().set(FINAL_DELAY_S, took_s)
        self._heard(turn, decode.window, step, decode.took_s)
        return turn

    async def _announce(self, turn: TurnRow) -> None:
        _describe(current_span(), turn)
        for entity, count in turn.text.counts.items():
            self._metrics.entities.labels(entity).inc(count)
        await self._emit(Final(turn))

    def _turn_id(self, text_id: str) -> str:
        """The same id for each repetition of a text with an id in its session; a new one for a text without."""
        name = f"{self._interim.config.session_id}/{text_id}"
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
            session_id=self._interim.config.session_id,
            stream_id=self._interim.config.stream_id,
            utterance=number,
            source=source,
            text=text,
            create_time=self._clock(),
            confidence=confidence,
            language=language,
            start_s=start_s,
            end_s=end_s,
            compute_s=compute_s,
            # The worker counts the times of words from the start of the utterance.
            words=tuple(replace(w, start_s=w.start_s + start_s, end_s=w.end_s + start_s) for w in words),
        )


def _describe(span: Span, turn: TurnRow) -> None:
    span.set(SOURCE, turn.source)
    span.set(AUDIO_S, turn.end_s - turn.start_s)
    span.set(COMPUTE_S, turn.compute_s)
    span.set(ENTITIES, sum(turn.text.counts.values()))


def _since(utterance: Utterance) -> float:
    """Seconds since the end of an utterance was noticed."""
    return asyncio.get_running_loop().time() - utterance.closed_at
