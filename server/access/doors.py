"""The ways into the server that are no RPC."""

from __future__ import annotations

from enum import StrEnum


class Door(StrEnum):
    """A way into the server that is no RPC."""

    METRICS = "metrics"
    QUACK = "quack"
    SQL = "sql"
    PORT = "port"
