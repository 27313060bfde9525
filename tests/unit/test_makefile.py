"""The Makefile shows each download of pip at once, so that one sees that the first install goes on."""

from __future__ import annotations

import select
import subprocess

from tests.source_tree import ROOT

WAIT_S = 20.0


def recipe() -> str:
    """The filter behind pip, as the shell gets it from make."""
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    return (
        text[text.index("\n$(STAMP): ") :]
        .partition("-e '.[dev]' \\\n\t    | ")[2]
        .partition("\n\t@touch")[0]
        .replace("$$", "$")
    )


def test_each_download_is_shown_before_the_next_one_begins() -> None:
    command = ["bash", "-eu", "-o", "pipefail", "-c", f"cat | {recipe()}"]
    shown = []
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as filtered:
        assert filtered.stdin is not None
        assert filtered.stdout is not None
        for line in (
            "Collecting duckdb\n  Downloading duckdb-1.4.1-cp311-cp311-manylinux_2_28_x86_64.whl (20.1 MB)\n",
            "Collecting click\n  Downloading click-8.3.0-py3-none-any.whl.metadata (2.6 kB)\n",
        ):
            filtered.stdin.write(line.encode())
            filtered.stdin.flush()
            assert select.select([filtered.stdout], [], [], WAIT_S)[0], "nothing is shown while the input is open"
            shown.append(filtered.stdout.readline().decode())
        assert filtered.communicate(timeout=WAIT_S)[0] == b""
    assert shown == ["  duckdb-1.4.1 (20.1 MB)\n", "  click-8.3.0 (2.6 kB)\n"]
    assert filtered.returncode == 0
