"""Funnels with a shape, and funnels by groups, counted with Polars: a second way, which shares no code.

All events of the log are counted by the app, so the order is that of the sequence.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from datetime import timedelta

import polars as pl

CHANNELS = ("web", "app", "branch")


def with_properties(log: pl.DataFrame) -> pl.DataFrame:
    """The log with a channel and an amount on some of its events."""
    chance = random.Random(7)
    channels = [chance.choice((None, *CHANNELS)) for _ in range(log.height)]
    amounts = [chance.choice((None, chance.randint(1, 500))) for _ in range(log.height)]
    return log.with_columns(channel=pl.Series(channels, dtype=pl.String), amount=pl.Series(amounts, dtype=pl.Int64))


def reached(
    log: pl.DataFrame,
    steps: Sequence[str],
    window: timedelta | None = None,
    *,
    excluded: str = "",
    step_windows: Mapping[str, timedelta] | None = None,
    first_attempt: bool = False,
) -> pl.DataFrame:
    """How many of the steps each case made, in order: ``case, reached``.

    Every event of a step that some chain comes to is kept, with every start of such a chain.
    """
    longest = _microseconds(window)
    nodes = log.filter(name=steps[0]).select("case", "sequence", "at", first="sequence", start="at")
    if first_attempt:
        nodes = nodes.filter(pl.col("sequence") == pl.col("sequence").min().over("case"))
    found = [nodes.select("case").unique().with_columns(reached=1)]
    barriers = log.filter(name=excluded).select("case", barrier="sequence")
    for number, step in enumerate(steps[1:], start=2):
        later = log.filter(name=step).select("case", to="sequence", to_at="at")
        limit = _microseconds((step_windows or {}).get(step))
        moves = nodes.join(later, on="case").filter(
            pl.col("to") > pl.col("sequence"),
            pl.col("to_at") - pl.col("start") <= longest,
            pl.col("to_at") - pl.col("at") <= limit,
        )
        blocked = (
            moves.join(barriers, on="case")
            .filter(pl.col("barrier").is_between(pl.col("sequence"), pl.col("to"), closed="none"))
            .select("case", "sequence", "to")
            .unique()
        )
        moves = moves.join(blocked, on=["case", "sequence", "to"], how="anti")
        nodes = moves.select("case", "first", "start", sequence="to", at="to_at").unique()
        found.append(nodes.select("case").unique().with_columns(reached=number))
    return pl.concat(found).group_by("case").agg(pl.col("reached").max())


def values(log: pl.DataFrame, key: str, *, last: bool = False) -> pl.DataFrame:
    """The first or last value of each case by time: ``case, value``."""
    given = log.filter(pl.col(key).is_not_null()).sort("at", "sequence")
    pick = pl.col(key).last() if last else pl.col(key).first()
    return given.group_by("case", maintain_order=True).agg(value=pick)


def counts(cases: pl.DataFrame, steps: int) -> list[int]:
    """Cases that reached each step."""
    return [int((cases["reached"] >= number).sum()) for number in range(1, steps + 1)]


def _microseconds(time: timedelta | None) -> int:
    return 2**62 if time is None else time // timedelta(microseconds=1)
