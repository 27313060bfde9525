"""The thread that owns Ray."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from types import TracebackType
from typing import TypeVar

T = TypeVar("T")


class _FailureInto:
    """Context manager that sets whatever is raised as the exception of a future."""

    def __init__(self, future: Future[T]) -> None:
        self._future = future

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if exc is not None:
            self._future.set_exception(exc)
        return True


class RayThread:
    """The one thread that starts and stops Ray.

    Linux ends Ray's processes when the *thread* that started them ends (PR_SET_PDEATHSIG), so a pool that may end
    threads cannot be used. The thread is a daemon, so that a Ray that hangs does not keep this process alive. Ray
    replaces the handler of SIGTERM only when it is started from the main thread, so the server's handler stays.
    """

    def __init__(self) -> None:
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        threading.Thread(target=self._work, name="ray", daemon=True).start()

    def submit(self, job: Callable[[], T]) -> Future[T]:
        """Run a job after all earlier ones."""
        future: Future[T] = Future()

        def run() -> None:
            if not future.set_running_or_notify_cancel():
                return  # who asked for it has left, as at Ctrl-C during the start
            with _FailureInto(future):
                future.set_result(job())

        self._jobs.put(run)
        return future

    def close(self) -> None:
        """End the thread after all earlier jobs."""
        self._jobs.put(None)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()
