"""When an event of an app happened: the time of its device, corrected where the clock of the device is wrong.

**The rule.** An event of a session can have happened at the earliest when its session was opened, because the server
makes the ids of sessions, and at the latest when the server received it. A time that is more than a day outside cannot
be true. Lateness alone proves nothing: an app that was offline for days sends late events with right times. Of these
times, the first one that can be true is taken:

1. The time of the device, less what its clock is ahead, if the batch has a ``sent_time`` that is more than a day off.
2. The time of the device as it is.
3. The time of the device, less the shift of its session. The first batch with a time that cannot be true sets the
   shift: the newest such time falls on the time of receipt. Where no shift fits all of them, as with one time in the
   year 9999, the newest one counts under whose shift most can be true. The shift is kept with the session, so that the
   times between events stay right over many batches. It grows when a later batch shows that the clock was further
   ahead. A batch that has only times that cannot be true with it sets a new one. A shifted time may be up to a year
   before the opening of the session.
4. The time of receipt.

The mark of the event says which: ``corrected`` for 1 and 3, ``device`` for 2, ``server`` for 4. A session has one
device, so each session of a batch is looked at alone. Times are microseconds since 1970 in UTC here, because the years
1 and 9999 leave no room for sums of ``datetime``.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Literal, NamedTuple

Mark = Literal["device", "corrected", "server"]

DEVICE: Final = "device"
CORRECTED: Final = "corrected"
SERVER: Final = "server"

US_PER_S: Final = 1_000_000
TOLERANCE_US: Final = 86_400 * US_PER_S
"""A clock that is less than a day off is left as it is."""

LONGEST_SESSION_US: Final = 366 * 86_400 * US_PER_S
"""How long before the opening of its session a shifted time may lie."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ONE_US = timedelta(microseconds=1)


class EventTime(NamedTuple):
    """When an event happened, in microseconds since 1970, and by which clock."""

    at_us: int
    clock: Mark


@dataclass(frozen=True, slots=True)
class Receipt:
    """When a batch came, and what its sender says about its clock.

    Attributes:
        at_us: When the server received it.
        ahead_us: How far the clock of the device is ahead, from the time of sending that the app gave; 0 where it gave
            none, or one that is less than a day off.
    """

    at_us: int
    ahead_us: int = 0


def microseconds(moment: datetime) -> int:
    """An aware time as microseconds since 1970."""
    return (moment - _EPOCH) // _ONE_US


def receipt(received: datetime, sent: datetime | None) -> Receipt:
    """The receipt of a batch.

    Args:
        received: When the server received it.
        sent: When the app sent it, by the clock of its device; None where the app does not say.
    """
    at_us = microseconds(received)
    ahead_us = 0 if sent is None else microseconds(sent) - at_us
    return Receipt(at_us, ahead_us if abs(ahead_us) > TOLERANCE_US else 0)


def shift_s(device_us: Sequence[int], opened_us: int, batch: Receipt, known_s: int) -> int:
    """By how many whole seconds the times of a session are shifted, from the events of one batch on.

    Args:
        device_us: Times of the device.
        opened_us: When the session was opened.
        batch: The batch that they came in.
        known_s: The shift so far; 0 for none.
    """
    doubtful = [at for at in device_us if _as_sent(at, opened_us, batch) is None]
    if not doubtful:
        return known_s
    if known_s:
        last = batch.at_us + LONGEST_SESSION_US
        late = [at for at in doubtful if batch.at_us + TOLERANCE_US < at - known_s * US_PER_S <= last]
        if late:
            return (max(late) - batch.at_us) // US_PER_S
        if any(_can_be_shifted(at - known_s * US_PER_S, opened_us, batch) for at in doubtful):
            return known_s
    return (_newest_of_most(sorted(doubtful), batch.at_us - opened_us) - batch.at_us) // US_PER_S


def event_time(device_us: int, opened_us: int, batch: Receipt, shifted_s: int) -> EventTime:
    """When an event happened, by the rule above.

    Args:
        device_us: Time of the device.
        opened_us: When its session was opened.
        batch: The batch that it came in.
        shifted_s: The shift of its session; 0 for none.
    """
    found = _as_sent(device_us, opened_us, batch)
    if found is not None:
        return found
    shifted = device_us - shifted_s * US_PER_S
    if _can_be_shifted(shifted, opened_us, batch):
        return EventTime(shifted, CORRECTED)
    return EventTime(batch.at_us, SERVER)


def _can_be_shifted(shifted_us: int, opened_us: int, batch: Receipt) -> bool:
    """Whether a shifted time can be true."""
    return opened_us - LONGEST_SESSION_US <= shifted_us <= batch.at_us + TOLERANCE_US


def _newest_of_most(times: Sequence[int], open_us: int) -> int:
    """The time that, as the time of receipt, makes most of the times possible; the newest one of several.

    Args:
        times: In order.
        open_us: How long the session had been open.
    """

    def possible(newest: int) -> int:
        first = newest - open_us - LONGEST_SESSION_US
        return bisect_right(times, newest + TOLERANCE_US) - bisect_left(times, first)

    return max(times, key=lambda at: (possible(at), at))


def _as_sent(device_us: int, opened_us: int, batch: Receipt) -> EventTime | None:
    """The time by the first two steps of the rule; None if neither can be true."""
    earliest, latest = opened_us - TOLERANCE_US, batch.at_us + TOLERANCE_US
    if batch.ahead_us and earliest <= device_us - batch.ahead_us <= latest:
        return EventTime(device_us - batch.ahead_us, CORRECTED)
    return EventTime(device_us, DEVICE) if earliest <= device_us <= latest else None
