"""Ports and processes around a local cluster; no Ray is started."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from models.errors import InvalidInput, Unavailable
from ray_tasks.processes import check_listens, end, free_port, memory_bytes, orphans_of, raylet_at, with_descendants

PARENT_OF_ONE = """
import subprocess, sys
sleeper = "import time; print(flush=True); time.sleep(60)"
child = subprocess.Popen([sys.executable, "-c", sleeper], stdout=subprocess.PIPE)
child.stdout.readline()
print(child.pid, flush=True)
child.wait()
"""


@pytest.fixture
def listener() -> Iterator[int]:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield other.getsockname()[1]


def test_an_address_is_checked_before_ray_tries_it(listener: int) -> None:
    check_listens(f"127.0.0.1:{listener}", 1.0)
    with pytest.raises(Unavailable):
        check_listens(f"127.0.0.1:{free_port()}", 1.0)


@pytest.mark.parametrize("address", ["auto", "ray://127.0.0.1:10001", "127.0.0.1", ":6379", "127.0.0.1:x"])
def test_other_forms_of_address_are_refused(address: str) -> None:
    with pytest.raises(InvalidInput):
        check_listens(address, 1.0)


@pytest.mark.parametrize(("program", "found"), [("raylet", True), ("tail", False)])
def test_the_node_of_a_joined_cluster_is_found_by_its_socket(tmp_path: Path, program: str, found: bool) -> None:
    path = tmp_path / program
    path.symlink_to("/bin/sh")
    socket_name = f"{tmp_path}/sockets/raylet"
    command = [str(path), "-c", "echo; read _", f"--raylet_socket_name={socket_name}"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        node = raylet_at(socket_name)
        assert (node is not None and node.pid == process.pid) is found
        assert raylet_at(f"{socket_name}.1") is None
        process.communicate(b"\n")
    assert raylet_at(socket_name) is None


def test_a_process_ends_with_its_descendants() -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT_OF_ONE], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        child_pid = int(parent.stdout.readline())
        family = with_descendants([psutil.Process(parent.pid)])
        assert {process.pid for process in family} == {parent.pid, child_pid}
        assert memory_bytes(family) > 1_000_000
        assert end(family, 0.0) == 2
        assert end(family, 0.0) == 0
        assert with_descendants(family) == [] or all(
            p.status() == psutil.STATUS_ZOMBIE for p in with_descendants(family)
        )


def test_workers_without_their_raylet_are_found() -> None:
    sleeper = "import time; print(flush=True); time.sleep(60)"
    environment = {"RAY_RAYLET_PID": "999999999"}
    with subprocess.Popen([sys.executable, "-c", sleeper], env=environment, stdout=subprocess.PIPE) as worker:
        assert worker.stdout is not None
        worker.stdout.readline()
        assert [process.pid for process in orphans_of(999999999)] == [worker.pid]
        assert end(orphans_of(999999999), 0.0) == 1
    assert orphans_of(999999999) == []


def test_the_processes_that_started_this_one_are_no_left_ones(tmp_path: Path) -> None:
    """Else a start would kill the program that it runs in, if that writes to a folder of Ray."""
    ask = (
        "import pathlib, sys; from ray_tasks.processes import users_of; print(len(users_of(pathlib.Path(sys.argv[1]))))"
    )
    with (tmp_path / "log").open("w"):
        done = subprocess.run(
            [sys.executable, "-c", ask, str(tmp_path)], check=True, capture_output=True, text=True, timeout=60
        )
    assert done.stdout.strip() == "0"
