"""A folder of exported views: one Parquet file a day, and a list of what is in it."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from models.errors import Conflict, InvalidInput
from models.reasons import Reason

LIST_FILE: Final = "export.json"
DATA_FILE: Final = "data.parquet"
_LOCK_FILE: Final = ".lock"
SCRATCH: Final = ".scratch"
"""Of DuckDB, while it sorts a day that is larger than the memory; empty afterwards."""
_UNFINISHED: Final = ".data.parquet.unfinished"
_FORMAT: Final = 1


@dataclass(slots=True)
class ExportFolder:
    """What is in a folder.

    Attributes:
        root: The folder; ``root/VIEW/day=YYYY-MM-DD/data.parquet`` is a day.
        ledger: Whose days these are: the id of the installation.
        days: By view and day, what the ledger had of it: a fingerprint.
    """

    root: Path
    ledger: str
    days: dict[str, dict[str, str]] = field(default_factory=dict)

    def file(self, view: str, day: str) -> Path:
        """The file of a day, which may not be there."""
        return self.root / view / f"day={day}" / DATA_FILE

    def has(self, view: str, day: str, fingerprint: str) -> bool:
        """Whether the day is there as the ledger has it."""
        return self.days.get(view, {}).get(day) == fingerprint and self.file(view, day).exists()

    def files(self, view: str) -> list[tuple[str, Path]]:
        """The days of a view that are there, with their files, also one that was put there before its line was."""
        found = ((path.parent.name.partition("=")[2], path) for path in (self.root / view).glob(f"day=*/{DATA_FILE}"))
        return sorted(found)

    def begin(self, view: str, day: str) -> Path:
        """Where to write a day before ``finish`` puts it into its place."""
        target = self.file(view, day).with_name(_UNFINISHED)
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        return target

    def finish(self, view: str, day: str, fingerprint: str) -> None:
        """Put what was written in the place of the day: a reader sees the earlier file or this one, whole."""
        target = self.file(view, day)
        _replace(target.with_name(_UNFINISHED), target)
        self.days.setdefault(view, {})[day] = fingerprint
        self.save()

    def remove(self, view: str, day: str) -> None:
        """Delete a day."""
        shutil.rmtree(self.file(view, day).parent, ignore_errors=True)
        self.days.get(view, {}).pop(day, None)
        self.save()

    def save(self) -> None:
        """Store the list."""
        path = self.root / LIST_FILE
        unfinished = path.with_name(f".{LIST_FILE}.unfinished")
        content = {"format": _FORMAT, "ledger": self.ledger, "days": self.days}
        unfinished.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        _replace(unfinished, path)


@contextmanager
def opened_folder(root: Path, ledger: str) -> Iterator[ExportFolder]:
    """Open a folder for an export, alone; it is made if it is not there.

    Files that an interrupted export left are deleted: they may hold rows of sessions that were erased since.

    Args:
        root: The folder.
        ledger: Id of the installation that is exported.

    Raises:
        InvalidInput: EXPORT_FOLDER_UNUSABLE: something else is in it, or days of another server.
        Conflict: EXPORT_RUNNING.
    """
    try:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        known = _listed(root, ledger)
        with (root / _LOCK_FILE).open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Conflict(
                    "Another export writes into this folder.", reason=Reason.EXPORT_RUNNING, hint="Wait until it ends."
                ) from None
            _delete_leftovers(root)
            if not (root / LIST_FILE).exists():
                known.save()  # an export that is interrupted now finds its own folder
            yield known
    except OSError as error:
        raise _unusable(f"The folder cannot be used: {error.strerror}.") from error


def _delete_leftovers(root: Path) -> None:
    for unfinished in root.glob(f"*/day=*/{_UNFINISHED}"):
        unfinished.unlink()
    if (root / SCRATCH).exists():
        shutil.rmtree(root / SCRATCH)


def _listed(root: Path, ledger: str) -> ExportFolder:
    path = root / LIST_FILE
    if not path.exists():
        if any(entry.name not in (_LOCK_FILE, f".{LIST_FILE}.unfinished") for entry in root.iterdir()):
            raise _unusable(f"The folder is not empty, and has no {LIST_FILE}.")
        return ExportFolder(root, ledger)
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        known = ExportFolder(root, str(content["ledger"]), dict(content["days"]))
        format_ = content["format"]
    except (ValueError, KeyError, TypeError):
        raise _unusable(f"Its {LIST_FILE} cannot be read.") from None
    if format_ != _FORMAT:
        raise _unusable("Another release has written the folder.")
    if known.ledger != ledger:
        raise _unusable("The folder has days of another server.")
    return known


def _unusable(message: str) -> InvalidInput:
    return InvalidInput(message, reason=Reason.EXPORT_FOLDER_UNUSABLE, hint="Name an empty or a new folder with --out.")


def _replace(source: Path, target: Path) -> None:
    """Put a file into its place so that it is whole after a loss of power, too."""
    source.chmod(0o600)
    with source.open("rb") as file:
        os.fsync(file.fileno())
    source.replace(target)
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
