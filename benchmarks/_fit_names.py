"""Fits ``models/redaction/name_head.npz`` to sentences of ours, and judges it by labelled sets if there are any.

    python -m benchmarks._fit_names --weights CACHE [--data DIR] [--write]

What is learned from: ``benchmarks/name_sentences``, written for this by hand in six languages, with slots for names
that are filled from the pinned lists anew for each reading, some of them spelled as no list knows them; the harmless
sentences beside it; and short answers drawn from the lists. Nothing of any evaluation set goes in: ``--data`` names
sets on which the result is only judged.
"""

from __future__ import annotations

import argparse
import random
import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from benchmarks._harmless import COMPANIES, HARMLESS
from benchmarks._harmless_hindi import LEARNED_HINDI
from benchmarks._sets import PERSONS, read_labelled
from models.redaction.gazetteer import LANGUAGES, WEIGHTS_NAME, Gazetteer, frequencies, load_gazetteer, read_people
from models.redaction.name_head import HEAD_FILE, Floats, NameHead, features
from models.redaction.ner import load_classifier
from models.redaction.romanize import romanized
from models.redaction.views import View, original
from models.weights import verify

UNJUDGED = frozenset(("PERpart", "PERderiv", "TITLE", "OTHpart"))

FILLINGS = 6
"""Times that a sentence is read with other names in it."""
HARMLESS_READINGS = 4
HARMLESS_WEIGHT = 4.0
SLOT = re.compile(r"\{([gsnx])\}")
"""In the sentences: a given name, a surname, both, a single name."""
SENTENCES = Path(__file__).resolve().parent / "name_sentences"
HIDDEN = 32
EPOCHS = 14
BATCH = 512
_COMMON = 28 * 4.2
"""Words more frequent than one in 60,000, as ``frequencies`` counts."""
PARTS = 3
"""Heads that are fitted from different beginnings and judge together."""
_NATIONS = {
    "de": {"German", "Austrian", "Swiss"},
    "es": {"Spanish", "Mexican", "Argentine", "Chilean", "Colombian"},
    "fr": {"French", "Belgian"},
    "hi": {"Indian", "Nepalese"},
    "en": {"American", "English", "Indian", "Irish", "Canadian", "Nigerian", "Chinese", "Mexican", "Polish", "Turkish"},
}

Span = tuple[int, int, str]


@dataclass(frozen=True)
class Text:
    """A labelled text, as the classifier reads it.

    Attributes:
        group: Name of its set.
        text: In Latin letters.
        spans: What is labelled in it.
        language: ISO 639-1.
        weight: How much it counts.
    """

    group: str
    text: str
    spans: tuple[Span, ...]
    language: str
    weight: float = 1.0


def read_sets(data: Path) -> Iterator[Text]:
    """The labelled texts of sets that nobody here wrote; only ever judged, never fitted to."""
    for row in read_labelled(data):
        view = romanized(row.text) or original(row.text)
        spans = tuple((*_in_view(view, start, end), kind) for start, end, kind in row.spans)
        yield Text(row.group, view.text, spans, row.language)


def _in_view(view: View, start: int, end: int) -> tuple[int, int]:
    """A stretch of the original in the view."""
    return bisect_right(view.ends, start), bisect_left(view.starts, end)


def read_sentences(folder: Path, source: NameSource, chance: random.Random) -> Iterator[Text]:
    """Our sentences, those with names several times with different ones, and the harmless ones."""
    for path in sorted(folder.glob("*.txt")):
        language = "hi" if path.stem == "hinglish" else path.stem[:2]
        for line in path.read_text(encoding="utf-8").splitlines():
            frame = _latin(line)
            names = SLOT.search(frame) is not None
            for number in range(FILLINGS if names else HARMLESS_READINGS):
                text, spans = filled(frame if number % 2 == 0 else source.with_typos(frame), language, source, chance)
                yield Text(path.stem, text, spans, language, 1.0 if names else HARMLESS_WEIGHT / HARMLESS_READINGS)
    for language, line in (*HARMLESS, *COMPANIES, *LEARNED_HINDI):
        yield Text("harmless", _latin(line), (), language, HARMLESS_WEIGHT)


def _latin(line: str) -> str:
    """A sentence as the classifier reads it, with its slots as they are."""
    pieces = SLOT.split(line)  # text, slot, text, slot, ..., text
    texts = [(view.text if (view := romanized(piece)) else piece) for piece in pieces[::2]]
    slots = [f"{{{kind}}}" for kind in pieces[1::2]]
    return "".join(part for pair in zip(texts, [*slots, ""], strict=True) for part in pair)


def filled(frame: str, language: str, source: NameSource, chance: random.Random) -> tuple[str, tuple[Span, ...]]:
    """A sentence with names in its slots, and where they are."""
    rest = SLOT.sub("", frame)
    lower = rest.islower() and chance.random() < 0.7
    pieces, spans, at, length = [], [], 0, 0
    for slot in SLOT.finditer(frame):
        name = source.name(slot[1], language)
        name = name.upper() if rest.isupper() else name.lower() if lower else name
        pieces += [frame[at : slot.start()], name]
        length += slot.start() - at
        spans.append((length, length + len(name), "PERSON"))
        length += len(name)
        at = slot.end()
    return "".join([*pieces, frame[at:]]), tuple(spans)


class NameSource:
    """Full names by nation, from the pinned lists."""

    def __init__(self, folder: Path, chance: random.Random) -> None:
        people = read_people(folder / "name2nats.pkl")
        self._chance = chance
        self._pools = {
            language: [n for n, of in people.items() if not nations.isdisjoint(of) and 2 <= len(n.split()) <= 3]
            for language, nations in _NATIONS.items()
        }

    def name(self, kind: str, language: str) -> str:
        """A name for a slot; a fifth of the people come from elsewhere, and a third are spelled as no list has them."""
        home = language if self._chance.random() < 0.8 else self._chance.choice(list(self._pools))
        given, *_, surname = self.full(home).replace("-", " ").split()
        if self._chance.random() < 0.35:
            given, surname = self._respelled(given), self._respelled(surname)
        if home == "hi":  # written without the last vowel as often as with it
            given, surname = (
                w.removesuffix("a") if len(w) > 4 and self._chance.random() < 0.5 else w for w in (given, surname)
            )
        if kind == "n":
            middle = [self._chance.choice("ABCDEFGHJKLMNPRSTVW") + "."] if self._chance.random() < 0.1 else []
            return " ".join([given, *middle, surname])
        return surname if kind == "s" else given

    def full(self, language: str) -> str:
        """A full name."""
        return self._chance.choice(self._pools[language])

    def with_typos(self, frame: str) -> str:
        """The sentence with every tenth word mistyped: a word that no list knows is not yet a name."""
        words = frame.split(" ")
        return " ".join(self._respelled(w) if w.isalpha() and self._chance.random() < 0.1 else w for w in words)

    def _respelled(self, word: str) -> str:
        at = self._chance.randrange(len(word))
        letter = self._chance.choice("aeioulnrstk")
        return word[: at + 1] + letter + word[at + 1 + self._chance.randrange(2) :]


def short_answers(folder: Path, source: NameSource, chance: random.Random, count: int = 400) -> Iterator[Text]:
    """Texts of a word or two in every language, as people answer: half of them names, half plain words."""
    for language in LANGUAGES:
        common = frequencies(folder / f"small_{language}.msgpack.gz", language)
        words = [w for w, frequency in common.items() if frequency > _COMMON and w.isalpha() and len(w) > 1]
        for _ in range(count):
            plain = " ".join(chance.choices(words, k=chance.choice((1, 1, 2, 3))))
            plain = chance.choice(
                (plain, plain.capitalize(), plain.title(), f"{plain.capitalize()} {chance.random():.3f}")
            )
            yield Text("ours", plain, (), language, 0.7)
            name = source.full(language)
            name = chance.choice((name, name, name.split()[0], name.split()[-1]))
            name = name.lower() if chance.random() < 0.4 or language == "hi" else name
            yield Text("ours", name, ((0, len(name), "PERSON"),), language, 0.35)


@dataclass(frozen=True)
class Table:
    """Words of many texts: their inputs, and whether they are names."""

    states: Floats
    rows: Floats
    names: Floats
    weights: Floats
    texts: npt.NDArray[np.int64]


def table_of(texts: list[Text], cache: Path, gazetteer: Gazetteer) -> tuple[Table, list[list[tuple[int, int]]]]:
    """Run the classifier over the texts."""
    classifier = load_classifier(cache)
    states, rows, names, weights, numbers, spans = [], [], [], [], [], []
    for number, text in enumerate(texts):
        (seen,) = classifier.observe([text.text])
        spans.append(seen.words)
        if not seen.words:
            continue
        states.append(seen.states.astype(np.float16))
        rows.append(features(text.text, seen.words, seen.probabilities, gazetteer))
        for start, end in seen.words:
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
    return head.judge(head.project(table.states), table.rows)


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


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="labelled sets to judge the result by")
    parser.add_argument("--weights", type=Path, required=True, help="the cache folder of `vestibule models list`")
    parser.add_argument("--write", action="store_true", help=f"replace {HEAD_FILE.name}")
    args = parser.parse_args()
    torch.set_num_threads(1)
    gazetteer = load_gazetteer(args.weights)
    lists = verify(WEIGHTS_NAME, args.weights)
    chance = random.Random(7)
    source = NameSource(lists, chance)
    texts = list(read_sentences(SENTENCES, source, chance))
    texts += short_answers(lists, source, chance)
    cased = [t for t in texts if re.search(r"[A-Z]", t.text) and len(t.text.lower()) == len(t.text)]
    texts += [replace(t, text=t.text.lower(), weight=t.weight / 3) for t in cased if chance.random() < 0.35]
    table, _spans = table_of(texts, args.weights, gazetteer)
    head = fit(table)
    if args.data:
        judged = list(read_sets(args.data))
        judged_table, spans = table_of(judged, args.weights, gazetteer)
        for bar in (0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6):
            report(judged, spans, judged_table, scores_of(head, judged_table), bar)
    if args.write:
        head.write(HEAD_FILE)
        print(f"{HEAD_FILE.name}: {HEAD_FILE.stat().st_size} bytes")


if __name__ == "__main__":
    main()
