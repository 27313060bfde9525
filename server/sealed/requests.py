"""Which values of a session are sealed. Flows say so; where there is none, the settings may."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Protocol

from models.errors import NotFound
from models.kept_values import Keep
from models.sealed_values import SealRequest, SealTarget
from server.flows.catalogue import Flows
from server.flows.fields import PersonalField
from server.ledger.types import SessionRow
from server.sealed.keys import SealKeys, hash_target


class Seals(Protocol):
    """Says what is sealed. It is asked for each utterance, typed text and upload, and must answer at once."""

    def request(self, session: SessionRow, *, picture: str | None = None) -> SealRequest | None:
        """What is sealed of the next text of a session; None for nothing. It is sealed for each field that may have it:
        ``server.records.guide`` keeps it for the one that it belongs to.

        Args:
            session: The session.
            picture: Kind of the picture that the text is read in, which may show values of other people; empty for one
                of no declared kind, None for all else.
        """
        ...


class SameSeals:
    """The same for every session.

    Args:
        request: None seals nothing.
    """

    def __init__(self, request: SealRequest | None = None) -> None:
        self._request = request

    def request(self, session: SessionRow, *, picture: str | None = None) -> SealRequest | None:
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


_WORKERS_GIVE: Final = frozenset({Keep.SEALED, Keep.HASH})
"""Forms for which the workers have to see the value."""


class FlowSeals:
    """What the flow of a session says. A session whose flow seals and hashes nothing gets what the settings say.

    Args:
        flows: All flows.
        keys: Public keys, which the fields name.
        otherwise: What the settings say.

    Raises:
        InvalidInput: SEALED_KEY_UNKNOWN, a flow of the files names a key that the settings do not have.
    """

    def __init__(
        self,
        flows: Flows,
        keys: SealKeys,
        otherwise: Seals = NOTHING_SEALED,
    ) -> None:
        self._flows = flows
        self._keys = keys
        self._otherwise = otherwise
        for flow in flows:
            for field in flow.sealed():
                keys.target(field.entities[0], field.name, field.seal_to or "")

    def request(self, session: SessionRow, *, picture: str | None = None) -> SealRequest | None:
        """See ``Seals``."""
        try:
            flow = self._flows.get(session.flow, session.flow_version)
        except NotFound:
            return self._otherwise.request(session, picture=picture)
        fields = [f for f in flow.fields.values() if isinstance(f, PersonalField) and f.keep in _WORKERS_GIVE]
        if not fields:
            return self._otherwise.request(session, picture=picture)
        asked = [f for f in fields if picture is None or f.may_be_in(picture, flow.step_of(f.name).pictures)]
        targets = tuple(self._target(entity, f) for f in asked for entity in f.accepted)
        return SealRequest(targets) if targets else None

    def _target(self, entity: str, field: PersonalField) -> SealTarget:
        """How the field keeps a value. An earlier version of a flow may name a key that is gone: its hash is kept."""
        if field.keep is Keep.SEALED and field.seal_to in self._keys.ids:
            return self._keys.target(entity, field.name, field.seal_to)
        return hash_target(entity, field.name)
