"""The order of the events of a session, for every funnel, window and timeline.

**The rule.** Events are in the order of their ``event_time``, see ``device_clock``, by which the opening of a session
comes first. An event that the app counted
(``sequence`` above 0) never comes before one that the app counted before it, whatever their times say: it counts as
having happened no earlier. Of events at the same time, those without a number come first, then the lower number.

**Ties.** Events that are still at one place tie: those of the same time without a number, or of the same time and
number. A timeline lists them in the order in which the server learnt of them, then by their ids. Ids of events that the
server records rise, see ``event_ids``, so those of the same time are in the order of writing. In a funnel a tie counts
as in order, whichever of the events is the earlier step. A strict funnel takes tied events in the order of its steps,
after the tied events that are no step. An event with a number and one without never tie.

The window of a funnel is measured by ``event_time``.

The rule is applied to the events that are compared: for a timeline all of the session, for a funnel those of its steps.
"""

from __future__ import annotations

from typing import Final

ORDER_TIME: Final = """CASE WHEN sequence = 0 THEN event_time ELSE
    max(CASE WHEN sequence > 0 THEN event_time END) OVER (PARTITION BY session_id
        ORDER BY sequence, event_time, server_time, id ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) END"""
"""SQL expression over rows of ``events``: the time by which an event is placed. It is ``event_time`` wherever the
times of counted events agree with their numbers."""

ORDER_BY: Final = "order_time, sequence, server_time, id"
"""After ``ORDER BY``, where ``ORDER_TIME`` has the name ``order_time``."""
