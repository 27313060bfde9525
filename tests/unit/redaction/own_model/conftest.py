"""The trained model and its cache, made once."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from models.redaction.adding.add import add_ner
from models.redaction.own_model.tagger import OwnTagger, load_own_model
from tests.unit.redaction.own_model.made import TODAY, trained, untrained


@pytest.fixture(scope="session")
def trained_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As ``save_pretrained`` wrote it; not to be changed."""
    return trained(tmp_path_factory.mktemp("trained"))


@pytest.fixture(scope="session")
def hives_cache(tmp_path_factory: pytest.TempPathFactory, trained_folder: Path) -> Path:
    """A cache that has the trained model as ``hives``; names of colonies are names."""
    root = tmp_path_factory.mktemp("hives")
    (root / "labels.yaml").write_text("COLONY: NAME\n", encoding="utf-8")
    (root / "cache").mkdir()
    add_ner("hives", trained_folder, root / "labels.yaml", root / "cache", "MIT", TODAY)
    return root / "cache"


@pytest.fixture(scope="session")
def hives(hives_cache: Path) -> OwnTagger:
    """The trained model."""
    return load_own_model("hives", hives_cache)


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    folder = tmp_path / "cache"
    folder.mkdir()
    return folder


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    file = tmp_path / "labels.yaml"
    file.write_text("COLONY: NAME\n", encoding="utf-8")
    return file


@pytest.fixture(scope="session")
def random_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return untrained(tmp_path_factory.mktemp("random"))


@pytest.fixture
def folder(random_folder: Path, tmp_path: Path) -> Path:
    """A folder that may be changed."""
    return Path(shutil.copytree(random_folder, tmp_path / "folder"))
