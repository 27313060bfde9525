"""What the process that serves analysts is told when it starts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class QueryLimits:
    """What analysts' queries may use.

    Attributes:
        seconds: Most CPU time of one.
        query_bytes: Most memory of one.
        total_bytes: Most memory of all that run in the endpoint.
    """

    seconds: float = 10.0
    query_bytes: int = 512 * 1024 * 1024
    total_bytes: int = 1024 * 1024 * 1024


DEFAULT_LIMITS = QueryLimits()


@dataclass(frozen=True, slots=True)
class EndpointConfig:
    """The first message to the process, as ``dataclasses.asdict`` makes it.

    Attributes:
        ledger: The DuckDB file.
        folder: For snapshots; empty when no server writes the file, which is then read itself.
        port: On loopback.
        token: What clients must present.
        limits: What queries may use.
        least_free_bytes: What copies of the ledger must leave free on the disk.
        shown: Of ``shown_sql``. Empty where the file itself is read: then the process takes the statements of the file.
    """

    ledger: str
    folder: str
    port: int
    token: str
    limits: QueryLimits = DEFAULT_LIMITS
    least_free_bytes: int = 0
    shown: Sequence[str] = ()

    @classmethod
    def of_message(cls, message: dict[str, Any]) -> EndpointConfig:
        """The configuration that was sent."""
        return cls(**{**message, "limits": QueryLimits(**message["limits"])})
