"""What the servers on one ledger tell each other, so that none has to ask all the time.

A notice says that something is in the ledger, and where. It has words and ids, never a text. It may be lost: whoever
acts on notices looks into the ledger from time to time anyway.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final, Protocol

JOBS: Final = "jobs"
"""A job may be due."""
API_KEYS: Final = "api_keys"
DECLARED_EVENTS: Final = "declared_events"
FLOWS: Final = "flows"
BREAKERS: Final = "breakers"
SPEECH_MODELS: Final = "speech_models"

MOST_BYTES: Final = 7_999
"""PostgreSQL takes no longer notice."""


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that changed.

    Attributes:
        kind: What it is, a word.
        id: Of the row; empty where all of them are looked at.
        topics: Of ``server.records.pubsub``; who follows one of them is told.
    """

    kind: str
    id: str = ""
    topics: tuple[str, ...] = ()


class Notices(Protocol):
    """The way to the other servers."""

    def tell(self, notice: Notice) -> None:
        """Tell the other servers. Never waits, and never fails. Equal ones that wait are told once."""
        ...


def written(sender: str, notice: Notice) -> str:
    """A notice as it is sent."""
    return json.dumps([sender, notice.kind, notice.id, *notice.topics], separators=(",", ":"))


def read(payload: str) -> tuple[str, Notice] | None:
    """The sender and the notice; None where it is none of ours."""
    try:
        words = json.loads(payload)
    except ValueError:
        return None
    if not isinstance(words, list) or len(words) < 3 or not all(isinstance(word, str) for word in words):
        return None
    sender, kind, row_id, *topics = words
    return sender, Notice(kind, row_id, tuple(topics))
