"""Ray: whether the installed release is the tested one, and whether a cluster to be joined has the same."""

from __future__ import annotations

import json
import platform
import subprocess
from collections.abc import Iterator
from importlib.metadata import version
from typing import Final

from models.child_python import child_python
from ray_tasks.processes import check_listens
from ray_tasks.tested_ray import TESTED
from server.doctor.results import Finding, Level, Situation, ok, problem, warning

JOIN_S: Final = 5.0
ASK_S: Final = 14.0
"""Most of it is the import of Ray on a busy machine."""


def check_ray(situation: Situation) -> Iterator[Finding]:
    """Look at the installed release, and at the cluster that is to be joined."""
    installed = version("ray")
    if installed == TESTED:
        yield ok("Ray", f"Release {installed} is installed, the one that this release of Vestibule was tested with.")
    else:
        found = f"Release {installed} is installed; this release of Vestibule was tested with {TESTED}."
        yield warning("Ray", found, f"Run `pip install ray=={TESTED}`, or install from requirements.lock.")
    settings = situation.settings.ray
    if settings.address:
        check_listens(settings.address, JOIN_S)
        yield _cluster(settings.address, installed, needs_token=not settings.allow_no_token)


def _cluster(address: str, installed: str, *, needs_token: bool) -> Finding:
    """Ask a cluster. That is done in a process of its own, because Ray's native code may end the one that it is in."""
    command = child_python("-m", "ray_tasks.cluster_version", address, *(["--token"] if needs_token else []))
    try:
        answer = subprocess.run(command, capture_output=True, timeout=ASK_S, check=False)
        facts = json.loads(answer.stdout)
    except (subprocess.TimeoutExpired, ValueError):
        hint = "Is it a Ray cluster, and its token that of RAY_AUTH_TOKEN_PATH? `ray status` shows whether it works."
        return problem("Ray cluster", "It does not say which release it runs.", hint)
    if "reason" in facts:
        return Finding(Level.PROBLEM, "Ray cluster", facts["message"], facts["hint"], facts["reason"])
    return compare_versions(facts, {"ray": installed, "python": platform.python_version()})


def compare_versions(cluster: dict[str, str], own: dict[str, str]) -> Finding:
    """Whether a cluster runs what is installed here; Ray joins no other. Keys: ``ray`` and ``python``."""
    there, here = (f"Ray {each['ray']} on Python {each['python']}" for each in (cluster, own))
    if there == here:
        return ok("Ray cluster", f"It runs {there}, as is installed here.")
    hint = "Install the same releases here and on every node of the cluster: Ray joins no other."
    return problem("Ray cluster", f"It runs {there}; here is {here}.", hint)
