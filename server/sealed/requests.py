"""Which values of a session are sealed. Flows say so; where there is none, the settings may."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Protocol

from models.sealed_values import SealRequest
from server.ledger.types import SessionRow
from server.sealed.keys import SealKeys


class Seals(Protocol):
    """Says what is sealed. It is asked for each utterance, typed text and upload, and must answer at once."""

    def request(self, session: SessionRow) -> SealRequest | None:
        """What is sealed of the next text of a session; None for nothing."""
        ...


class SameSeals:
    """The same for every session.

    Args:
        request: None seals nothing.
    """

    def __init__(self, request: SealRequest | None = None) -> None:
        self._request = request

    def request(self, session: SessionRow) -> SealRequest | None:
        """See ``Seals``."""
        return self._request


NOTHING_SEALED: Final = SameSeals()


def seals_of_fields(fields: Mapping[str, str], keys: SealKeys) -> SameSeals:
    """What ``VESTIBULE_SEALED__FIELDS`` says.

    Args:
        fields: Entity types with spaces between them, by field.
        keys: Has the key that is meant where none is named.

    Raises:
        InvalidInput: SEALED_KEY_UNKNOWN.
    """
    targets = [keys.target(kind, field) for field, kinds in fields.items() for kind in kinds.split()]
    return SameSeals(SealRequest(tuple(targets))) if targets else NOTHING_SEALED
