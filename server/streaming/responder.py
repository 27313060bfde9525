"""Answers finished turns and proposes records, in order."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass

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
from server.streaming.events import Notice, Output, Proposal, ReplyEnded, ReplyPiece

log = get_logger("voice")

REDACT_TIMEOUT_S = 10.0
# A sentence is the smallest piece that a redactor can judge; a model that never ends one is cut here.
LONGEST_PIECE_CHARACTERS = 400
_SENTENCE_END = re.compile(r"(?<=[.!?…।])\s+|\n+")


@dataclass(frozen=True, slots=True)
class Answer:
    """A turn that wants an answer."""

    turn: TurnRow


@dataclass(frozen=True, slots=True)
class ReplyRequest:
    """A record that is wanted."""

    wait_s: float
    utterance: int


Emit = Callable[[Output], Awaitable[None]]
StoreReply = Callable[[TurnRow, RedactedText, Origin], Awaitable[None]]
Later = Callable[[TurnRow], Awaitable[None]]
Propose = Callable[[float], Awaitable[RecommendationRow]]


class Responder:
    """The speaking half of a stream.

    Args:
        earlier: Turns of the session so far, oldest first.
        store: Keeps the answer of a turn.
        later: Queues a background job that tries for a better answer.
        propose: Builds and stores a record.
    """

    def __init__(
        self,
        assistant: Assistant,
        gateway: Gateway,
        *,
        language: str,
        scope: RedactionScope,
        earlier: Sequence[TurnRow],
        emit: Emit,
        store: StoreReply,
        later: Later,
        propose: Propose,
        metrics: Metrics,
    ) -> None:
        self._assistant = assistant
        self._gateway = gateway
        self._language = language
        self._scope = scope
        self._history = history_of(earlier)
        self._emit = emit
        self._store = store
        self._later = later
        self._propose = propose
        self._metrics = metrics
        # An unsafe reply counts too: the client was asked what it asks, whatever a prompt may hold.
        last = earlier[-1].reply if earlier else None
        self._said = last.value if last else ""

    @property
    def asked_for(self) -> tuple[str, ...]:
        """What the newest answer asks for, as far as it was given; see ``models.redaction.dialogue_context``."""
        return asked_for(self._said)

    async def say(self, item: Answer | ReplyRequest) -> None:
        """Work one item off.

        Raises:
            Unavailable: The ledger is gone, or redaction while a record is written; what was said so far stays said.
        """
        if isinstance(item, ReplyRequest):
            await self._record(item)
        else:
            await self._answer(item.turn)

    async def put_off(self, items: Iterable[Answer | ReplyRequest]) -> None:
        """Leave answers that were not given to the background; they come on Watch. A record is asked for again."""
        for item in items:
            if isinstance(item, Answer):
                await self._retry(item.turn)

    async def _record(self, item: ReplyRequest) -> None:
        try:
            row = await self._propose(item.wait_s)
        except Conflict as error:
            if error.reason != Reason.NO_MATERIAL:
                raise
            await self._emit(Notice(error.reason, error.message, item.utterance))
            return
        self._metrics.replies.labels("record", row.origin).inc()
        await self._emit(Proposal(row))

    async def _answer(self, turn: TurnRow) -> None:
        language = turn.language or self._language or "en"
        reply = await self._assistant.reply(turn.text, self._history, language=language, fallback=True)
        spoken: list[RedactedText] = []
        origin = reply.origin
        try:
            async for sentence in sentences(reply.pieces):
                safe = await self._redact(sentence, language)
                spoken.append(safe)
                self._said = "".join(piece.value for piece in spoken)
                await self._emit(ReplyPiece(turn.id, safe))
        except VestibuleError as error:
            # The upstream, or redaction, broke off in the middle. What came is kept; with an upstream there is a job
            # that tries for a whole answer, which comes on Watch.
            log.warning("reply_broke_off", **describe(error))
            origin = Origin.FALLBACK
            hope = "; a whole one follows later" if self._assistant.configured else ""
            await self._emit(Notice(error.reason, f"The answer broke off{hope}.", turn.utterance))
        whole = RedactedText.join(spoken, separator="")
        self._metrics.replies.labels("reply", origin).inc()
        await self._store(turn, whole, origin)
        self._history.append(exchange(turn.text, whole))
        if origin is Origin.FALLBACK:
            await self._retry(turn)
        await self._emit(ReplyEnded(turn.id, origin))

    async def _retry(self, turn: TurnRow) -> None:
        """Have the model answer in the background, if there is one and it may see the turn."""
        if self._assistant.configured and turn.text.safe_for_llm:
            await self._later(turn)

    async def _redact(self, sentence: str, language: str) -> RedactedText:
        context = RedactionContext(TextSource.ASSISTANT, language, scope=self._scope)
        [redaction] = await self._gateway.redact([RawText(sentence)], context, timeout_s=REDACT_TIMEOUT_S)
        return redaction.text


async def sentences(pieces: AsyncIterator[str]) -> AsyncIterator[str]:
    """Regroup pieces of text into sentences, each with the white space that follows it."""
    waiting = ""
    async for piece in pieces:
        waiting += piece
        while cut := _first_cut(waiting):
            yield waiting[:cut]
            waiting = waiting[cut:]
    if waiting:
        yield waiting


def _first_cut(text: str) -> int:
    found = _SENTENCE_END.search(text)
    # White space at the very end may go on in the next piece.
    if found is not None and found.end() < len(text):
        return found.end()
    if len(text) > LONGEST_PIECE_CHARACTERS:
        space = text.rfind(" ", 0, LONGEST_PIECE_CHARACTERS)
        return space + 1 if space > 0 else LONGEST_PIECE_CHARACTERS
    return 0
