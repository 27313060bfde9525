"""Takes over the versions of flows that other servers have stored, as while a new release is rolled out."""

from __future__ import annotations

from pydantic import ValidationError

from server.flows.catalogue import Flows
from server.flows.definition import FlowDefinition
from server.ledger import flows
from server.ledger.columns import Cursor
from server.ledger.transactional import Ledger
from server.observability.log import get_logger
from server.records.declared_events import DeclaredEvents

log = get_logger("flows")


class FollowedFlows:
    """Makes sessions of those versions known here. New sessions still get the versions of this server's files.

    Args:
        known: Learns them.
        declared: Learns the events that they declare.
    """

    def __init__(self, ledger: Ledger, known: Flows, declared: DeclaredEvents) -> None:
        self._ledger = ledger
        self._known = known
        self._declared = declared
        self._unreadable: set[tuple[str, int]] = set()

    async def follow(self) -> None:
        """Read versions that are not known yet.

        Raises:
            VestibuleError: The ledger does not answer.
        """
        found = await self._ledger.read(self._new)
        self._known.learn(found)
        self._declared.learn(found)

    def _new(self, cursor: Cursor) -> list[FlowDefinition]:
        known = {(flow.name, flow.version) for flow in self._known.known}
        return [
            flow
            for name, version in sorted(flows.versions(cursor) - known - self._unreadable)
            if (flow := self._read(cursor, name, version)) is not None
        ]

    def _read(self, cursor: Cursor, name: str, version: int) -> FlowDefinition | None:
        try:
            return flows.find(cursor, name, version)
        except ValidationError:  # a later release may write what this one does not know
            self._unreadable.add((name, version))
            log.warning("flow_not_readable", flow=f"{name}@{version}")
            return None
