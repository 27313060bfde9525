"""Folders of transformers that are added: the three architectures, and what somebody hostile would give."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch.utils._python_dispatch import TorchDispatchMode

from models.errors import WeightsError
from models.redaction.own_model.specification import Specification
from models.redaction.own_model.tagger import OwnTagger, load_own_model
from models.speech.engines import build_engine
from models.weights.added import added_model
from models.weights.store import lookup, remove, verify
from models.weights.uses import check_ner, check_uses
from tests.unit.redaction.own_model.made import add, changed, config, of_bytes, saved, untrained
from tests.unit.weights.test_added import kept

TEXTS = [
    "Please check the colony before Friday; it's in the Café-Garten, Überlingen.",
    "वर्ष 2019 में, 这是一个句子, naïve coöperation \u2603 a\u0301b",
    " ".join(f"word{number}" for number in range(400)),
    "",
    "!",
]


def distilled(folder: Path) -> Path:
    from transformers import DistilBertConfig, DistilBertForTokenClassification

    size = config()
    made = DistilBertConfig(
        vocab_size=size["vocab_size"], dim=32, n_layers=2, n_heads=2, hidden_dim=32, max_position_embeddings=128,
        id2label=size["id2label"], label2id=size["label2id"],
    )  # fmt: skip
    return saved(DistilBertForTokenClassification(made), folder)


@pytest.mark.parametrize("make", [untrained, distilled, of_bytes])
def test_each_architecture_gives_the_scores_of_transformers(
    tmp_path: Path, cache: Path, labels: Path, make: Callable[[Path], Path]
) -> None:
    from transformers import AutoModelForTokenClassification, AutoTokenizer

    torch.manual_seed(5)
    given = make(tmp_path)
    own = OwnTagger("mine", add(given, cache, labels))
    theirs, words = AutoModelForTokenClassification.from_pretrained(given), AutoTokenizer.from_pretrained(given)
    for text in TEXTS[:2]:
        encoded = words(text, return_tensors="pt", return_offsets_mapping=True)
        offsets = encoded.pop("offset_mapping")[0].tolist()
        with torch.inference_mode():
            probabilities = theirs.eval()(**encoded).logits[0].softmax(-1).numpy()
        (found,) = own.personal_words([text], lambda: None)
        assert found
        for word in found:
            tokens = [n for n, (start, end) in enumerate(offsets) if start < word.end and word.start < end]
            assert word.score == pytest.approx(float(probabilities[tokens, 1:].sum(axis=1).max()), abs=1e-5)


@pytest.mark.parametrize("make", [untrained, of_bytes])
def test_the_tokenizer_made_anew_splits_as_the_given_one(
    tmp_path: Path, cache: Path, labels: Path, make: Callable[[Path], Path]
) -> None:
    from transformers import AutoTokenizer

    given = make(tmp_path)
    own, theirs = OwnTagger("mine", add(given, cache, labels)), AutoTokenizer.from_pretrained(given)
    documents = [f.read_text(encoding="utf-8") for f in (Path(__file__).parents[4] / "docs" / "concepts").glob("*.md")]
    for text in [*TEXTS, *documents]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the text is longer than the network takes at a time
            expected = theirs(text, add_special_tokens=False)["input_ids"]
        assert own._tokenizer.encode(text, add_special_tokens=False).ids == expected


def test_special_tokens_in_a_text_are_letters(folder: Path, cache: Path, labels: Path) -> None:
    own = OwnTagger("mine", add(folder, cache, labels))
    ids = own._tokenizer.encode("moss [SEP] lantern [PAD]", add_special_tokens=False).ids
    assert not {*ids} & {0, 2, 3, 4}


@pytest.mark.parametrize("cased", [True, False])
def test_a_list_of_words_is_read_with_the_choices_beside_it(
    folder: Path, cache: Path, labels: Path, cased: bool
) -> None:
    tokens = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))["model"]["vocab"]
    (folder / "tokenizer.json").unlink()
    (folder / "vocab.txt").write_text("\n".join(sorted(tokens, key=tokens.__getitem__)) + "\n", encoding="utf-8")
    changed(folder / "tokenizer_config.json", do_lower_case=not cased)
    own = OwnTagger("mine", add(folder, cache, labels))
    assert own._tokenizer.token_to_id("##z") == tokens["##z"]
    unknown = own._tokenizer.encode("COLONY", add_special_tokens=False).ids == [1]
    assert unknown == cased


def test_only_checked_numbers_and_tokens_are_kept(folder: Path, cache: Path, labels: Path) -> None:
    (folder / "handler.py").write_text("raise SystemExit", encoding="utf-8")
    given = load_file(folder / "model.safetensors")
    save_file(
        {**given, "bert.pooler.dense.bias": torch.zeros(3), "bert.embeddings.position_ids": torch.arange(128)},
        folder / "model.safetensors",
        metadata={"format": "pt", "words": "of somebody"},
    )
    made = add(folder, cache, labels)
    assert sorted(file.name for file in made.iterdir()) == ["model.safetensors", "ner.json", "tokenizer.json"]
    kept = load_file(made / "model.safetensors")
    assert kept.keys() == given.keys()
    assert all(torch.equal(kept[name], given[name]) for name in given)
    assert b"of somebody" not in (made / "model.safetensors").read_bytes()
    assert Specification.read(made).types == ("", "NAME", "NAME")


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_short_floats_keep_their_precision(folder: Path, cache: Path, labels: Path, dtype: torch.dtype) -> None:
    file = folder / "model.safetensors"
    save_file({name: tensor.to(dtype) for name, tensor in load_file(file).items()}, file)
    made = add(folder, cache, labels)
    assert {tensor.dtype for tensor in load_file(made / "model.safetensors").values()} == {dtype}
    assert OwnTagger("mine", made).personal_words(["the colony"], lambda: None)[0]


class Allocated(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the bytes of every result of 32-bit floats in memory."""

    total = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        if isinstance(made, torch.Tensor) and made.dtype == torch.float32 and not made.is_meta:
            self.total += made.nbytes
        return made


def test_a_model_is_in_memory_once(folder: Path, cache: Path, labels: Path) -> None:
    file = folder / "model.safetensors"
    short = {name: tensor.half() for name, tensor in load_file(file).items()}
    save_file(short, file)
    made = add(folder, cache, labels)
    with Allocated() as allocated:  # type: ignore[no-untyped-call]
        OwnTagger("mine", made)
    assert allocated.total <= 1.1 * 2 * sum(tensor.nbytes for tensor in short.values())


def test_the_record_pins_what_was_made(folder: Path, cache: Path, labels: Path) -> None:
    made = add(folder, cache, labels)
    found = added_model("mine", cache)
    assert found is not None
    assert (found.kind, found.licence, found.added_on) == ("transformers folder", "MIT", "2026-11-30")
    assert {f.name for f in found.sources} == {
        "model.safetensors",
        "config.json",
        "tokenizer.json",
        "tokenizer_config.json",
    }
    assert lookup("mine", cache).purpose == "personal words in text: COLONY as NAME"
    assert verify("mine", cache) == made
    for name in ("model.safetensors", "ner.json", "tokenizer.json"):
        content = bytearray((made / name).read_bytes())
        content[len(content) // 2] ^= 1
        (made / name).write_bytes(content)
        with pytest.raises(WeightsError) as failed:
            verify("mine", cache)
        assert failed.value.reason == "WEIGHTS_MISMATCH"
        content[len(content) // 2] ^= 1
        (made / name).write_bytes(content)
    remove("mine", cache)
    assert list(cache.iterdir()) == []


def test_each_kind_of_model_is_refused_in_the_other_place(folder: Path, cache: Path, labels: Path) -> None:
    add(folder, cache, labels)
    kept(cache, "whisper")
    check_uses(["whisper-base", "whisper"], "mine", cache)
    for use in (lambda: check_uses(["mine"], "", cache), lambda: build_engine("ctranslate2", cache, weights="mine")):
        with pytest.raises(WeightsError) as other:
            use()
        assert other.value.reason == "WEIGHTS_OF_ANOTHER_KIND"
    for name, reason in (
        ("whisper", "WEIGHTS_OF_ANOTHER_KIND"),
        ("rampart-pii", "WEIGHTS_OF_ANOTHER_KIND"),
        ("nobody", "WEIGHTS_UNAVAILABLE"),
    ):
        for check in (check_ner, load_own_model):
            with pytest.raises(WeightsError) as other:
                check(name, cache)
            assert other.value.reason == reason
