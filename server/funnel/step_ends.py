"""When each session left a step: what happens later cannot be why.

Between stages it is plain: who leaves does nothing more. Between other steps it is not: somebody who did not pay may go
on to do something else, and that follows from not paying. So the way to a step ends, for those that did not make it,
after a time that is drawn from those that did. Then both had the same time in which something could happen to them, and
what happens later than people usually go on is left out.
"""

from __future__ import annotations

from typing import Final

from server.funnel.steps import Steps

AFTER_LEAVING: Final = 99
"""The number of the step for what happened after a session left."""
_DRAWN_FROM: Final = 100
"""Times to the next step, as so many quantiles."""


def number_of_step(steps: int) -> str:
    """SQL of the number of the step, from 1, in which ``{time}`` is; from the columns of ``s``.

    A step lasts until the next one is made. The first one has all that came before it, too.
    """
    passed = "\n".join(f"WHEN NOT {{time}} >= enter_{k + 1} OR enter_{k + 1} IS NULL THEN {k}" for k in range(1, steps))
    return f"CASE WHEN {{time}} > gone_time THEN {AFTER_LEAVING} {passed} ELSE {steps} END"


def ends_of_steps(steps: Steps) -> str:
    """Common table expressions that end in ``s``: the sessions of ``chosen`` with when they left, as ``gone_time``.

    The draw is by a hash of the session, so that it is the same each time. The moment itself no longer counts, as that
    of the next step does not.
    """
    shares = [(k + 0.5) / _DRAWN_FROM for k in range(_DRAWN_FROM)]
    last = len(steps.names)
    taken = ", ".join(
        f"""quantile_disc(greatest(0, epoch_us(enter_{k + 1}) - epoch_us(enter_{k})), {shares})
            FILTER (reached > {k}) AS took_{k}"""
        for k in range(1, last)
    )
    ends = " ".join(
        f"WHEN {k} THEN enter_{k} + to_microseconds(took_{k}[1 + (hash(id, {k}) % {_DRAWN_FROM})::INTEGER] - 1)"
        for k in range(1, last)
    )
    return f"""took AS MATERIALIZED (SELECT {taken} FROM chosen),
    s AS MATERIALIZED (SELECT chosen.*, CASE reached {ends} END AS gone_time, gone_time AS left_at
        FROM chosen CROSS JOIN took)"""  # noqa: S608 - literals of ours
