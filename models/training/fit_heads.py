"""Fits the two heads of the classifier to lines of ours, and judges them by labelled sets if there are any.

    python -m models.training.fit_heads --weights CACHE [--data DIR] [--write]

What is learned from: ``name_sentences``, written for this by hand in six languages, with slots for names that are
filled from the pinned lists anew for each reading, some of them spelled as no list knows them; the harmless sentences
beside it; short answers drawn from the lists; and ``form_sentences``, with addresses, numbers, shops and plain words.
No line of any evaluation set goes in: ``--data`` names sets on which the result is only judged. (That addresses come in
several lines, with floors and countries, was learned from what the tuned halves showed to leak.)

The teacher is the published classifier with all its layers. The label head learns what it says of every token. A name
head is fitted to the teacher's states first; the product's, over fewer layers, learns from the labels where there are
any, and from that one's judgement of the other lines.
"""

from __future__ import annotations

import argparse
import random
import re
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from models.redaction.ner.classifier import RampartClassifier
from models.redaction.ner.encoder import Floats
from models.redaction.ner.engines import assemble_classifier
from models.redaction.ner.gazetteer import WEIGHTS_NAME, Gazetteer, load_gazetteer
from models.redaction.ner.label_head import HEAD_FILE as LABEL_FILE
from models.redaction.ner.name_head import HEAD_FILE, NameHead, features
from models.training.form_texts import FormSource
from models.training.label_network import CHUNK, NoLabels, fit_labels
from models.training.labelled_sets import PERSONS
from models.training.name_texts import SENTENCES, NameSource, Text, read_sentences, read_sets, short_answers
from models.training.published_classifier import whole_classifier
from models.weights.store import verify

UNJUDGED = frozenset(("PERpart", "PERderiv", "TITLE", "OTHpart"))

HIDDEN = 32
EPOCHS = 14
BATCH = 512
PARTS = 4
"""Heads that are fitted from different beginnings and judge together."""
FORM_LINES = 60_000
FORM_WEIGHT = 0.7


@dataclass(frozen=True)
class Table:
    """Words of many texts: their inputs, and whether they are names."""

    states: Floats
    rows: Floats
    names: Floats
    weights: Floats
    texts: npt.NDArray[np.int64]


def table_of(
    texts: list[Text], classifier: RampartClassifier, gazetteer: Gazetteer
) -> tuple[Table, list[list[tuple[int, int]]]]:
    """Run the classifier over the texts."""
    states, rows, names, weights, numbers, spans = [], [], [], [], [], []
    chunks = (texts[at : at + CHUNK] for at in range(0, len(texts), CHUNK))
    observed = (seen for chunk in chunks for seen in classifier.pooled_words([t.text for t in chunk]))
    for number, (text, seen) in enumerate(zip(texts, observed, strict=True)):
        spans.append(seen.spans)
        if not seen.spans:
            continue
        states.append(seen.states.astype(np.float16))
        rows.append(features(text.text, seen.spans, seen.probabilities, gazetteer))
        for start, end in seen.spans:
            kinds = {kind for a, b, kind in text.spans if a < end and start < b}
            name = not kinds.isdisjoint(PERSONS)
            names.append(float(name))
            weights.append(0.0 if kinds & UNJUDGED else text.weight * (2.5 if name else 0.8 if kinds else 1.0))
            numbers.append(number)
    return Table(
        np.concatenate(states).astype(np.float32),
        np.concatenate(rows),
        np.array(names, dtype=np.float32),
        np.array(weights, dtype=np.float32),
        np.array(numbers),
    ), spans


class Network(torch.nn.Module):
    """The head while it is fitted; drops inputs and blurs them, because a quantised encoder does."""

    def __init__(self, width: int, features: int) -> None:
        super().__init__()
        self.states = torch.nn.Linear(width, HIDDEN, bias=False)
        self.features = torch.nn.Linear(features, HIDDEN)
        self.out = torch.nn.Linear(HIDDEN, 1)
        self.drop_input, self.drop = torch.nn.Dropout(0.12), torch.nn.Dropout(0.25)

    def forward(self, states: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        """Odds of a name."""
        if self.training:
            states = states + 0.07 * torch.randn_like(states)
            rows = rows + 0.05 * torch.randn_like(rows)
        hidden = self.states(self.drop_input(states)) + self.features(self.drop_input(rows))
        active = hidden * torch.sigmoid(1.702 * hidden)
        return self.out(self.drop(active))[:, 0]  # type: ignore[no-any-return]

    def head(self) -> NameHead:
        """What was learned, as the product reads it."""

        def array(value: torch.Tensor) -> Floats:
            return np.ascontiguousarray(value.detach().numpy())

        return NameHead(
            array(self.states.weight.T), array(self.features.weight.T), array(self.features.bias),
            array(self.out.weight[0]), float(self.out.bias.detach()[0]),
        )  # fmt: skip


def fit(table: Table) -> NameHead:
    """Fit heads to all words and put them side by side, so that the odds of all are averaged."""
    heads = [_fit_one(table, seed) for seed in range(PARTS)]
    return NameHead(
        np.concatenate([h.states for h in heads], axis=1),
        np.concatenate([h.features for h in heads], axis=1),
        np.concatenate([h.bias for h in heads]),
        np.concatenate([h.out / PARTS for h in heads]),
        sum(h.out_bias for h in heads) / PARTS,
    )


def _fit_one(table: Table, seed: int) -> NameHead:
    torch.manual_seed(seed)
    states, rows, names, weights = (
        torch.from_numpy(part) for part in (table.states, table.rows, table.names, table.weights)
    )
    network = Network(states.shape[1], rows.shape[1])
    steps = EPOCHS * -(-len(states) // BATCH)
    optimizer = torch.optim.AdamW(network.parameters(), lr=2e-3, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=steps)
    for _epoch in range(EPOCHS):
        for batch in torch.split(torch.randperm(len(states)), BATCH):
            odds = network(states[batch], rows[batch])
            loss = torch.nn.functional.binary_cross_entropy_with_logits(odds, names[batch], weight=weights[batch])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
    network.eval()
    return network.head()


def scores_of(head: NameHead, table: Table) -> Floats:
    """Probabilities of all words."""
    return head.score(head.project(table.states), table.rows)


def report(texts: list[Text], spans: list[list[tuple[int, int]]], table: Table, scores: Floats, bar: float) -> None:
    """Print what a bar would leak and take, for the texts as they are."""
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


def texts_of(lists: Path, source: NameSource, chance: random.Random) -> list[Text]:
    """The labelled lines, some of those with capitals once more without."""
    texts = [*read_sentences(SENTENCES, source, chance), *short_answers(lists, source, chance)]
    cased = [t for t in texts if re.search(r"[A-Z]", t.text) and len(t.text.lower()) == len(t.text)]
    return texts + [replace(t, text=t.text.lower(), weight=t.weight / 3) for t in cased if chance.random() < 0.35]


def judged_by(teacher: NameHead, deep: Table, table: Table) -> Table:
    """The same words with the teacher's judgement in the place of labels."""
    return replace(table, names=scores_of(teacher, deep), weights=np.full_like(table.weights, FORM_WEIGHT))


def together(first: Table, second: Table) -> Table:
    """Both."""
    return Table(
        np.concatenate([first.states, second.states]),
        np.concatenate([first.rows, second.rows]),
        np.concatenate([first.names, second.names]),
        np.concatenate([first.weights, second.weights]),
        np.concatenate([first.texts, second.texts + first.texts[-1] + 1]),
    )


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="labelled sets to judge the result by")
    parser.add_argument("--weights", type=Path, required=True, help="the cache folder of `vestibule models list`")
    parser.add_argument("--write", type=Path, help="folder for the two files", metavar="DIR")
    args = parser.parse_args()
    gazetteer = load_gazetteer(args.weights)
    lists = verify(WEIGHTS_NAME, args.weights)
    chance = random.Random(7)
    source = NameSource(lists, chance)
    texts = texts_of(lists, source, chance)
    forms = [Text("forms", line, (), "en") for line in FormSource(lists, source, chance).lines(FORM_LINES)]
    teacher = whole_classifier(args.weights)
    blank = assemble_classifier(args.weights, None, labels=NoLabels(teacher.labels))
    labels = fit_labels([t.text for t in (*texts, *forms)], teacher, blank)
    pupil = assemble_classifier(args.weights, None, labels=labels)
    torch.set_num_threads(1)  # the products are too small to share
    table, _spans = table_of(texts, pupil, gazetteer)
    deep_head = fit(table_of(texts, teacher, gazetteer)[0])
    lesson = judged_by(deep_head, table_of(forms, teacher, gazetteer)[0], table_of(forms, pupil, gazetteer)[0])
    head = fit(together(table, lesson))
    if args.data:
        judged = list(read_sets(args.data))
        judged_table, spans = table_of(judged, pupil, gazetteer)
        for bar in (0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6):
            report(judged, spans, judged_table, scores_of(head, judged_table), bar)
    if args.write:
        head.write(args.write / HEAD_FILE.name)
        labels.write(args.write / LABEL_FILE.name)


if __name__ == "__main__":
    main()
