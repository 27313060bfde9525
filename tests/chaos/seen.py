"""What the clients were promised, as they saw it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class Trying:
    """A call that is repeated until it succeeds.

    Attributes:
        what: In words.
        since: On the monotonic clock, in seconds.
        errors: How often it failed, by reason.
    """

    what: str
    since: float
    errors: Counter[str] = field(default_factory=Counter)


@dataclass(slots=True)
class Seen:
    """Everything that was acknowledged to a client.

    Attributes:
        uploads: Ids of accepted uploads.
        typed: Turn of each typed text whose final arrived, by id of the text.
        typed_streams: Number of texts that were sent on each stream, by its id.
        proposals: Ids of proposed records.
        approved: Ids of the records whose approval was confirmed.
        spoken: The finals of each spoken session in the order of arrival, as (id of the turn, number, text).
        errors: How often a call failed, by reason or status code.
        trying: What each client tries just now, by the name of its task.
        gave_up: Why a client could not go on.
    """

    uploads: set[str] = field(default_factory=set)
    typed: dict[str, str] = field(default_factory=dict)
    typed_streams: dict[str, int] = field(default_factory=dict)
    proposals: set[str] = field(default_factory=set)
    approved: set[str] = field(default_factory=set)
    spoken: dict[str, list[tuple[str, int, str]]] = field(default_factory=dict)
    errors: Counter[str] = field(default_factory=Counter)
    trying: dict[str, Trying] = field(default_factory=dict)
    gave_up: list[str] = field(default_factory=list)

    @property
    def accepted(self) -> int:
        """How much work was accepted."""
        spoken = sum(len(finals) for finals in self.spoken.values())
        return len(self.uploads) + len(self.typed) + len(self.proposals) + spoken
