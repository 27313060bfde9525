"""The words between the server and the fork server."""

from __future__ import annotations

from typing import Final

READY: Final = b"ready"
READY_IN_SYSTEM: Final = b"ready in system"
"""Ready, but the system did not allow all of ``confine.leave_system``."""

START: Final = b"start"
KILL: Final = b"kill"
DIED: Final = b"died"
MESSAGE_BYTES: Final = 64
