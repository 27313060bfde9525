"""Replies to finished turns and proposes records, in order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Protocol

from models.errors import Conflict, VestibuleError
from models.reasons import Reason
from models.redaction.dialogue_context import asked_for
from models.redaction.types import RedactionContext, RedactionScope
from models.text import RawText, RedactedText, TextSource
from models.tracing.attributes import REPLY_ORIGIN, REPLY_SENTENCES
from models.tracing.names import SpanName
from models.tracing.spans import NO_SPAN, Span
from ray_tasks.types import Gateway
from server.flows.briefing import Briefing
from server.ledger.types import Origin, RecommendationRow, TurnRow
from server.llm.fallback import fallback_reply
from server.llm.history import exchange, history_of
from server.llm.types import Assistant, ReplyStream
from server.observability.log import describe, get_logger
from server.observability.metrics import Metrics
from server.streaming.barge_in import BargeIn, Interrupted
from server.streaming.events import Emit, Notice, Proposal, ReplyEnded, ReplyPiece
from server.streaming.sentences import sentences

log = get_logger("responder")

REDACT_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class Answer:
    """Asks for a reply to a turn; ``span`` is that of its utterance."""

    turn: TurnRow
    span: Span = NO_SPAN


@dataclass(frozen=True, slots=True)
class ProposalRequest:
    """Asks for a record; ``utterance`` is the newest one before it."""

    wait_s: float
    utterance: int


@dataclass(frozen=True, slots=True)
class NothingSaid:
    """Says that an utterance has ended without a new turn."""

    utterance: int


ResponderItem = Answer | ProposalRequest | NothingSaid


@dataclass(slots=True)
class SentReply:
    """What was sent of the reply to a turn.

    Attributes:
        origin: Who wrote the pieces; None while there are none.
        pieces: Redacted sentences.
        cut: Stable reason why it is not whole; empty for a whole one.
        interrupted_by: How the person went on; None when nothing was interrupted.
    """

    turn: TurnRow
    origin: Origin | None = None
    pieces: list[RedactedText] = field(default_factory=list)
    cut: str = ""
    interrupted_by: TextSource | None = None

    @property
    def text(self) -> RedactedText | None:
        """The pieces together; None for none."""
        return RedactedText.join(self.pieces, separator="") if self.pieces else None


class RecordProposer(Protocol):
    """``server.records.recommender.Recommender``."""

    async def propose(self, session_id: str, *, fallback: bool, wait_s: float) -> RecommendationRow:
        """Build and store a record."""
        ...


class ReplyStore(Protocol):
    """``server.streaming.repository.StreamRepository``."""

    async def store_reply(self, reply: SentReply) -> None: ...  # noqa: D102
    async def enqueue_retry(self, turn: TurnRow) -> None: ...  # noqa: D102
    async def number_tags(self, text: RedactedText) -> RedactedText: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class ReplyBackend:
    """What the replies of all streams share."""

    assistant: Assistant
    gateway: Gateway
    proposer: RecordProposer


class Responder:
    """Writes the replies of one stream.

    Args:
        language: Language of a reply to a turn whose language is unknown.
        earlier: Turns of the session so far, oldest first.
        emit: Sends an event to the client.
        instruction: What an experiment tells the assistant with each reply.
        barge_in: Stops a reply when the person goes on.
        briefing: What the flow tells it with the reply to a turn.
    """

    def __init__(
        self,
        backend: ReplyBackend,
        store: ReplyStore,
        scope: RedactionScope,
        *,
        language: str,
        earlier: Sequence[TurnRow],
        emit: Emit,
        metrics: Metrics,
        instruction: RedactedText | None = None,
        barge_in: BargeIn | None = None,
        briefing: Callable[[TurnRow], Briefing] | None = None,
    ) -> None:
        self._backend = backend
        self._barge_in = barge_in or BargeIn(enabled=False)
        self._instruction = instruction
        self._briefing = briefing
        self._store = store
        self._scope = scope
        self._language = language
        self._history = history_of(earlier)
        self._emit = emit
        self._metrics = metrics
        # An unsafe reply counts too: the client was asked what it asks, even if no prompt may hold it.
        # A turn may have none: the connection broke, or the person went on before its first word.
        self._last_reply = next((turn.reply.value for turn in reversed(earlier) if turn.reply), "")
        self._waiting: list[Answer] = []  # without a reply, oldest first, with the one that is being replied to
        self._stopped: TurnRow | None = None  # the reply to it stopped at words that may turn out to be none

    @property
    def has_replied(self) -> bool:
        """Whether the session has a reply, so that the person was asked something."""
        return bool(self._last_reply)

    @property
    def asked_for(self) -> tuple[str, ...]:
        """What the newest reply asks for, as far as it was sent; see ``models.redaction.dialogue_context``."""
        return asked_for(self._last_reply)

    async def respond(self, item: ResponderItem) -> None:
        """Reply to one turn, propose one record, or make good what words stopped that turned out to be none.

        A reply of which nothing was sent when words come waits until these are a turn, or turn out to be none.

        Raises:
            Unavailable: The ledger is gone, or redaction while a record is written; what was sent is stored.
        """
        match item:
            case ProposalRequest():
                await self._propose(item)
                return
            case Answer():
                self._stopped = None  # what stopped that reply was a turn
                self._waiting.append(item)
            case NothingSaid():
                self._barge_in.nothing_said(item.utterance)
                await self._retry_stopped()
        while self._waiting and await self._reply_to(self._waiting[0]):
            del self._waiting[0]

    async def defer(self, items: Iterable[ResponderItem]) -> None:
        """Enqueue the replies that were not given, also to turns that were not handed over; they come on Watch. A
        client asks for a record again by itself.
        """
        waiting = [*self._waiting, *(item for item in items if isinstance(item, Answer))]
        deferred = [item.turn for item in waiting]
        deferred = [turn for turn in deferred if not self._barge_in.passed_for_good(turn.utterance)]
        if self._stopped is not None:
            deferred.insert(0, self._stopped)  # the job gives up if the words become a turn
        for turn in deferred:
            if self._may_retry(turn):
                await self._store.enqueue_retry(turn)

    async def _retry_stopped(self) -> None:
        """Have a job write the whole of a reply that stopped at words that turned out to be none."""
        turn = self._stopped
        if turn is None or self._barge_in.passed(turn.utterance):
            return
        self._stopped = None
        if self._may_retry(turn):
            await self._store.enqueue_retry(turn)

    async def _propose(self, item: ProposalRequest) -> None:
        try:
            row = await self._backend.proposer.propose(self._scope.session_id, fallback=True, wait_s=item.wait_s)
        except Conflict as error:
            if error.reason not in (Reason.NO_MATERIAL, Reason.PROPOSAL_UNCHANGED):
                raise
            await self._emit(Notice(error.reason, error.message, item.utterance, error.hint))
            return
        self._metrics.replies.labels("record", row.origin).inc()
        await self._emit(Proposal(row))

    async def _reply_to(self, item: Answer) -> bool:
        """Reply to a turn; returns whether the reply is over, and does not wait for the end of words."""
        with item.span.child(SpanName.REPLY) as span:
            sent = SentReply(item.turn)
            over = await self._reply(item.turn, sent)
            span.set(REPLY_SENTENCES, len(sent.pieces))
            if sent.origin is not None:
                span.set(REPLY_ORIGIN, sent.origin)
            if sent.cut:
                span.fail(sent.cut, fault=sent.interrupted_by is None)
            return over

    async def _reply(self, turn: TurnRow, sent: SentReply) -> bool:
        try:
            async with self._barge_in.stops_reply_to(turn.utterance):
                await self._write(sent, turn.language or self._language or "en")
        except Interrupted:
            if not self._barge_in.passed_for_good(turn.utterance):
                if not sent.pieces:
                    return False
                self._stopped = turn
            sent.cut, sent.interrupted_by = Reason.REPLY_INTERRUPTED, self._barge_in.source
        late = self._may_retry(turn) and (sent.origin is Origin.FALLBACK or bool(sent.cut)) and not sent.interrupted_by
        if sent.origin is not None:
            self._metrics.replies.labels("reply", sent.origin).inc()
        await self._store.store_reply(sent)
        self._history.append(exchange(turn.text, sent.text, cut=bool(sent.cut)))
        if late:
            await self._store.enqueue_retry(turn)
        await self._emit(ReplyEnded(turn.id, sent.origin, sent.cut, late))
        return True

    async def _write(self, sent: SentReply, language: str) -> None:
        """Send a reply. One that breaks off stays as it is; if nothing of it was sent, the fallback replies."""
        turn = sent.turn
        briefing = self._briefing(turn) if self._briefing else None
        reply = await self._backend.assistant.reply(
            turn.text,
            self._history,
            language=language,
            fallback=True,
            instruction=self._instruction,
            briefing=briefing,
        )
        try:
            await self._send(sent, reply, language)
        except VestibuleError as error:
            # The LLM or redaction failed within the reply.
            log.warning("reply_broke_off", **describe(error))
            if sent.pieces:
                sent.cut = error.reason
            else:
                await self._send(sent, fallback_reply(self._history, language=language, briefing=briefing), language)

    async def _send(self, sent: SentReply, reply: ReplyStream, language: str) -> None:
        # A client may leave at any await. What the garbage collector must close is closed later, in other tasks.
        async with aclosing(reply.pieces), aclosing(sentences(reply.pieces)) as whole_sentences:
            async for sentence in whole_sentences:
                safe = await self._safe(sentence, reply.origin, language)
                sent.origin = reply.origin
                await self._emit(ReplyPiece(sent.turn.id, safe))
                # No await is between, so what counts as sent is what was sent.
                sent.pieces.append(safe)
                self._last_reply = "".join(piece.value for piece in sent.pieces)

    def _may_retry(self, turn: TurnRow) -> bool:
        """Whether there is an LLM, which may see the turn and write replies in this flow."""
        if self._briefing is not None and self._briefing(turn).only_questions:
            return False
        return self._backend.assistant.configured and turn.text.safe_for_llm

    async def _safe(self, sentence: str, origin: Origin, language: str) -> RedactedText:
        """A sentence that may be shown. Those of the fallback are all written in ``server.llm.phrases``."""
        if origin is Origin.FALLBACK:
            return RedactedText.literal(sentence)
        return await self._redact(sentence, language)

    async def _redact(self, sentence: str, language: str) -> RedactedText:
        context = RedactionContext(TextSource.ASSISTANT, language, scope=self._scope)
        [redaction] = await self._backend.gateway.redact([RawText(sentence)], context, timeout_s=REDACT_TIMEOUT_S)
        return await self._store.number_tags(redaction.text)
