"""Listens to pybreaker: its changes of state, and the periods between them."""

from __future__ import annotations

import pybreaker


class Recorder(pybreaker.CircuitBreakerListener):
    """Collects changes of state.

    pybreaker notifies before its storage has the new state, so ``on_change`` must not run inside the notification.
    """

    def __init__(self) -> None:
        self.period = 0
        self.changes: list[tuple[str, str]] = []

    def state_change(
        self,
        cb: pybreaker.CircuitBreaker,
        old_state: pybreaker.CircuitBreakerState | None,
        new_state: pybreaker.CircuitBreakerState,
    ) -> None:
        """Begin a new period."""
        self.period += 1
        if old_state is not None and old_state.name != new_state.name:
            self.changes.append((old_state.name, new_state.name))
