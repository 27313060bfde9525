"""What every worker needs around its engine: an error boundary, an executor, and access to the redaction workers."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import functools
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from types import TracebackType
from typing import Final, ParamSpec, TypeVar

from models.cancellation import NEVER, Cancellation
from models.errors import InternalError, RedactionFailed, VestibuleError
from models.reasons import Reason
from models.redaction.types import NO_SCOPE, Redaction, RedactionContext, RedactionScope
from models.text import RawText

T = TypeVar("T")
P = ParamSpec("P")

# A child of Serve's logger, so that its lines are in the replica's log, which the dashboard shows.
log = logging.getLogger("ray.serve.vestibule")

REDACTION_TIMEOUT_S: Final = 20.0
"""Longest wait of a worker for the redaction of one page or recording."""

STUCK_S: Final = 300.0
"""An engine counts as stuck when it works for so long without a look at the cancellation of its call."""


class ErrorBoundary:
    """Context manager that lets only our own errors leave a worker, without their causes.

    Ray sends the traceback of an error to the caller, with those of its causes, and the message of an engine's error
    may quote a user's text. So our own errors leave without their causes. Any other error becomes an
    ``InternalError``, and the log gets its type only.
    """

    def __init__(self, kind: str) -> None:
        self._kind = kind

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        if exc is None or not isinstance(exc, Exception):
            return  # success, or a cancellation
        if isinstance(exc, VestibuleError):
            raise _without_history(exc) from None
        log.error("The %s worker failed with %s.", self._kind, type(exc).__qualname__)
        raise InternalError(f"The {self._kind} worker failed.", reason=Reason.WORKER_FAILED) from None


def _without_history(exc: VestibuleError) -> VestibuleError:
    return type(exc)(
        exc.message, reason=exc.reason, hint=exc.hint, retry_after_s=exc.retry_after_s, violations=exc.violations
    )


class BoundedExecutor:
    """Threads for blocking work, so that the replica's event loop stays alive.

    Calls wait in order of arrival. A call that is cancelled while it waits, or whose time is over then, never runs. One
    that already runs is told, and its result is dropped.

    Args:
        name: Of the threads.
        threads: How many calls work at a time; 1 for an engine that takes one call at a time.
        clock: Seconds, monotonic.
    """

    def __init__(self, name: str, threads: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._pool = concurrent.futures.ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._name = name
        self._clock = clock
        self._running: dict[object, tuple[float, Cancellation]] = {}

    async def run(self, cancellation: Cancellation, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Run blocking work in a thread.

        Args:
            cancellation: Of the call; set when the caller is cancelled. Long work gets it among its arguments too.
            work: The function.
            args: Its arguments.
            kwargs: The same.

        Raises:
            DeadlineExceeded: The time of the call was over before a thread was free.
        """
        # Serve keeps the request in context variables; a nested call made from the thread needs them.
        context = contextvars.copy_context()
        bound = functools.partial(context.run, self._timed, cancellation, functools.partial(work, *args, **kwargs))
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, bound)
        except asyncio.CancelledError:
            cancellation.cancel()
            raise

    def check(self) -> None:
        """Part of the health check of a replica; Serve replaces a replica whose check raises.

        Raises:
            InternalError: A call hangs.
        """
        now = self._clock()
        running = list(self._running.values())
        if any(min(now - began, cancellation.idle_s) > STUCK_S for began, cancellation in running):
            log.error("The %s engine hangs; the replica asks to be replaced.", self._name)
            raise InternalError(f"The {self._name} engine hangs.", reason=Reason.WORKER_FAILED)

    def _timed(self, cancellation: Cancellation, work: Callable[[], T]) -> T:
        cancellation.check()
        call = object()
        self._running[call] = self._clock(), cancellation
        try:
            return work()
        finally:
            del self._running[call]


RedactAsync = Callable[[list[RawText], RedactionContext, float], Awaitable[list[Redaction]]]
"""Has a batch redacted by the Redaction workers, within so many seconds. Raises ``RedactionFailed``, ``Overloaded``."""


class RemoteRedactor:
    """A ``Redactor`` that calls the Redaction workers, for use from the threads of another worker.

    Args:
        ask: Coroutine function that redacts a batch.
        loop: The event loop on which ``ask`` runs; never the calling thread's.
        scope: Client and session, written into every context, so that engines need not know them. Nothing is sealed
            here: the other worker does that once it knows which entities stay.
        cancellation: Of the call for which the texts are redacted; its deadline is that of the redaction, too.
    """

    def __init__(
        self,
        ask: RedactAsync,
        loop: asyncio.AbstractEventLoop,
        scope: RedactionScope = NO_SCOPE,
        cancellation: Cancellation = NEVER,
    ) -> None:
        self._ask = ask
        self._loop = loop
        self._scope = scope.without_seal()
        self._cancellation = cancellation

    def redact(self, text: RawText, context: RedactionContext) -> Redaction:
        """Redact one text."""
        return self.redact_many([text], context)[0]

    def redact_many(self, texts: list[RawText], context: RedactionContext) -> list[Redaction]:
        """Redact a batch in one call.

        Raises:
            RedactionFailed: A text could not be redacted.
            Overloaded: The queue of the Redaction workers is full.
            Cancelled, DeadlineExceeded: As the cancellation says.
        """
        if not texts:
            return []
        self._cancellation.check()
        context = replace(context, scope=self._scope)
        answer = asyncio.run_coroutine_threadsafe(self._batch(texts, context), self._loop)
        try:
            with self._cancellation.calling(answer.cancel):
                return answer.result(2 * REDACTION_TIMEOUT_S)
        except (TimeoutError, concurrent.futures.CancelledError):
            answer.cancel()
            self._cancellation.check()
            raise RedactionFailed("The redaction workers did not answer.") from None
        except RedactionFailed:
            self._cancellation.check()  # where the time of the call was over, it is no failure of the redaction
            raise

    async def _batch(self, texts: list[RawText], context: RedactionContext) -> list[Redaction]:
        return await self._ask(texts, context, min(REDACTION_TIMEOUT_S, self._cancellation.left_s))
