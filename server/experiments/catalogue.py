"""The experiments that are declared, and the variant of each session."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime

from models.errors import NotFound, Unavailable
from models.reasons import Reason
from server.experiments.assignment import choose
from server.experiments.types import NO_CHANGES, Changes, Experiment


class Experiments:
    """All experiments of the server.

    Args:
        declared: No two of which a session could take part in.
        to_come: Those that were not read for persons yet. Nobody takes part in them before ``add``.
    """

    def __init__(self, *declared: Experiment, to_come: Sequence[Experiment] = ()) -> None:
        self._by_name: dict[str, Experiment] = {}
        self._by_mark: dict[str, tuple[Experiment | None, Changes]] = {}
        self.add(declared)
        self._to_come = tuple(to_come)

    def add(self, declared: Iterable[Experiment]) -> None:
        """Declare more of them, in which no session could take part that takes part in another."""
        self._to_come = ()
        for experiment in declared:
            self._by_name[experiment.name] = experiment
            self._by_mark |= {
                experiment.label(variant): (experiment, variant.changes) for variant in experiment.variants
            }

    def __iter__(self) -> Iterator[Experiment]:
        return iter(self._by_name.values())

    def stored_as(self, pseudonym: Callable[[str], str]) -> Experiments:
        """The same, with each client known by the name that the server gives a client of tokens, too.

        Args:
            pseudonym: What the server calls a client of tokens, from the id that its issuer gave it.
        """
        return Experiments(*(replace(each, pseudonyms=frozenset(map(pseudonym, each.clients))) for each in self))

    def variant_for(self, client_id: str, unit: str, at: datetime, flow: str = "", flow_version: int = 0) -> str:
        """The mark of a new session, such as ``pause_length.short``; empty when it takes part in nothing.

        Args:
            client_id: Who opens the session.
            unit: Id of what is assigned as a whole: the hash of the person, or the id of the request.
            at: When.
            flow: Of the session.
            flow_version: That the client names, which leaves nothing to a comparison of versions; 0 if it names none.
        """
        for experiment in self:
            if experiment.takes(client_id, at, flow) and not (experiment.only_flow and flow_version):
                variants = experiment.variants
                number = choose(experiment.name, unit, [variant.weight for variant in variants])
                return experiment.label(variants[number])
        return ""

    def changes(self, mark: str, client_id: str, opened: datetime, flow: str = "", flow_version: int = 0) -> Changes:
        """What the server does otherwise for a session with this mark; nothing where the experiment does not take it.

        Args:
            mark: Of the session. An app may give one itself, also that of an experiment for other clients.
            client_id: Whose session it is.
            opened: When it was opened.
            flow: Its flow.
            flow_version: The version that it has; 0 while none is chosen.
        """
        experiment, changes = self._by_mark.get(mark, (None, NO_CHANGES))
        takes = experiment is not None and experiment.takes(client_id, opened, flow)
        fits = not flow_version or changes.flow_version in (0, flow_version)
        return changes if takes and fits else NO_CHANGES

    def visible_to(self, client_id: str) -> Experiments:
        """Those in which sessions of a client take part; all for an empty one.

        Raises:
            Unavailable: WORKERS_NOT_READY, some of them were not read yet. Of those of other clients nothing is said.
        """
        if any(not client_id or each.has_client(client_id) for each in self._to_come):
            raise Unavailable(
                "The experiments are declared, but not in force: the redactor has to read their words, and is away.",
                reason=Reason.WORKERS_NOT_READY,
                hint="Try again in a minute. `vestibule status` says why Ray is not up.",
            )
        return Experiments(*(each for each in self if not client_id or each.has_client(client_id)))

    def find(self, name: str) -> Experiment:
        """An experiment.

        Raises:
            NotFound: EXPERIMENT_NOT_FOUND.
        """
        found = self._by_name.get(name)
        if found is None:
            raise NotFound(
                "There is no such experiment.",
                reason=Reason.EXPERIMENT_NOT_FOUND,
                hint="`vestibule experiments list` names those that there are.",
            )
        return found


NO_EXPERIMENTS = Experiments()
