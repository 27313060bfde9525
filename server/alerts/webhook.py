"""Alerts by HTTP."""

from __future__ import annotations

import json

from server.alerts.signed_post import TIMEOUT_S, SignedPost
from server.alerts.types import ALERT_REASONS, Alert
from server.ledger.types import Clock, DeadLetterRow
from server.times import machine_time


class WebhookChannel:
    """Posts JSON to one address, see ``SignedPost``.

    Args:
        url: Where to.
        secret: ``whsec_`` and the Base64 of the key of the signatures.
        clock: The time now.
        timeout_s: Bound of one attempt.
    """

    name = "webhook"

    def __init__(self, url: str, secret: str, clock: Clock, timeout_s: float = TIMEOUT_S) -> None:
        self._post = SignedPost(url, secret, ALERT_REASONS, timeout_s)
        self._clock = clock

    async def send(self, alert: Alert, alert_id: str) -> None:
        """See ``Channel``."""
        now = self._clock()
        body = json.dumps(
            {
                "type": "dead_letters.critical",
                "timestamp": machine_time(now),
                "data": {
                    "count": alert.number,
                    "counts": [
                        {"kind": kind, "reason": reason, "count": number}
                        for (kind, reason), number in alert.counts.most_common()
                    ],
                    "dead_letters": [_shown(letter) for letter in alert.letters],
                },
            }
        ).encode()
        await self._post.send(body, alert_id, now)


def _shown(letter: DeadLetterRow) -> dict[str, str | int]:
    return {
        "id": letter.id,
        "kind": letter.kind,
        "reason": letter.reason,
        "attempts": letter.attempts,
        "build": letter.build,
        "create_time": machine_time(letter.create_time),
    }
