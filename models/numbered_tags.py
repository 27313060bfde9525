"""Numbers in tags: ``[REDACTED_NAME_1]`` and ``[REDACTED_NAME_2]`` are two persons."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

MOST_NUMBERED: Final = 9999
"""Highest number of a tag; later values keep a plain one. In a longer number a telephone number could hide."""


@dataclass(frozen=True, slots=True)
class TagIdentity:
    """Whose value a tag stands for, so that the tag can get a number.

    Attributes:
        start: First code point of the tag in the redacted text.
        end: One past the last.
        type: Of the entity.
        key: Keyed hash of the value. It is compared and stored in the ledger, and never written into a text.
    """

    start: int
    end: int
    type: str
    key: str = field(repr=False)

    @property
    def value(self) -> tuple[str, str]:
        """What two tags of the same value have in common."""
        return self.type, self.key

    def moved(self, by: int) -> TagIdentity:
        """The same tag after ``by`` more code points."""
        return replace(self, start=self.start + by, end=self.end + by)


NumberOf = Callable[[TagIdentity], int | None]
"""The number of a tag; None leaves the tag plain."""

Numbers = dict[tuple[str, str], int]
"""The number of each value: type and key."""


class TagNumbers:
    """Gives each new value of a type the next number, from 1 on.

    Args:
        known: Numbers that were given before.

    Attributes:
        new: Numbers that were given here.
    """

    def __init__(self, known: Mapping[tuple[str, str], int] | None = None) -> None:
        self._known = dict(known or {})
        self._last: Counter[str] = Counter()
        for (label, _key), number in self._known.items():
            self._last[label] = max(self._last[label], number)
        self.new: Numbers = {}

    def __call__(self, tag: TagIdentity) -> int | None:
        """See ``NumberOf``; None once there are ``MOST_NUMBERED`` values of a type."""
        known = self._known.get(tag.value)
        if known is not None or self._last[tag.type] >= MOST_NUMBERED:
            return known
        self._last[tag.type] += 1
        self._known[tag.value] = self.new[tag.value] = self._last[tag.type]
        return self._known[tag.value]
