"""The claim of a server on its installation, without Ray: the names that are taken are a list."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from models.errors import Unavailable
from ray_tasks import lease
from ray_tasks.lease import RELEASE_S, take_lease


class Names:
    """Refuses a name so many times, as Ray does while the actor of a killed process is still there."""

    def __init__(self, refusals: int) -> None:
        self.refusals = refusals
        self.now_s = 0.0

    def options(self, name: str, namespace: str) -> SimpleNamespace:
        def remote() -> str:
            if self.refusals > 0:
                self.refusals -= 1
                raise ValueError(f"The name {name} is already taken.")
            return f"{namespace}/{name}"

        return SimpleNamespace(remote=remote)

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds


def take(names: Names, patch: pytest.MonkeyPatch) -> object:
    patch.setattr(lease, "Lease", names)
    return take_lease("0123456789ab", clock=lambda: names.now_s, sleep=names.sleep)


@pytest.mark.parametrize("refusals", [0, 3])
def test_a_start_waits_for_the_lease_of_a_killed_server(refusals: int, monkeypatch: pytest.MonkeyPatch) -> None:
    assert take(Names(refusals), monkeypatch) == "vestibule/0123456789ab"


def test_a_second_server_of_the_same_installation_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    names = Names(1_000)
    with pytest.raises(Unavailable) as caught:
        take(names, monkeypatch)
    assert caught.value.reason == "INSTALLATION_IN_USE"
    assert "VESTIBULE_STATE_DIR" in caught.value.hint
    assert names.now_s == pytest.approx(RELEASE_S, abs=0.5)
