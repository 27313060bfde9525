"""What `vestibule talk` keeps and says when Ctrl-C or an error ends it: no server is asked."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from server.cli import main
from server.cli.output import Failure
from server.cli.talk import spoken, typed
from server.cli.talk.opening import Opening
from server.cli.talk.screen import Screen
from server.cli.talk.transcript_formats import Line, written

DATA = Path(__file__).resolve().parents[2] / "data"
NOBODY = "127.0.0.1:1"
SESSION = "5a2e8f0c-7a41-4f3e-9d56-0c1b7e2f9a10"
HEARD = Line(0, 0.0, 1.5, "Hello.", 0.9, "en")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main.cli, list(arguments))


def stopped_after(monkeypatch: pytest.MonkeyPatch, error: BaseException, *lines: Line) -> None:
    """Let a conversation end with an error after some finals."""

    async def talked(
        target: str, options: object, pcm: object, screen: Screen, *, fast: bool, opening: Opening
    ) -> None:
        screen.session_id = SESSION
        screen.lines += lines
        raise error

    monkeypatch.setattr(spoken, "stream", talked)


@pytest.mark.parametrize("form", ["text", "json", "srt", "vtt"])
def test_ctrl_c_keeps_what_was_final_and_says_how_to_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    stopped_after(monkeypatch, KeyboardInterrupt(), HEARD)
    file = tmp_path / "result"
    result = run("talk", str(DATA / "visit.flac"), "--format", form, "--output", str(file))
    assert (result.exit_code, file.read_text()) == (1, written([HEARD], form))
    interrupted, how, wrote = result.stderr.splitlines()
    assert interrupted == "(interrupted: what was final is kept)"
    assert how.startswith(f"Session {SESSION} stays open. To go on: `vestibule talk FILE --session {SESSION}`")
    assert wrote == f"Wrote {file}."
    assert run("talk", str(DATA / "visit.flac"), "--format", form).stdout == written([HEARD], form)


def test_ctrl_c_before_the_first_final_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stopped_after(monkeypatch, KeyboardInterrupt())
    file = tmp_path / "result"
    result = run("talk", str(DATA / "visit.flac"), "--output", str(file))
    assert (result.exit_code, result.stdout, file.exists()) == (1, "", False)
    assert "nothing was final yet" in result.stderr
    assert "Aborted" not in result.stderr


def test_what_was_final_before_the_server_went_away_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stopped_after(monkeypatch, Failure("No server answers.", reason="UNAVAILABLE"), HEARD)
    file = tmp_path / "result"
    result = run("talk", str(DATA / "visit.flac"), "--output", str(file))
    assert (result.exit_code, file.read_text()) == (1, written([HEARD], "text"))
    assert result.stderr.endswith("Error: No server answers. [UNAVAILABLE]\n")
    assert "stays open" not in result.stderr, "nobody knows"


def test_ctrl_c_while_lines_are_typed_says_that_the_session_stays_open(monkeypatch: pytest.MonkeyPatch) -> None:
    async def talked(target: object, options: object, opening: Opening, screen: Screen) -> None:
        screen.session_id = SESSION
        raise KeyboardInterrupt

    monkeypatch.setattr(typed, "_talk", talked)
    result = run("talk", "--type", "--address", NOBODY)
    assert (result.exit_code, result.stdout) == (1, "")
    assert f"Session {SESSION} stays open." in result.stderr
    assert "Aborted" not in result.stderr
