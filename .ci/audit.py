"""Compares what is installed with requirements.lock and requirements.hashes. ``make audit`` runs it.

Three things are checked of every distribution in the environment of this interpreter:

1. its version is the one in the lock;
2. the archive that pip took it from had one of the SHA-256 that the index named on the day of the lock;
3. every installed file still has the SHA-256 that its RECORD names.

The lock itself has no hashes, so that another build of a package, such as PyTorch for one CUDA release, can come from
another index. Such a build is listed as "another build"; it is no failure.

Exit codes: 0 all agree, 1 something differs.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import sys
from collections.abc import Iterator
from importlib.metadata import Distribution, distributions
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements.lock"
HASHES = ROOT / "requirements.hashes"
REPORTS = Path(sys.prefix) / "install-reports"
"""Reports of ``pip install --report``, one for each run of ``make setup``."""

OTHER_BUILDS = {"torch"}
"""Packages that may come as another build, with a local version such as ``2.13.0+cpu``."""

NOT_LOCKED = {"vestibule", "pip"}
"""The project itself, and the installer, which ``make setup`` upgrades first."""

PIN = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)(?:\[[^]]*\])?==(?P<version>[^\s;]+)")
HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")

Key = tuple[str, str]
"""Normalized name and version."""


def normalized(name: str) -> str:
    """The name as indexes compare it: lower case, one dash for any run of dashes, dots and underscores."""
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(file: Path) -> dict[Key, set[str]]:
    """The pinned versions of a requirements file, each with its hashes; the set is empty where the file has none."""
    found: dict[Key, set[str]] = {}
    current: set[str] = set()
    for line in file.read_text(encoding="utf-8").splitlines():
        if pin := PIN.match(line):
            current = found.setdefault((normalized(pin["name"]), pin["version"]), set())
        current.update(HASH.findall(line))
    return found


def archives(folder: Path) -> dict[Key, str]:
    """SHA-256 of the archive that each distribution was installed from, as pip reported it. The newest report wins."""
    found: dict[Key, str] = {}
    for file in sorted(folder.glob("*.json")):
        for item in json.loads(file.read_text(encoding="utf-8"))["install"]:
            key = (normalized(item["metadata"]["name"]), item["metadata"]["version"])
            found[key] = item["download_info"].get("archive_info", {}).get("hashes", {}).get("sha256", "")
    return found


def changed_files(distribution: Distribution) -> Iterator[str]:
    """Installed files that are gone, or whose SHA-256 is not the one in RECORD."""
    for file in distribution.files or ():
        if file.hash is None or file.hash.mode != "sha256":
            continue
        path = Path(str(distribution.locate_file(file)))
        if not path.is_file():
            yield f"{file} is missing"
            continue
        digest = base64.urlsafe_b64encode(hashlib.sha256(path.read_bytes()).digest()).rstrip(b"=").decode()
        if digest != file.hash.value:
            yield f"{file} was changed"


def problems(distribution: Distribution, locked: dict[Key, set[str]], installed_from: dict[Key, str]) -> Iterator[str]:
    """What is wrong with one distribution."""
    name, version = normalized(distribution.metadata["Name"]), distribution.version
    public = version.partition("+")[0] if name in OTHER_BUILDS else version
    hashes = locked.get((name, public))
    if hashes is None:
        yield f"version {version} is not in {LOCK.name}"
    archive = installed_from.get((name, version))
    if hashes and version == public:
        if archive is None:
            yield "pip left no report of its installation; make a new environment with `make clean setup`"
        elif archive not in hashes:
            yield f"its archive is not one of those in {HASHES.name}"
    yield from changed_files(distribution)


def main() -> int:
    """Print what differs and return the exit code."""
    locked, installed_from = pins(HASHES), archives(REPORTS)
    checked, wrong = 0, 0
    for distribution in sorted(distributions(), key=lambda each: normalized(each.metadata["Name"])):
        name = normalized(distribution.metadata["Name"])
        if name in NOT_LOCKED:
            continue
        checked += 1
        if name in OTHER_BUILDS and "+" in distribution.version:
            print(f"{name} {distribution.version}: another build; its files are compared with its RECORD only")
        for problem in problems(distribution, locked, installed_from):
            wrong += 1
            print(f"{name} {distribution.version}: {problem}")
    missing = set(pins(LOCK)) - set(locked)
    for name, version in sorted(missing):
        wrong += 1
        print(f"{name} {version}: in {LOCK.name}, not in {HASHES.name}; run `make lock`")
    print(f"{checked} packages compared, {wrong} differences.")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
