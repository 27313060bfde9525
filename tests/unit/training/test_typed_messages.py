"""The utterances as messages that people type."""

from __future__ import annotations

import json
import pickle
import random
from pathlib import Path

import pytest

from models.training.name_texts import MESSAGES, SLOT, NameSource
from models.training.spoken.grammar import LANGUAGES
from models.training.spoken.typed import rows, written

PEOPLE = {
    "Berta Kranich": ["German"], "Aurelio Quintana": ["Spanish"], "Odette Lavigne": ["French"], "Asha Nair": ["Indian"],
    "Maud Finch": ["English"], "Rui Lobato": ["Portuguese"], "Ugo Merli": ["Italian"],
}  # fmt: skip


@pytest.fixture
def source(tmp_path: Path) -> NameSource:
    (tmp_path / "name2nats.pkl").write_bytes(pickle.dumps(PEOPLE))
    return NameSource(tmp_path, random.Random(1))


def test_every_message_has_its_values_labelled_and_no_mark_left(source: NameSource) -> None:
    seen = set()
    for row in rows(source, random.Random(1), "t"):
        seen.add(row["lang"])
        text = row["text"]
        assert not set(text) & set("{}<>"), row
        assert row["typed"] and json.dumps(row)
        for span in row["spans"]:
            value = text[span["start"] : span["end"]]
            assert value, row
    assert seen == set(LANGUAGES)


def test_the_same_seed_gives_the_same_messages(source: NameSource, tmp_path: Path) -> None:
    again = NameSource(tmp_path, random.Random(1))
    first, second = (rows(names, random.Random(2), "t") for names in (source, again))
    assert all(next(first) == next(second) for _ in range(200))


@pytest.mark.parametrize(
    ("marked", "typed"),
    [
        ("<d:415> | <d:555>", "415 555"),
        ("<n:245>", "245"),
        ("maud <s:.> finch <s:@> example <s:.> org", "maud.finch@example.org"),
    ],
)
def test_marks_are_written_as_people_type_them(marked: str, typed: str) -> None:
    assert written(marked) == typed


@pytest.mark.parametrize("path", sorted(MESSAGES.glob("*.txt")), ids=lambda path: path.stem)
def test_message_sentences_are_written_once_with_slots_for_all_names(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    assert len(set(lines)) == len(lines)
    assert not [line for line in lines if set(SLOT.sub("", line)) & set("{}")]
