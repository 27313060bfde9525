"""Every commit that a page of docs/evaluation names is in the history, so that its figures can be measured again."""

from __future__ import annotations

import os
import re
import shutil
import subprocess

import pytest

from tests.unit.docs.pages import ROOT, pages

EVALUATION = ROOT / "docs" / "evaluation"

_COMMIT = re.compile(r'(?<![\w"=.])[0-9a-f]{7,40}(?![\w"])')
"""Digits in quotes are what somebody said, and those after ``=`` are a seed."""


def unknown(text: str, history: list[str]) -> list[str]:
    """Commits that a page names and a history does not have."""
    return [name for name in _COMMIT.findall(text) if not any(commit.startswith(name) for commit in history)]


@pytest.fixture(scope="module")
def history() -> list[str]:
    """All commits up to the one that is checked out."""
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("there is no history, as in an unpacked archive")
    if _git("rev-parse", "--is-shallow-repository") == ["true"]:
        if os.environ.get("CI"):
            pytest.fail("The clone has only a part of the history: fetch the whole history.")
        pytest.skip("the clone has only a part of the history")
    return _git("rev-list", "HEAD")


def _git(*arguments: str) -> list[str]:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()


def test_every_commit_of_the_figures_is_in_the_history(history: list[str]) -> None:
    evaluation = [file for file in pages() if file.is_relative_to(EVALUATION)]
    assert any(_COMMIT.search(file.read_text(encoding="utf-8")) for file in evaluation)
    wrong = {file.name: unknown(file.read_text(encoding="utf-8"), history) for file in evaluation}
    assert {name: commits for name, commits in wrong.items() if commits} == {}


def test_a_commit_that_is_not_there_is_found() -> None:
    history = ["0123456789abcdef", "1234567890abcdef"]
    text = '| 2026-12-01 | 0123456; 1234568 | at abcdef0, (commit 89abcde1) `SEED=1795797099` "0046865"'
    assert unknown(text, history) == ["1234568", "abcdef0", "89abcde1"]
