"""What an alert says, and what sends it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Final, Protocol

from models.reasons import Reason
from server.ledger.types import DeadLetterRow


@dataclass(frozen=True, slots=True)
class SendReasons:
    """What a failure to send is called.

    Attributes:
        not_sent: Another attempt may succeed.
        refused: No other attempt would.
    """

    not_sent: Reason
    refused: Reason


ALERT_REASONS: Final = SendReasons(Reason.ALERT_NOT_SENT, Reason.ALERT_REFUSED)


@dataclass(frozen=True, slots=True)
class Alert:
    """Dead letters of critical kinds.

    Attributes:
        counts: Letters by kind and reason.
        letters: The first of them. Only their ids, kind, reason, time, attempts and build are sent.
    """

    counts: Counter[tuple[str, str]]
    letters: tuple[DeadLetterRow, ...]

    @property
    def number(self) -> int:
        """Letters."""
        return self.counts.total()


class Channel(Protocol):
    """Sends alerts."""

    @property
    def name(self) -> str:
        """A machine word."""
        ...

    async def send(self, alert: Alert, alert_id: str) -> None:
        """Send it once.

        Args:
            alert: What to say.
            alert_id: UUID; the same when it is sent again, so that the receiver can leave a second one out.

        Raises:
            Unavailable: ALERT_NOT_SENT; another attempt may succeed.
            InternalError: ALERT_REFUSED; no other attempt would.
        """
        ...
