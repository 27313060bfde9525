"""What reads the ledger for analysts starts fast: with the server, after each restart, and for each look at a file."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = {"asyncio", "grpc", "numpy", "pydantic", "ray", "structlog", "torch"}
"""Each costs tenths of a second of CPU."""


@pytest.mark.parametrize("process", ["endpoint_process", "trial_process"])
def test_it_imports_no_heavy_library(process: str) -> None:
    code = f"import sys, server.analytics.{process}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    loaded = done.stdout.split()
    assert f"server.analytics.{process}" in loaded
    assert {name.partition(".")[0] for name in loaded} & HEAVY == set()
