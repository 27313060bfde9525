"""The bounds on the time of a process that tries a query out."""

from __future__ import annotations

import subprocess
import sys

import pytest

from server.analytics.process_bounds import CPU_OVER, TIME_OVER

pytestmark = pytest.mark.slow  # it starts processes that run out of time

WAIT = "import time; time.sleep(0.6)"
WORK = "while True: pass"


@pytest.mark.parametrize(
    ("cpu_s", "seconds", "does", "ends"),
    [
        pytest.param(0.3, 60.0, WORK, -CPU_OVER, id="work is ended after its CPU time"),
        pytest.param(0.3, 60.0, WAIT, 0, id="a process that gets no CPU is not"),
        pytest.param(60.0, 0.3, WAIT, -TIME_OVER, id="but it does not last for ever"),
    ],
)
def test_a_process_has_cpu_time_and_more_time_on_the_clock(cpu_s: float, seconds: float, does: str, ends: int) -> None:
    code = f"from server.analytics.process_bounds import end_after\nend_after({cpu_s}, {seconds})\n{does}"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == ends
