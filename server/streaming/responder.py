"""Replies to finished turns and proposes records, in order."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Protocol

from models.errors import Conflict, VestibuleError
from models.reasons import Reason
from models.redaction.dialogue_context import asked_for
from models.redaction.types import RedactionContext, RedactionScope
from models.text import RawText, RedactedText, TextSource
from ray_tasks.types import Gateway
from server.ledger.types import Origin, RecommendationRow, TurnRow
from server.llm.history import exchange, history_of
from server.llm.types import Assistant
from server.observability.log import describe, get_logger
from server.observability.metrics import Metrics
from server.streaming.events import Emit, Notice, Proposal, ReplyEnded, ReplyPiece

log = get_logger("responder")

REDACT_TIMEOUT_S = 10.0
# A sentence is the smallest piece that can be redacted. Text without a sentence end is cut after so many characters.
LONGEST_PIECE_CHARACTERS = 400
_SENTENCE_END = re.compile(r"(?<=[.!?…।])\s+|\n+")


@dataclass(frozen=True, slots=True)
class Answer:
    """Asks for a reply to a turn."""

    turn: TurnRow


@dataclass(frozen=True, slots=True)
class ProposalRequest:
    """Asks for a record; ``utterance`` is the newest one before it."""

    wait_s: float
    utterance: int


class RecordProposer(Protocol):
    """``server.records.recommender.Recommender``."""

    async def propose(self, session_id: str, *, fallback: bool, wait_s: float) -> RecommendationRow:
        """Build and store a record."""
        ...


class ReplyStore(Protocol):
    """``server.streaming.repository.StreamRepository``."""

    async def store_reply(self, turn: TurnRow, text: RedactedText, origin: Origin, broke_off: str = "") -> None: ...  # noqa: D102
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
    ) -> None:
        self._backend = backend
        self._instruction = instruction
        self._store = store
        self._scope = scope
        self._language = language
        self._history = history_of(earlier)
        self._emit = emit
        self._metrics = metrics
        # An unsafe reply counts too: the client was asked what it asks, even if no prompt may hold it.
        last = earlier[-1].reply if earlier else None
        self._last_reply = last.value if last else ""

    @property
    def asked_for(self) -> tuple[str, ...]:
        """What the newest reply asks for, as far as it was sent; see ``models.redaction.dialogue_context``."""
        return asked_for(self._last_reply)

    async def respond(self, item: Answer | ProposalRequest) -> None:
        """Reply to one turn, or propose one record.

        Raises:
            Unavailable: The ledger is gone, or redaction while a record is written; what was sent is stored.
        """
        if isinstance(item, ProposalRequest):
            await self._propose(item)
        else:
            await self._reply(item.turn)

    async def defer(self, items: Iterable[Answer | ProposalRequest]) -> None:
        """Enqueue the replies that were not given; they come on Watch. A client asks for a record again by itself."""
        for item in items:
            if isinstance(item, Answer):
                await self._enqueue_retry(item.turn)

    async def _propose(self, item: ProposalRequest) -> None:
        try:
            row = await self._backend.proposer.propose(self._scope.session_id, fallback=True, wait_s=item.wait_s)
        except Conflict as error:
            if error.reason != Reason.NO_MATERIAL:
                raise
            await self._emit(Notice(error.reason, error.message, item.utterance))
            return
        self._metrics.replies.labels("record", row.origin).inc()
        await self._emit(Proposal(row))

    async def _reply(self, turn: TurnRow) -> None:
        language = turn.language or self._language or "en"
        reply = await self._backend.assistant.reply(
            turn.text, self._history, language=language, fallback=True, instruction=self._instruction
        )
        sent: list[RedactedText] = []
        origin, broke_off = reply.origin, ""
        try:
            # A client may leave at any await. What the garbage collector must close is closed later, in other tasks.
            async with aclosing(reply.pieces), aclosing(sentences(reply.pieces)) as whole_sentences:
                async for sentence in whole_sentences:
                    safe = await self._safe(sentence, reply.origin, language)
                    sent.append(safe)
                    self._last_reply = "".join(piece.value for piece in sent)
                    await self._emit(ReplyPiece(turn.id, safe))
        except VestibuleError as error:
            # The LLM or redaction failed within the reply. What was sent is kept, and a job tries for a whole reply.
            log.warning("reply_broke_off", **describe(error))
            origin, broke_off = Origin.FALLBACK, error.reason
            hope = "; a whole one follows later" if self._backend.assistant.configured else ""
            await self._emit(Notice(error.reason, f"The reply broke off{hope}.", turn.utterance))
        whole = RedactedText.join(sent, separator="")
        self._metrics.replies.labels("reply", origin).inc()
        await self._store.store_reply(turn, whole, origin, broke_off)
        self._history.append(exchange(turn.text, whole))
        if origin is Origin.FALLBACK:
            await self._enqueue_retry(turn)
        await self._emit(ReplyEnded(turn.id, origin))

    async def _enqueue_retry(self, turn: TurnRow) -> None:
        """Have the LLM reply in the background, if there is one and it may see the turn."""
        if self._backend.assistant.configured and turn.text.safe_for_llm:
            await self._store.enqueue_retry(turn)

    async def _safe(self, sentence: str, origin: Origin, language: str) -> RedactedText:
        """A sentence that may be shown. Those of the fallback are all written in ``server.llm.phrases``."""
        if origin is Origin.FALLBACK:
            return RedactedText.literal(sentence)
        return await self._redact(sentence, language)

    async def _redact(self, sentence: str, language: str) -> RedactedText:
        context = RedactionContext(TextSource.ASSISTANT, language, scope=self._scope)
        [redaction] = await self._backend.gateway.redact([RawText(sentence)], context, timeout_s=REDACT_TIMEOUT_S)
        return await self._store.number_tags(redaction.text)


async def sentences(pieces: AsyncIterator[str]) -> AsyncGenerator[str, None]:
    """Regroup pieces of text into sentences, each with the white space after it."""
    waiting = ""
    async for piece in pieces:
        waiting += piece
        while cut := _first_cut(waiting):
            yield waiting[:cut]
            waiting = waiting[cut:]
    if waiting:
        yield waiting


def _first_cut(text: str) -> int:
    """Length of the first whole sentence; 0 when there is none yet."""
    found = _SENTENCE_END.search(text)
    # White space at the very end may continue in the next piece.
    if found is not None and found.end() < len(text):
        return found.end()
    if len(text) > LONGEST_PIECE_CHARACTERS:
        space = text.rfind(" ", 0, LONGEST_PIECE_CHARACTERS)
        return space + 1 if space > 0 else LONGEST_PIECE_CHARACTERS
    return 0
