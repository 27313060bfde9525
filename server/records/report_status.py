"""The weekly report in the status of the server."""

from __future__ import annotations

from server.ledger.weekly_reports import DeliveryRow, DeliveryState
from server.records.status import Component
from server.reports.delivery import ReportDelivery
from server.times import shown_time


class ReportStatus:
    """Says when the next report is due, and which channels did not take the last one."""

    def __init__(self, delivery: ReportDelivery) -> None:
        self._delivery = delivery

    @property
    def component(self) -> Component:
        """See ``StatusPart``."""
        channels = self._delivery.channels
        if not channels:
            return Component("reports", True, "The weekly report is off; VESTIBULE_REPORTS__... turns it on.")
        due = f"The next weekly report is due at {shown_time(self._delivery.next_due)} by {', '.join(channels)}."
        rows = [row for row in self._delivery.newest if row.channel in channels]
        failed = [row for row in rows if row.state is DeliveryState.FAILED]
        late = [row for row in rows if row.state is DeliveryState.WAITING and row.last_reason]
        told = [*map(_failed, failed), *map(_late, late)]
        return Component("reports", not failed, " ".join([*told, due]))


def _failed(row: DeliveryRow) -> str:
    attempts = "1 attempt" if row.attempts == 1 else f"{row.attempts} attempts"
    return (
        f"That of {row.week} could not be sent by {row.channel} in {attempts} ({row.last_reason}): "
        f"`vestibule report send --week {row.week} --to {row.channel}` sends it."
    )


def _late(row: DeliveryRow) -> str:
    return f"That of {row.week} is tried again by {row.channel} ({row.last_reason})."
