"""What a run leaves behind, and how other commands use a run that was kept."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from contextlib import ExitStack
from pathlib import Path

import pytest

from server.cli.config import load_settings
from server.cli.demo.environment import Cleanup, Environment, exports, stop_command
from server.cli.demo.processes import Child, wait_until
from server.cli.output import Failure


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    """A run whose server ended by itself and left data."""
    home = tmp_path / "a demo"
    (home / "state").mkdir(parents=True)
    (home / "state" / "spool.key").write_bytes(b"key")
    (home / "upstream-received.bin").write_bytes(b"request")
    server = Child.start("server", ["-c", "print('no room')"], home / "server.log")
    server.process.wait()
    return Environment(home, 1001, 1002, 1003, 1004, 1005, True, [server])


@pytest.mark.parametrize("raised", [True, False])
def test_a_failed_run_keeps_only_its_logs_and_prints_their_path(
    environment: Environment, raised: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    environment.failed = not raised
    with pytest.raises(Failure, match="ended") if raised else ExitStack(), ExitStack() as cleanup:
        cleanup.push(Cleanup(environment, keep=False))
        if raised:
            environment.children[0].require_alive()
    assert [p.name for p in environment.home.iterdir()] == ["server.log"]
    assert (environment.home / "server.log").read_text() == "no room\n"
    assert str(environment.home / "server.log") in capsys.readouterr().err


@pytest.mark.parametrize("end", [None, KeyboardInterrupt])
def test_successful_and_interrupted_runs_delete_their_folder(
    environment: Environment, end: type[BaseException] | None
) -> None:
    Cleanup(environment, keep=False)(end, None, None)
    assert not environment.home.exists()


def test_keep_leaves_the_whole_folder(environment: Environment, capsys: pytest.CaptureFixture[str]) -> None:
    Cleanup(environment, keep=True)(Failure, None, None)
    assert (environment.home / "state" / "spool.key").exists()
    assert str(environment.home) in capsys.readouterr().err


def test_the_printed_line_points_the_settings_at_the_run(
    environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    word, *assignments = shlex.split(exports(environment))
    assert word == "export"
    for assignment in assignments:
        monkeypatch.setenv(*assignment.split("=", 1))
    settings = load_settings()
    assert settings.address == environment.address
    assert settings.quack.port == environment.quack_port
    assert settings.state_dir == environment.state
    assert settings.ledger_path == environment.ledger


WRITES_WHILE_IT_ENDS = """
import pathlib, signal, sys, time
def end(*_):
    time.sleep(0.5)
    (pathlib.Path(sys.argv[1]) / "last").mkdir(parents=True)
    sys.exit()
signal.signal(signal.SIGTERM, end)
print("up", flush=True)
signal.pause()
"""


def test_the_command_that_stops_a_kept_run_deletes_what_is_written_while_it_ends(tmp_path: Path) -> None:
    home, log = tmp_path / "a demo", tmp_path / "log"
    (home / "data").mkdir(parents=True)
    server = Child.start("server", ["-c", WRITES_WHILE_IT_ENDS, str(home)], log)
    try:
        wait_until(lambda: "up" in log.read_text(), server, 20, "It was not up")
        subprocess.run(["sh", "-c", stop_command([server.process.pid], home)], check=True, timeout=60)
        assert not home.exists()
    finally:
        server.kill_with_descendants()


def test_the_command_that_stops_a_kept_run_waits_where_there_is_no_ps(tmp_path: Path) -> None:
    home, log, tools = tmp_path / "a demo", tmp_path / "log", tmp_path / "bin"
    (home / "data").mkdir(parents=True)
    tools.mkdir()
    for name in ("grep", "rm", "sleep"):
        (tools / name).symlink_to(str(shutil.which(name)))
    server = Child.start("server", ["-c", WRITES_WHILE_IT_ENDS, str(home)], log)
    try:
        wait_until(lambda: "up" in log.read_text(), server, 20, "It was not up")
        command = stop_command([server.process.pid], home)
        with subprocess.Popen(["/bin/sh", "-c", command], env={"PATH": str(tools)}) as stopping:
            assert server.process.wait(20) == 0  # nobody else would bury it
            assert stopping.wait(20) == 0
        assert not home.exists()
    finally:
        server.kill_with_descendants()


HANGS = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); signal.pause()"


def test_the_command_that_stops_a_kept_run_kills_a_server_that_hangs(tmp_path: Path) -> None:
    home, log = tmp_path / "a demo", tmp_path / "log"
    home.mkdir()
    server = Child.start("server", ["-c", HANGS], log)
    try:
        wait_until(lambda: "up" in log.read_text(), server, 20, "It was not up")
        command = stop_command([server.process.pid], home, patience_s=1)
        subprocess.run(["sh", "-c", command], check=True, timeout=60)
        assert (server.process.wait(20), home.exists()) == (-9, False)
    finally:
        server.kill_with_descendants()
