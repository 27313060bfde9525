"""The files with keys and tokens: whether they are there, readable, whole, and for their owner alone."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from models.amounts import count_text
from server.access.audit import KEY_FILE as AUDIT_KEY_FILE
from server.access.audit import SUBJECTS_KEY_FILE, load_or_create_key, load_or_create_subjects_key
from server.doctor.results import Finding, Situation, ok, problem, warning
from server.ledger.copied import is_unused
from server.settings import Settings
from server.uploads.keys import KEY_FILE as SPOOL_KEY_FILE
from server.uploads.keys import load_or_create_spool_keys

SUBJECT: Final = "keys"
OTHERS: Final = 0o077


def check_private_files(situation: Situation) -> Iterator[Finding]:
    """Look at every key and token in the state folder, and at the files of the folder of secrets."""
    settings = situation.settings
    there = sorted({path for folder in (settings.keys_dir, settings.state_dir) for path in key_files(folder)})
    wrong = [finding for path in there if (finding := _problem_of(path)) is not None]
    wrong += _lost_keys(settings)
    yield from wrong
    if not wrong:
        _parse_keys(settings)
        found = f"{count_text(len(there), 'file')}, each for its owner alone."
        yield ok(SUBJECT, found if there else "There are none yet; the first start makes them.")
    yield from _secret_files(settings.secrets_dir)


def key_files(state_dir: Path) -> list[Path]:
    """The keys and tokens of a server, by the ends of their names."""
    return sorted(path for pattern in ("*.key", "*.token", "workers/*.key") for path in state_dir.glob(pattern))


def _problem_of(path: Path) -> Finding | None:
    if not os.access(path, os.R_OK):
        return problem(SUBJECT, f"{path} cannot be read by this user.", "Give the file to the user of the server.")
    if stat.S_IMODE(path.stat().st_mode) & OTHERS:
        hint = f"Run chmod 600 {path}. If others could enter its folder, make a new key or token, too."
        return problem(SUBJECT, f"Other users may read {path}.", hint)
    return None


def _lost_keys(settings: Settings) -> Iterator[Finding]:
    """Keys without which what is stored cannot be read or trusted; the next start would make other ones."""
    if not settings.ledger_path.exists():
        return
    needed = [AUDIT_KEY_FILE, SUBJECTS_KEY_FILE]
    if not settings.spool_key.get_secret_value():
        needed.append(SPOOL_KEY_FILE)
    lost = [name for name in needed if not (settings.keys_dir / name).exists()]
    if lost == needed and is_unused(settings.ledger_path):
        return  # a first start that ended early, such as for a port that is in use, made the ledger and no key
    if lost:
        found = f"There is a ledger, but {settings.keys_dir} lacks {', '.join(lost)}."
        hint = "Name the state folder that belongs to the ledger, or restore its keys from a backup before a start: "
        hint += "the server would make new ones, which fit neither the audit nor the media that wait."
        yield problem(SUBJECT, found, hint)


def _parse_keys(settings: Settings) -> None:
    """Read the keys as a server does; those that are missing are not made.

    Raises:
        InvalidInput: SPOOL_KEY_INVALID or AUDIT_KEY_INVALID.
    """
    folder, given = settings.keys_dir, settings.spool_key.get_secret_value()
    if given or (folder / SPOOL_KEY_FILE).exists():
        load_or_create_spool_keys(given, folder / SPOOL_KEY_FILE)
    if (folder / AUDIT_KEY_FILE).exists():
        load_or_create_key(folder)
    if (folder / SUBJECTS_KEY_FILE).exists():
        load_or_create_subjects_key(folder)


def _secret_files(folder: Path | None) -> Iterator[Finding]:
    files = [] if folder is None else [path for path in folder.iterdir() if path.name.lower().startswith("vestibule_")]
    exposed = sorted(path.name for path in files if path.is_file() and path.stat().st_mode & stat.S_IROTH)
    if exposed:
        hint = f"Run chmod 600 on them, unless {folder} is inside of a container of its own."
        yield warning("secrets", f"Every user may read {', '.join(exposed)} in VESTIBULE_SECRETS_DIR.", hint)
    elif folder is not None:
        yield ok("secrets", f"{count_text(len(files), 'file')} in VESTIBULE_SECRETS_DIR.")
