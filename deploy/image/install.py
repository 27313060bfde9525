"""Installs the dependencies of pyproject.toml into the environment of this interpreter, for the image.

Each package has the version that requirements.hashes names, and an archive with one of its SHA-256. The one exception
is PyTorch for CPUs, which comes from an index of its own.

    python install.py cpu https://download.pytorch.org/whl/cpu
    python install.py cuda
"""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

LOCK = Path("requirements.hashes")
WITHOUT_WHEEL = "openai-whisper"
"""The one package that PyPI has as a source archive only; it holds Python and no code to compile."""


def wanted(pyproject: str) -> list[str]:
    """The dependencies of the package with the driver of PostgreSQL, without those of development."""
    project = tomllib.loads(pyproject)["project"]
    return [*project["dependencies"], *project["optional-dependencies"]["postgres"]]


def locked_version(lock: str, name: str) -> str:
    """The version of a package in the lock.

    Raises:
        ValueError: The lock does not have it.
    """
    found = re.search(rf"^{re.escape(name)}==([^\s;]+)", lock, re.MULTILINE)
    if found is None:
        raise ValueError(f"{LOCK} does not have {name}.")
    return found[1]


def commands(variant: str, torch_index: str, lock: str) -> list[list[str]]:
    """The arguments of pip, one list for each run of it."""
    locked = ["--require-hashes", "--constraint", str(LOCK)]
    runs = [[*locked, "--only-binary", ":all:", "-r", "build.txt"]]
    if variant == "cpu":
        runs.append(["--no-deps", "--index-url", torch_index, f"torch=={locked_version(lock, 'torch')}+cpu"])
    elif variant != "cuda":
        raise ValueError(f"The variant must be cpu or cuda, not {variant}.")
    sources = ["--only-binary", ":all:", "--no-binary", WITHOUT_WHEEL, "--no-build-isolation"]
    return [*runs, [*locked, *sources, "-r", "wanted.txt"]]


def main() -> None:
    """Write the lists of packages and run pip."""
    variant, torch_index = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else ""
    Path("wanted.txt").write_text("\n".join(wanted(Path("pyproject.toml").read_text(encoding="utf-8"))) + "\n")
    Path("build.txt").write_text("setuptools\n")
    for run in commands(variant, torch_index, LOCK.read_text(encoding="utf-8")):
        subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", *run], check=True)


if __name__ == "__main__":
    main()
