"""Repeats an asynchronous call as a retry policy says."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt, stop_before_delay

from models.retry import RetryPolicy

T = TypeVar("T")


async def repeat(
    call: Callable[[], Awaitable[T]],
    policy: RetryPolicy,
    *,
    again: Callable[[BaseException], bool],
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> T:
    """Call until it succeeds, or until the policy ends; then the last error is raised.

    Args:
        call: Makes one attempt.
        policy: How often and with which delays.
        again: Whether an error is worth another attempt; asked once for each error.
        sleep: Waits between attempts.
    """

    async def attempt() -> T:
        return await call()

    attempts = AsyncRetrying(
        retry=retry_if_exception(again),
        wait=lambda state: policy.delay(state.attempt_number - 1),
        stop=stop_after_attempt(policy.attempts) | stop_before_delay(policy.total_s),
        sleep=sleep,
        reraise=True,
    )
    return await attempts(attempt)
