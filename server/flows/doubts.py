"""Answers that break a check of their flow. A person is asked about each such check once, and may leave the answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from server.flows.conditions import Values
from server.flows.definition import Check, FlowDefinition
from server.flows.fields import PersonalField, PhotoField, TextField

_NOT_QUOTED: Final = (PersonalField, PhotoField, TextField)
"""Fields whose values are no short words that a question can quote."""


class Doubts:
    """Which answers are in doubt, as the answers of one session come.

    Args:
        flow: Of the session.
    """

    def __init__(self, flow: FlowDefinition) -> None:
        self._flow = flow
        self._asked: set[str] = set()
        self._open: dict[str, Check] = {}

    def note(self, field: str, values: Callable[[], Values] | None) -> None:
        """Take one more row of a field: whatever it is, the doubt about the answer before is over.

        Args:
            field: Its name.
            values: All values that are known with it, if the person said or typed it. None for any other row: an app
                and a picture are not asked whether they are right.
        """
        self._open.pop(field, None)
        if values is None or isinstance(self._flow.fields[field], _NOT_QUOTED):
            return
        for check in self._flow.checks:
            if check.ask and field in check.names and check.name not in self._asked and _is_broken(check, values()):
                self._open[field] = check
                self._asked.add(check.name)
                return

    def about(self, field: str, values: Values) -> Check | None:
        """The check that the answer of a field breaks, and about which the person is asked now; None for none.

        Args:
            field: Its name.
            values: All values that are known now: another answer may have mended it.
        """
        check = self._open.get(field)
        return check if check is not None and _is_broken(check, values) else None


def _is_broken(check: Check, values: Values) -> bool:
    """Whether a check is broken by values that are all known: the person cannot mend what nobody has told."""
    return check.names <= values.keys() and check.fails(dict(values))
