"""When an event of an app happened: the time of its device, corrected where the clock of the device is wrong.

**The rule.** An event of a session is usually not older than its session, because the server makes the ids of sessions,
and never newer than its receipt. Lateness alone proves nothing: an app that was offline for days sends late events with
right times. So a time is **plausible** from a day before the opening of its session to a day after the receipt. An app
may also open its session only when it is online again, or import a log: then its events are up to a year older than the
session. Such times are plausible, too, where something shows that the clock is right:

- the batch has a ``sent_time`` that is less than a day off; or
- without ``sent_time``, the same batch has another time of the session that is plausible as it is. Both are of one
  clock. This does not hold once the session has a shift (3), which shows that its clock was wrong.

Of these times, the first one that is plausible is taken:

1. If the batch has a ``sent_time`` that is more than a day off: the time of the device, less what its clock is ahead.
   It may be up to a year before the opening.
2. The time of the device as it is.
3. The time of the device, less the shift of its session. The first batch with a time that is not plausible sets the
   shift: the newest such time falls on the time of receipt. Where no shift fits all of them, as with one time in the
   year 9999, the newest one counts under whose shift most are plausible. The shift is kept with the session, so that
   the times between events stay right over many batches. It grows when a later batch shows that the clock was further
   ahead. A batch that has only times that are not plausible with it sets a new one. A shifted time may be up to a year
   before the opening of the session.
4. The time of receipt.

The mark of the event says which: ``corrected`` for 1 and 3, ``device`` for 2, ``server`` for 4. A session has one
device, so each session of a batch is looked at alone. Times are microseconds since 1970 in UTC here, because the years
1 and 9999 leave no room for sums of ``datetime``.

**The opening** of a session comes before everything else in it. Where an event of the app is placed before it, because
the clock is some seconds slow or the events are older than the session, the ``event_time`` of the opening (the event
``stage_entered`` of STARTED) becomes that of the earliest such event. Its ``server_time`` stays, and the time in a
stage is measured by that. Times between events of the app never change for this.
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
"""How long before the opening of its session the time of an event may lie."""

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
        is_right: Whether the app gave a time of sending that is less than a day off.
    """

    at_us: int
    ahead_us: int = 0
    is_right: bool = False

    @property
    def latest_us(self) -> int:
        """The latest plausible time of an event."""
        return self.at_us + TOLERANCE_US


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
    if sent is None:
        return Receipt(at_us)
    ahead_us = microseconds(sent) - at_us
    return Receipt(at_us, ahead_us) if abs(ahead_us) > TOLERANCE_US else Receipt(at_us, is_right=True)


class SessionClock(NamedTuple):
    """How the times of a session in one batch are read, by the rule above; see ``session_clock``.

    Attributes:
        batch: The batch.
        oldest_us: The earliest plausible time of a clock that is known to be right, or that was corrected.
        earliest_us: The earliest plausible time of the clock as it is.
        shift_s: By how many whole seconds times are shifted that are not plausible otherwise; 0 for none.
    """

    batch: Receipt
    oldest_us: int
    earliest_us: int
    shift_s: int = 0

    def as_sent(self, device_us: int) -> EventTime | None:
        """The time by the first two steps of the rule; None if neither is plausible."""
        ahead_us, latest_us = self.batch.ahead_us, self.batch.latest_us
        if ahead_us and self.oldest_us <= device_us - ahead_us <= latest_us:
            return EventTime(device_us - ahead_us, CORRECTED)
        return EventTime(device_us, DEVICE) if self.earliest_us <= device_us <= latest_us else None

    def event_time(self, device_us: int) -> EventTime:
        """When an event happened."""
        found = self.as_sent(device_us)
        if found is not None:
            return found
        shifted = device_us - self.shift_s * US_PER_S
        return EventTime(shifted, CORRECTED) if self.can_be_shifted(shifted) else EventTime(self.batch.at_us, SERVER)

    def can_be_shifted(self, shifted_us: int) -> bool:
        """Whether a shifted time is plausible."""
        return self.oldest_us <= shifted_us <= self.batch.latest_us


def session_clock(device_us: Sequence[int], opened_us: int, batch: Receipt, known_s: int) -> SessionClock:
    """How the times of a session in one batch are read.

    Args:
        device_us: The times of the device, all that the batch has of the session.
        opened_us: When the session was opened.
        batch: The batch.
        known_s: The shift of the session so far; 0 for none.
    """
    oldest_us = opened_us - LONGEST_SESSION_US
    clock = SessionClock(batch, oldest_us, opened_us - TOLERANCE_US, known_s)
    doubtful = [at for at in device_us if clock.as_sent(at) is None]
    if not doubtful:
        return clock
    if batch.is_right or (len(doubtful) < len(device_us) and not batch.ahead_us and not known_s):
        clock = clock._replace(earliest_us=oldest_us)
        doubtful = [at for at in doubtful if clock.as_sent(at) is None]
    return clock._replace(shift_s=_shift_s(doubtful, opened_us, clock)) if doubtful else clock


def _shift_s(doubtful: Sequence[int], opened_us: int, clock: SessionClock) -> int:
    """The shift from a batch on that has these times, which are not plausible as they are."""
    at_us, known_s = clock.batch.at_us, clock.shift_s
    if known_s:
        last = at_us + LONGEST_SESSION_US
        late = [at for at in doubtful if clock.batch.latest_us < at - known_s * US_PER_S <= last]
        if late:
            return (max(late) - at_us) // US_PER_S
        if any(clock.can_be_shifted(at - known_s * US_PER_S) for at in doubtful):
            return known_s
    return (_newest_of_most(sorted(doubtful), at_us - opened_us) - at_us) // US_PER_S


def _newest_of_most(times: Sequence[int], open_us: int) -> int:
    """The time that, as the time of receipt, makes most of the times plausible; the newest one of several.

    Args:
        times: In order.
        open_us: How long the session had been open.
    """

    def plausible(newest: int) -> int:
        first = newest - open_us - LONGEST_SESSION_US
        return bisect_right(times, newest + TOLERANCE_US) - bisect_left(times, first)

    return max(times, key=lambda at: (plausible(at), at))
