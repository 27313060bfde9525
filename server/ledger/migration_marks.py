"""A migration with its mark: whether there is a way back from it.

The marks are stored in the ledger, because an earlier release knows nothing of a later migration but its row. A release
uses a ledger with later migrations if all of those are marked as going back; ``migrate.refuse_newer`` decides.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from server.ledger.columns import Cursor

MARKED_FROM: Final = 52
"""The first migration whose row has a mark. It makes the column; the migrations before it do not go back."""

Change = Callable[[Cursor], None]


@dataclass(frozen=True, slots=True)
class Migration:
    """A change of the schema with its mark.

    Attributes:
        change: Makes it. The first sentence of its docstring tells operators what it does.
        goes_back: Whether a release that does not know it can use the ledger after it. That is so only if it leaves
            the tables and their rows as they are, each view keeps its columns, and each macro its parameters.
    """

    change: Change
    goes_back: bool

    @property
    def name(self) -> str:
        """What the table of migrations calls it."""
        return self.change.__name__

    @property
    def does(self) -> str:
        """What it does, a sentence."""
        return " ".join((self.change.__doc__ or "").partition("\n\n")[0].split())


def one_way(change: Change) -> Migration:
    """A migration after which earlier releases refuse the ledger."""
    return Migration(change, goes_back=False)


def both_ways(change: Change) -> Migration:
    """A migration after which earlier releases still use the ledger."""
    return Migration(change, goes_back=True)
