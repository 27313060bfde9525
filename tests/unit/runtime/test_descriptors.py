"""The limit of file descriptors, changed in a process of its own."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import resource, sys
from server.runtime.descriptors import allow_descriptors
soft, hard, connections = map(int, sys.argv[1:])
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
print(allow_descriptors(connections), *resource.getrlimit(resource.RLIMIT_NOFILE))
"""


@pytest.mark.parametrize(
    ("soft", "hard", "connections", "expected"),
    [
        (1024, 4096, 1000, "True 2024 4096"),
        (4000, 4096, 1000, "True 4000 4096"),
        (1024, 1500, 1000, "False 1500 1500"),
    ],
)
def test_the_soft_limit_is_raised_as_far_as_needed_and_allowed(
    soft: int, hard: int, connections: int, expected: str
) -> None:
    arguments = [sys.executable, "-c", PROGRAM, str(soft), str(hard), str(connections)]
    assert subprocess.run(arguments, capture_output=True, text=True, check=True).stdout.strip() == expected
