"""Whether the folders exist or can be made, who owns them, and who else can enter them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from models.errors import VestibuleError
from server.doctor.results import Finding, Situation, ok, problem, refused, warning
from server.runtime.folders import check_folder, check_private_folder, nearest_existing, refuse_unfinished_restore
from server.runtime.installation import ID_FILE


def check_folders(situation: Situation) -> Iterator[Finding]:
    """Look at each folder of the settings, without making any."""
    settings = situation.settings
    yield _private("folder of the data", settings.data_dir, "VESTIBULE_DATA_DIR", settings.ledger_path.name)
    yield _private("folder of the state", settings.state_dir, "VESTIBULE_STATE_DIR", ID_FILE)
    if settings.shared_dir is not None:
        yield _private("shared folder", settings.shared_dir, "VESTIBULE_SHARED_DIR", ID_FILE)
    yield _writable("folder of the pictures", settings.pictures_dir, "VESTIBULE_DATA_DIR")
    if settings.weights_dir.is_dir():  # once everything was loaded, it may be read-only
        yield _owned("folder of the weights", settings.weights_dir, "It is there.")
    else:
        yield _writable("folder of the weights", settings.weights_dir, "VESTIBULE_CACHE_DIR")
    if settings.reports.folder is not None:
        yield _report_folder(settings.reports.folder)
    try:
        refuse_unfinished_restore(settings.data_dir, settings.state_dir)
    except VestibuleError as error:
        yield refused("restore", error)


def _private(subject: str, folder: Path, setting: str, mark: str) -> Finding:
    try:
        if check_private_folder(folder, setting, mark):
            found = f"Other users can enter {folder}."
            return warning(subject, found, f"Run chmod 700 {folder}. The next start of the server does that, too.")
    except VestibuleError as error:
        return refused(subject, error)
    return _owned(subject, folder, "It is there, for its owner alone.")


def _writable(subject: str, folder: Path, setting: str) -> Finding:
    try:
        check_folder(folder, setting)
    except VestibuleError as error:
        return refused(subject, error)
    return _owned(subject, folder, "It is there.")


def _report_folder(folder: Path) -> Finding:
    if folder.is_dir() and os.access(folder, os.W_OK | os.X_OK):
        return ok("folder of the reports", f"It is there. {folder}")
    found = f"{folder} does not exist, or cannot be written to."
    return problem("folder of the reports", found, "Make it for the user of the server, or empty the setting.")


def _owned(subject: str, folder: Path, there: str) -> Finding:
    """The finding for a folder that can be used; with another owner this command runs as the wrong user."""
    owner, own = nearest_existing(folder).stat().st_uid, os.geteuid()
    if folder.exists() and owner != own:
        found = f"{folder} belongs to user {owner}, and this command runs as user {own}."
        return warning(subject, found, "Run this command, and the server, as the owner of the folder.")
    return ok(subject, f"{there} {folder}" if folder.exists() else f"The first start makes it. {folder}")
