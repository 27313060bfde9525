"""The entity type of each label: known ones, and those that a file names."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.redaction.own_model.specification import Specification
from tests.unit.redaction.own_model.made import add, refused, untrained


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        (["O", "B-PER", "I-PER", "B-LOC", "I-LOC"], ("", "NAME", "NAME", "", "")),
        (["B-PERSON", "I-PERSON", "E-PERSON", "S-PERSON", "O"], ("NAME", "NAME", "NAME", "NAME", "")),
        (["EMAIL", "iban", "Surname"], ("EMAIL", "IBAN", "NAME")),
        (["O", "ID", "ORG"], ("", "ID", "")),
    ],
)
def test_labels_that_are_known_need_no_file(
    tmp_path: Path, cache: Path, named: list[str], expected: tuple[str, ...]
) -> None:
    given = untrained(tmp_path, id2label=dict(enumerate(named)), label2id={n: i for i, n in enumerate(named)})
    assert Specification.read(add(given, cache, None)).types == expected


def test_unknown_labels_are_listed_with_a_file_to_start_from(tmp_path: Path, cache: Path) -> None:
    named = ["O", "B-HIVE", "B-PER", "B-NO", "B-ORG"]
    given = untrained(tmp_path, id2label=dict(enumerate(named)), label2id={n: i for i, n in enumerate(named)})
    error = refused(given, cache, None)
    assert "does not know: 'HIVE', 'NO'." in error.message
    example = "\n".join(line.strip() for line in error.hint.splitlines()[1:])
    (tmp_path / "labels.yaml").write_text(example, encoding="utf-8")
    assert Specification.read(add(given, cache, tmp_path / "labels.yaml")).types == ("", "ID", "NAME", "ID", "")


@pytest.mark.parametrize("named", [["O", "B-O", "B-HIVE"], ["B-O", "I-O", "B-PER"]])
def test_no_label_of_a_scheme_is_taken_for_what_is_outside(tmp_path: Path, cache: Path, named: list[str]) -> None:
    given = untrained(tmp_path, id2label=dict(enumerate(named)), label2id={n: i for i, n in enumerate(named)})
    error = refused(given, cache, None)
    assert "'B-O'" in error.message
    assert "another name" in error.hint


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "has none"),
        ("- COLONY", "has none"),
        ("QUEEN: NAME\n", "does not have: 'COLONY'"),
        ("COLONY: NAME\nQUEEN: NAME\n", "the model does not have: 'QUEEN'"),
        ("COLONY: NAME\nCOLONY: ID\n", "a key is there twice"),
        ("COLONY: BEE\n", "is no type of entity"),
        ("COLONY:\n", "is no type of entity"),
        ("COLONY: [NAME]\n", "is to be a list"),
        ("COLONY: nothing\n", "would hide nothing"),
        ("COLONY: NAME\nO: ID\n", "outside of every value"),
        ("NO: NAME\n", "write it in quotes"),
        ("COLONY: !!python/object:os.system {}\n", "is no YAML"),
        ("\xff", "cannot be read"),
        ("#" * (2 << 20), "larger than 1 MB"),
    ],
)
def test_a_file_of_labels_that_is_not_whole_or_not_right_is_refused(
    folder: Path, cache: Path, labels: Path, content: str, says: str
) -> None:
    labels.write_bytes(content.encode("latin-1"))
    error = refused(folder, cache, labels)
    assert says in error.message
    assert error.hint
