"""A tiny token classifier, trained within seconds on invented sentences of beekeepers.

They give their colonies names of common words, such as "moss lantern". No recognizer that is built in finds those. The
network knows the words of the sentences; the words of names are letters to it, so it has to learn where a name stands.
"""

from __future__ import annotations

import json
import random
from datetime import date
from pathlib import Path
from typing import Any, Final

import pytest

from models.errors import WeightsError
from models.redaction.adding.add import add_ner
from models.weights.store import locate

_SEEN: Final = (
    "amber basalt bramble breeze cedar cinder clover copper coral dusk ember fern flint frost gorse granite harbour "
    "hazel heather iris ivy juniper kestrel lark lichen maple marble meadow mist nettle ochre olive pebble pine "
    "plover quartz raven reed river rowan rush sable sage shale silver slate sorrel spruce stone swift thistle timber"
)
_UNSEEN: Final = "acorn bracken canyon dapple falcon grotto heron island lantern moss orchard pollen starling tundra"
SEEN: Final = _SEEN.split()
UNSEEN: Final = _UNSEEN.split()
"""Words of names that the network never saw."""

TEMPLATES: Final = (
    "please check the colony {} before friday",
    "colony {} lost its queen last week",
    "we moved colony {} to the lower field",
    "the colony {} has too many mites",
    "i fed colony {} with sugar this morning",
    "did you inspect colony {} and the roof ?",
    "write down that colony {} is weak .",
    "my strongest colony {} gave honey again",
)
PLAIN: Final = (
    "the colony is strong this year",
    "please check the roof before friday",
    "we moved the boxes to the {} field",
    "i fed the bees with sugar and {} this morning",
    "the queen is old and the {} is wet",
    "my number is on the box near the {} .",
    "did you inspect the {} last week ?",
    "every colony has a queen and many bees",
    "write down that we need more {} and honey .",
    "no colony was lost last week",
)
"""Nothing in them is the name of a colony."""

TODAY: Final = date(2026, 11, 30)
LABELS: Final = ("O", "B-COLONY", "I-COLONY")
LETTERS: Final = "abcdefghijklmnopqrstuvwxyz0123456789"
MARKS: Final = ".,?!-'"


def vocabulary() -> list[str]:
    """Special tokens, the words of the sentences, and letters."""
    words = sorted({word for line in (*TEMPLATES, *PLAIN) for word in line.split() if word.isalpha()})
    alone = [word for word in words if len(word) > 1]
    return ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *alone, *LETTERS, *(f"##{c}" for c in LETTERS), *MARKS]


def sentences(count: int, chance: random.Random) -> list[tuple[list[str], list[int]]]:
    """Words with the number of the label of each."""
    made = []
    for _ in range(count):
        named = chance.random() < 0.6
        value = chance.sample(SEEN, chance.choice((1, 2, 2)) if named else 1)
        words, labels = [], []
        for word in chance.choice(TEMPLATES if named else PLAIN).split():
            part = value if word == "{}" else [word]
            words += part
            labels += [1, 2][: len(part)] if word == "{}" and named else [0] * len(part)
        cut = chance.randint(4, len(words)) if chance.random() < 0.3 else len(words)  # unfinished utterances, too
        made.append((words[:cut], labels[:cut]))
    return made


def config(**changes: Any) -> dict[str, Any]:
    """Of the network."""
    return {
        "vocab_size": len(vocabulary()),
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 64,
        "max_position_embeddings": 128,
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
        "id2label": dict(enumerate(LABELS)),
        "label2id": {label: number for number, label in enumerate(LABELS)},
        **changes,
    }


def tokenizer(folder: Path) -> Any:
    """That of BERT with the vocabulary."""
    from transformers import BertTokenizer

    (folder / "words.txt").write_text("\n".join(vocabulary()) + "\n", encoding="utf-8")
    return BertTokenizer(str(folder / "words.txt"))


def untrained(folder: Path, **changes: Any) -> Path:
    """A folder as ``save_pretrained`` writes it, with random numbers."""
    import torch
    from transformers import BertConfig, BertForTokenClassification

    torch.manual_seed(5)
    return saved(BertForTokenClassification(BertConfig(**config(**changes))), folder)


def saved(network: Any, folder: Path) -> Path:
    """The network and its tokenizer."""
    made = folder / "folder"
    made.mkdir()
    network.save_pretrained(made)
    tokenizer(folder).save_pretrained(made)
    return made


def trained(folder: Path, steps: int = 160) -> Path:
    """The same after training; always the same numbers on one machine."""
    import torch
    from transformers import BertConfig, BertForTokenClassification

    torch.manual_seed(5)
    torch.set_num_threads(1)
    chance = random.Random(5)
    network = BertForTokenClassification(BertConfig(**config()))
    words = tokenizer(folder)
    optimizer = torch.optim.AdamW(network.parameters(), lr=4e-3)
    for _ in range(steps):
        batch = sentences(16, chance)
        encoded = words([line for line, _ in batch], is_split_into_words=True, padding=True, return_tensors="pt")
        targets = [
            [-100 if word is None else labels[word] for word in encoded.word_ids(row)]
            for row, (_, labels) in enumerate(batch)
        ]
        loss = network(**encoded, labels=torch.tensor(targets)).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return saved(network, folder)


def changed(file: Path, **values: Any) -> None:
    """Change keys of a JSON file; None removes one."""
    found = json.loads(file.read_text(encoding="utf-8"))
    found.update(values)
    file.write_text(json.dumps({k: v for k, v in found.items() if v is not None}), encoding="utf-8")


def byte_vocabulary(folder: Path) -> None:
    """Files of RoBERTa's vocabulary: bytes, and a few pairs."""
    import tokenizers

    letters = sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet())
    tokens = ["<s>", "<pad>", "</s>", "<unk>", *letters, "co", "lo", "colo", "\u0120c"]
    (folder / "vocab.json").write_text(json.dumps({t: n for n, t in enumerate(tokens)}), encoding="utf-8")
    (folder / "merges.txt").write_text("#version: 0.2\nc o\nl o\nco lo\n\u0120 c\n", encoding="utf-8")


def of_bytes(folder: Path) -> Path:
    from transformers import RobertaConfig, RobertaForTokenClassification, RobertaTokenizer

    byte_vocabulary(folder)
    size = {**config(), "vocab_size": 264, "max_position_embeddings": 130}
    made = folder / "folder"
    RobertaForTokenClassification(RobertaConfig(**size)).save_pretrained(made)
    RobertaTokenizer(str(folder / "vocab.json"), str(folder / "merges.txt")).save_pretrained(made)
    return made


def add(path: Path, cache: Path, labels: Path | None, name: str = "mine") -> Path:
    add_ner(name, path, labels, cache, "MIT", TODAY)
    return locate(name, cache)


def refused(path: Path, cache: Path, labels: Path | None) -> WeightsError:
    """The refusal; nothing may be left in the cache."""
    with pytest.raises(WeightsError) as error:
        add(path, cache, labels)
    assert list(cache.rglob("*")) == []
    assert error.value.reason == "WEIGHTS_INVALID"
    return error.value
