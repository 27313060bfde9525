"""The claim of a server on its installation, without Ray: the names that are taken are a list."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from ray.exceptions import ActorAlreadyExistsError

from models.errors import Unavailable
from ray_tasks import lease
from ray_tasks.lease import RELEASE_S, take_lease


class Names:
    """Has an actor of the name for so many seconds, as Ray does while the actor of a killed process is still there.

    Args:
        taken_s: Until when the name is taken.
        broken: Ray refuses every actor for another reason.
    """

    def __init__(self, taken_s: float, *, broken: bool = False) -> None:
        self.taken_s = taken_s
        self.broken = broken
        self.now_s = 0.0

    def options(self, name: str, namespace: str) -> SimpleNamespace:
        def remote() -> str:
            if self.broken:
                raise ValueError("The namespace cannot be used.")
            if self.now_s < self.taken_s:
                raise ActorAlreadyExistsError(f"The name {name} is already taken.")
            return f"{namespace}/{name}"

        return SimpleNamespace(remote=remote)

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds


def take(names: Names, patch: pytest.MonkeyPatch) -> object:
    patch.setattr(lease, "Lease", names)
    return take_lease("0123456789ab", clock=lambda: names.now_s, sleep=names.sleep)


@pytest.mark.parametrize("taken_s", [0, 3])
def test_a_start_waits_for_the_lease_of_a_killed_server(taken_s: int, monkeypatch: pytest.MonkeyPatch) -> None:
    names = Names(taken_s)
    assert take(names, monkeypatch) == "vestibule/0123456789ab"
    assert names.now_s == pytest.approx(taken_s, abs=0.5)


def test_another_error_of_ray_is_not_taken_for_a_second_server(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="namespace cannot be used"):
        take(Names(0, broken=True), monkeypatch)


def test_a_second_server_of_the_same_installation_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    names = Names(1_000)
    with pytest.raises(Unavailable) as caught:
        take(names, monkeypatch)
    assert caught.value.reason == "INSTALLATION_IN_USE"
    assert "VESTIBULE_STATE_DIR" in caught.value.hint
    assert names.now_s == pytest.approx(RELEASE_S, abs=0.5)
