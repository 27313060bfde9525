"""Why the server ends: the last line on standard error, whatever happens on the way out."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from models.errors import CallerError, InternalError, VestibuleError
from models.reasons import Reason
from server.observability.log import describe, get_logger
from server.observability.standard_error import QueuedStream

log = get_logger("app")

LONGEST_END_S: Final = 60.0
"""How long the parts of a server that failed may take to stop. A slow machine needs 10 s for Ray."""
_DRAIN_S: Final = 2.0

_SET_TWICE: Final = frozenset({Reason.ADDRESS_IN_USE, Reason.INSTALLATION_IN_USE, Reason.LEDGER_LOCKED})
"""Errors that waiting cannot mend: two servers have the same setting, so the operator must change one."""


class EndReason:
    """Keeps the first error, which is the cause of those that follow while the parts stop.

    Args:
        longest_end_s: Seconds after ``note`` until the process ends even if a part does not stop.
        exit_now: Ends the process.
    """

    def __init__(self, longest_end_s: float = LONGEST_END_S, exit_now: Callable[[int], object] = os._exit) -> None:
        self._longest_end_s = longest_end_s
        self._exit_now = exit_now
        self._error: VestibuleError | None = None
        self._watchdog: threading.Timer | None = None

    def note(self, error: BaseException) -> None:
        """The server ends because of this, unless another error was noted before. Call it before the parts stop.

        An error of the server is a line in the log at once. A mistake of the operator is not: the last line has it.
        """
        if self._error is not None:
            return
        self._error = error if isinstance(error, VestibuleError) else _unexpected(error)
        if not isinstance(error, CallerError) and self._error.reason not in _SET_TWICE:
            log.error("server_failed", **describe(error))
        self._watchdog = threading.Timer(self._longest_end_s, self._give_up)
        self._watchdog.daemon = True
        with suppress(RuntimeError):  # the system may refuse a thread, which may be the very reason
            self._watchdog.start()

    def tell(self) -> int:
        """Write the last line, once everything has stopped; returns the exit code."""
        if self._watchdog is not None:
            self._watchdog.cancel()
        return self._write()

    def _write(self) -> int:
        if self._error is None:
            return 0
        sys.stderr.write(f"{self._error.message} [{self._error.reason}] {self._error.hint}\n")
        return 1

    def _give_up(self) -> None:
        code = self._write()
        if isinstance(sys.stderr, QueuedStream):
            sys.stderr.drain(_DRAIN_S)
        self._exit_now(code)


def _unexpected(error: BaseException) -> InternalError:
    """The error for one that is not ours. Its text may hold anything, so only what the system says is kept."""
    system = f", {error.strerror}" if isinstance(error, OSError) and error.strerror else ""
    return InternalError(
        f"The server ended because of an error that it does not expect ({type(error).__name__}{system}).",
        hint="The line server_failed of the log has the place. Start it again; if it stays, report both lines.",
    )
