"""Makes assistants with one upstream."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import httpx2

from models.retry_budget import RetryBudget
from server.breakers.breaker import AsyncBreaker
from server.breakers.types import BreakerBounds
from server.llm.assistant import OpenAiAssistant
from server.llm.openai_client import ChatUpstream
from server.llm.openai_errors import judge_llm_error
from server.llm.upstream import LLM_API, Patience, Upstream


def llm_breaker(name: str = LLM_API, bounds: BreakerBounds = BreakerBounds(), **options: Any) -> AsyncBreaker:  # noqa: B008
    return AsyncBreaker(name, bounds, judge=judge_llm_error, **options)


def upstream_at(
    base_url: str,
    api_key: str = "",
    *,
    breaker: AsyncBreaker | None = None,
    budget: RetryBudget | None = None,
    patience: Patience = Patience(),  # noqa: B008 - it is frozen
    clock: Callable[[], float] = time.monotonic,
    transport: httpx2.AsyncBaseTransport | None = None,
) -> Upstream:
    return Upstream(
        ChatUpstream(base_url, api_key, "m", clock=clock, transport=transport),
        breaker or llm_breaker(clock=clock),
        budget or RetryBudget(clock=clock),
        patience,
        clock,
    )


def assistant_at(base_url: str, api_key: str = "", *, turn_s: float = 8.0, **options: Any) -> OpenAiAssistant:
    clock = options.get("clock", time.monotonic)
    return OpenAiAssistant([upstream_at(base_url, api_key, **options)], turn_s=turn_s, clock=clock)
