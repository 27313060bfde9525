"""Sandboxes that run."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from server.sandbox.sandbox import MediaSandbox
from tests.unit.sandbox.sandboxes import OPTIONS


@pytest.fixture(scope="module")
def sandbox() -> Iterator[MediaSandbox]:
    started = MediaSandbox(OPTIONS)
    asyncio.run(started.start())
    yield started
    asyncio.run(started.close())


@pytest.fixture
def own_sandbox() -> Iterator[MediaSandbox]:
    """One for a test that ends its processes."""
    started = MediaSandbox(OPTIONS)
    asyncio.run(started.start())
    yield started
    asyncio.run(started.close())
