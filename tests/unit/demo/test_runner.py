"""What a run of the demo says about itself."""

from __future__ import annotations

import io
import signal
from pathlib import Path

import pytest

from server.cli.demo.environment import Environment
from server.cli.demo.processes import Child
from server.cli.demo.reporter import Reporter
from server.cli.demo.runner import _say_how_to_use_it

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


@pytest.mark.parametrize(("own", "said"), [(True, "stand-in"), (False, "the LLM")])
def test_the_stand_in_is_not_called_an_llm_without_more(tmp_path: Path, own: bool, said: str) -> None:
    assert said in Environment(tmp_path, 1, 2, 3, 4, 5, own, []).llm
