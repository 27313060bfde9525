"""The sessions that the numbers of a cause count, by the same table and the same code as the search for causes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from models.errors import FieldViolation, InvalidInput
from models.reasons import Reason
from server.funnel.feature_table import read_table
from server.funnel.features import feature_name
from server.funnel.selection import Selection
from server.funnel.step_counts import count_steps, end_of_observation, outcome_parameters
from server.funnel.steps import STAGES, Steps
from server.funnel.types import Condition, SessionTable
from server.ledger.columns import DuckDb

_KINDS: Final = {"b": "a flag", "O": "a text", "f": "a number"}
"""Kinds of columns, as NumPy has them."""


@dataclass(frozen=True, slots=True)
class AffectedIds:
    """The sessions of a cause.

    Attributes:
        affected: Ids of the affected sessions, in no order.
        left: Ids of those of them that left.
        sessions: How many sessions the report is about.
        searched: How many of them were looked at: all, or the sample in which causes are looked for.
    """

    affected: list[str]
    left: list[str]
    sessions: int = 0
    searched: int = 0


def read_affected(
    cursor: DuckDb,
    step: int,
    conditions: Sequence[Condition],
    selection: Selection | None = None,
    *,
    steps: Steps = STAGES,
    now: datetime | None = None,
    idle: timedelta = timedelta(minutes=30),
) -> AffectedIds:
    """Read the sessions of a cause; give it to ``Ledger.read``.

    They are as many as the evidence says if the report was read from the same ledger at the same time.

    Args:
        cursor: Of a read.
        step: ``step`` of the recommendation, from 1.
        conditions: ``conditions`` of its evidence: at least one, all of which hold.
        selection: As it was for ``read_funnel``, and so are those that follow.
        steps: The funnel.
        now: The time, if the server runs; None for the ledger of a stopped one.
        idle: Idle time after which the server ends a session.

    Raises:
        InvalidInput: FUNNEL_FEATURE_UNKNOWN, FUNNEL_CONDITION_MISFIT. They name places, and neither names nor values.
    """
    parameters = outcome_parameters(selection or Selection(), end_of_observation(cursor, now), idle)
    counts = count_steps(cursor, parameters, steps)
    names = {feature_name(condition.feature) for condition in conditions}
    table = read_table(cursor, parameters, counts, steps, names)
    if table is None or table.ids is None:
        return AffectedIds([], [])
    for place, condition in enumerate(conditions):
        _check(table, step, condition, f"conditions[{place}]")
    found = table.affected(step, conditions)
    affected, left = (table.ids[flags].tolist() for flags in (found.affected, found.left))
    return AffectedIds(affected, left, counts[0].entered, table.sessions)


def _check(table: SessionTable, step: int, condition: Condition, field: str) -> None:
    column = table.features.get(condition.feature)
    if column is None or table.known_at[condition.feature] > step:
        raise InvalidInput(
            "The analysis of these sessions has no such feature at this position.",
            reason=Reason.FUNNEL_FEATURE_UNKNOWN,
            violations=(FieldViolation(f"{field}.feature", "must be a feature that the report names there"),),
        )
    if column.dtype.kind != _kind(condition):
        raise InvalidInput(
            "A condition is of another kind than its feature.",
            reason=Reason.FUNNEL_CONDITION_MISFIT,
            violations=(FieldViolation(field, f"must be on {_KINDS[column.dtype.kind]}, as the feature is one"),),
        )


def _kind(condition: Condition) -> str:
    """The kind of the columns that a condition is for, as NumPy has it."""
    if condition.operator in {"is", "not"}:
        return "b"
    return "O" if isinstance(condition.value, str) else "f"
