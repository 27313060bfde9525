"""Unit tests start no cluster; an attempt fails at once."""

from __future__ import annotations

from typing import NoReturn

import pytest


@pytest.fixture(autouse=True)
def no_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make ``ray.init`` raise."""

    def refuse(*_args: object, **_kwargs: object) -> NoReturn:
        raise AssertionError("A unit test must not start Ray.")

    monkeypatch.setattr("ray.init", refuse)
