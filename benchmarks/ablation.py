"""What each stage of name detection adds, and what it costs.

    python -m benchmarks.ablation [--data DIR] [--sentences 300]

One line for each stage; each includes the stages before it:

labels      the classifier's own labels
patterns    the recognizers of everything but names
context     titles and introductions ("Dr. ...", "my name is ...", "booked under ...")
states      the head over the classifier's hidden states, its name lists taken away
lists       the head with its name lists, as in the product

leaked      share of the names with a letter outside every entity
spurious    of the redacted letters, those that no label covers
touched     harmless sentences in which something was redacted
chars/s     one sentence at a time, a second of CPU of this process, so that a busy machine changes little; the fastest
            of three rounds

Without ``--data`` the names come from a few dozen sentences on which nothing was tuned. With it they come from the
labelled sets in the folder, one line for each set. Use the half on which nothing was tuned.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks._named import UNNAMED, named
from models.redaction.ner.engines import assemble_classifier, build_classifier
from models.redaction.ner.gazetteer import Gazetteer
from models.redaction.ner.name_head import NameHead, NameScorer
from models.redaction.ner.thresholds import Thresholds
from models.redaction.recognizers.all import ALL
from models.redaction.redactor import LocalRedactor
from models.redaction.types import RedactionContext
from models.text import RawText
from models.training.labelled_sets import PERSONS, read_labelled
from server.settings import Settings

_ROUNDS = 3
_LABEL_BAR = 0.4
"""Threshold for the classifier's own labels, at their best trade-off."""


@dataclass(frozen=True)
class Labelled:
    """A text, the names in it, and everything in it that may be redacted."""

    language: str
    text: str
    names: list[tuple[int, int]]
    allowed: list[tuple[int, int]]


def stages(cache: Path) -> Iterator[tuple[str, LocalRedactor]]:
    """The redactor of each stage."""
    own = Thresholds(name=_LABEL_BAR)
    without_names = tuple(r for r in ALL if r.name != "introduced-name")
    labels = assemble_classifier(cache, None)
    yield "labels", LocalRedactor(labels, (), own)
    yield "patterns", LocalRedactor(labels, without_names, own)
    yield "context", LocalRedactor(labels, ALL, own)
    states = assemble_classifier(cache, NameScorer(NameHead.read(), Gazetteer.empty()))
    yield "states", LocalRedactor(states, ALL)
    yield "lists", LocalRedactor(build_classifier(cache), ALL)


def own_sentences() -> dict[str, list[Labelled]]:
    """The sentences of ``_named``."""
    return {"ours": [Labelled(language, text, names, names) for language, text, names in named()]}


def labelled_sets(data: Path) -> dict[str, list[Labelled]]:
    """The texts of the folder that hold a name."""
    sets: dict[str, list[Labelled]] = {}
    for row in read_labelled(data):
        names = [(start, end) for start, end, kind in row.spans if kind in PERSONS]
        if names:
            allowed = [(start, end) for start, end, _kind in row.spans]
            sets.setdefault(row.group, []).append(Labelled(row.language, row.text, names, allowed))
    return sets


def covered(redactor: LocalRedactor, language: str, text: str) -> set[int]:
    """Places of the redacted characters."""
    entities = redactor.redact(RawText(text), RedactionContext(language=language)).entities
    return {place for e in entities for place in range(e.start, e.end)}


def measure(redactor: LocalRedactor, rows: list[Labelled]) -> tuple[float, float]:
    """Share of the names that leak, and of the redacted letters that no label covers."""
    names = leaked = redacted = spurious = 0
    for row in rows:
        hidden = covered(redactor, row.language, row.text)
        for start, end in row.names:
            names += 1
            leaked += any(row.text[at].isalnum() and at not in hidden for at in range(start, end))
        allowed = {place for start, end in row.allowed for place in range(start, end)}
        letters = [at for at in hidden if row.text[at].isalnum()]
        redacted += len(letters)
        spurious += sum(at not in allowed for at in letters)
    return leaked / names, spurious / max(1, redacted)


def speed(redactor: LocalRedactor, texts: list[tuple[str, str]]) -> float:
    """Characters for each second of CPU time, one text after the other."""
    fastest = float("inf")
    for _round in range(_ROUNDS):
        began = time.process_time()
        for language, text in texts:
            redactor.redact(RawText(text), RedactionContext(language=language))
        fastest = min(fastest, time.process_time() - began)
    return sum(len(text) for _language, text in texts) / fastest


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--sentences", type=int, default=300, help="for the speed")
    args = parser.parse_args()
    sets = labelled_sets(args.data) if args.data else own_sentences()
    timed = [(row.language, row.text) for rows in sets.values() for row in rows]
    timed = timed[:: max(1, len(timed) // args.sentences)]
    print(f"{'stage':10s} {'set':14s} {'names':>6s} {'leaked':>8s} {'spurious':>9s} {'touched':>8s} {'chars/s':>9s}")
    for stage, redactor in stages(Settings().weights_dir):
        touched = sum(bool(covered(redactor, language, text)) for language, text in UNNAMED) / len(UNNAMED)
        rate = speed(redactor, timed)
        for group, rows in sets.items():
            leaked, spurious = measure(redactor, rows)
            count = sum(len(row.names) for row in rows)
            print(
                f"{stage:10s} {group:14s} {count:6d} {leaked:8.3f} {spurious:9.3f} {touched:8.3f} {rate:9,.0f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
