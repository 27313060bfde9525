"""What is left of a run, and how to point other commands at one that goes on."""

from __future__ import annotations

import shlex
from contextlib import ExitStack
from pathlib import Path

import pytest

from server.cli.config import load_settings
from server.cli.demo.processes import Child
from server.cli.demo.stage import Stage, Sweep, exports
from server.cli.output import Failure


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    """A run whose server ended by itself and left data."""
    home = tmp_path / "a demo"
    (home / "state").mkdir(parents=True)
    (home / "state" / "spool.key").write_bytes(b"key")
    (home / "upstream-received.bin").write_bytes(b"request")
    server = Child.start("server", ["-c", "print('no room')"], home / "server.log")
    server.process.wait()
    return Stage(home, 1001, 1002, 1003, 1004, True, [server])


@pytest.mark.parametrize("raised", [True, False])
def test_a_failed_run_keeps_its_logs_only_and_says_where(
    stage: Stage, raised: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    stage.failed = not raised
    with pytest.raises(Failure, match="ended") if raised else ExitStack(), ExitStack() as cleanup:
        cleanup.push(Sweep(stage, keep=False))
        if raised:
            stage.children[0].require_alive()
    assert [p.name for p in stage.home.iterdir()] == ["server.log"]
    assert (stage.home / "server.log").read_text() == "no room\n"
    assert str(stage.home / "server.log") in capsys.readouterr().err


@pytest.mark.parametrize("end", [None, KeyboardInterrupt])
def test_a_good_run_and_an_interrupted_one_leave_nothing(stage: Stage, end: type[BaseException] | None) -> None:
    Sweep(stage, keep=False)(end, None, None)
    assert not stage.home.exists()


def test_keep_keeps_everything(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    Sweep(stage, keep=True)(Failure, None, None)
    assert (stage.home / "state" / "spool.key").exists()
    assert str(stage.home) in capsys.readouterr().err


def test_the_printed_line_points_the_settings_at_the_run(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    word, *assignments = shlex.split(exports(stage))
    assert word == "export"
    for assignment in assignments:
        monkeypatch.setenv(*assignment.split("=", 1))
    settings = load_settings()
    assert settings.address == stage.address
    assert settings.quack.port == stage.quack_port
    assert settings.state_dir == stage.state
    assert settings.ledger_path == stage.ledger
