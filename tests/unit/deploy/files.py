"""Reads the files below deploy/ for the tests."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from server.runtime.end_reason import LONGEST_END_S
from server.settings import Settings
from tests.source_tree import ROOT

DEPLOY = ROOT / "deploy"
IMAGE = DEPLOY / "image"
EXAMPLE = DEPLOY / ".env.example"
COMPOSE = DEPLOY / "compose.yaml"
COMPOSE_TLS = DEPLOY / "compose.tls.yaml"
KUBERNETES = DEPLOY / "kubernetes"
SEVERAL = DEPLOY / "kubernetes-several"
RAY = DEPLOY / "kubernetes-ray"

LONGEST_STOP_S = Settings.model_fields["drain_s"].default + LONGEST_END_S
"""How long a server may take to end: for the calls in hand, and then for its parts."""

Instruction = tuple[str, str]
"""A word of a Containerfile, in capital letters, and what stands after it."""


def instructions(text: str) -> list[Instruction]:
    """The instructions of a Containerfile, with their continued lines joined."""
    joined = re.sub(r"\\\n\s*", " ", re.sub(r"^\s*#.*\n", "", text, flags=re.MULTILINE))
    pairs = (line.partition(" ") for line in joined.splitlines() if line.strip())
    return [(word.upper(), rest.strip()) for word, _, rest in pairs]


def containerfile() -> list[Instruction]:
    """Those of the image."""
    return instructions((IMAGE / "Containerfile").read_text(encoding="utf-8"))


def last_stage() -> list[Instruction]:
    """Those of the stage that becomes the image."""
    found = containerfile()
    return found[max(at for at, (word, _) in enumerate(found) if word == "FROM") :]


def variables() -> dict[str, str]:
    """What the image sets with ENV."""
    pairs = (pair.partition("=") for word, rest in last_stage() if word == "ENV" for pair in shlex.split(rest))
    return {name: value for name, _, value in pairs}


def example() -> dict[str, str]:
    """The variables of .env.example."""
    lines = (line.strip() for line in EXAMPLE.read_text(encoding="utf-8").splitlines())
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


class _Loader(yaml.SafeLoader):
    """Also reads the tag with which one compose file replaces a list of another one."""


def _sequence(loader: _Loader, node: yaml.SequenceNode) -> list[Any]:
    return list(loader.construct_sequence(node, deep=True))


_Loader.add_constructor("!override", _sequence)


def compose(*files: Path) -> dict[str, Any]:
    """The services of compose files, as they are written."""
    services: dict[str, Any] = {}
    for file in files:
        loaded = yaml.load(file.read_text(encoding="utf-8"), _Loader)
        services |= loaded["services"]
    return services


def tool(name: str) -> str:
    """A program of Debian that reads our files. Without it the test is skipped, but in CI it fails."""
    program = shutil.which(name)
    if program is None:
        missing = f"{name} is not installed; on Debian: apt-get install {name}"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    return program


def merged(*files: Path, profile: str = "*", **environment: str) -> dict[str, Any]:
    """What docker-compose makes of compose files; it refuses what is not in the specification."""
    named = [argument for file in files for argument in ("-f", str(file))]
    command = [tool("docker-compose"), *named, "--profile", profile, "config", "--format", "json"]
    clean = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), **environment}
    done = subprocess.run(command, env=clean, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    read: dict[str, Any] = json.loads(done.stdout)
    return read


def rendered(folder: Path = KUBERNETES) -> list[dict[str, Any]]:
    """The manifests that kustomize makes."""
    done = subprocess.run([tool("kustomize"), "build", folder], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return list(yaml.safe_load_all(done.stdout))


def deployed_files() -> Iterator[Path]:
    """Every file below deploy/."""
    return (file for file in sorted(DEPLOY.rglob("*")) if file.is_file() and "__pycache__" not in file.parts)


def seconds(text: str) -> float:
    """The seconds of a duration such as 30s, 4m or 1m30s."""
    return sum(float(number) * {"s": 1, "m": 60}[unit] for number, unit in re.findall(r"([0-9.]+)([sm])", text))
