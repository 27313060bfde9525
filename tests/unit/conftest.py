"""Unit tests start no cluster; an attempt fails at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NoReturn

import pytest
import structlog


@pytest.fixture(autouse=True)
def no_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make ``ray.init`` raise."""

    def refuse(*_args: object, **_kwargs: object) -> NoReturn:
        raise AssertionError("A unit test must not start Ray.")

    monkeypatch.setattr("ray.init", refuse)


@pytest.fixture(autouse=True)
def log_as_before() -> Iterator[None]:
    """Forget how a test configured the log; the next one would find its lines elsewhere."""
    yield
    if structlog.is_configured():
        structlog.reset_defaults()
