"""The operator key: made at the first start, for the commands on the same machine."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from models.private_files import read_or_create
from server.access.api_keys import new_key, written

OPERATOR_KEY_FILE: Final = "operator.key"


def load_or_create_operator_key(state_dir: Path) -> str:
    """The key in the state folder, readable by its owner alone."""
    made = f"{written(*new_key())}\n".encode("ascii")
    return read_or_create(state_dir / OPERATOR_KEY_FILE, made).decode("ascii", "replace").strip()
