"""Records of models that were added, and the files beside them."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from models.errors import WeightsError
from models.weights.added import AddedFile, AddedModel, added_names
from models.weights.store import all_weights, keep, locate, lookup, place, remove, verify

CONTENT = b"not really a model"


def kept(cache: Path, name: str = "mine") -> Path:
    """A model of one small file; returns its folder."""
    files = cache / "files"
    files.mkdir(parents=True)
    (files / "model.bin").write_bytes(CONTENT)
    file = AddedFile("model.bin", len(CONTENT), hashlib.sha256(CONTENT).hexdigest())
    return keep(AddedModel(name, "CTranslate2 folder", "tests", (file,), (file,), "MIT", "2026-11-29"), files, cache)


def test_an_added_model_is_found_beside_the_pinned_ones(tmp_path: Path) -> None:
    folder = kept(tmp_path)
    assert locate("mine", tmp_path) == folder == verify("mine", tmp_path) == place("mine", tmp_path)
    names = [weights.name for weights in all_weights(tmp_path)]
    assert (names[0], names[-1]) == ("whisper-base", "mine")
    assert (lookup("mine", tmp_path).licence, lookup("mine", tmp_path).added) == ("MIT", True)


def test_a_changed_byte_is_found(tmp_path: Path) -> None:
    (kept(tmp_path) / "model.bin").write_bytes(CONTENT[::-1])
    with pytest.raises(WeightsError) as failed:
        verify("mine", tmp_path)
    assert failed.value.reason == "WEIGHTS_MISMATCH"


def test_missing_files_cannot_be_fetched(tmp_path: Path) -> None:
    (kept(tmp_path) / "model.bin").unlink()
    with pytest.raises(WeightsError, match="nowhere to fetch") as failed:
        place("mine", tmp_path)
    assert "vestibule models remove mine" in failed.value.hint


@pytest.mark.parametrize("name", ["whisper-small", "whisper-tiny.en", "rampart-pii", "silero-vad"])
def test_missing_weights_are_named_in_the_command_that_fetches_them(tmp_path: Path, name: str) -> None:
    for look in (locate, verify):
        with pytest.raises(WeightsError) as failed:
            look(name, tmp_path)
        assert f"`vestibule models fetch {name}`" in failed.value.hint


def test_missing_files_of_an_added_model_are_not_told_to_be_fetched(tmp_path: Path) -> None:
    (kept(tmp_path) / "model.bin").unlink()
    with pytest.raises(WeightsError) as failed:
        locate("mine", tmp_path)
    assert failed.value.hint == "Run `vestibule models remove mine`, then add the model again."


def test_a_second_model_of_the_name_is_refused_and_the_first_stays(tmp_path: Path) -> None:
    kept(tmp_path)
    with pytest.raises(WeightsError) as refused:
        kept(tmp_path)
    assert refused.value.reason == "WEIGHTS_NAME_TAKEN"
    assert verify("mine", tmp_path)


@pytest.mark.parametrize(
    ("old", "new"),
    [("{", "["), ('"mine"', '"other"'), ('"model.bin"', '"../model.bin"'), ("2026-11-29", "today"), ("sha256", "md5")],
)
def test_a_changed_record_is_refused_and_can_be_removed(tmp_path: Path, old: str, new: str) -> None:
    kept(tmp_path)
    record = tmp_path / "mine" / "added.json"
    record.write_text(record.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
    with pytest.raises(WeightsError) as refused:
        locate("mine", tmp_path)
    assert refused.value.reason == "WEIGHTS_INVALID"
    remove("mine", tmp_path)
    assert added_names(tmp_path) == []


def test_files_without_their_record_are_replaced(tmp_path: Path) -> None:
    folder = kept(tmp_path)
    (tmp_path / "mine" / "added.json").unlink()  # as if the process had ended before it
    (folder / "model.bin").write_bytes(b"half")
    assert kept(tmp_path) == folder
    assert verify("mine", tmp_path)
