"""The processes of Ray that a server starts: find, measure and end them."""

from __future__ import annotations

import os
import socket
from collections.abc import Collection, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from models.errors import InvalidInput, Unavailable
from models.reasons import Reason


def free_port() -> int:
    """A free loopback port that the system picks. Another process may still take it first."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def check_listens(address: str, timeout_s: float) -> None:
    """Check that a process listens at ``host:port``.

    Raises:
        InvalidInput: The address has another form.
        Unavailable: No process listens there.
    """
    host, _, port = address.rpartition(":")
    if not host or "/" in host or not port.isdecimal():
        raise InvalidInput(
            "The address of a Ray cluster is host:port.", reason=Reason.BAD_RAY_ADDRESS, hint="`ray status` prints it."
        )
    try:
        with socket.create_connection((host, int(port)), timeout=timeout_s):
            return
    except OSError as exc:
        raise Unavailable(
            "Nobody listens at the address of the Ray cluster.",
            reason=Reason.CLUSTER_UNAVAILABLE,
            hint="Start the cluster, or correct VESTIBULE_RAY__ADDRESS; `ray status` prints the address.",
        ) from exc


def children() -> set[psutil.Process]:
    """Direct children of this process."""
    return set(psutil.Process().children())


def with_descendants(roots: Iterable[psutil.Process]) -> list[psutil.Process]:
    """The processes and their descendants, as far as they run."""
    found: dict[int, psutil.Process] = {}
    for root in roots:
        try:
            family = [root, *root.children(recursive=True)]
        except psutil.NoSuchProcess:
            continue
        found.update((process.pid, process) for process in family)
    return list(found.values())


def raylet_at(socket_name: str) -> psutil.Process | None:
    """The process of the Ray node with this socket. None if it cannot be seen, as from a container of its own."""
    option = f"--raylet_socket_name={socket_name}"
    for process in psutil.process_iter():
        try:
            if process.name() == "raylet" and option in process.cmdline():
                return process
        except psutil.Error:  # ended meanwhile
            continue
    return None


def orphans_of(raylet_pid: int) -> list[psutil.Process]:
    """Workers whose raylet died. Their parent is gone, but the raylet's process id is in their environment."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("RAY_RAYLET_PID") == str(raylet_pid):
                found.append(process)
        except psutil.Error:  # of another user, or ended meanwhile
            continue
    return found


def users_of(folder: Path) -> list[psutil.Process]:
    """Processes of this user, other than this one and those that started it, that write to a file below a folder.

    Every process of a node writes its log to the node's folder, so these are the node's, also after their parents have
    ended.
    """
    inside = f"{folder}{os.sep}"
    this = psutil.Process()
    own = {this.pid, *(process.pid for process in this.parents())}
    found = []
    for process in psutil.process_iter():
        try:
            ours = process.pid not in own and process.uids().effective == os.geteuid()
            if ours and any(_writes(file) and file.path.startswith(inside) for file in process.open_files()):
                found.append(process)
        except psutil.Error:  # of another user, or ended meanwhile
            continue
    return found


def _writes(file: Any) -> bool:
    return bool(getattr(file, "mode", "w") != "r")  # only Linux tells the mode


def end(processes: Iterable[psutil.Process], timeout_s: float) -> int:
    """Wait for processes to end; kill those that do not.

    Returns:
        How many had to be killed.
    """
    _gone, alive = psutil.wait_procs([p for p in processes if lives(p)], timeout=timeout_s)
    alive = [process for process in alive if lives(process)]
    for process in alive:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(alive, timeout=1.0)
    return len(alive)


def end_family(roots: Collection[psutil.Process], folder: str) -> int:
    """End processes at once, with their descendants and those that write to a folder.

    For the end of the roots their parent waits: psutil would take their exit status away, and asyncio would log a
    warning.

    Returns:
        How many of the others outlast it.

    Raises:
        OSError: The system does not tell its processes; so does psutil.Error.
    """
    family = set(with_descendants(roots)) - set(roots)
    for process in roots:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    end(family, 0.0)
    if folder:
        users = set(users_of(Path(folder))) - set(roots)
        end(users, 0.0)
        family |= users
    return sum(map(lives, family))


def memory_bytes(processes: Iterable[psutil.Process]) -> int:
    """Sum of the resident memory; a page that several processes share counts once for each."""
    total = 0
    for process in processes:
        try:
            total += process.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return total


def lives(process: psutil.Process) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        return bool(process.is_running()) and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
