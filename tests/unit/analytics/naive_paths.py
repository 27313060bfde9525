"""Chains of a funnel with a shape, by trying all of them: the rule of ``funnel_paths`` written a second time."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from server.analytics.funnel_shape import Condition, Shape, StepRule
from tests.unit.analytics.naive_funnel import Happened

US = 1_000_000
Place = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """What a session made of the funnel: the position of its last required step, and a time or None for each step."""

    reached: int
    times: tuple[int | None, ...]


@dataclass(frozen=True, slots=True)
class _Event:
    place: Place
    at: int
    name: str


class PathCounter:
    """Looks for the chain of a session that counts."""

    def __init__(self, steps: Sequence[str], within: int | None, shape: Shape) -> None:
        self._steps = steps
        self._within = within
        self._shape = shape
        self._rules = {rule.position: rule for rule in shape.rules}
        optional = {rule.position for rule in shape.rules if rule.optional}
        self._required = [n for n in range(1, len(steps) + 1) if n not in optional]

    def found(self, events: Sequence[Happened]) -> Found | None:
        """The chain that counts; None for a session that is not in the funnel."""
        excluded = {found.name for found in self._shape.exclusions}
        compared = [e for e in events if e.name in excluded or (e.name in self._steps and self._fits(e))]
        self._events = [_Event(_place(e, compared), e.at, e.name) for e in compared]
        starts = sorted((e for e in self._events if e.name == self._steps[0]), key=lambda e: e.place)
        if not starts:
            return None
        looked_at = {"first": starts[:1], "last": starts[-1:], "deepest": starts}[self._shape.attempt]
        chains = [chain for start in looked_at for chain in self._chains([start])]
        best = min(chains, key=lambda chain: (-len(chain), [e.place for e in chain]))
        return Found(self._required[len(best) - 1], tuple(self._times(best)))

    def _fits(self, event: Happened) -> bool:
        rule = self._rules.get(self._steps.index(event.name) + 1)
        return rule is None or rule.condition is None or _holds(rule.condition, json.loads(event.properties))

    def _chains(self, chain: list[_Event]) -> Iterator[list[_Event]]:
        yield chain
        if len(chain) < len(self._required):
            position = self._required[len(chain)]
            for event in self._events:
                if event.name == self._steps[position - 1] and self._follows(event, position, chain):
                    yield from self._chains([*chain, event])

    def _follows(self, event: _Event, position: int, chain: list[_Event]) -> bool:
        rule = self._rules.get(position, StepRule(position))
        before = chain[-1]
        if event.place < before.place:
            return False
        if rule.within is not None and event.at - before.at > rule.within.total_seconds() * US:
            return False
        if self._within is not None and event.at - chain[0].at > self._within:
            return False
        gap = self._required[len(chain) - 1]
        out = {found.name for found in self._shape.exclusions if found.after in (0, gap)}
        return not any(e.name in out and before.place < e.place < event.place for e in self._events)

    def _times(self, chain: list[_Event]) -> Iterator[int | None]:
        of_required = dict(zip(self._required, chain, strict=False))
        for position, name in enumerate(self._steps, start=1):
            if position in self._required:
                yield of_required[position].at if position in of_required else None
                continue
            before = max(n for n in self._required if n < position)
            if before not in of_required:
                yield None
                continue
            so_far = chain[: self._required.index(before) + 1]
            after = of_required.get(min(n for n in self._required if n > position))
            made = [
                e
                for e in self._events
                if e.name == name and self._follows(e, position, so_far) and (after is None or e.place <= after.place)
            ]
            yield min(made, key=lambda e: e.place).at if made else None


def _place(event: Happened, compared: Sequence[Happened]) -> Place:
    counted = [e for e in compared if e.sequence]
    if len(counted) == len(compared):
        return event.sequence, event.at
    if not event.sequence:
        return event.at, 0, event.at
    return max(e.at for e in counted if (e.sequence, e.at) <= (event.sequence, event.at)), event.sequence, event.at


def _holds(condition: Condition, properties: dict[str, object]) -> bool:
    given = properties.get(condition.key)
    if given is None:
        return False
    text = given if isinstance(given, str) else json.dumps(given)
    if condition.values and text not in condition.values:
        return False
    if condition.least is None and condition.most is None:
        return True
    try:
        number = float(text)
    except ValueError:
        return False
    low = condition.least is None or number >= condition.least
    return low and (condition.most is None or number <= condition.most)
