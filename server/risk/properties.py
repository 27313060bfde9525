"""The newest events of an app: their names, and what was last sent of each typed property."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from functools import lru_cache
from typing import Final, Generic, TypeVar

Value = float | str | None
"""A number, a text of a few levels, or unknown."""

MOST_APP_EVENTS: Final = 2000
"""Of one session, so many events of the app count: the newest. Of a running one, no others are read."""
MOST_KEPT: Final = 200
"""Of one session, so many properties are remembered: those that came last."""
_PREFIX: Final = "property:"


def property_feature(client_id: str, key: str) -> str:
    """The feature that a property of a client is."""
    return f"{_PREFIX}{client_id}:{key}"


def is_property(feature: str) -> bool:
    """Whether a feature is a property of an app's events."""
    return feature.startswith(_PREFIX)


def property_key(feature: str) -> str:
    """The key of the property that a feature is."""
    return feature.rpartition(":")[2]


T = TypeVar("T")


class Newest(Generic[T]):
    """What was last put under each key, if one of the newest ``MOST_APP_EVENTS`` events put it.

    Attributes:
        values: By key.
    """

    def __init__(self) -> None:
        self.values: dict[str, T] = {}
        self._events: dict[str, int] = {}  # which event put it; in this order, as are the values

    def put(self, key: str, value: T, event: int) -> None:
        """Put a value.

        Args:
            key: Of the value.
            value: The value.
            event: Number of its event, not below that of a value before.
        """
        self._drop(key)
        self.values[key], self._events[key] = value, event

    def forget(self, event: int, most: int) -> None:
        """Forget what is too old once there are so many events, and keep at most so many values."""
        while self._events:
            oldest = next(iter(self._events))
            if self._events[oldest] > event - MOST_APP_EVENTS and len(self._events) <= most:
                return
            self._drop(oldest)

    def _drop(self, key: str) -> None:
        self.values.pop(key, None)
        self._events.pop(key, None)


class LastValues:
    """The last value of each declared number, boolean and enumeration, among the newest events of the app.

    Texts, times and codes are left out.

    Args:
        client_id: Whose session it is. A property belongs to the client that declared it.
    """

    def __init__(self, client_id: str) -> None:
        self._client_id = client_id
        self._newest: Newest[Value] = Newest()

    @property
    def values(self) -> dict[str, Value]:
        """By feature."""
        return self._newest.values

    def add(self, properties: str, meta: str, event: int) -> None:
        """Learn of one more event, from its two columns and its number."""
        if properties != "{}":
            for key, value in _typed(properties, meta):
                self._newest.put(property_feature(self._client_id, key), value, event)
        self._newest.forget(event, MOST_KEPT)


def _typed(properties: str, meta: str) -> Iterator[tuple[str, Value]]:
    enumerations = _enumerations(meta)
    for key, value in json.loads(properties).items():
        if isinstance(value, bool):
            yield key, "true" if value else "false"
        elif isinstance(value, int | float):
            number = _finite(value)
            if number is not None:
                yield key, number
        elif key in enumerations:
            yield key, value


def _finite(value: float) -> float | None:
    """A number of the size that a float has; None for a larger one."""
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


@lru_cache(maxsize=1024)
def _enumerations(meta: str) -> frozenset[str]:
    """The keys of the enumerations. The same few come with every event."""
    return frozenset(key for key, about in json.loads(meta).items() if about.get("kind") == "enumeration")
