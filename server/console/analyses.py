"""Reports with an analysis. One takes seconds on a large ledger, so each is made once and shown for a minute."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from vestibule.v1.funnel_pb2 import GetReportRequest, GetReportResponse

from server.console.visit import Visit

KEPT_S: Final = 60.0
MOST: Final = 32
"""Analyses that are kept; the oldest goes."""
MOST_UNFINISHED: Final = 3
"""Analyses that are being made for one caller; a further one begins when one of them is done."""
PATIENCE_S: Final = 1.0
"""How long a page waits for one; then it says that it comes."""

DEADLINE_S: Final = 120.0
"""For making one. Others may be made before it, and no page waits that long."""

_Key = tuple[str, str, frozenset[str], bytes]


@dataclass(frozen=True, slots=True)
class _Made:
    began: float
    task: asyncio.Task[GetReportResponse]


class Analyses:
    """Analyses by whoever asks and what is asked, so that nobody sees what another caller may see.

    Args:
        monotonic: Clock, in seconds.
        patience_s: How long a page waits.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic, patience_s: float = PATIENCE_S) -> None:
        self._monotonic = monotonic
        self._patience_s = patience_s
        self._made: OrderedDict[_Key, _Made] = OrderedDict()

    async def of(self, visit: Visit, request: GetReportRequest) -> GetReportResponse | None:
        """The report with the analysis that a request asks for; None while it is being made.

        Raises:
            VestibuleError: As GetReport does.
        """
        caller = visit.caller
        who = (caller.subject, caller.client_id, frozenset(caller.scopes))
        key = (*who, request.SerializeToString(deterministic=True))
        found = self._made.get(key)
        if found is None or (found.task.done() and self._monotonic() - found.began > KEPT_S):
            if sum(made[:3] == who and not one.task.done() for made, one in self._made.items()) >= MOST_UNFINISHED:
                return None
            found = _Made(self._monotonic(), asyncio.create_task(_analysis(visit, request)))
            found.task.add_done_callback(_retrieve)
            self._made[key] = found
            self._made.move_to_end(key)
            if len(self._made) > MOST:
                self._made.popitem(last=False)
        await asyncio.wait({found.task}, timeout=self._patience_s)
        if not found.task.done():
            return None
        if (found.task.cancelled() or found.task.exception() is not None) and self._made.get(key) is found:
            del self._made[key]
        return found.task.result()


def _retrieve(task: asyncio.Task[GetReportResponse]) -> None:
    """Look at the error of a task that no page may ask for again; asyncio would report it."""
    if not task.cancelled():
        task.exception()


async def _analysis(visit: Visit, request: GetReportRequest) -> GetReportResponse:
    reply: GetReportResponse = await visit.call("FunnelService", "GetReport", request, deadline_s=DEADLINE_S)
    return reply
