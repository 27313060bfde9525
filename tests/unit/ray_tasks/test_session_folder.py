"""The folder of a local Ray cluster is private, and goes with the server; no Ray is started."""

from __future__ import annotations

import shutil
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from models.errors import InvalidInput
from ray_tasks import session_folder
from ray_tasks.session_folder import LONGEST_SOCKET, SessionFolder

INSTALLATION = "fedcba987654"

HOLDS = """
import pathlib, sys
from ray_tasks.session_folder import SessionFolder
folder = SessionFolder(pathlib.Path(sys.argv[1]), sys.argv[2])
(folder.open() / "log").touch()
print(folder.path, flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def state() -> Iterator[Path]:
    """A state folder with a short path."""
    with tempfile.TemporaryDirectory(prefix="v", dir="/tmp") as home:
        yield Path(home) / "state"


@pytest.fixture(autouse=True)
def nothing_stays() -> Iterator[None]:
    yield
    assert list(Path("/tmp").glob(f"vst-{INSTALLATION}-*")) == []


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def hold(state: Path) -> tuple[subprocess.Popen[str], Path]:
    """Another server with this state folder."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(state), INSTALLATION],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    return process, Path(process.stdout.readline().strip())


def kill(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


def long(state: Path) -> Path:
    """A state folder in which the longest socket of Ray would just not fit."""
    room = 107 - len(f"{state}//ray/{LONGEST_SOCKET}")
    return state / ("x" * (room + 1))


def test_it_is_in_the_state_folder_and_ends_with_the_server(state: Path) -> None:
    folder = SessionFolder(state, INSTALLATION)
    path = folder.open()
    assert path == state / "ray"
    assert [mode(p) for p in (state, path, state / "ray.lock")] == [0o700, 0o700, 0o600]
    (path / "session").mkdir()
    (path / "session").chmod(0o777)
    folder.narrow()
    assert mode(path / "session") == 0o700
    folder.close(keep=False)
    folder.close(keep=False)
    assert not path.exists()


def test_after_a_failure_the_logs_stay_until_the_next_start(state: Path) -> None:
    first = SessionFolder(state, INSTALLATION)
    (first.open() / "log").touch()
    first.close(keep=True)
    assert (state / "ray" / "log").exists()
    second = SessionFolder(state, INSTALLATION)
    assert list(second.open().iterdir()) == []
    second.close(keep=False)


def test_what_a_killed_server_left_is_removed_by_the_next_one(state: Path) -> None:
    for parent in (state, long(state)):
        killed, left = hold(parent)
        kill(killed)
        assert (left / "log").exists()
        folder = SessionFolder(parent, INSTALLATION)
        assert not (folder.open() / "log").exists()
        assert left == folder.path or not left.parent.exists()
        folder.close(keep=False)


@pytest.mark.parametrize("in_state", [True, False])
def test_the_folder_of_a_running_server_is_left_alone(state: Path, in_state: bool) -> None:
    parent = state if in_state else long(state)
    running, theirs = hold(parent)
    try:
        folder = SessionFolder(parent, INSTALLATION)
        path = folder.open()
        assert path.parent.parent == Path("/tmp")
        assert path.parent.name.startswith(f"vst-{INSTALLATION}-")
        assert (mode(path.parent), mode(path)) == (0o700, 0o700)
        folder.close(keep=False)
        assert not path.parent.exists()
        assert (theirs / "log").exists()
    finally:
        kill(running)
    shutil.rmtree(theirs.parent)


def test_a_path_that_just_fits_is_taken_and_a_longer_one_is_not(state: Path) -> None:
    just = long(state).with_name(long(state).name[1:])
    for parent, fits in ((just, True), (long(state), False)):
        folder = SessionFolder(parent, INSTALLATION)
        path = folder.open()
        assert (path == parent / "ray") is fits
        longest = path / LONGEST_SOCKET
        longest.parent.mkdir(parents=True)
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(longest))
        folder.close(keep=False)


def test_a_machine_without_a_place_for_sockets_is_told_so(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    too_long = long(state)
    too_long.mkdir(parents=True)
    monkeypatch.setattr(session_folder, "SHORT_PARENT", str(too_long))
    with pytest.raises(InvalidInput) as caught:
        SessionFolder(too_long, INSTALLATION).open()
    assert caught.value.reason == "FOLDER_UNUSABLE"
    assert list(too_long.glob("vst-*")) == []


def test_folders_of_other_installations_and_links_are_not_touched(state: Path) -> None:
    other = Path(tempfile.mkdtemp(prefix="vst-000000000000-", dir="/tmp"))
    target = state / "target"
    target.mkdir(parents=True)
    link = Path("/tmp") / f"vst-{INSTALLATION}-link"
    link.symlink_to(target)
    try:
        folder = SessionFolder(state, INSTALLATION)
        folder.open()
        folder.close(keep=False)
        assert other.is_dir()
        assert target.is_dir()
    finally:
        link.unlink()
        other.rmdir()
