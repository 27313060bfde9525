"""What a funnel of steps asks for beyond their order: optional steps, windows by step, conditions, excluded events."""

# ruff: noqa: S608 - all SQL here is made of literals of ours, and words that were checked

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from server.ledger.columns import text_literal
from server.ledger.funnel_paths import StepTerms, chains
from server.ledger.funnel_values import number_of, text_of

Attempt = Literal["deepest", "first", "last"]
_KEY = re.compile("[a-z][a-z0-9_]{0,63}")
_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
"""A number as in JSON."""


def _of_number(value: str) -> str:
    """SQL of the text under which a number is compared."""
    as_json = text_literal(f'{{"v": {value}}}') + "::JSON"
    key = "'v'"
    return f"({text_of(as_json, key)})"


@dataclass(frozen=True, slots=True)
class Condition:
    """What must hold for the property ``key`` of an event.

    Attributes:
        values: Its text is one of these, or it is a number that is equal to one of these; empty for any.
        least: The least number it may be; None for no bound.
        most: The greatest.
    """

    key: str
    values: tuple[str, ...] = ()
    least: float | None = None
    most: float | None = None

    def sql(self) -> str:
        """The condition on ``properties``.

        Raises:
            ValueError: The key is no machine word.
        """
        if not _KEY.fullmatch(self.key):
            raise ValueError("A key is no machine word.")
        given = f"({text_of('properties', text_literal(self.key))})"
        values = [*map(text_literal, self.values), *map(_of_number, filter(_NUMBER.fullmatch, self.values))]
        parts = [f"{given} IN ({', '.join(values)})"] if values else []
        parts += [f"{number_of(given)} >= {self.least!r}"] if self.least is not None else []
        parts += [f"{number_of(given)} <= {self.most!r}"] if self.most is not None else []
        return " AND ".join(parts) or f"{given} IS NOT NULL"


@dataclass(frozen=True, slots=True)
class StepRule:
    """What is special about a step.

    Attributes:
        position: Of the step, from 1.
        optional: Whether it may be left out; the first and the last may not.
        within: Longest time from the required step before; None for no bound.
        condition: What must hold for its events; None for nothing.
    """

    position: int
    optional: bool = False
    within: timedelta | None = None
    condition: Condition | None = None


@dataclass(frozen=True, slots=True)
class Exclusion:
    """An event or a stage that may not come between two steps.

    Attributes:
        after: Only between this required step and the next one; 0 for any two.
    """

    name: str
    after: int = 0


@dataclass(frozen=True, slots=True)
class Shape:
    """What an ordered funnel asks for beyond the order of its steps."""

    rules: tuple[StepRule, ...] = ()
    exclusions: tuple[Exclusion, ...] = ()
    attempt: Attempt = "deepest"

    def optional(self, position: int) -> bool:
        """Whether a step may be left out."""
        return any(rule.optional for rule in self.rules if rule.position == position)

    def before(self, position: int) -> int:
        """The position of the required step before one; 0 for the first."""
        return max((n for n in range(1, position) if not self.optional(n)), default=0)

    def sessions(self, steps: Sequence[str], within: timedelta | None) -> str:
        """SQL of the sessions, as ``funnel_sessions`` gives them.

        Args:
            steps: Machine words.
            within: Longest time from the first step to each other; None for no bound.
        """
        names = ", ".join(f"'{name}'" for name in [*steps, *(found.name for found in self.exclusions)])
        compared = f"((stage IS NULL AND name IN ({names})) OR stage IN ({names}))"
        found = chains(list(self._terms(steps)), _microseconds(within), f"'{self.attempt}'", compared)
        return f"""(SELECT session_id, s.client_id, s.variant, s.create_time, reached,
            s.state IN ('COMPLETED', 'REJECTED', 'ABANDONED') AS ended, step_times
            FROM ({found}) JOIN v_sessions AS s USING (session_id))"""

    def _terms(self, steps: Sequence[str]) -> Iterator[StepTerms]:
        rules = {rule.position: rule for rule in self.rules}
        for position, name in enumerate(steps, start=1):
            rule = rules.get(position, StepRule(position))
            before = self.before(position)
            out = [f"'{found.name}'" for found in self.exclusions if before and found.after in (0, before)]
            yield StepTerms(
                name=f"'{name}'",
                optional=str(rule.optional).lower(),
                window_us=_microseconds(rule.within),
                fits=rule.condition.sql() if rule.condition else "true",
                excluded=f"step IN ({', '.join(out)})" if out else "false",
            )


PLAIN = Shape()
"""Nothing beyond it."""


def _microseconds(time: timedelta | None) -> str:
    return "NULL" if time is None else str(time // timedelta(microseconds=1))
