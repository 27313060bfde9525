"""Fits the two heads of the classifier, and prints what they leak on labelled sets if there are any.

    python -m models.training.fit_heads --weights CACHE --write DIR [--keep-labels] [--data DIR] [--share 1.0]

The teacher is the published classifier with all its layers. The label head learns the teacher's probabilities for every
token. A name head is first fitted to the teacher's states. The shipped one, over fewer layers, learns from the labels
of our sentences, and from that first head's probabilities on the other lines. See README.md for the inputs.
"""

from __future__ import annotations

import argparse
import random
import re
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from models.redaction.ner.classifier import RampartClassifier
from models.redaction.ner.encoder import Floats
from models.redaction.ner.engines import assemble_classifier
from models.redaction.ner.gazetteer import WEIGHTS_NAME, Gazetteer, load_gazetteer
from models.redaction.ner.label_head import HEAD_FILE as LABEL_FILE
from models.redaction.ner.label_head import LabelHead
from models.redaction.ner.name_head import HEAD_FILE, NameHead
from models.training.form_texts import FormSource
from models.training.label_network import NoLabels, fit_labels
from models.training.labelled_sets import PERSONS
from models.training.name_network import Table, concatenated, fit, labelled_by, scores_of, table_of
from models.training.name_texts import (
    SENTENCES,
    NameSource,
    Text,
    harmless_lines,
    read_sentences,
    read_sets,
    short_answers,
)
from models.training.published_classifier import whole_classifier
from models.weights.store import verify

SEED = 7
FORM_LINES = 60_000
NAME_FORM_STEP = 6
"""The name head learns from every sixth of these lines; the label head from all."""
BARS = (0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6)


@dataclass(frozen=True)
class Heads:
    """What was fitted, and the classifier that the name head belongs to."""

    labels: LabelHead
    names: NameHead
    classifier: RampartClassifier

    def write(self, folder: Path) -> None:
        """Write the two files that are shipped."""
        self.names.write(folder / HEAD_FILE.name)
        self.labels.write(folder / LABEL_FILE.name)


def fit_heads(cache: Path, share: float = 1.0, *, keep_labels: bool = False) -> Heads:
    """Fit both heads.

    Args:
        cache: Folder of the weights.
        share: Share of the lines that are used. Less than 1 is for a quick trial; the heads are then not usable.
        keep_labels: Take the shipped label head instead of fitting one.
    """
    lists = verify(WEIGHTS_NAME, cache)
    gazetteer = load_gazetteer(cache)
    texts, forms = lines(lists, share)
    teacher = whole_classifier(cache)
    labels = LabelHead.read() if keep_labels else _fitted_labels([t.text for t in (*texts, *forms)], cache, teacher)
    student = assemble_classifier(cache, None, labels=labels)
    torch.set_num_threads(1)  # the products are too small to share
    table, _spans = table_of(texts, student, gazetteer)
    deep_head = fit(table_of(texts, teacher, gazetteer)[0])
    forms = forms[::NAME_FORM_STEP]
    distilled = labelled_by(deep_head, table_of(forms, teacher, gazetteer)[0], table_of(forms, student, gazetteer)[0])
    return Heads(labels, fit(concatenated(table, distilled)), student)


def _fitted_labels(texts: list[str], cache: Path, teacher: RampartClassifier) -> LabelHead:
    return fit_labels(texts, teacher, assemble_classifier(cache, None, labels=NoLabels(teacher.labels)))


def lines(lists: Path, share: float) -> tuple[list[Text], list[Text]]:
    """The labelled lines, and those with addresses and numbers; the same ones every time."""
    chance = random.Random(SEED)
    source = NameSource(lists, chance)
    texts = labelled_lines(lists, source, chance)
    forms = [Text("forms", line, (), "en") for line in FormSource(lists, source, chance).lines(FORM_LINES)]
    every = round(1 / share)
    return texts[::every], forms[::every]


def labelled_lines(lists: Path, source: NameSource, chance: random.Random) -> list[Text]:
    """Lines whose names are known; some of those with capitals once more without them."""
    texts = [
        *read_sentences(SENTENCES, source, chance),
        *harmless_lines(),
        *short_answers(lists, source, chance),
    ]
    cased = [t for t in texts if re.search(r"[A-Z]", t.text) and len(t.text.lower()) == len(t.text)]
    return texts + [replace(t, text=t.text.lower(), weight=t.weight / 3) for t in cased if chance.random() < 0.35]


def report(texts: list[Text], spans: list[list[tuple[int, int]]], table: Table, scores: Floats, bar: float) -> None:
    """Print which names a threshold would miss, and which other words it would redact."""
    first = np.searchsorted(table.texts, np.arange(len(texts) + 1))
    for group in dict.fromkeys(t.group for t in texts):
        names = leaked = taken = wrong = 0
        for number, text in enumerate(texts):
            if text.group != group:
                continue
            judged = list(zip(spans[number], scores[first[number] : first[number + 1]], strict=True))
            for start, end, kind in text.spans:
                if kind in PERSONS:
                    inside = [s for (a, b), s in judged if a < end and start < b]
                    names += 1
                    leaked += not inside or min(inside) < bar
            for (a, b), s in judged:
                taken += s >= bar
                wrong += s >= bar and not any(x < b and a < y for x, y, _kind in text.spans)
        rate = f"{leaked / names:6.3f}" if names else "     -"
        print(f"bar {bar:.2f}  {group:12s} names {names:5d}  leaked {rate}  words taken {taken:5d}  wrongly {wrong:5d}")


def report_all(data: Path, heads: Heads, gazetteer: Gazetteer) -> None:
    """Print the same for labelled sets, at several thresholds."""
    texts = list(read_sets(data))
    table, spans = table_of(texts, heads.classifier, gazetteer)
    for bar in BARS:
        report(texts, spans, table, scores_of(heads.names, table), bar)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="labelled sets; the result is only measured on them")
    parser.add_argument("--weights", type=Path, required=True, help="the cache folder of `vestibule models list`")
    parser.add_argument("--write", type=Path, help="folder for the two files", metavar="DIR")
    parser.add_argument("--keep-labels", action="store_true", help="fit the name head alone")
    parser.add_argument("--share", type=float, default=1.0, help="of the lines, for a quick trial")
    args = parser.parse_args()
    heads = fit_heads(args.weights, args.share, keep_labels=args.keep_labels)
    if args.data:
        report_all(args.data, heads, load_gazetteer(args.weights))
    if args.write:
        heads.write(args.write)


if __name__ == "__main__":
    main()
