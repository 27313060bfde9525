"""``make audit`` tells an environment that is the locked one from one that is not."""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import json
from importlib.metadata import Distribution
from pathlib import Path
from types import ModuleType

import pytest

ARCHIVE = hashlib.sha256(b"the archive").hexdigest()
LOCKED = f"toy==1.0 \\\n    --hash=sha256:{ARCHIVE}\n"


@pytest.fixture(scope="module")
def audit() -> ModuleType:
    spec = importlib.util.spec_from_file_location("audit", Path(__file__).parents[2] / ".ci" / "audit.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A folder with one distribution of one file."""
    content = b"VALUE = 1\n"
    (tmp_path / "toy.py").write_bytes(content)
    info = tmp_path / "toy-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: Toy\nVersion: 1.0\n")
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
    (info / "RECORD").write_text(f"toy.py,sha256={digest},{len(content)}\ntoy-1.0.dist-info/RECORD,,\n")
    return info


def found(audit: ModuleType, info: Path, *, lock: str = LOCKED, archive: str | None = ARCHIVE) -> list[str]:
    file = info.parent / "requirements.hashes"
    file.write_text(lock)
    reports = info.parent / "reports"
    reports.mkdir()
    if archive is not None:
        item = {
            "metadata": {"name": "toy", "version": "1.0"},
            "download_info": {"archive_info": {"hashes": {"sha256": archive}}},
        }
        (reports / "1.json").write_text(json.dumps({"install": [item]}))
    return list(audit.problems(Distribution.at(info), audit.pins(file), audit.archives(reports)))


def test_an_environment_that_matches_the_lock_file_passes(audit: ModuleType, installed: Path) -> None:
    assert found(audit, installed) == []


def test_a_changed_file_is_named(audit: ModuleType, installed: Path) -> None:
    (installed.parent / "toy.py").write_text("VALUE = 2\n")
    assert found(audit, installed) == ["toy.py was changed"]


def test_a_missing_file_is_named(audit: ModuleType, installed: Path) -> None:
    (installed.parent / "toy.py").unlink()
    assert found(audit, installed) == ["toy.py is missing"]


def test_another_version_is_named(audit: ModuleType, installed: Path) -> None:
    assert found(audit, installed, lock=LOCKED.replace("1.0", "1.1")) == ["version 1.0 is not in requirements.lock"]


def test_another_archive_of_the_same_version_is_named(audit: ModuleType, installed: Path) -> None:
    other = hashlib.sha256(b"another archive").hexdigest()
    assert found(audit, installed, archive=other) == ["its archive is not one of those in requirements.hashes"]


def test_an_installation_without_a_report_is_named(audit: ModuleType, installed: Path) -> None:
    (problem,) = found(audit, installed, archive=None)
    assert "pip left no report" in problem


def test_a_local_version_is_no_way_around_the_hashes(audit: ModuleType, installed: Path) -> None:
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: Toy\nVersion: 1.0+evil\n")
    assert "version 1.0+evil is not in requirements.lock" in found(audit, installed)
