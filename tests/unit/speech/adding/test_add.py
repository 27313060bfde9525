"""Models that are added: both layouts, three vocabularies, and what somebody hostile would give."""

from __future__ import annotations

import json
import os
import shutil
import struct
import zipfile
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import ctranslate2
import numpy as np
import pytest
import torch
from whisper.tokenizer import get_tokenizer

from models.errors import WeightsError
from models.speech.adding.add import add_whisper
from models.speech.adding.tables import tables
from models.speech.whisper.openai_checkpoint import read_state
from models.speech.whisper.tensor_file import read_tensors
from models.speech.whisper.tokenizer import WhisperTokens
from models.weights.added import added_model
from models.weights.store import locate, lookup, place, remove, verify
from tests.unit.speech.adding.made import checkpoint, content

TODAY = date(2026, 11, 29)


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    folder = tmp_path / "cache"
    folder.mkdir()
    return folder


def add(path: Path, cache: Path, name: str = "mine") -> Path:
    add_whisper(name, path, cache, "MIT", TODAY)
    return locate(name, cache)


def reason(path: Path, cache: Path, name: str = "mine") -> str:
    """Of the refusal; nothing may be left in the cache."""
    with pytest.raises(WeightsError) as refused:
        add(path, cache, name)
    assert not [file for file in cache.rglob("*") if file.suffix in {".bin", ".pt", ".json"}]
    return refused.value.reason


@pytest.mark.parametrize(("vocabulary", "mels"), [(51_864, 80), (51_865, 80), (51_866, 128)])
def test_a_checkpoint_becomes_a_folder_that_the_engine_loads(
    tmp_path: Path, cache: Path, vocabulary: int, mels: int
) -> None:
    given = content(vocabulary, mels)
    torch.save(given, tmp_path / "mine.pt")
    folder = add(tmp_path / "mine.pt", cache)
    model = ctranslate2.models.Whisper(str(folder), device="cpu", compute_type="float32")
    assert (model.n_mels, model.is_multilingual) == (mels, vocabulary > 51_864)
    dims, state = read_state(folder / "model.bin")
    assert dims == given["dims"]
    for name, tensor in given["model_state_dict"].items():
        assert np.array_equal(state[name], tensor.numpy()), name
    assert ("yue" in WhisperTokens(folder, model.is_multilingual).languages) == (vocabulary == 51_866)


def test_the_token_for_no_speech_has_another_name_in_published_folders_from_large_v3_on(
    tmp_path: Path, cache: Path
) -> None:
    folder = add(checkpoint(tmp_path / "mine.pt", 51_866, 128), cache)
    file, silence = folder / "tokenizer.json", WhisperTokens(folder, multilingual=True).rules.silence
    file.write_text(file.read_text(encoding="utf-8").replace("<|nocaptions|>", "<|nospeech|>"), encoding="utf-8")
    assert WhisperTokens(folder, multilingual=True).rules.silence == silence


def test_a_folder_that_was_made_is_added_again_without_a_change(made: Path, cache: Path) -> None:
    second = add(made, cache, "again")
    assert {f.name: f.read_bytes() for f in made.iterdir()} == {f.name: f.read_bytes() for f in second.iterdir()}


def test_the_record_names_the_files_that_were_given_and_those_that_were_made(tmp_path: Path, cache: Path) -> None:
    path = checkpoint(tmp_path / "mine.pt")
    folder = add(path, cache)
    found = added_model("mine", cache)
    assert found is not None
    assert (found.kind, found.licence, found.added_on) == ("openai-whisper checkpoint", "MIT", "2026-11-29")
    assert [(file.name, file.size_bytes) for file in found.sources] == [("mine.pt", path.stat().st_size)]
    assert {file.name for file in found.files} == {file.name for file in folder.iterdir()}
    assert lookup("mine", cache).purpose == "speech to text, English only"
    assert verify("mine", cache) == folder == place("mine", cache)


def test_a_changed_file_and_a_missing_one_are_found(tmp_path: Path, cache: Path) -> None:
    folder = add(checkpoint(tmp_path / "mine.pt"), cache)
    model = folder / "model.bin"
    changed = bytearray(model.read_bytes())
    changed[-100] ^= 1
    model.write_bytes(changed)
    with pytest.raises(WeightsError) as failed:
        verify("mine", cache)
    assert failed.value.reason == "WEIGHTS_MISMATCH"
    model.unlink()
    with pytest.raises(WeightsError, match="nowhere to fetch"):
        place("mine", cache)


def test_a_removed_model_leaves_nothing_and_its_name_is_free(tmp_path: Path, cache: Path) -> None:
    path = checkpoint(tmp_path / "mine.pt")
    add(path, cache)
    remove("mine", cache)
    assert list(cache.iterdir()) == []
    with pytest.raises(WeightsError, match="no weights named"):
        remove("mine", cache)
    assert add(path, cache)


def test_pinned_models_are_not_removed(cache: Path) -> None:
    with pytest.raises(WeightsError) as refused:
        remove("whisper-base", cache)
    assert refused.value.reason == "WEIGHTS_PINNED"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("whisper-base", "WEIGHTS_NAME_TAKEN"),
        ("rampart-pii", "WEIGHTS_NAME_TAKEN"),
        ("", "WEIGHTS_NAME_INVALID"),
        ("..", "WEIGHTS_NAME_INVALID"),
        ("../mine", "WEIGHTS_NAME_INVALID"),
        (".hidden", "WEIGHTS_NAME_INVALID"),
        ("Mine", "WEIGHTS_NAME_INVALID"),
        ("mine\n", "WEIGHTS_NAME_INVALID"),
        ("m" * 65, "WEIGHTS_NAME_INVALID"),
    ],
)
def test_names_that_are_taken_or_lead_elsewhere_are_refused(
    tmp_path: Path, cache: Path, name: str, expected: str
) -> None:
    assert reason(tmp_path, cache, name) == expected


def test_a_name_that_was_given_is_taken(tmp_path: Path, cache: Path) -> None:
    path = checkpoint(tmp_path / "mine.pt")
    add(path, cache)
    with pytest.raises(WeightsError, match="already") as refused:
        add(path, cache)
    assert refused.value.reason == "WEIGHTS_NAME_TAKEN"


class RunsCode:
    """A pickle of it runs a command when it is loaded in the usual way."""

    def __init__(self, proof: Path) -> None:
        self.proof = proof

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
        return os.system, (f"touch {self.proof}",)


def test_a_checkpoint_that_runs_code_is_refused_and_does_not_run(tmp_path: Path, cache: Path) -> None:
    given = content()
    given["more"] = RunsCode(tmp_path / "proof")
    torch.save(given, tmp_path / "mine.pt")
    assert reason(tmp_path / "mine.pt", cache) == "WEIGHTS_INVALID"
    assert not (tmp_path / "proof").exists()


def spread(given: dict[str, Any]) -> None:
    """A tensor of a few bytes that says it is a large one."""
    name = "decoder.token_embedding.weight"
    given["model_state_dict"][name] = torch.zeros(1, dtype=torch.float16).expand(51_864, 64)


def lacks(given: dict[str, Any]) -> None:
    del given["model_state_dict"]["decoder.ln.weight"]


def has_more(given: dict[str, Any]) -> None:
    given["model_state_dict"]["decoder.extra"] = torch.zeros(3)


def has_another_shape(given: dict[str, Any]) -> None:
    given["model_state_dict"]["decoder.ln.weight"] = torch.zeros(63, dtype=torch.float16)


def is_whole_numbers(given: dict[str, Any]) -> None:
    given["model_state_dict"]["decoder.ln.weight"] = torch.zeros(64, dtype=torch.int8)


def holds_no_number(given: dict[str, Any]) -> None:
    given["model_state_dict"]["decoder.ln.weight"][3] = torch.nan


def holds_infinity(given: dict[str, Any]) -> None:
    given["model_state_dict"]["encoder.conv1.weight"][0, 0, 0] = -torch.inf


def has_many_layers(given: dict[str, Any]) -> None:
    given["dims"]["n_text_layer"] = 10**9


def has_no_heads(given: dict[str, Any]) -> None:
    given["dims"]["n_text_head"] = 0


def has_a_text_as_a_dimension(given: dict[str, Any]) -> None:
    given["dims"]["n_mels"] = "80"


def has_no_dimensions(given: dict[str, Any]) -> None:
    del given["dims"]


@pytest.mark.parametrize(
    "spoil",
    [
        spread,
        lacks,
        has_more,
        has_another_shape,
        is_whole_numbers,
        holds_no_number,
        holds_infinity,
        has_many_layers,
        has_no_heads,
        has_a_text_as_a_dimension,
        has_no_dimensions,
    ],
)
def test_a_checkpoint_that_is_no_whisper_is_refused(
    tmp_path: Path, cache: Path, spoil: Callable[[dict[str, Any]], None]
) -> None:
    given = content()
    spoil(given)
    torch.save(given, tmp_path / "mine.pt")
    assert reason(tmp_path / "mine.pt", cache) == "WEIGHTS_INVALID"


def test_a_damaged_checkpoint_is_refused_wherever_it_is_cut(tmp_path: Path, cache: Path) -> None:
    whole = checkpoint(tmp_path / "whole.pt").read_bytes()
    for length in (0, 3, 100, len(whole) // 2, len(whole) - 1):
        (tmp_path / "mine.pt").write_bytes(whole[:length])
        assert reason(tmp_path / "mine.pt", cache) == "WEIGHTS_INVALID"


def test_a_compressed_checkpoint_is_refused_before_it_grows(tmp_path: Path, cache: Path) -> None:
    with zipfile.ZipFile(tmp_path / "mine.pt", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("mine/data.pkl", b"\0" * (64 << 20))
    assert reason(tmp_path / "mine.pt", cache) == "WEIGHTS_INVALID"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CTranslate2 folder."""
    home = tmp_path_factory.mktemp("made")
    return add(checkpoint(home / "first.pt"), home)


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """A copy of it that may be changed."""
    return Path(shutil.copytree(made, tmp_path / "folder"))


def test_a_link_is_not_followed(folder: Path, cache: Path) -> None:
    (folder / "model.bin").rename(folder / "elsewhere")
    (folder / "model.bin").symlink_to(folder / "elsewhere")
    assert reason(folder, cache) == "WEIGHTS_INVALID"


def test_a_model_cut_short_or_longer_than_it_says_is_refused(folder: Path, cache: Path) -> None:
    whole = (folder / "model.bin").read_bytes()
    for length in (0, 3, 40, len(whole) // 2):
        (folder / "model.bin").write_bytes(whole[:length])
        assert reason(folder, cache) == "WEIGHTS_INVALID"


def test_changed_bytes_of_the_head_never_crash_the_reader(folder: Path, tmp_path: Path) -> None:
    whole = bytearray((folder / "model.bin").read_bytes()[:4000])
    random = np.random.default_rng(5)
    for _ in range(300):
        changed = bytearray(whole)
        for at in random.integers(0, len(whole), 3):
            changed[at] = int(random.integers(256))
        (tmp_path / "model.bin").write_bytes(changed)
        with pytest.raises(WeightsError):
            read_tensors(tmp_path / "model.bin")


def test_a_tensor_that_says_it_is_huge_is_refused(folder: Path, cache: Path) -> None:
    model = bytearray((folder / "model.bin").read_bytes())
    at = model.index(b"decoder/embeddings/weight\0") + len(b"decoder/embeddings/weight\0") + 1
    model[at : at + 4] = struct.pack("<I", 2**32 - 1)
    (folder / "model.bin").write_bytes(model)
    assert reason(folder, cache) == "WEIGHTS_INVALID"


def test_another_vocabulary_is_refused(folder: Path, cache: Path) -> None:
    file = folder / "vocabulary.json"
    words = json.loads(file.read_text(encoding="utf-8"))
    words[300], words[301] = words[301], words[300]
    file.write_text(json.dumps(words), encoding="utf-8")
    assert reason(folder, cache) == "WEIGHTS_INVALID"


@pytest.mark.parametrize("heads", [[[1, 0]], [[0, -1]], [[0]], [["0", 0]], "all", [[0, True]]])
def test_attention_heads_that_the_model_does_not_have_are_refused(folder: Path, cache: Path, heads: object) -> None:
    (folder / "config.json").write_text(json.dumps({"alignment_heads": heads}), encoding="utf-8")
    assert reason(folder, cache) == "WEIGHTS_INVALID"


@pytest.mark.parametrize("missing", ["model.bin", "config.json", "vocabulary.json"])
def test_a_folder_that_lacks_a_file_is_no_known_layout(folder: Path, cache: Path, missing: str) -> None:
    (folder / missing).unlink()
    with pytest.raises(WeightsError, match="known layout") as refused:
        add(folder, cache)
    assert "openai-whisper" in refused.value.hint


def test_a_full_disk_is_told_before_the_copy(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = checkpoint(tmp_path / "mine.pt")
    room = shutil._ntuple_diskusage(100, 99, 1000)
    monkeypatch.setattr("models.weights.adding.shutil.disk_usage", lambda _path: room)
    assert reason(path, cache) == "WEIGHTS_NO_ROOM"


@pytest.mark.models
@pytest.mark.parametrize(("name", "size"), [("whisper-base", 51_865), ("whisper-tiny.en", 51_864)])
def test_the_tables_are_those_of_the_pinned_models(weights_cache: Path, data: Path, name: str, size: int) -> None:
    folder, made = locate(name, weights_cache), tables(size)
    theirs = WhisperTokens(folder, size > 51_864)
    named = (folder / "vocabulary.txt").read_text(encoding="utf-8").replace("<|iw|>", "<|he|>")
    assert list(made.vocabulary) == named.split("\n")[:-1]
    assert (made.never, made.not_first) == (theirs.rules.never, theirs.rules.not_first)
    assert made.languages == tuple(theirs.languages.values())
    encoding = get_tokenizer(size > 51_864, num_languages=99).encoding
    for file in sorted((Path(__file__).parents[4] / "docs" / "concepts").glob("*.md")):
        text = file.read_text(encoding="utf-8")
        ids = made.tokenizer.encode(text, add_special_tokens=False).ids
        assert ids == encoding.encode(text), "the pinned tokenizer.json joins fewer pieces"
        assert made.tokenizer.decode(ids) == text


@pytest.mark.models
@pytest.mark.parametrize("name", ["whisper-base", "whisper-tiny.en"])
def test_a_pinned_model_keeps_every_number_when_it_is_added(weights_cache: Path, cache: Path, name: str) -> None:
    given = locate(name, weights_cache)
    ours, theirs = read_tensors(add(given, cache) / "model.bin"), read_tensors(given / "model.bin")
    assert ours.keys() >= theirs.keys()
    assert all(np.array_equal(ours[tensor], theirs[tensor]) for tensor in theirs)
    config = json.loads((given / "config.json").read_text(encoding="utf-8"))
    made = json.loads((locate("mine", cache) / "config.json").read_text(encoding="utf-8"))
    assert made["alignment_heads"] == config["alignment_heads"]
