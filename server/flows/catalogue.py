"""The flows that a server knows: the newest version of each, and earlier versions that sessions still have."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from models.errors import InvalidInput, NotFound
from models.reasons import Reason
from server.flows.definition import FlowDefinition
from server.flows.loader import shipped_flows

SITE_VISIT: Final = "site_visit"


class Flows:
    """All flows by name and version.

    Args:
        current: Those of the files. New sessions get one of these.
        default: Name of the flow of a session that names none.
        earlier: Versions that are in no file of this server and that the ledger has kept.

    Raises:
        InvalidInput: FLOW_INVALID, two of them have the same name and version, or the default is missing.
    """

    def __init__(self, current: Iterable[FlowDefinition], default: str, earlier: Iterable[FlowDefinition] = ()) -> None:
        self._current: dict[str, dict[int, FlowDefinition]] = {}
        for flow in current:
            versions = self._current.setdefault(flow.name, {})
            if flow.version in versions:
                raise _invalid(f"Two files have the flow {flow.label}.")
            versions[flow.version] = flow
        if default not in self._current:
            raise _invalid(f"The default flow {default} is in no file.")
        self._default = default
        self._earlier = {(flow.name, flow.version): flow for flow in earlier}

    def learn(self, flows: Iterable[FlowDefinition]) -> None:
        """Know more versions of which there may be sessions, such as those of another server."""
        self._earlier |= {(flow.name, flow.version): flow for flow in flows}

    def __iter__(self) -> Iterator[FlowDefinition]:
        """Every version of every file, by name, oldest version first."""
        for name in sorted(self._current):
            for version in sorted(self._current[name]):
                yield self._current[name][version]

    @property
    def known(self) -> tuple[FlowDefinition, ...]:
        """Every version of which there may be sessions: those of the files, and those that are in no file any more."""
        current = tuple(self)
        named = {(flow.name, flow.version) for flow in current}
        return (*current, *(flow for key, flow in sorted(self._earlier.items()) if key not in named))

    @property
    def default(self) -> FlowDefinition:
        """The flow of a session that names none."""
        return self.newest(self._default)

    def newest(self, name: str) -> FlowDefinition:
        """The newest version of a flow, which new sessions get.

        Raises:
            NotFound: FLOW_NOT_FOUND.
        """
        versions = self._current.get(name)
        if versions is None:
            raise flow_not_found()
        return versions[max(versions)]

    def choose(self, name: str, version: int = 0) -> FlowDefinition:
        """The flow of a new session.

        Args:
            name: Empty for the default.
            version: 0 for the newest.

        Raises:
            NotFound: FLOW_NOT_FOUND, no file has it.
        """
        newest = self.newest(name or self._default)
        found = self._current[newest.name].get(version) if version else newest
        if found is None:
            raise flow_version_not_found(newest.version)
        return found

    def get(self, name: str, version: int) -> FlowDefinition:
        """The flow of a session, which keeps its version whatever the files have now.

        Raises:
            NotFound: FLOW_NOT_FOUND.
        """
        found = self._current.get(name, {}).get(version) or self._earlier.get((name, version))
        if found is None:
            known = [*self._current.get(name, {}), *(number for flow, number in self._earlier if flow == name)]
            raise flow_version_not_found(max(known)) if known else flow_not_found()
        return found


def shipped_catalogue() -> Flows:
    """The flows that come with the server, as they are without an operator's folder."""
    return Flows(shipped_flows(), SITE_VISIT)


def flow_not_found() -> NotFound:
    """The error that says that there is no such flow."""
    return NotFound(
        "There is no such flow.",
        reason=Reason.FLOW_NOT_FOUND,
        hint="`vestibule flows list` and FlowService.ListFlows name those that there are.",
    )


def flow_version_not_found(newest: int) -> NotFound:
    """The error that says that a flow is there, and the version is not.

    Args:
        newest: The newest version of the flow.
    """
    return NotFound(
        "The flow has no such version.",
        reason=Reason.FLOW_NOT_FOUND,
        hint=f"Its newest version is {newest}. `vestibule flows list` and FlowService.ListFlows name all of them.",
    )


def _invalid(message: str) -> InvalidInput:
    return InvalidInput(message, reason=Reason.FLOW_INVALID, hint="Correct the files and start again.")
