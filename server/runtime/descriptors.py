"""File descriptors of the process. Every connection takes one, and many systems allow 1,024 unless asked for more."""

from __future__ import annotations

import resource
from typing import Final

OWN_DESCRIPTORS: Final = 1024
"""What the server needs besides connections: ledger, spool, streams, pipes and sockets of the workers."""


def allow_descriptors(connections: int) -> bool:
    """Raise the soft limit, so that so many connections fit.

    Returns:
        Whether they fit; the hard limit may be too low.
    """
    needed = connections + OWN_DESCRIPTORS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if _fits(needed, soft):
        return True
    wanted = needed if _fits(needed, hard) else hard
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return _fits(needed, wanted)


def _fits(needed: int, limit: int) -> bool:
    return limit == resource.RLIM_INFINITY or needed <= limit
