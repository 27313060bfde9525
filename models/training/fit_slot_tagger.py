"""Fits the slot tagger, its encoder and its head, and prints what it hides on texts that were kept aside.

    python -m models.training.fit_slot_tagger --weights CACHE --rows FILE ... [--heard FILE ...] [--write DIR]

The rows are spoken and typed texts whose values are labelled, see ``models.training.spoken``. Those of the split
``train`` are learned from, together with the sentences of this folder; ``dev`` and ``held`` are only measured. The
encoder starts as the lower layers of the published classifier. See README.md for the inputs.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from models.redaction.ner.engines import PACKED_FILE, assemble_classifier
from models.redaction.ner.engines import WEIGHTS_NAME as CLASSIFIER_NAME
from models.redaction.ner.gazetteer import WEIGHTS_NAME
from models.redaction.ner.name_head import load_name_scorer
from models.redaction.ner.slot_layers import LAYERS, LAYERS_FILE, write_layers
from models.redaction.ner.transformers_encoder import load_published
from models.redaction.slots.features import SlotContext
from models.redaction.slots.head import HEAD_FILE
from models.training.fit_heads import labelled_lines
from models.training.labelled_sets import PERSONS
from models.training.name_texts import MESSAGES, NameSource, read_sentences
from models.training.slot_network import SlotNetwork, fit_slots, probabilities
from models.training.slot_report import report
from models.training.slot_table import SlotRow, joined, labels_of, read_rows, table_of
from models.weights.store import verify

SEED = 11
LINE_WEIGHT, HEARD_WEIGHT = 0.5, 3.0
"""Weights of a sentence of this folder, and of a sentence that was spoken and heard; others have one."""
_JOINED, _CUT = 0.15, 0.1
"""Shares of the rows that are also read with another one after it, and cut off at a word."""
_BETWEEN = (" ", ", ", ". ", "")


def plain_rows(lists: Path, seed: int = SEED) -> Iterator[SlotRow]:
    """The sentences of this folder: names are labelled, and no number in them is personal."""
    chance = random.Random(seed)
    source = NameSource(lists, chance)
    for text in (*labelled_lines(lists, source, chance), *read_sentences(MESSAGES, source, chance)):
        spans = tuple((start, end, "NAME") for start, end, kind in text.spans if kind in PERSONS)
        yield SlotRow("plain", text.text, spans, SlotContext(text.language, typed=True), LINE_WEIGHT, whole=False)


def varied(rows: Sequence[SlotRow], seed: int = SEED) -> Iterator[SlotRow]:
    """More texts out of the rows: two in a row, and the first words of one, as in a partial."""
    chance = random.Random(seed)
    by_language: dict[str, list[SlotRow]] = {}
    for row in rows:
        by_language.setdefault(row.context.language, []).append(row)
    for row in rows:
        if chance.random() < _JOINED:
            yield _joined(row, chance.choice(by_language[row.context.language]), chance.choice(_BETWEEN))
        if chance.random() < _CUT:
            yield _cut(row, chance)


def _joined(first: SlotRow, second: SlotRow, between: str) -> SlotRow:
    text = first.text.rstrip() + (between or "\n")
    shift = len(text)
    spans = (*first.spans, *((start + shift, end + shift, label) for start, end, label in second.spans))
    words = (
        *first.context.words,
        *(replace(w, start=w.start + shift, end=w.end + shift) for w in second.context.words),
    )
    return replace(first, text=text + second.text, spans=spans, context=replace(first.context, words=words))


def _cut(row: SlotRow, chance: random.Random) -> SlotRow:
    spaces = [at for at, char in enumerate(row.text) if char == " " and row.text[:at].strip()]
    end = chance.choice(spaces) if spaces else len(row.text)
    spans = tuple((a, min(b, end), label) for a, b, label in row.spans if a < end)
    words = tuple(word for word in row.context.words if word.end <= end)
    return replace(row, text=row.text[:end], spans=spans, context=replace(row.context, words=words))


def rows_of(paths: Sequence[Path], weight: float = 1.0) -> Iterator[SlotRow]:
    """What is learned from the rows of some files: the rows themselves, and more texts out of them."""
    for path in paths:
        read = [replace(row, weight=weight) for row in read_rows(path, ("train",))]
        yield from (*read, *varied(read))


def training_rows(rows: Sequence[Path], lists: Path) -> list[SlotRow]:
    """What is learned from and was never heard: the rows of the files, and sentences of this folder."""
    return [*rows_of(rows), *plain_rows(lists)]


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, required=True, help="the cache folder of `vestibule models list`")
    parser.add_argument("--rows", type=Path, nargs="+", required=True, help="labelled texts, corrupted, JSONL")
    parser.add_argument("--heard", type=Path, nargs="*", default=[], help="labelled texts, spoken and heard, JSONL")
    parser.add_argument("--write", type=Path, help="folder for the two files", metavar="DIR")
    parser.add_argument("--share", type=float, default=1.0, help="of the rows, for a quick trial")
    args = parser.parse_args()
    torch.set_num_threads(1)
    made = training_rows(args.rows, verify(WEIGHTS_NAME, args.weights))[:: round(1 / args.share)]
    heard = list(rows_of(args.heard, HEARD_WEIGHT))
    personal, harmless = labels_of([*made, *heard])
    labels, names = (*personal, *harmless), load_name_scorer(args.weights)
    classifier = assemble_classifier(args.weights, names)
    tables = [table_of(rows, labels, classifier, names)[0] for rows in (made, heard) if rows]
    torch.manual_seed(0)
    network = SlotNetwork(_lower_layers(verify(CLASSIFIER_NAME, args.weights)), len(labels))
    fit_slots(network, joined(tables), len(personal))
    if args.write:
        network.head(personal, harmless).write(args.write / HEAD_FILE.name)
        write_layers(args.write / LAYERS_FILE.name, network.encoder())
    for split in ("dev", "held"):
        kept = [row for path in (*args.rows, *args.heard) for row in read_rows(path, (split,))]
        seen, spans = table_of(kept, labels, classifier, names)
        report(split, kept, spans, probabilities(network, seen)[:, : len(personal)].sum(axis=1))


def _lower_layers(folder: Path) -> Any:
    bert = load_published(folder / "config.json", folder / PACKED_FILE).bert
    bert.encoder.layer = bert.encoder.layer[:LAYERS]
    return bert


if __name__ == "__main__":
    main()
