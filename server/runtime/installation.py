"""The id of this installation: what a state folder, and all that belongs to it, is called on a shared Ray cluster."""

from __future__ import annotations

import re
import secrets
from pathlib import Path
from typing import Final

from models.errors import InvalidInput
from models.private_files import read_or_create
from models.reasons import Reason

ID_FILE: Final = "installation.id"
_ID_BYTES: Final = 6
_ID = re.compile(r"[0-9a-f]{12}")


def load_or_create_installation_id(state_dir: Path) -> str:
    """Twelve hexadecimal digits, made at random once and kept in the state folder.

    Raises:
        InvalidInput: INSTALLATION_ID_INVALID.
    """
    path = state_dir / ID_FILE
    text = read_or_create(path, f"{secrets.token_hex(_ID_BYTES)}\n".encode())
    installation = text.decode("ascii", errors="replace").strip()
    if not _ID.fullmatch(installation):
        raise InvalidInput(
            f"The file {path} does not hold an installation id.",
            reason=Reason.INSTALLATION_ID_INVALID,
            hint="Restore it, or delete it to get a new id.",
        )
    return installation
