"""While which sessions a circuit breaker was open."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from server.ledger.columns import DuckDb

_OPEN_TIMES = """WITH changes AS (
    SELECT time, properties->>'new' AS state, lead(time) OVER (PARTITION BY subject ORDER BY time) AS next_time
    FROM server_events WHERE name = 'breaker_changed')
SELECT time AS begin_time, coalesce(next_time, TIMESTAMP '9999-01-01') AS end_time FROM changes WHERE state = 'open'
ORDER BY time"""


def open_while(
    cursor: DuckDb, visits: Iterable[tuple[int, npt.NDArray[Any], npt.NDArray[Any]]]
) -> Iterator[tuple[int, npt.NDArray[np.bool_]]]:
    """For each stage, whether any breaker was open while a session was in it.

    Args:
        cursor: Of a read.
        visits: Number of the stage, and the times at which each session entered and left it; no time for no visit.
    """
    times = cursor.execute(_OPEN_TIMES).fetchnumpy()
    begins = np.ma.getdata(times["begin_time"])
    if not len(begins):
        return
    ends = np.maximum.accumulate(np.ma.getdata(times["end_time"]))  # Open times of two upstreams may overlap.
    for stage, enter, leave in visits:
        visited = ~np.isnat(enter) & ~np.isnat(leave)
        last = np.searchsorted(begins, leave, side="right") - 1
        yield stage, visited & (last >= 0) & (ends[np.maximum(last, 0)] > enter)
