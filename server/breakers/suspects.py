"""Marks calls for a job that may itself be what kills the worker. That they fail says nothing about the workers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_suspected: ContextVar[bool] = ContextVar("suspected", default=False)


def is_suspected() -> bool:
    """Whether the calls of the current task are marked."""
    return _suspected.get()


@contextmanager
def suspecting(suspected: bool) -> Iterator[None]:
    """Mark the calls of the block, also those of tasks that it starts, or take the mark away."""
    before = _suspected.set(suspected)
    try:
        yield
    finally:
        _suspected.reset(before)
