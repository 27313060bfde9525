"""Which server deploys the workers of a joined cluster, and which deletes them, without Ray: names are a list."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ray.exceptions import ActorAlreadyExistsError

from models.errors import Unavailable, WorkersMismatch
from ray_tasks import lease, ownership
from ray_tasks.ownership import Ownership
from ray_tasks.types import ClusterConfig, WorkerConfig

ID = "0123456789ab"
SHARED = ClusterConfig(
    WorkerConfig(), WorkerConfig(), WorkerConfig(), "weights", "carry.key", ID, "state", "127.0.0.1:6379", shared=True
)
ALONE = replace(SHARED, shared=False)


@dataclass
class Actor:
    """An actor that Ray has made."""

    name: str


@dataclass
class FakeRay:
    """The named actors of a cluster, the fingerprint that the applications on it were deployed with, and the identities
    of those of speech among them.
    """

    names: list[str] = field(default_factory=list)
    deployed: str = ""
    speech: set[str] = field(default_factory=set)
    deployments: int = 0

    def options(self, name: str, namespace: str) -> SimpleNamespace:
        def remote() -> Actor:
            if name in self.names:
                raise ActorAlreadyExistsError(f"The name {name} is already taken in {namespace}.")
            self.names.append(name)
            return Actor(name)

        return SimpleNamespace(remote=remote)

    def kill(self, actor: Actor) -> None:
        self.names.remove(actor.name)


class FakeApplications:
    """What a server deploys. Like the real ones, they keep what is in use and replace all else."""

    def __init__(self, cluster: FakeRay, fingerprint: str, weights: str) -> None:
        self.cluster = cluster
        self.fingerprint = fingerprint
        self.current = {"redaction": SimpleNamespace(identity=""), "speech": speech_of(weights)}

    def start(self) -> None:
        assert ID in self.cluster.names, "it is this server's turn"

    def deploy(self, wanted: Iterable[Any], *, in_use: bool) -> None:
        assert ID in self.cluster.names, "it is this server's turn"
        self.cluster.speech |= {one.identity for one in wanted} - {""}
        if not (in_use and self.cluster.deployed) and self.cluster.deployed != self.fingerprint:
            self.cluster.deployed = self.fingerprint
            self.cluster.deployments += 1

    def delete(self) -> None:
        assert ID in self.cluster.names
        self.cluster.deployed = ""
        self.cluster.speech.clear()

    def delete_speech_except(self, identities: set[str], hurry: Callable[[], bool]) -> None:
        assert ID in self.cluster.names
        self.cluster.speech &= identities
        self.while_deleting()
        self.hurried = hurry()

    def while_deleting(self) -> None:
        """What happens while Serve begins to delete."""


def speech_of(weights: str) -> Any:
    """A speech application of these weights."""
    return SimpleNamespace(identity=weights)


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> FakeRay:
    made = FakeRay()
    use(made, monkeypatch)
    return made


def use(made: FakeRay, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(lease, "Lease", made)
    patch.setattr(lease, "ray", SimpleNamespace(kill=made.kill))
    patch.setattr(lease, "leases", lambda: set(made.names))
    for name in ("START_TURN_S", "STOP_TURN_S", "RELEASE_S"):
        patch.setattr(ownership, name, 0.0)
    patch.setattr(ownership, "time", SimpleNamespace(monotonic=_clock().__next__, sleep=lambda _s: None))


def _clock() -> Iterator[float]:
    now_s = 0.0
    while True:
        yield now_s
        now_s += 1.0


def server(
    cluster: FakeRay, fingerprint: str = "a" * 16, config: ClusterConfig = SHARED, weights: str = "base"
) -> Ownership:
    applications: Any = FakeApplications(cluster, fingerprint, weights)
    return Ownership(config, applications)


@given(st.lists(st.integers(0, 3), max_size=30))
def test_there_are_workers_while_there_is_a_server(changes: list[int]) -> None:
    """Each number is a server that comes, or leaves if it is there."""
    with pytest.MonkeyPatch.context() as patch:
        made = FakeRay()
        use(made, patch)
        there: dict[int, Ownership] = {}
        deployments = 0
        for number in changes:
            if number in there:
                there.pop(number).give_up()
            else:
                deployments += not there
                there[number] = server(made)
                there[number].claim()
            assert bool(made.deployed) == bool(there)
            assert made.deployments == deployments, "only a first server deploys"
            assert len(made.names) == len(there), "no turn and no lease is left"


Change = tuple[int, frozenset[str]]
"""A server, and the weights that it uses from then on; none means that it leaves."""


@given(st.lists(st.tuples(st.integers(0, 2), st.frozensets(st.sampled_from(["base", "small", "tiny"]))), max_size=20))
def test_speech_of_some_weights_is_there_while_a_server_uses_them_and_no_longer(changes: list[Change]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        made = FakeRay()
        use(made, patch)
        there: dict[int, Ownership] = {}
        used: dict[int, frozenset[str]] = {}
        for number, weights in changes:
            if not weights:
                if number in there:
                    there.pop(number).give_up()
                    del used[number]
            elif number in there:
                there[number].use(speech_of(one) for one in weights)
                used[number] = weights
            else:
                first = min(weights)
                there[number] = server(made, weights=first)
                there[number].claim()
                used[number] = frozenset({first})
            assert made.speech == frozenset[str]().union(*used.values())
            assert len(made.names) == len(there), "no turn and no lease is left"


@pytest.mark.parametrize("config", [SHARED, ALONE])
def test_what_a_killed_server_left_is_deleted_unless_it_is_used(cluster: FakeRay, config: ClusterConfig) -> None:
    cluster.deployed, cluster.speech = "a" * 16, {"base", "small"}
    first = server(cluster, config=config)
    first.claim()
    assert cluster.speech == {"base"}
    first.use([speech_of("tiny")])
    assert cluster.speech == {"tiny"}
    first.give_up()
    assert not cluster.deployed
    assert not cluster.speech


def test_a_change_that_waits_while_the_server_stops_deploys_nothing(cluster: FakeRay) -> None:
    stopping = server(cluster)
    stopping.claim()
    stopping.give_up()
    with pytest.raises(Unavailable):
        stopping.use([speech_of("small")])
    assert not cluster.speech
    assert not cluster.names


def test_a_lease_that_ray_refused_is_taken_the_next_time(cluster: FakeRay, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other servers delete workers that no lease speaks for."""
    first, second = server(cluster), server(cluster)
    first.claim()
    second.claim()
    with monkeypatch.context() as patch:
        patch.setattr(cluster, "options", refusing(cluster.options, "small"))
        with pytest.raises(ValueError, match="GCS"):
            first.use([speech_of("small")])
    assert len(cluster.names) == 2, "the lease of before is kept"
    first.use([speech_of("small")])
    second.use([speech_of("base")])
    assert cluster.speech == {"base", "small"}
    for one in (first, second):
        one.give_up()
    assert not cluster.names


def refusing(options: Callable[[str, str], SimpleNamespace], weights: str) -> Callable[[str, str], SimpleNamespace]:
    """Ray, away while the lease of these weights is to be made."""

    def remote() -> Actor:
        raise ValueError("The GCS is away.")

    def refuse(name: str, namespace: str) -> SimpleNamespace:
        return SimpleNamespace(remote=remote) if name.endswith(weights) else options(name, namespace)

    return refuse


def test_a_stop_does_not_wait_long_for_a_change(cluster: FakeRay, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ownership, "STOP_TURN_S", 0.01)
    stopping = server(cluster)
    stopping.claim()
    with stopping._changing:
        stopping.give_up()
    assert not cluster.deployed


def test_a_deletion_hurries_once_the_server_stops(cluster: FakeRay) -> None:
    """Else the stop, which has less time than a deletion may take, would not know what it has to delete."""
    stopping = server(cluster)
    applications: Any = stopping._applications
    stopping.claim()
    assert not applications.hurried
    stopping.use([speech_of("small")])
    assert not applications.hurried
    applications.while_deleting = lambda: setattr(stopping, "_given_up", True)
    stopping.use([speech_of("base")])
    assert applications.hurried


def test_a_server_with_other_settings_changes_nothing_while_others_live(cluster: FakeRay) -> None:
    first, other = server(cluster), server(cluster, "b" * 16)
    first.claim()
    with pytest.raises(WorkersMismatch) as refused:
        other.claim()
    assert refused.value.reason == "WORKERS_MISMATCH"
    assert "same release and settings" in refused.value.hint
    other.give_up()
    assert (cluster.deployed, len(cluster.names)) == ("a" * 16, 1)
    first.give_up()
    other.claim()
    assert cluster.deployed == "b" * 16


def test_workers_of_a_server_of_the_release_before_are_not_replaced_while_it_lives(cluster: FakeRay) -> None:
    """The name of its lease ends with itself: it knew no change of weights."""
    cluster.names.append(f"{ID}-{'b' * 16}-123456789abc")
    cluster.deployed = "b" * 16
    with pytest.raises(WorkersMismatch):
        server(cluster).claim()
    with pytest.raises(Unavailable) as refused:
        server(cluster, config=ALONE).claim()
    assert refused.value.reason == "INSTALLATION_IN_USE"
    assert cluster.deployed == "b" * 16


@pytest.mark.parametrize(("first", "second"), [(ALONE, SHARED), (SHARED, ALONE), (ALONE, ALONE)])
def test_a_server_that_has_its_installation_for_itself_shares_with_nobody(
    cluster: FakeRay, first: ClusterConfig, second: ClusterConfig
) -> None:
    server(cluster, config=first).claim()
    late = server(cluster, config=second)
    with pytest.raises(Unavailable) as refused:
        late.claim()
    assert refused.value.reason == "INSTALLATION_IN_USE"
    late.give_up()
    assert cluster.deployed == "a" * 16


def test_a_stop_leaves_the_workers_to_a_server_that_starts_meanwhile(cluster: FakeRay) -> None:
    stopping = server(cluster)
    stopping.claim()
    cluster.names.append(ID)  # the turn of the one that starts
    stopping.give_up()
    assert cluster.deployed


def test_an_installation_is_in_use_by_whatever_lease_its_servers_hold(cluster: FakeRay) -> None:
    cluster.names += [f"{ID}-{'a' * 16}-123456789abc-0a1b2c3d.4e5f6a7b", "ba9876543210"]
    assert lease.leased_installations() == {ID, "ba9876543210"}
