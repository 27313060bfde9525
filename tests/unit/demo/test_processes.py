"""Children are started, watched and ended, with what they start in turn. Real processes, no waiting."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest

from server.cli.demo import processes
from server.cli.demo.processes import Child, free_ports, output_of, wait_until
from server.cli.demo.runner import steps_up
from server.cli.output import Failure
from server.observability.log import configure, get_logger

PARENT = """
import signal, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import signal; print('up', flush=True); signal.pause()"])
print("parent up", flush=True)
signal.pause()
"""


def lines(child: Child) -> list[str]:
    return child.log.read_text().split("\n")


def test_a_child_and_its_descendants_are_found_and_ended(tmp_path: Path) -> None:
    child = Child.start("parent", ["-c", PARENT], tmp_path / "log")
    try:
        wait_until(lambda: {"up", "parent up"} <= set(lines(child)), child, 20, "It was not up")
        assert len(child.descendants()) == 1
        child.stop()
        assert not child.alive
        assert [p.is_running() for p in child.survivors(patience_s=0)] == [True], "its own child was left behind"
    finally:
        child.kill_with_descendants()
    assert child.survivors() == []


def test_a_child_that_ended_raises_with_its_last_lines(tmp_path: Path) -> None:
    child = Child.start("server", ["-c", "print('no room'); raise SystemExit(3)"], tmp_path / "log")
    child.process.wait()
    with pytest.raises(Failure, match="ended by itself with 3") as caught:
        wait_until(lambda: False, child, 20, "It was not up")
    assert caught.value.details == ("no room",)
    child.kill_with_descendants()


def test_waiting_is_bounded(tmp_path: Path) -> None:
    child = Child.start("server", ["-c", "import signal; signal.pause()"], tmp_path / "log")
    try:
        with pytest.raises(Failure, match="It was not up within 0 s"):
            wait_until(lambda: False, child, 0, "It was not up")
    finally:
        child.kill_with_descendants()
    assert not child.alive


def test_what_a_program_prints_is_returned() -> None:
    assert output_of(["-c", "print(input()[::-1])"], 60, "It failed", "abc\n") == "cba\n"


@pytest.mark.parametrize(
    ("code", "timeout_s", "message"),
    [
        ("import signal; signal.pause()", 0.01, "It failed within 0 s."),
        ("raise SystemExit('no room')", 60, "It failed."),
    ],
)
def test_a_program_that_fails_or_takes_too_long_is_told_without_a_traceback(
    code: str, timeout_s: float, message: str
) -> None:
    with pytest.raises(Failure) as caught:
        output_of(["-c", code], timeout_s, "It failed")
    said = caught.value.format_message()
    assert message in said
    assert "Traceback" not in said
    assert ("no room" in said) == (timeout_s > 1)
    assert ("busy" in said) == (timeout_s < 1)


def test_a_long_wait_is_told_from_time_to_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "TELL_EVERY_S", 0.0)
    child = Child.start("server", ["-c", "import signal; signal.pause()"], tmp_path / "log")
    told: list[float] = []
    try:
        wait_until(lambda: len(told) == 2, child, 20, "It was not up", tell=told.append)
    finally:
        child.kill_with_descendants()
    assert told == sorted(told)


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_the_steps_of_a_start_are_found_in_its_log(
    log_format: Literal["json", "console"], capsys: pytest.CaptureFixture[str]
) -> None:
    configure("info", log_format)
    log = get_logger("app")
    log.info("starting", ready_in_about_s=60)
    for step in ("ray", "serve", "speech"):
        log.info("start_step", step=step, after_s=1.5)
    assert steps_up(capsys.readouterr().err) == "ray, serve, speech"
    assert steps_up("") == "nothing"


def test_free_ports_differ() -> None:
    ports = free_ports(5)
    assert len(set(ports)) == 5
    assert all(1024 < port < 65536 for port in ports)


def test_a_port_is_given_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was given before may not be in use yet."""
    monkeypatch.setattr(processes, "FREE", range(min(processes.FREE), min(processes.FREE) + 300))
    first = free_ports(100)
    assert not set(first) & set(free_ports(100))
