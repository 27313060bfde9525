"""The table of names and words, compiled from small lists made here."""

from __future__ import annotations

import gzip
import os
import pickle
from pathlib import Path

import msgpack
import numpy as np
import pytest

from models.redaction.ner.gazetteer import (
    COLUMNS,
    LANGUAGES,
    Gazetteer,
    compile_lists,
    load_gazetteer,
    read_people,
    sound_of,
    words_file,
)

PEOPLE = {
    "Anna Groß": ["German"],
    "Anna Berg (painter)": ["Swedish"],
    "Hans van der Berg": ["Dutch"],
    "Carl-Anna Groß": ["German"],
    "Aditya Sharma": ["Indian"],
    "Adithya Sharma": ["Indian"],
    "Madonna": ["American"],
    "Only Once": ["American"],
}
WORDS = {
    "en": ["the", "mark"],
    "de": ["berg", "strasse"],
    "es": ["rosa"],
    "fr": ["pierre"],
    "it": ["sera"],
    "pt": ["noite"],
    "hi": ["मीटर"],
}


def _write_lists(folder: Path) -> None:
    folder.joinpath("name2nats.pkl").write_bytes(pickle.dumps(PEOPLE))
    for language, words in WORDS.items():
        levels = [{"format": "cB", "version": 1}, *([] for _ in range(300)), words]
        folder.joinpath(words_file(language)).write_bytes(gzip.compress(msgpack.packb(levels)))


@pytest.fixture(scope="module")
def gazetteer(tmp_path_factory: pytest.TempPathFactory) -> Gazetteer:
    folder = tmp_path_factory.mktemp("lists")
    _write_lists(folder)
    compile_lists(folder, folder / "table.npz")
    return Gazetteer.read(folder / "table.npz")


@pytest.mark.parametrize(
    ("word", "columns"),
    [
        ("Anna", {"given", "sound_hi"}),  # to come sounds like it
        ("Groß", {"surname"}),
        ("berg", {"surname", "de"}),
        ("Bergs", {"surname"}),  # a genitive
        ("Anna's", {"given"}),
        ("the", {"en"}),
        ("Straße", {"de"}),  # the lists write ss
        ("mitar", {"hi", "sound_hi"}),
        ("meetar", {"sound_hi"}),  # another spelling of it
        ("chhattees", {"sound_hi"}),  # thirty-six, which the lists leave out
        ("Aadity", {"sound_given"}),  # another spelling of Aditya, as Hindi is transliterated
        ("der", set()),  # a particle is no name
        ("Once", set()),  # one person alone
        ("Madonna", set()),  # neither given name nor surname
        ("nowhere", set()),
    ],
)
def test_a_row_marks_the_lists_that_hold_the_word(gazetteer: Gazetteer, word: str, columns: set[str]) -> None:
    row = gazetteer.look_up([word])[0]
    assert {name for name, value in zip(COLUMNS, row, strict=True) if value} == columns
    assert row.max() <= 1


def test_rows_come_in_the_order_of_the_words(gazetteer: Gazetteer) -> None:
    words = ["the", "Anna", "nowhere", "Anna"]
    rows = gazetteer.look_up(words)
    assert rows.shape == (4, len(COLUMNS))
    assert np.array_equal(rows, np.concatenate([gazetteer.look_up([w]) for w in words]))
    assert gazetteer.look_up([]).shape == (0, len(COLUMNS))


def test_an_empty_gazetteer_finds_nothing() -> None:
    assert not Gazetteer.empty().look_up(["Anna", "the"]).any()


class _Bomb:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("true",)


def test_a_pickled_list_is_refused(tmp_path: Path) -> None:
    _write_lists(tmp_path)
    tmp_path.joinpath("name2nats.pkl").write_bytes(pickle.dumps({"Anna Groß": _Bomb()}))
    with pytest.raises(pickle.UnpicklingError, match="not plain data"):
        compile_lists(tmp_path, tmp_path / "table.npz")
    with pytest.raises(pickle.UnpicklingError, match="not plain data"):
        read_people(tmp_path / "name2nats.pkl")


@pytest.mark.parametrize(
    ("one", "other"), [("aaditya", "adithya"), ("deepak", "dipak"), ("lakshmi", "laxmi"), ("shiva", "siv")]
)
def test_spellings_of_one_name_share_a_phonetic_key(one: str, other: str) -> None:
    assert sound_of(one) == sound_of(other)


@pytest.mark.models
def test_the_pinned_lists_hold_known_names(weights_cache: Path) -> None:
    rows = dict(zip(COLUMNS, load_gazetteer(weights_cache).look_up(["Maria", "the", "Sharma"]).T, strict=True))
    assert rows["given"][0] > 0.5 > rows["given"][1]
    assert rows["surname"][2] > rows["given"][2]
    assert rows["en"][1] > rows["en"][0]
    assert set(LANGUAGES) <= set(rows)
