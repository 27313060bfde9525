"""The assistant: builds the prompt, asks the upstream through the breaker, and falls back where a person waits.

There is no retry loop here. A person who waits gets one bounded attempt. A background job makes one attempt each time
it runs; the job runner owns the retry policy.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

import httpx2

from models.errors import InvalidInput, VestibuleError
from models.reasons import Reason
from models.text import RedactedText
from server.ledger.types import Origin
from server.llm.breaker import AsyncBreaker
from server.llm.breaker_types import BreakerChange
from server.llm.fallback import fallback_record, fallback_reply, reply_sentences
from server.llm.field_names import DECLARED, FieldNames
from server.llm.openai_client import ChatUpstream, ResponseLimits
from server.llm.openai_errors import counts_against_upstream, failed
from server.llm.prompts import Message, record_prompt, reply_prompt
from server.llm.record_schema import record_from_model, wire_schema
from server.llm.types import Exchange, OnboardingRecord, ReplyStream, SourceItem, WrittenRecord

BROKEN_OFF = "… "
"""Put between the model's unfinished reply and the fallback's sentences."""


def llm_breaker(
    *,
    failures: int = 3,
    reset_s: float = 120.0,
    successes: int = 2,
    clock: Callable[[], float] = time.monotonic,
    on_change: Callable[[BreakerChange], None] | None = None,
) -> AsyncBreaker:
    """The breaker ``llm_api``, which knows which errors count against an upstream."""
    return AsyncBreaker(
        "llm_api",
        failures=failures,
        reset_s=reset_s,
        successes=successes,
        clock=clock,
        counts=counts_against_upstream,
        on_change=on_change,
    )


class OpenAiAssistant:
    """Implements ``server.llm.types.Assistant`` on one OpenAI-compatible endpoint.

    Args:
        base_url: Endpoint, ends in ``/v1``; if empty, the fallback always answers.
        api_key: Its key, may be empty.
        model: Model to ask for.
        breaker: See ``llm_breaker``.
        timeout_s: Bound of a background attempt, and of a whole streamed reply.
        interactive_timeout_s: Bound of what a person waits for: the first token of a reply, a whole record.
        gap_s: Longest silence within a reply.
        clock: Seconds, never going back.
        transport: Replaces the network in tests.
    """

    def __init__(
        self,
        *,
        base_url: str,
        api_key: str,
        model: str,
        breaker: AsyncBreaker,
        timeout_s: float = 30.0,
        interactive_timeout_s: float = 8.0,
        gap_s: float = 5.0,
        fields: FieldNames = DECLARED,
        clock: Callable[[], float] = time.monotonic,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        self.breaker = breaker
        self._timeout_s = timeout_s
        self._interactive_timeout_s = interactive_timeout_s
        self._gap_s = gap_s
        self._fields = fields
        self._upstream = ChatUpstream(base_url, api_key, model, clock=clock, transport=transport) if base_url else None

    @property
    def configured(self) -> bool:
        """Whether an upstream is configured."""
        return self._upstream is not None

    async def aclose(self) -> None:
        """Close all connections."""
        if self._upstream is not None:
            await self._upstream.aclose()

    async def reply(self, said: RedactedText, history: list[Exchange], *, language: str, fallback: bool) -> ReplyStream:
        """Answer one utterance; the first piece has arrived when this returns.

        With ``fallback``, a stream that breaks off is completed with the fallback's sentences; its origin stays MODEL.

        Raises:
            VestibuleError: Only without ``fallback``, see ``Assistant``; later also from the pieces.
        """
        try:
            pieces = self._pieces(reply_prompt(said, history, language=language), self._limits(fallback))
            first = await anext(pieces)
        except VestibuleError:
            if not fallback:
                raise
            return fallback_reply(said, history, language=language)
        rest = reply_sentences(said, history, language=language) if fallback else ()
        return ReplyStream(_completed(first, pieces, rest), Origin.MODEL)

    async def propose(self, items: list[SourceItem], *, language: str, fallback: bool) -> WrittenRecord:
        """Build a record from everything so far.

        Raises:
            VestibuleError: Only without ``fallback``, see ``Assistant``.
        """
        timeout_s = min(self._timeout_s, self._interactive_timeout_s) if fallback else self._timeout_s
        try:
            messages = record_prompt(items, language=language, names=self._fields.for_prompt)
            record = await self._record(messages, [item.id for item in items], timeout_s)
        except VestibuleError:
            if not fallback:
                raise
            return fallback_record(items, language=language)
        return WrittenRecord(record, Origin.MODEL)

    def _limits(self, fallback: bool) -> ResponseLimits:
        first_s = min(self._timeout_s, self._interactive_timeout_s) if fallback else self._timeout_s
        return ResponseLimits(first_s, self._gap_s, self._timeout_s)

    def _require_upstream(self) -> ChatUpstream:
        if self._upstream is None:
            raise failed(Reason.UPSTREAM_NOT_SET, "No remote LLM is set.")
        return self._upstream

    async def _pieces(self, messages: list[Message], limits: ResponseLimits) -> AsyncGenerator[str, None]:
        upstream = self._require_upstream()
        async with self.breaker.guard(), aclosing(upstream.stream(messages, limits)) as answer:
            async for piece in answer:
                yield piece

    async def _record(self, messages: list[Message], source_ids: list[str], timeout_s: float) -> OnboardingRecord:
        upstream = self._require_upstream()
        async with self.breaker.guard():
            text = await upstream.complete(messages, schema=wire_schema(source_ids), timeout_s=timeout_s)
            try:
                return record_from_model(text, source_ids)
            except InvalidInput as exc:
                # Its message names the rule only, so it may be kept.
                raise failed(
                    Reason.UPSTREAM_INVALID_RECORD, f"The remote LLM's record is refused. {exc.message}"
                ) from exc


async def _completed(first: str, pieces: AsyncGenerator[str, None], rest: tuple[str, ...]) -> AsyncGenerator[str, None]:
    """Yield all pieces. If they break off, yield ``rest``, or raise the error if there is none."""
    try:
        async with aclosing(pieces):
            yield first
            async for piece in pieces:
                yield piece
    except VestibuleError:
        if not rest:
            raise
        yield BROKEN_OFF
        for sentence in rest:
            yield sentence
