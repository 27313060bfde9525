"""What a run of the demo says about itself."""

from __future__ import annotations

import io
import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from server.cli.demo.environment import Environment
from server.cli.demo.processes import Child
from server.cli.demo.reporter import Reporter
from server.cli.demo.runner import _say_how_to_use_it, _stop

TOKEN = "a token of the analysts"


def test_a_run_that_stays_says_how_to_query_and_how_to_stop_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server = Child.start("server", ["-c", "import signal; signal.pause()"], tmp_path / "server.log")
    environment = Environment(tmp_path, 1001, 1002, 1003, 1004, 1005, True, [server], record_id="7f0d")
    environment.quack_token.parent.mkdir()
    environment.quack_token.write_text(f"{TOKEN}\n", encoding="utf-8")
    out = io.StringIO()
    try:
        _say_how_to_use_it(environment, Reporter(out))
    finally:
        server.process.send_signal(signal.SIGTERM)
        server.process.wait()
    copied = capsys.readouterr().out
    assert f"TOKEN '{TOKEN}'" in copied
    assert "ATTACH 'quack:localhost:1002' AS live;" in copied
    assert f"kill {server.process.pid}; " in copied
    assert "http://127.0.0.1:1003/#/serve" in out.getvalue()
    assert "http://127.0.0.1:1005/reviews/7f0d\n" in out.getvalue()


@pytest.mark.parametrize(("descendants", "said"), [(0, "of 1 process 0 left"), (2, "of 3 processes 0 left")])
def test_a_process_that_ended_is_told_with_how_many_there_were(tmp_path: Path, descendants: int, said: str) -> None:
    stopped: Any = SimpleNamespace(
        name="server",
        stop=lambda: None,
        survivors=list,
        process=SimpleNamespace(returncode=0),
        seen=set(range(descendants)),
    )
    out = io.StringIO()
    assert _stop(Environment(tmp_path, 1, 2, 3, 4, 5, True, [stopped]), Reporter(out))
    assert f"server: stopped; {said}" in out.getvalue()


@pytest.mark.parametrize(("own", "said"), [(True, "stand-in"), (False, "the LLM")])
def test_the_stand_in_is_not_called_an_llm_without_more(tmp_path: Path, own: bool, said: str) -> None:
    assert said in Environment(tmp_path, 1, 2, 3, 4, 5, own, []).llm
