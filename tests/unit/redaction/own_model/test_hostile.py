"""Folders that somebody hostile would give."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from models.errors import WeightsError
from models.redaction.adding.source import is_transformers_folder
from models.weights.store import remove
from tests.unit.redaction.own_model.made import add, byte_vocabulary, changed, of_bytes, refused


def set_config(**values: Any) -> Callable[[Path], None]:
    return lambda folder: changed(folder / "config.json", **values)


def set_tensor(name: str, change: Callable[[torch.Tensor], torch.Tensor | None]) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        tensors = load_file(folder / "model.safetensors")
        tensor = change(tensors.pop(name))
        save_file({**tensors, **({name: tensor} if tensor is not None else {})}, folder / "model.safetensors")

    return spoil


def with_value(number: float) -> Callable[[torch.Tensor], torch.Tensor]:
    def change(tensor: torch.Tensor) -> torch.Tensor:
        tensor.view(-1)[3] = number
        return tensor

    return change


def in_tokenizer(change: Callable[[dict[str, Any]], None]) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        found = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
        change(found)
        (folder / "tokenizer.json").write_text(json.dumps(found), encoding="utf-8")

    return spoil


def pickled(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def linked(name: str) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        (folder / name).rename(folder / "elsewhere")
        (folder / name).symlink_to(folder / "elsewhere")

    return spoil


def without(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def with_head(length: int) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        file = folder / "model.safetensors"
        file.write_bytes(length.to_bytes(8, "little") + file.read_bytes()[8:])

    return spoil


def written(name: str, content: bytes) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        (folder / name).write_bytes(content)

    return spoil


def tokens(**numbers: int) -> Callable[[Path], None]:
    return in_tokenizer(lambda found: found["model"]["vocab"].update(numbers))


CLASSIFIER = "classifier.weight"


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (pickled, "a pickle"),
        (without("model.safetensors"), "no model.safetensors"),
        (without("config.json"), "no config.json"),
        (without("tokenizer.json"), "no tokenizer.json"),
        (linked("model.safetensors"), "is a link"),
        (linked("config.json"), "is a link"),
        (linked("tokenizer.json"), "is a link"),
        (set_config(auto_map={"AutoModel": "x.Y"}), "code of the model's own"),
        (lambda f: changed(f / "tokenizer_config.json", auto_map={"AutoTokenizer": "x.Y"}), "code of the model's own"),
        (set_config(architectures=["WhisperForConditionalGeneration"]), "architecture that cannot be added"),
        (set_config(architectures=None), "architecture that cannot be added"),
        (set_config(architectures=["BertForTokenClassification"] * 2), "architecture that cannot be added"),
        (set_config(architectures=[["BertForTokenClassification"]]), "architecture that cannot be added"),
        (set_config(is_decoder=True), "is_decoder"),
        (set_config(quantization_config={"bits": 4}), "quantization_config"),
        (set_config(position_embedding_type="relative_key"), "absolute positions"),
        (set_config(num_hidden_layers=10**9), "num_hidden_layers"),
        (set_config(vocab_size="60"), "vocab_size"),
        (set_config(hidden_size=True), "hidden_size"),
        (set_config(num_attention_heads=3), "does not divide"),
        (set_config(max_position_embeddings=8), "fewer than 32"),
        (set_config(hidden_act="__import__"), "hidden_act"),
        (set_config(layer_norm_eps=float("nan")), "layer_norm_eps"),
        (set_config(num_hidden_layers=1), "tensors that a network"),
        (set_config(num_hidden_layers=3), "lacks the tensor"),
        (set_config(intermediate_size=32), "does not have the shape"),
        (set_config(id2label=None), "no id2label"),
        (set_config(id2label={"1": "O", "2": "B-COLONY"}), "from 0"),
        (set_config(id2label={"0": "O", "1": "B-COLONY", "2": 7}), "from 0"),
        (set_config(id2label={"0": "O", "1": "B-COLONY", "2": "B-COLONY"}), "twice"),
        (set_config(id2label={"0": "O", "1": "B-COLONY", "2": "I-\x1b[2J"}), "number labels"),
        (set_config(id2label={"0": "O", "1": "B-COLONY"}), "does not have the shape"),
        (set_tensor(CLASSIFIER, lambda _: None), "lacks the tensor classifier.weight"),
        (set_tensor(CLASSIFIER, lambda t: t[:, :31].contiguous()), "does not have the shape"),
        (set_tensor(CLASSIFIER, lambda t: t.to(torch.int8)), "is not of 16-bit"),
        (set_tensor(CLASSIFIER, lambda t: t.double()), "is not of 16-bit"),
        (set_tensor(CLASSIFIER, with_value(float("nan"))), "holds values that are no numbers"),
        (set_tensor(CLASSIFIER, with_value(float("-inf"))), "holds values that are no numbers"),
        (set_tensor(CLASSIFIER, lambda t: torch.full_like(t, 3e38)), "gives values that are no numbers"),
        (with_head(2**63), "head is too large"),
        (with_head(5 << 20), "head is too large"),
        (with_head(0), "head is too large"),
        (with_head(40), "damaged"),
        (written("model.safetensors", b""), "damaged"),
        (written("config.json", b"{"), "cannot be read"),
        (written("config.json", b"[" * 100_000), "cannot be read"),
        (written("config.json", b"\xff"), "cannot be read"),
        (written("config.json", b"[]"), "cannot be read"),
        (written("config.json", b" " * (2 << 20)), "is larger than"),
        (tokens(more=10**6), "number that the network does not have"),
        (tokens(more=5), "number twice"),
        (tokens(more=-1), "number that the network does not have"),
        (in_tokenizer(lambda t: t["model"]["vocab"].pop("[SEP]")), "lacks the token"),
        (in_tokenizer(lambda t: t["model"].update(type="BPE")), "no WordPiece"),
        (in_tokenizer(lambda t: t["model"].update(unk_token="a")), "unk_token"),
        (in_tokenizer(lambda t: t.update(normalizer={"type": "Replace", "pattern": {"Regex": "(a+)+$"}})), "Bert"),
        (in_tokenizer(lambda t: t.update(normalizer=None)), "no BertNormalizer"),
        (in_tokenizer(lambda t: t.update(pre_tokenizer={"type": "Split"})), "no BertPreTokenizer"),
        (in_tokenizer(lambda t: t["normalizer"].update(lowercase="yes")), "neither true nor false"),
        (in_tokenizer(lambda t: t["added_tokens"].append({"id": 5, "content": "moss"})), "added tokens"),
        (in_tokenizer(lambda t: t.update(added_tokens="all")), "added tokens"),
    ],
)
def test_a_folder_that_is_not_what_it_has_to_be_is_refused(
    folder: Path, cache: Path, labels: Path, spoil: Callable[[Path], None], says: str
) -> None:
    spoil(folder)
    error = refused(folder, cache, labels)
    assert says in error.message
    assert error.hint
    assert error.message.isprintable()


def test_the_hint_for_a_pickle_says_how_to_convert_it(folder: Path, cache: Path, labels: Path) -> None:
    pickled(folder)
    assert "save_pretrained" in refused(folder, cache, labels).hint


def test_half_of_a_surrogate_pair_is_no_token(folder: Path, cache: Path, labels: Path) -> None:
    file = folder / "tokenizer.json"
    file.write_text(file.read_text(encoding="utf-8").replace('"##q"', '"##\\ud800"'), encoding="utf-8")
    assert "no text" in refused(folder, cache, labels).message


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda m: m["merges"].append(["never", "seen"]), "joins tokens"),
        (lambda m: m["merges"].append(["c"]), "joins tokens"),
        (lambda m: m["merges"].append([1, 2]), "joins tokens"),
        (lambda m: m["merges"].append(7), "joins tokens"),
        (lambda m: m.update(merges="c o"), "no list of tokens"),
        (lambda m: m.update(merges=["c o"] * 300), "more pairs than"),
        (lambda m: m.update(merges=[["c", "o"]] * 10_000), "more pairs than"),
        (lambda m: m.update(dropout=0.5), "choices that RoBERTa"),
        (lambda m: m["vocab"].pop("\u0120"), "lacks the token"),
    ],
)
def test_a_vocabulary_of_bytes_has_all_of_them_and_joins_only_its_own(
    tmp_path: Path, cache: Path, labels: Path, change: Callable[[dict[str, Any]], None], says: str
) -> None:
    given = of_bytes(tmp_path)
    in_tokenizer(lambda found: change(found["model"]))(given)
    assert says in refused(given, cache, labels).message


def test_files_of_many_lines_are_not_read_to_their_end(tmp_path: Path, folder: Path, cache: Path, labels: Path) -> None:
    (tmp_path / "bytes").mkdir()
    of_pairs = of_bytes(tmp_path / "bytes")
    byte_vocabulary(of_pairs)
    for given, name in ((folder, "vocab.txt"), (of_pairs, "merges.txt")):
        (given / "tokenizer.json").unlink()
        (given / name).write_text("\n" * (4 << 20), encoding="utf-8")
        tracemalloc.start()
        try:
            assert "more lines than" in refused(given, cache, labels).message
            assert tracemalloc.get_traced_memory()[1] < 4 << 20
        finally:
            tracemalloc.stop()


def test_changed_bytes_never_crash(folder: Path, cache: Path, labels: Path) -> None:
    random = np.random.default_rng(5)
    whole = {name: (folder / name).read_bytes() for name in ("model.safetensors", "config.json", "tokenizer.json")}
    for number in range(60):
        name = [*whole][number % 3]
        content = bytearray(whole[name])
        for at in random.integers(0, min(len(content), 2500), 3):
            content[at] = int(random.integers(256))
        (folder / name).write_bytes(content)
        try:
            add(folder, cache, labels)
            remove("mine", cache)
        except WeightsError as error:
            assert error.reason == "WEIGHTS_INVALID"
        (folder / name).write_bytes(whole[name])
    assert add(folder, cache, labels)


def test_only_a_folder_of_transformers_is_taken_for_one(folder: Path, tmp_path: Path) -> None:
    assert is_transformers_folder(folder)
    assert not is_transformers_folder(folder / "config.json")
    assert not is_transformers_folder(tmp_path / "nowhere")
    (folder / "model.bin").touch()
    assert not is_transformers_folder(folder), "it is one of CTranslate2"
