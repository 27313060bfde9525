"""Memory and cores of the machine or of its container, and the bound on open files."""

from __future__ import annotations

import resource
from pathlib import Path

import pytest

from server.doctor.machine import GIGABYTE, Machine, cores, memory, open_files, this_machine


@pytest.mark.parametrize(
    ("total", "free", "running", "level"),
    [
        (8, 4, False, "ok"),
        (8, 1, True, "ok"),
        (8, 1, False, "warning"),
        (4, 4, False, "warning"),
        (4, 4, True, "warning"),
    ],
)
def test_memory_is_compared_with_what_the_server_needs(total: int, free: int, running: bool, level: str) -> None:
    assert memory(Machine(total * GIGABYTE, free * GIGABYTE, 2), running=running).level == level


def test_fewer_cores_than_the_figures_are_from_are_a_warning() -> None:
    assert cores(Machine(0, 0, 2)).level == "ok"
    assert cores(Machine(0, 0, 1.5)).level == "warning"


def test_the_bounds_of_a_container_count(tmp_path: Path) -> None:
    (tmp_path / "memory.max").write_text("1000000000\n", encoding="ascii")
    (tmp_path / "cpu.max").write_text("50000 100000\n", encoding="ascii")
    found = this_machine(tmp_path)
    assert (found.memory_bytes, found.cores) == (GIGABYTE, 0.5)


def test_without_bounds_it_is_the_whole_machine(tmp_path: Path) -> None:
    (tmp_path / "memory.max").write_text("max\n", encoding="ascii")
    (tmp_path / "cpu.max").write_text("max 100000\n", encoding="ascii")
    assert this_machine(tmp_path) == this_machine(tmp_path / "none")
    assert this_machine(tmp_path).cores >= 1


def test_more_connections_than_the_system_allows_are_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _which: (1024, 4096))
    assert open_files(1000).level == "ok"
    assert open_files(4000).level == "warning"
    assert "5024" in open_files(4000).hint
