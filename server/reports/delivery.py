"""Sends the report of each week through each channel once, also after a restart."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, TypeVar

from models.errors import Conflict, InternalError, InvalidInput, Unavailable, VestibuleError
from models.reasons import Reason
from models.retry import RetryPolicy
from server.ledger import weekly_reports as rows
from server.ledger.columns import Cursor
from server.ledger.transactional import Ledger
from server.ledger.types import Clock
from server.ledger.weekly_reports import DeliveryRow, DeliveryState
from server.observability.log import describe, get_logger
from server.reports.channels import ReportChannel
from server.reports.message import ReportMessage
from server.reports.week import Schedule, Week, weeks_between
from server.reports.weekly import ReportMaker, WeeklyReport

log = get_logger("reports")

MOST_MISSED: Final = 4
"""Reports of so many weeks are sent after a server was down for longer."""

LONGEST_ATTEMPT: Final = timedelta(minutes=15)
"""For so long after the beginning of an attempt no other server makes one: making the report takes ten minutes at most,
and sending it less than two. One that kills its server is repeated after that."""

T = TypeVar("T")
_NO_END: Final = "The server ended during each attempt."

OnEnd = Callable[[str, str], None]
"""Called with the name of the channel, and ``sent``, ``retried`` or ``failed``."""


@dataclass(frozen=True, slots=True)
class SendOutcome:
    """What became of one report through one channel.

    Attributes:
        reason: Stable reason of the failure; empty if it was sent.
        message: One sentence about it.
    """

    channel: str
    reason: str
    message: str

    @property
    def sent(self) -> bool:
        """Whether the channel took it."""
        return not self.reason


class ReportDelivery:
    """Sends what is due. ``round`` does it by schedule, ``send_now`` by hand.

    Args:
        ledger: Remembers what was sent.
        channels: Where to; none turns the schedule off.
        schedule: When.
        maker: Makes the reports.
        policy: How a failed attempt is repeated. Each channel is repeated by itself.
        clock: The time now.
        on_end: Learns how each attempt ended.
    """

    def __init__(
        self,
        ledger: Ledger,
        channels: Sequence[ReportChannel],
        schedule: Schedule,
        maker: ReportMaker,
        policy: RetryPolicy,
        clock: Clock,
        on_end: OnEnd = lambda channel, outcome: None,
    ) -> None:
        self._ledger = ledger
        self._channels = {channel.name: channel for channel in channels}
        self._schedule = schedule
        self._maker = maker
        self._policy = policy
        self._clock = clock
        self._on_end = on_end
        self._made: dict[Week, WeeklyReport] = {}
        self._one_at_a_time = asyncio.Lock()
        self._making = asyncio.Lock()
        self.newest: tuple[DeliveryRow, ...] = ()
        """The newest delivery of each channel, as the last round saw it."""

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of the channels."""
        return tuple(self._channels)

    @property
    def next_due(self) -> datetime:
        """When the next report is due."""
        return self._schedule.next_due(self._clock())

    def failed(self, channel: str) -> bool:
        """Whether the newest report of a channel could not be sent."""
        return any(row.channel == channel and row.state is DeliveryState.FAILED for row in self.newest)

    async def round(self) -> None:
        """Send what is due and was not sent. A report of the weeks while the server was down is sent, too.

        Raises:
            VestibuleError: The ledger takes no rows; the next round tries again.
        """
        if not self._channels:
            return
        async with self._one_at_a_time:
            now = self._clock()
            due = self._schedule.latest_due(now)
            last = await self._ledger.read(rows.last_weeks)
            if any(last.get(name, "") < due.name for name in self._channels):
                await self._ledger.write(lambda cursor: self._enqueue(cursor, due, now))
            waiting = [row for row in await self._ledger.read(rows.waiting) if self._may_begin(row, now)]
            for week in dict.fromkeys(row.week for row in waiting):
                await self._with_one_report(self._attempt(row) for row in waiting if row.week == week)
            self.newest = tuple(await self._ledger.read(rows.newest))

    def _enqueue(self, cursor: Cursor, due: Week, now: datetime) -> None:
        """A new channel begins with the next report: nobody expects one of last week in the moment of a setting."""
        last = rows.last_weeks(cursor)
        oldest = next(iter(weeks_between(Week(1, 1), due, MOST_MISSED)))
        rows.skip_older(cursor, oldest.name, now)
        for name in self._channels:
            if name not in last:
                rows.enqueue(cursor, name, [due.name], DeliveryState.SKIPPED, now)
            else:
                missed = weeks_between(Week.parse(last[name]), due, MOST_MISSED)
                rows.enqueue(cursor, name, [week.name for week in missed], DeliveryState.WAITING, now)

    def _may_begin(self, row: DeliveryRow, now: datetime) -> bool:
        return row.channel in self._channels and row.next_attempt_time <= now

    async def _attempt(self, row: DeliveryRow) -> None:
        """Make one attempt. It is noted before, so that one that kills the server is not made over and over."""
        now = self._clock()
        if row.attempts >= self._policy.attempts:
            await self._end(row, DeliveryState.FAILED, Unavailable(_NO_END, reason=Reason.REPORT_NOT_SENT))
            return
        following = now + timedelta(seconds=self._policy.delay(row.attempts))
        # An attempt begins late where the server was off, which is no reason to give up.
        first = row.first_attempt_time + (now - row.next_attempt_time)
        until = max(following, now + LONGEST_ATTEMPT)
        if not await self._ledger.write(lambda cursor: rows.begin(cursor, row, first, until)):
            return
        error = await self._send(row.channel, Week.parse(row.week), row.report_id)
        late = following - first > timedelta(seconds=self._policy.total_s)
        again = _may_succeed(error) and row.attempts + 1 < self._policy.attempts and not late
        state = DeliveryState.SENT if error is None else DeliveryState.WAITING if again else DeliveryState.FAILED
        await self._end(replace(row, attempts=row.attempts + 1, next_attempt_time=following), state, error)

    async def _end(self, row: DeliveryRow, state: DeliveryState, error: VestibuleError | None) -> None:
        reason, now = str(error.reason) if error is not None else "", self._clock()
        await self._ledger.write(
            lambda cursor: rows.end(cursor, row.week, row.channel, state, reason, now, row.next_attempt_time)
        )
        about = {"week": row.week, "channel": row.channel, "attempts": row.attempts}
        if error is None:
            log.info("report_sent", **about)
        elif state is DeliveryState.FAILED:
            log.error("report_failed", **about, **describe(error))
        else:
            log.warning("report_retried", **about, **describe(error))
        ends = {DeliveryState.SENT: "sent", DeliveryState.WAITING: "retried", DeliveryState.FAILED: "failed"}
        self._on_end(row.channel, ends[state])

    async def _send(self, channel: str, week: Week, report_id: str, *, test: bool = False) -> VestibuleError | None:
        """Returns why it was not sent."""
        try:
            message = ReportMessage.of(await self._report(week), test=test)
            await self._channels[channel].send(message, report_id)
        except VestibuleError as error:
            return error
        return None

    async def _with_one_report(self, work: Iterable[Awaitable[T]]) -> list[T]:
        """Wait for all that sends one report, which is forgotten then: a later one has later numbers."""
        try:
            return await _all_of(work)
        finally:
            self._made.clear()

    async def _report(self, week: Week) -> WeeklyReport:
        """The report of a week, which is made once for all channels that wait for it now."""
        async with self._making:
            if week not in self._made:
                self._made[week] = await self._maker.make(week)
        return self._made[week]

    async def send_now(
        self, week: Week | None = None, channels: Sequence[str] = (), *, test: bool = False
    ) -> tuple[Week, list[SendOutcome]]:
        """Send a report now, once, through some channels.

        A real one counts as the report of its week, so the schedule does not send it again. A test counts for nothing.

        Args:
            week: A week that is over; None takes the newest.
            channels: Names; empty means all that are set.
            test: Whether it is marked as a test.

        Returns:
            The week, and what became of it through each channel.

        Raises:
            InvalidInput: REPORT_WEEK_INVALID.
            Conflict: REPORT_CHANNEL_UNSET.
        """
        newest = self._schedule.latest_whole(self._clock())
        chosen = week or newest
        if chosen > newest:
            raise InvalidInput(
                f"The week {chosen.name} is not over.",
                reason=Reason.REPORT_WEEK_INVALID,
                hint=f"The newest week that is over is {newest.name}.",
            )
        names = tuple(dict.fromkeys(channels)) or self.channels
        if unset := [name for name in names if name not in self._channels]:
            raise Conflict(
                f"No {unset[0]} is set for reports.",
                reason=Reason.REPORT_CHANNEL_UNSET,
                hint="See VESTIBULE_REPORTS__ in docs/operating/reports.md.",
            )
        async with self._one_at_a_time:
            outcomes = await self._with_one_report(self._send_once(name, chosen, test=test) for name in names)
            self.newest = tuple(await self._ledger.read(rows.newest))
        return chosen, outcomes

    async def _send_once(self, channel: str, week: Week, *, test: bool) -> SendOutcome:
        report_id = str(uuid.uuid4()) if test else await self._ledger.write(lambda c: self._report_id(c, week, channel))
        error = await self._send(channel, week, report_id, test=test)
        about = {"week": week.name, "channel": channel, "test": test}
        if error is not None:
            log.warning("report_not_sent", **about, **describe(error))
            return SendOutcome(channel, str(error.reason), error.message)
        log.info("report_sent", **about)
        if not test:
            now = self._clock()
            await self._ledger.write(lambda cursor: _count_as_sent(cursor, week.name, channel, now))
            self._on_end(channel, "sent")
        return SendOutcome(channel, "", "Sent.")

    def _report_id(self, cursor: Cursor, week: Week, channel: str) -> str:
        """The id of the attempts before, which may have arrived; another one if it was sent, as it is asked for again.

        The row is there before anything is sent. What the schedule would not send, it does not send now either.
        """
        now, due = self._clock(), self._schedule.due_time(week)
        latest = self._schedule.latest_due(now)
        # First what the schedule owes, which it finds by the newest week of a channel: this one may be older or newer.
        self._enqueue(cursor, latest, now)
        state = DeliveryState.WAITING if week >= latest else DeliveryState.SKIPPED
        rows.enqueue(cursor, channel, [week.name], state, now, max(now, due))
        row = rows.delivery(cursor, week.name, channel)
        if row is None or row.state is DeliveryState.SENT:
            return str(uuid.uuid4())
        return row.report_id


async def _all_of(work: Iterable[Awaitable[T]]) -> list[T]:
    """Wait for everything, also where something fails: a mail that is on its way is to be noted as sent."""
    ended = await asyncio.gather(*work, return_exceptions=True)
    for result in ended:
        if isinstance(result, BaseException):
            raise result
    return [result for result in ended if not isinstance(result, BaseException)]


def _count_as_sent(cursor: Cursor, week: str, channel: str, now: datetime) -> None:
    rows.enqueue(cursor, channel, [week], DeliveryState.SENT, now)
    rows.end(cursor, week, channel, DeliveryState.SENT, "", now)


def _may_succeed(error: VestibuleError | None) -> bool:
    made = isinstance(error, InternalError) and error.reason is Reason.REPORT_NOT_MADE
    return made or isinstance(error, Unavailable)
