"""How a Python of ours is started as a child process. Every child is started this way."""

from __future__ import annotations

import os
import sys
from typing import Final

SAFE_PATH: Final = {"PYTHONSAFEPATH": "1"}
"""For the environment of a child that starts further Pythons: they all do what ``-P`` does."""


def child_python(*arguments: str) -> tuple[str, ...]:
    """The command that runs this Python with the given arguments, such as ``-m`` and a module.

    With ``-m`` or ``-c`` alone Python looks for each module in the working folder first, so a server that is started in
    a folder with a file ``click.py`` would run that file. ``-P`` leaves the working folder out.
    """
    return sys.executable, "-P", *arguments


def import_path() -> dict[str, str]:
    """The variable for a child without our environment, so that it finds modules where this process does.

    An empty entry would mean the child's working folder, so it is left out.
    """
    return {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
