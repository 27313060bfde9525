"""DuckDB 1.5 and 2 take turns with one ledger. ``make duckdb2`` runs this, with DuckDB 2 in this process."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import duckdb
import pytest

from models.child_python import child_python

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(  # in CI it fails instead
    duckdb.__version__.startswith("1.") and not os.environ.get("CI"), reason="DuckDB 2 is not here: use `make duckdb2`"
)


def run(release: int, *arguments: str, may_fail: bool = False) -> str:
    """What a program of ours prints with one release of DuckDB; this process has DuckDB 2 first on its path."""
    environment = dict(os.environ)
    if release == 1:
        environment["PYTHONPATH"] = str(ROOT)
    done = subprocess.run(
        child_python("-m", *arguments), check=False, capture_output=True, text=True, env=environment, cwd=ROOT
    )
    assert may_fail or done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def problems(release: int, folder: Path) -> list[dict[str, object]]:
    """What `vestibule ledger check` finds."""
    checked = json.loads(
        run(release, "server.cli", "ledger", "check", "--json", "--data-dir", str(folder), may_fail=True)
    )
    found: list[dict[str, object]] = checked["problems"]
    return found


def without_macros(found: list[dict[str, object]]) -> list[dict[str, object]]:
    """The problems of a ledger that another release of DuckDB has written to.

    Each release of DuckDB keeps their text in a form of its own. The release of Vestibule that takes DuckDB 2 must make
    them anew, by a migration as for any change of macros.
    """
    return [one for one in found if one["found"] != "The macro is not that of this release."]


def test_both_releases_write_and_read_one_ledger_in_turns(tmp_path: Path) -> None:
    ledger, turns = tmp_path / "ledger.duckdb", {}
    for number, release in enumerate((1, 2, 1, 2)):
        turns[f"session-{number}"] = 1
        found = json.loads(run(release, "tests.duckdb2.store_session", str(ledger), f"session-{number}"))
        assert found["duckdb"].startswith(f"{release}.")
        assert found["turns"] == turns
        problem = problems(release, tmp_path)
        assert (without_macros(problem) if number else problem) == []
