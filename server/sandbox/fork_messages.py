"""The words between the server and the fork server."""

from __future__ import annotations

from typing import Final

READY: Final = b"ready"
READY_UNFILTERED: Final = b"ready unfiltered"
"""Ready, but the system does not filter the calls of the children, see ``seccomp``."""

START: Final = b"start"
KILL: Final = b"kill"
DIED: Final = b"died"
MESSAGE_BYTES: Final = 64
