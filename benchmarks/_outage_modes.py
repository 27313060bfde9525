"""What the scripted upstreams of benchmarks/outage.py do, and what they call themselves."""

from __future__ import annotations

from enum import StrEnum

BROKEN = "first"
STEADY = "second"
"""The reply of each upstream is its name."""


class Mode(StrEnum):
    """How the upstream that breaks answers."""

    ANSWER = "answer"
    REFUSE = "refuse"  # its port is closed
    HANG = "hang"  # nothing comes back
    ERROR = "error"  # HTTP 500
    RATE_LIMIT = "rate_limit"  # HTTP 429 with Retry-After
