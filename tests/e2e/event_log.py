"""A log of cases for tests of funnels, and their funnels counted with Polars: a second way, which shares no code."""

from __future__ import annotations

import os
import random
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import polars as pl

FILE = "VESTIBULE_EVENT_LOG"
"""A CSV file with case_id, activity and timestamp, in the order of each case; without it a small log is drawn."""

FUNNELS = (
    ("a_submitted", "a_preaccepted", "a_accepted", "a_approved"),
    ("a_submitted", "a_partlysubmitted", "a_preaccepted", "w_completeren_aanvraag"),
    ("a_submitted", "a_preaccepted", "o_selected", "a_finalized", "a_registered", "o_accepted", "a_approved"),
)
WINDOWS = (None, timedelta(days=1), timedelta(days=14))
_DRAWN = tuple(dict.fromkeys(name for names in FUNNELS for name in names))


def load() -> pl.DataFrame:
    """The log: case, name, at (microseconds), sequence from 1."""
    path = os.environ.get(FILE)
    log = _drawn() if path is None else _read(path)
    return log.with_columns(sequence=pl.int_range(1, pl.len() + 1).over("case"))


def _read(path: str) -> pl.DataFrame:
    log = pl.read_csv(path, infer_schema_length=0)
    names = {name: re.sub(r"[^a-z0-9]+", "_", name.lower()) for name in log["activity"].unique()}
    return log.select(
        case="case_id",
        name=pl.col("activity").replace_strict(names),
        at=pl.col("timestamp").str.to_datetime(time_zone="UTC").dt.epoch("us"),
    )


def _drawn() -> pl.DataFrame:
    """Cases that follow the steps with gaps, repetitions and ties."""
    chance = random.Random(14)
    rows = []
    for case in range(300):
        moment = datetime(2011, 10, 1, tzinfo=UTC) + timedelta(hours=case)
        for name in _DRAWN:
            for _ in range(chance.choice((0, 1, 1, 1, 2))):
                rows.append((str(case), name, int(moment.timestamp() * 1e6)))
                moment += timedelta(hours=chance.choice((0, 0, 1, 5, 30, 100)))
    return pl.DataFrame(rows, schema=["case", "name", "at"], orient="row")


def counts(log: pl.DataFrame, steps: Sequence[str], window: timedelta | None, order: str) -> list[int]:
    """Cases that reached each step."""
    longest = 2**62 if window is None else window // timedelta(microseconds=1)
    by_order = {"ordered": _ordered, "strict": _strict, "any": _any}
    return by_order[order](log, steps, longest)


def _ordered(log: pl.DataFrame, steps: Sequence[str], longest: int) -> list[int]:
    chains = log.filter(name=steps[0]).select("case", "sequence", start="at", first="sequence")
    reached = [chains["case"].n_unique()]
    for step in steps[1:]:
        later = log.filter(name=step).select("case", "at", later="sequence")
        chains = (
            chains.join(later, on="case")
            .filter(pl.col("later") > pl.col("sequence"), pl.col("at") - pl.col("start") <= longest)
            .group_by("case", "first", "start")
            .agg(sequence=pl.col("later").min())
        )
        reached.append(chains["case"].n_unique())
    return reached


def _strict(log: pl.DataFrame, steps: Sequence[str], longest: int) -> list[int]:
    line = log.sort("case", "sequence").with_columns(start="at")
    fits = pl.col("name") == steps[0]
    reached = [line.filter(fits)["case"].n_unique()]
    for ahead, step in enumerate(steps[1:], start=1):
        following = pl.col("name").shift(-ahead).over("case")
        later = pl.col("at").shift(-ahead).over("case")
        line = line.with_columns(
            **{f"fits_{ahead}": (following == step).fill_null(False) & ((later - pl.col("start")) <= longest)}
        )
        fits &= pl.col(f"fits_{ahead}")
        reached.append(line.filter(fits)["case"].n_unique())
    return reached


def _any(log: pl.DataFrame, steps: Sequence[str], longest: int) -> list[int]:
    of_steps = log.filter(pl.col("name").is_in(steps)).select("case", "name", "at")
    most = (
        of_steps.select("case", start="at")
        .unique()
        .join(of_steps, on="case")
        .filter(pl.col("at").is_between(pl.col("start"), pl.col("start") + longest))
        .group_by("case", "start")
        .agg(distinct=pl.col("name").n_unique())
        .group_by("case")
        .agg(pl.col("distinct").max())
    )
    return [int((most["distinct"] >= position).sum()) for position in range(1, len(steps) + 1)]
