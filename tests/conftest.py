"""What several kinds of tests need."""

from __future__ import annotations

from pathlib import Path

import platformdirs
import pytest

from models.weights.store import ALL, place
from server.settings import prepare_process

prepare_process()  # as every command does, before anything imports NumPy


@pytest.fixture(scope="session")
def weights_cache() -> Path:
    """The user's own weights cache, filled; the first run fetches, later ones find the files."""
    cache = platformdirs.user_cache_path("vestibule") / "weights"
    for name in ALL:
        place(name, cache)
    return cache


@pytest.fixture(scope="session")
def data() -> Path:
    """The clips and pictures that ``tests/data/make.py`` made."""
    return Path(__file__).parent / "data"
