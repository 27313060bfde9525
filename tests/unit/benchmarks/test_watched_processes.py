"""A process that was about to end when the watch began has not ended during it; one that was at work has."""

from __future__ import annotations

import os
import subprocess
import sys

import psutil
import pytest

from benchmarks._watched_processes import WatchedProcesses

WAITS = [sys.executable, "-c", "input()"]


def test_only_a_process_that_was_at_work_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        subprocess.Popen(WAITS, stdin=subprocess.PIPE) as at_work,
        subprocess.Popen(WAITS, stdin=subprocess.PIPE) as ending,
    ):
        command = psutil.Process.cmdline
        # The kernel takes the memory of a process, in which its command is, before it takes the process.
        monkeypatch.setattr(psutil.Process, "cmdline", lambda one: [] if one.pid == ending.pid else command(one))
        watched = WatchedProcesses(os.getpid())
        ending.communicate(b"\n")
        assert watched.ended() == []
        at_work.communicate(b"\n")
        assert len(watched.ended()) == 1
