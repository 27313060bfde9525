"""Python imports this by itself in every process that has the folder on its PYTHONPATH, so in Ray's workers too."""

from __future__ import annotations

import os
from pathlib import Path

if "SCRIPTED_SPEECH" in os.environ:
    from tests.e2e.scripted_engine import install

    install(Path(os.environ["SCRIPTED_SPEECH"]))
