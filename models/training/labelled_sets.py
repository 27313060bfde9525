"""Reads the labelled sets in which names are marked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PERSONS = frozenset(("PERSON", "PER", "person", "first_name", "last_name", "person_name"))
"""Labels of names in all sets."""

_SETS = (
    ("wnut17", "wnut17/manifest.jsonl"),
    ("de", "germeval2014/manifest.jsonl"),
    ("hi", "hiner/manifest.jsonl"),
    ("es+fr", "echr_anon_es_fr/manifest.jsonl"),
    ("presidio", "presidio_synth/presidio_synth_v2.jsonl"),
    ("adversarial", "ambientmeta_pii/manifest.jsonl"),
    ("booking", "restaurant8k/manifest.jsonl"),
    ("banking", "nlupp/manifest.jsonl"),
)


@dataclass(frozen=True, slots=True)
class Row:
    """A labelled text.

    Attributes:
        group: Name of its set.
        language: ISO 639-1.
        text: As it is.
        spans: (start, end, label).
    """

    group: str
    language: str
    text: str
    spans: tuple[tuple[int, int, str], ...]


def read_labelled(data: Path) -> Iterator[Row]:
    """All texts of all sets in a folder."""
    for group, name in _SETS:
        for line in (data / name).read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            spans = tuple((s["start"], s["end"], s["type"]) for s in row.get("spans", ()))
            yield Row(group, row.get("lang", "en"), row["text"], spans)
