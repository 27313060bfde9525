"""The analyst of the demo waits for a busy endpoint, and says plainly what is wrong."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from server.analytics.client import RefusedQuery
from server.analytics.refusals import Cause, Refused
from server.cli.demo.analyst import PAUSE_S, TRIES, answered
from server.cli.demo.processes import free_ports
from server.cli.output import Failure


def refusing(cause: Cause, times: int) -> Callable[[], str]:
    """A query that is refused so often."""
    left = [Refused(cause, f"The query was refused: {cause}.")] * times

    def ask() -> str:
        if left:
            raise RefusedQuery(left.pop())
        return "rows"

    return ask


@pytest.mark.parametrize("cause", [Cause.BUSY, Cause.ENDED, Cause.SNAPSHOT])
def test_a_busy_endpoint_is_asked_again(cause: Cause) -> None:
    pauses: list[float] = []
    assert answered(refusing(cause, TRIES - 1), pauses.append) == "rows"
    assert pauses == [PAUSE_S] * (TRIES - 1)


@pytest.mark.parametrize(("cause", "tries"), [(Cause.BUSY, TRIES), (Cause.TABLE, 1)])
def test_a_refusal_that_stays_is_told_with_its_hint(cause: Cause, tries: int) -> None:
    pauses: list[float] = []
    with pytest.raises(Failure) as caught:
        answered(refusing(cause, TRIES), pauses.append)
    assert len(pauses) == tries - 1
    said = caught.value.format_message()
    assert "SQL_REFUSED" in said
    assert cause.hint in said


def test_an_endpoint_that_is_not_there_is_told_without_a_traceback(tmp_path: Path) -> None:
    token = tmp_path / "quack.token"
    token.write_text("a token")
    code = "import server.analytics.client as c; c.RESTART_S = 0; from server.cli.demo.analyst import main; main()"
    command = [sys.executable, "-c", code, "--port", str(free_ports(1)[0]), "--token-file", str(token)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 1
    assert "The endpoint for analysts did not answer." in done.stderr
    assert "Traceback" not in done.stderr
