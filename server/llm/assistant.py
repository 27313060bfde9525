"""The assistant: builds the prompt, asks the upstreams in their order, and falls back where a person waits.

There is no retry loop here. A person who waits gets one bounded attempt at each upstream, then the local fallback. An
attempt that waits for its first word ends early when its upstream falls silent. A background job makes the same
attempts each time it runs, to their end; the job runner owns the retry policy.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing, nullcontext
from typing import TypeVar

from models.errors import VestibuleError
from models.reasons import Reason
from models.text import RedactedText
from server.flows.briefing import Briefing
from server.flows.definition import FlowDefinition
from server.ledger.types import Origin
from server.llm.fallback import fallback_record, fallback_reply
from server.llm.field_names import DECLARED, FieldNames
from server.llm.openai_errors import failed
from server.llm.prompts import Message, check_prompt, record_prompt, reply_prompt
from server.llm.types import (
    Exchange,
    OnboardingRecord,
    ProposedValue,
    RejectedRecord,
    ReplyStream,
    SourceItem,
    Verdicts,
    WrittenRecord,
)
from server.llm.upstream import NOT_ASKED, Upstream
from server.observability.log import describe, get_logger

log = get_logger("assistant")

T = TypeVar("T")


class OpenAiAssistant:
    """Implements ``server.llm.types.Assistant`` on OpenAI-compatible endpoints.

    Args:
        upstreams: In the order in which they are asked; if empty, the fallback always answers.
        turn_s: Longest time for which a person waits for all upstreams together, until the first token of a reply or a
            whole record.
        fields: Names that the fields of a record may have.
        checkers: Upstreams of which the first that may be asked checks records; may be the same ones. None checks
            nothing.
        clock: Seconds, never going back.
    """

    def __init__(
        self,
        upstreams: Sequence[Upstream],
        *,
        turn_s: float = 8.0,
        fields: FieldNames = DECLARED,
        checkers: Sequence[Upstream] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.upstreams = tuple(upstreams)
        self._checkers = tuple(checkers)
        self._turn_s = turn_s
        self._fields = fields
        self._clock = clock

    @property
    def configured(self) -> bool:
        """Whether an upstream is configured."""
        return bool(self.upstreams)

    async def aclose(self) -> None:
        """Close all connections."""
        for upstream in {*self.upstreams, *self._checkers}:
            await upstream.aclose()

    async def reply(
        self,
        said: RedactedText,
        history: list[Exchange],
        *,
        language: str,
        fallback: bool,
        retry: bool = False,
        instruction: RedactedText | None = None,
        briefing: Briefing | None = None,
    ) -> ReplyStream:
        """Answer one utterance; the first piece has arrived when this returns.

        Raises:
            VestibuleError: Only without ``fallback``, see ``Assistant``. Later the pieces raise, when it breaks off.
        """
        if briefing is not None and briefing.only_questions:
            return fallback_reply(history, language=language, briefing=briefing)

        async def begin(upstream: Upstream, most_s: float) -> tuple[str, AsyncGenerator[str, None]]:
            pieces = upstream.stream(messages, most_s=most_s, retry=retry, background=not fallback)
            return await anext(pieces), pieces

        try:
            messages: list[Message] = reply_prompt(
                said, history, language=language, instruction=instruction, briefing=briefing
            )
            first, pieces = await self._first(begin, fallback)
        except VestibuleError:
            if not fallback:
                raise
            return fallback_reply(history, language=language, briefing=briefing)
        return ReplyStream(_with_first(first, pieces), Origin.MODEL)

    async def propose(
        self,
        items: list[SourceItem],
        *,
        flow: FlowDefinition,
        language: str,
        fallback: bool,
        retry: bool = False,
        rejected: Sequence[RejectedRecord] = (),
        again: bool = False,
    ) -> WrittenRecord:
        """Build a record of a flow from everything so far.

        Raises:
            VestibuleError: Only without ``fallback``, see ``Assistant``.
        """

        async def write(upstream: Upstream, most_s: float) -> OnboardingRecord:
            sources = [item.id for item in items]
            return await upstream.record(messages, sources, flow, most_s=most_s, retry=retry, background=not fallback)

        try:
            names = self._fields.for_prompt(flow)
            messages = record_prompt(items, flow=flow, language=language, names=names, rejected=rejected, again=again)
            record = await self._first(write, fallback)
        except VestibuleError:
            if not fallback:
                raise
            return fallback_record(items, flow=flow, language=language)
        return WrittenRecord(record, Origin.MODEL)

    async def check(
        self, items: list[SourceItem], proposed: list[ProposedValue], *, flow: FlowDefinition, fallback: bool
    ) -> Verdicts | None:
        """Have a proposed record checked, with one call at most; see ``Assistant``."""
        if not self._checkers:
            return None
        upstream = next((each for each in self._checkers if each.willing), self._checkers[0])
        most_s = upstream.patience.interactive_s if fallback else upstream.patience.total_s
        try:
            messages = check_prompt(items, proposed, flow=flow)
            names, ids = [each.name for each in proposed], [item.id for item in items]
            return Verdicts(await upstream.check(messages, ids, names, most_s=most_s, background=not fallback))
        except VestibuleError as error:
            log.info("check_failed", upstream=upstream.name, **describe(error))
            return Verdicts(unavailable=True)

    async def _first(self, ask: Callable[[Upstream, float], Awaitable[T]], interactive: bool) -> T:
        """The first answer of the upstreams in their order; each gets one attempt.

        Raises:
            VestibuleError: None answered; the first error of one that was asked.
        """
        ends_at = self._clock() + self._turn_s
        errors: list[VestibuleError] = []
        for step, upstream in enumerate(self.upstreams):
            most_s = upstream.patience.total_s
            if interactive:
                # What is left is shared with those after it that could answer now.
                willing = sum(later.willing for later in self.upstreams[step + 1 :])
                most_s = min(most_s, upstream.patience.interactive_s, (ends_at - self._clock()) / (1 + willing))
            try:
                async with upstream.leave_when_silent() if interactive else nullcontext():
                    return await ask(upstream, most_s)
            except VestibuleError as error:
                log.info("upstream_failed", upstream=upstream.name, **describe(error))
                errors.append(error)
        raise _worst(errors)


def _worst(errors: Sequence[VestibuleError]) -> VestibuleError:
    """Of the errors of all upstreams, the first of one that was asked; else the one that may be asked again soonest.

    One that refuses the key counts only if all do: the others may be asked again earlier.
    """
    if not errors:
        return failed(Reason.UPSTREAM_NOT_SET, "No remote LLM is set.")
    errors = [error for error in errors if error.reason != Reason.UPSTREAM_KEY_REFUSED] or errors
    asked = [error for error in errors if error.reason not in NOT_ASKED]
    return asked[0] if asked else min(errors, key=lambda error: error.retry_after_s or 0.0)


async def _with_first(first: str, pieces: AsyncGenerator[str, None]) -> AsyncGenerator[str, None]:
    async with aclosing(pieces):
        yield first
        async for piece in pieces:
            yield piece
