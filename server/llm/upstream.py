"""One remote LLM with everything that guards it: breaker, retry budget, the pause that it asked for, deadlines."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from models.deadline import time_left_s
from models.errors import BreakerOpen, DeadlineExceeded, InvalidInput, Overloaded, UpstreamFailed
from models.reasons import Reason
from models.retry_budget import RetryBudget
from server.breakers.breaker import AsyncBreaker
from server.breakers.breaker_guard import BreakerGuard
from server.breakers.types import BreakerChange, BreakerState, ChangeCause
from server.flows.definition import FlowDefinition
from server.llm.chat_span import chat_span
from server.llm.check_schema import check_wire_schema, verdicts_from_model
from server.llm.openai_client import MAX_LATE_REPLY_TOKENS, MAX_REPLY_TOKENS, ChatUpstream, ResponseLimits
from server.llm.openai_errors import failed
from server.llm.prompts import Message
from server.llm.record_schema import record_from_model, wire_schema
from server.llm.types import FieldVerdict, OnboardingRecord

T = TypeVar("T")

LLM_API = "llm_api"
"""Name of the breaker of the first upstream."""

CHECKER_API = "checker_api"
"""Name of the breaker of an upstream of its own that checks records."""

NOT_ASKED = frozenset({Reason.BREAKER_OPEN, Reason.UPSTREAM_PAUSED, Reason.RETRY_BUDGET_SPENT, Reason.NO_TIME_LEFT})
"""Reasons of attempts that were not made."""

FAILED_CAUSES = frozenset({ChangeCause.FAILURES, ChangeCause.PROBE_FAILED})
"""Causes of a breaker that opens by itself."""

REMEMBERED = 20
"""Answers whose times are remembered."""

PROMPTS = 256
"""Failed prompts that are remembered."""


@dataclass(frozen=True, slots=True)
class Patience:
    """Bounds of one attempt, in seconds.

    Attributes:
        total_s: A background attempt, and a whole streamed reply.
        interactive_s: What a person waits for: the first token of a reply, a whole record.
        gap_s: Longest silence within a reply.
        rest_s: How long the background leaves an upstream alone after a failure, whoever met it.
    """

    total_s: float = 30.0
    interactive_s: float = 8.0
    gap_s: float = 5.0
    rest_s: float = 0.0


class Upstream:
    """Makes attempts at one endpoint. None is made that its guards refuse; a refusal counts as no failure.

    Args:
        chat: The endpoint.
        breaker: Refuses attempts while the endpoint fails.
        budget: Bounds attempts that repeat a failed one.
        patience: Bounds of an attempt.
        clock: Seconds, never going back.
    """

    def __init__(
        self,
        chat: ChatUpstream,
        breaker: AsyncBreaker,
        budget: RetryBudget,
        patience: Patience = Patience(),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.breaker = breaker
        self.patience = patience
        self._chat = chat
        self._budget = budget
        self._clock = clock
        self._resume_at = 0.0
        self._rested_at = 0.0
        self._failed_prompts: deque[int] = deque(maxlen=PROMPTS)
        self._first_token_s: deque[float] = deque(maxlen=REMEMBERED)
        self._record_s: deque[float] = deque(maxlen=REMEMBERED)

    @property
    def name(self) -> str:
        """That of its breaker."""
        return self.breaker.name

    @property
    def willing(self) -> bool:
        """Whether a first attempt would be made now."""
        return self._resume_at <= self._clock() and self.breaker.admits

    async def aclose(self) -> None:
        """Close all connections."""
        await self._chat.aclose()

    async def stream(
        self, messages: list[Message], *, most_s: float, retry: bool, background: bool = False
    ) -> AsyncGenerator[str, None]:
        """Yield a reply as it comes; close it with ``aclosing``.

        Args:
            messages: The prompt.
            most_s: Longest time until the first token.
            retry: Whether an attempt for the same reply failed before.
            background: Whether nobody waits for it.

        Raises:
            VestibuleError: See ``attempt``, and ``ChatUpstream.stream``.
        """
        prompt = _of_turn(messages)
        async with self.attempt(prompt, self._first_token_s, "reply", retry=retry, background=background) as guard:
            left_s = time_left_s()
            guard.late_counts = left_s > most_s  # a short deadline of the client is no fault of the upstream
            total_s = min(self.patience.total_s, left_s)
            tokens = MAX_LATE_REPLY_TOKENS if background else MAX_REPLY_TOKENS
            limits = ResponseLimits(min(most_s, total_s), self.patience.gap_s, total_s, tokens)
            began, arrived = self._clock(), False
            async with aclosing(self._chat.stream(messages, limits, guard.span)) as answer:
                async for piece in answer:
                    if not arrived:
                        guard.answered()  # the rest comes as fast as it is read
                        self._first_token_s.append(self._clock() - began)
                    arrived = True
                    yield piece

    async def record(
        self,
        messages: list[Message],
        source_ids: list[str],
        flow: FlowDefinition,
        *,
        most_s: float,
        retry: bool,
        background: bool = False,
    ) -> OnboardingRecord:
        """Return a checked record. Arguments and errors as for ``stream``, and UPSTREAM_INVALID_RECORD."""
        schema = wire_schema(source_ids, flow)
        return await self._complete(
            messages,
            "record",
            schema,
            lambda text: record_from_model(text, source_ids, flow),
            most_s=most_s,
            retry=retry,
            background=background,
        )

    async def check(
        self, messages: list[Message], source_ids: list[str], names: list[str], *, most_s: float, background: bool
    ) -> dict[str, FieldVerdict]:
        """Return the verdicts about these fields. Arguments and errors as for ``record``."""
        schema = check_wire_schema(source_ids, names)
        return await self._complete(
            messages,
            "check",
            schema,
            lambda text: verdicts_from_model(text, names),
            most_s=most_s,
            retry=False,
            background=background,
        )

    async def _complete(
        self,
        messages: list[Message],
        name: str,
        schema: dict[str, Any],
        read: Callable[[str], T],
        *,
        most_s: float,
        retry: bool,
        background: bool,
    ) -> T:
        prompt = _of_turn(messages)
        async with self.attempt(prompt, self._record_s, name, retry=retry, background=background) as guard:
            began, left_s = self._clock(), time_left_s()
            guard.late_counts = left_s > most_s
            timeout_s = min(most_s, left_s)
            text = await self._chat.complete(messages, schema=schema, timeout_s=timeout_s, name=name, span=guard.span)
            try:
                answer = read(text)
            except InvalidInput as exc:
                # Its message names the rule only, so it may be kept.
                raise failed(
                    Reason.UPSTREAM_INVALID_RECORD, f"The remote LLM's record is refused. {exc.message}"
                ) from exc
            self._record_s.append(self._clock() - began)
            return answer

    @asynccontextmanager
    async def leave_when_silent(self) -> AsyncIterator[None]:
        """Cancel the block when the breaker opens because an answer did not come in time.

        A call that waits for its first word would wait for its whole time, too. After other errors it may still be
        answered: an upstream whose quota is full refuses new calls at once and works on those that it has accepted.

        Raises:
            BreakerOpen: The block was cancelled.
        """
        loop = asyncio.get_running_loop()

        def leave(change: BreakerChange) -> None:
            silent = change.cause in FAILED_CAUSES and self.breaker.last_failure_reason == Reason.UPSTREAM_TIMEOUT
            if change.new is BreakerState.OPEN and silent and not block.expired():
                block.reschedule(loop.time())

        try:
            async with asyncio.timeout(None) as block:
                self.breaker.observers.add(leave)
                try:
                    yield
                finally:
                    self.breaker.observers.discard(leave)
        except TimeoutError:
            if not block.expired():
                raise
            raise BreakerOpen(f"{self.name} fell silent while this call waited for it.") from None

    async def probe(self) -> None:
        """Ask for one word, without the prompt of anybody, to see whether the endpoint answers.

        Raises:
            VestibuleError: It does not, or it asked for a pause that is not over.
        """
        self._check_pause()
        try:
            await self._chat.ping(self.patience.interactive_s)
        except UpstreamFailed as error:
            if error.reason == Reason.UPSTREAM_KEY_REFUSED:
                self.breaker.block(error.reason)
            raise

    @asynccontextmanager
    async def attempt(
        self, prompt: int, took_s: deque[float], task: str, *, retry: bool, background: bool
    ) -> AsyncIterator[BreakerGuard]:
        """Guard one attempt.

        Args:
            prompt: What tells the prompt from others.
            took_s: How long recent answers of the kind took.
            task: See ``chat_span``.
            retry: Whether it repeats a failed one.
            background: Whether nobody waits for it.

        Raises:
            DeadlineExceeded: NO_TIME_LEFT, when even the fastest recent answer took longer than what is left.
            UpstreamFailed: UPSTREAM_KEY_REFUSED, when it refused the key lately.
            Overloaded: UPSTREAM_PAUSED, RETRY_BUDGET_SPENT.
            BreakerOpen: The breaker refuses.
        """
        with chat_span(self._chat.model, self.breaker, task, retry=retry, background=background) as span:
            self._check_key()
            self._check_time(took_s)
            self._check_pause(self._rested_at if background else 0.0)
            self._check_budget(retry)
            try:
                async with self.breaker.guard() as guard:
                    guard.span = span
                    guard.failure_counts = partial(self._count_failure, prompt, background=background)
                    self._budget.count(retry=retry)
                    yield guard
            except (Overloaded, UpstreamFailed) as error:
                if error.reason == Reason.UPSTREAM_KEY_REFUSED:
                    error.retry_after_s = self.breaker.open_for_more_s
                elif error.retry_after_s:
                    self._resume_at = max(self._resume_at, self._clock() + error.retry_after_s)
                raise

    def _count_failure(self, prompt: int, *, background: bool) -> bool:
        """Note a failure; returns whether it counts for the breaker.

        The background asks again what failed while a person waited. That is one failure, or one turn could open the
        breaker for everybody. While the breaker is half open each call says whether the upstream works again.
        """
        known = background and prompt in self._failed_prompts
        self._failed_prompts.append(prompt)
        self._rested_at = self._clock() + self.patience.rest_s
        return not known or self.breaker.state is BreakerState.HALF_OPEN

    def _check_key(self) -> None:
        if self.breaker.blocked:
            raise failed(
                Reason.UPSTREAM_KEY_REFUSED,
                f"The {self._chat.called} refuses the key.",
                retry_after_s=self.breaker.open_for_more_s,
            )

    def _check_time(self, took_s: deque[float]) -> None:
        if time_left_s() <= min(took_s, default=0.0):
            raise DeadlineExceeded(
                f"The time that is left is shorter than any recent answer of the {self._chat.called} took.",
                reason=Reason.NO_TIME_LEFT,
            )

    def _check_pause(self, rested_at: float = 0.0) -> None:
        left_s = max(self._resume_at, rested_at) - self._clock()
        if left_s > 0:
            raise Overloaded(
                f"The {self._chat.called} is left alone for now.", reason=Reason.UPSTREAM_PAUSED, retry_after_s=left_s
            )

    def _check_budget(self, retry: bool) -> None:
        if retry and not self._budget.left:
            raise Overloaded(
                f"Too many attempts at the {self._chat.called} were repeated in the last minute.",
                reason=Reason.RETRY_BUDGET_SPENT,
                retry_after_s=self._budget.wait_s(),
            )


def _of_turn(messages: Sequence[Message]) -> int:
    """What tells the prompts of two turns apart: not what the flow has the model told, which changes meanwhile."""
    return hash(tuple(message for message in messages if message.role != "system"))
