"""Ids of the events that the server records. They rise, so events of the same time stay in the order of writing."""

from __future__ import annotations

import secrets
import threading
import uuid
from datetime import datetime
from typing import Final

_TAIL_BITS: Final = 74
"""Random bits of a UUID of version 7, in two parts: 12 and 62."""
_STEP_BITS: Final = 32
_LOW_BITS: Final = 62
_VERSION: Final = 7 << 76
_VARIANT: Final = 2 << _LOW_BITS


class EventIds:
    """Makes UUIDs of version 7 (RFC 9562). Each is larger than those before, as a text too, whatever the clock does."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last_ms = 0
        self._tail = 0

    def new(self, now: datetime) -> str:
        """The id of an event of this time."""
        now_ms = int(now.timestamp() * 1000)
        with self._lock:
            if now_ms > self._last_ms:
                self._last_ms = now_ms
                self._tail = secrets.randbits(_TAIL_BITS - 1)  # half of the numbers are left for steps
            else:
                self._tail += 1 + secrets.randbits(_STEP_BITS)
            high, low = divmod(self._tail, 1 << _LOW_BITS)
            return str(uuid.UUID(int=self._last_ms << 80 | _VERSION | high << 64 | _VARIANT | low))


new_event_id = EventIds().new
"""Of all events of this process."""
