"""How far a session came in a funnel, by loops over its events: the rule of ``funnel_steps`` written a second time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Happened:
    """An event of one session; ``at`` is its event time in microseconds, ``properties`` are JSON."""

    name: str
    at: int
    sequence: int = 0
    of_app: bool = True
    properties: str = "{}"


def reached(events: Sequence[Happened], steps: Sequence[str], within: int | None, ordering: str) -> int:
    """Steps that the session reached; 0 when it is not in the funnel."""
    compared = [e for e in events if e.name in steps or (ordering == "strict" and e.of_app)]
    if ordering == "any":
        return max((_distinct(compared, first, within) for first in compared), default=0)
    places = {event: _place(event, compared) for event in compared}
    if ordering == "strict":
        return _strict(places, steps, within)
    starts = [event for event in compared if event.name == steps[0]]
    return max((_ordered(places, [start], steps, within) for start in starts), default=0)


def chain_times(events: Sequence[Happened], steps: Sequence[str], within: int | None, ordering: str) -> list[int]:
    """The event times of the deepest chain, of several the one that begins first; empty when there is none."""
    depth = reached(events, steps, within, ordering)
    compared = [e for e in events if e.name in steps or (ordering == "strict" and e.of_app)]
    if ordering == "any":
        starts = sorted(e.at for e in compared if _distinct(compared, e, within) == depth)
        firsts = [
            min((e.at for e in compared if e.name == step and _fits(e.at, starts[0], within)), default=None)
            for step in (steps if starts else ())
        ]
        return sorted(at for at in firsts if at is not None)
    places = {event: _place(event, compared) for event in compared}
    for start in sorted((e for e in compared if e.name == steps[0]), key=places.__getitem__):
        follow = _strict_chain if ordering == "strict" else _first_chain
        chain = follow(places, start, steps, within)
        if len(chain) == depth:
            return chain
    return []


def _first_chain(
    places: dict[Happened, tuple[int, ...]], start: Happened, steps: Sequence[str], within: int | None
) -> list[int]:
    chain = [start]
    for step in steps[1:]:
        later = [e for e in places if e.name == step and places[e] >= places[chain[-1]]]
        later = [e for e in later if within is None or e.at - start.at <= within]
        if not later:
            break
        chain.append(min(later, key=places.__getitem__))
    return [e.at for e in chain]


def _strict_chain(
    places: dict[Happened, tuple[int, ...]], start: Happened, steps: Sequence[str], within: int | None
) -> list[int]:
    numbers = {name: number for number, name in enumerate(steps, start=1)}
    line = sorted({(place, numbers.get(e.name, 0), e.at) for e, place in places.items()})
    begins = line.index((places[start], 1, start.at))
    chain = [start.at]
    for _, number, at in line[begins + 1 :]:
        if number != len(chain) + 1 or (within is not None and at - start.at > within):
            break
        chain.append(at)
    return chain


def _fits(at: int, start: int, within: int | None) -> bool:
    return at >= start and (within is None or at - start <= within)


def _distinct(compared: Sequence[Happened], first: Happened, within: int | None) -> int:
    return len({e.name for e in compared if e.at >= first.at and (within is None or e.at - first.at <= within)})


def _place(event: Happened, compared: Sequence[Happened]) -> tuple[int, ...]:
    counted = [e for e in compared if e.sequence]
    if len(counted) == len(compared):
        return event.sequence, event.at
    if not event.sequence:
        return event.at, 0, event.at
    before = [e.at for e in counted if (e.sequence, e.at) <= (event.sequence, event.at)]
    return max(before), event.sequence, event.at


def _ordered(
    places: dict[Happened, tuple[int, ...]], chain: list[Happened], steps: Sequence[str], within: int | None
) -> int:
    if len(chain) == len(steps):
        return len(chain)
    following = [
        e
        for e in places
        if e.name == steps[len(chain)]
        and places[e] >= places[chain[-1]]
        and (within is None or e.at - chain[0].at <= within)
    ]
    return max((_ordered(places, [*chain, e], steps, within) for e in following), default=len(chain))


def _strict(places: dict[Happened, tuple[int, ...]], steps: Sequence[str], within: int | None) -> int:
    numbers = {name: number for number, name in enumerate(steps, start=1)}
    line = sorted({(place, numbers.get(e.name, 0), e.at) for e, place in places.items()})
    best = 0
    for start, (_, number, at) in enumerate(line):
        if number != 1:
            continue
        depth = 1
        for _, following, later in line[start + 1 :]:
            if following != depth + 1 or (within is not None and later - at > within):
                break
            depth += 1
        best = max(best, depth)
    return best
