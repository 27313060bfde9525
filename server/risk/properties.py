"""The typed properties of an app's events: what was last sent of each."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

Value = float | str | None
"""A number, a text of a few levels, or unknown."""

MOST_KEPT: Final = 200
"""Of one session, so many properties are remembered: those that came first."""
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


class LastValues:
    """The last value of each declared number, boolean and enumeration. Texts, times and codes are left out.

    Args:
        client_id: Whose session it is. A property belongs to the client that declared it.
    """

    def __init__(self, client_id: str) -> None:
        self._client_id = client_id
        self.values: dict[str, Value] = {}

    def add(self, properties: str, meta: str) -> None:
        """Learn of one more event, from its two columns."""
        if properties == "{}":
            return
        for key, value in _typed(properties, meta):
            name = property_feature(self._client_id, key)
            if name in self.values or len(self.values) < MOST_KEPT:
                self.values[name] = value


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
