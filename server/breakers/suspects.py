"""Marks calls for a job that may itself be what kills the worker. That they fail says nothing about the workers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from server.breakers.worker_calls import WorkerCall


@dataclass(slots=True)
class Suspicion:
    """What is found out about a job that may be what kills the worker.

    Attributes:
        beside: When its last call lost the worker, or the cluster: the other calls that were under way there.
    """

    beside: frozenset[WorkerCall] = frozenset()


_suspicion: ContextVar[Suspicion | None] = ContextVar("suspicion", default=None)


def current_suspicion() -> Suspicion | None:
    """What the calls of the current task are to be noted in; None when they are not marked."""
    return _suspicion.get()


@contextmanager
def suspecting(suspected: bool) -> Iterator[Suspicion]:
    """Mark the calls of the block, also those of tasks that it starts, or take the mark away."""
    suspicion = Suspicion()
    before = _suspicion.set(suspicion if suspected else None)
    try:
        yield suspicion
    finally:
        _suspicion.reset(before)
