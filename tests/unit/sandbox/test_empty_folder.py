"""The folder of a fork server: deleted at its end, and by the next server where the process was killed."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from models.child_python import child_python
from server.sandbox.empty_folder import EmptyFolder

KILLED = """
import os, signal, sys, tempfile
tempfile.tempdir = sys.argv[1]
from server.sandbox.empty_folder import EmptyFolder
kept = EmptyFolder()
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_folder_of_a_killed_process_is_deleted_and_one_in_use_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    subprocess.run(child_python("-c", KILLED, str(tmp_path)), check=False, timeout=60)
    [left] = tmp_path.iterdir()
    first, second = EmptyFolder(), EmptyFolder()
    assert not left.exists()
    assert set(tmp_path.iterdir()) == {first.path, second.path}
    first.delete()
    second.delete()
    assert list(tmp_path.iterdir()) == []
