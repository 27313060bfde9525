"""What each rule of redaction is worth: every recognizer, stage, filter and word list taken out alone.

    python -m benchmarks.rules [--data DIR --scorers DIR] [--rows FILE ...] [--only NAME ...]

One line for each component whose absence changes anything, and the names of all others:

leaked   values of which more (+) or less (-) can be read without it, in all texts and in the halves a and b of each set
lost     harmless texts or words that are hidden more (+) or less (-) without it
unsafe   texts that are kept from the LLM more (+) or less (-) without it

The sets are those of two scoring programs, which are not part of the repository, the spoken rows of ``models/training``
that the tagger did not learn from, and the sentences of ``_probes``. A half is told by a hash of the text. A set shows
only what it holds: a rule that changes nothing in it may still find what it lacks.
"""

from __future__ import annotations

import argparse
import copy
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from benchmarks._judged_texts import JudgedText, Verdict, judged_texts
from benchmarks._rule_parts import Component, components
from models.cancellation import NEVER
from models.redaction.detection.detections import Detection, pattern_matches
from models.redaction.draft import Draft, Job
from models.redaction.recognizers.all import ALL
from models.redaction.redactor import STAGES, LocalRedactor, build_redactor
from models.redaction.stages import detect, normalize
from models.redaction.types import RedactionContext
from models.text import Entity, RawText
from server.settings import Settings


@dataclass(frozen=True, slots=True)
class Outcome:
    """What redaction gives for one text."""

    entities: tuple[Entity, ...]
    safe: bool
    verdict: Verdict


class Bench:
    """All texts with their detections, and the outcome with every rule."""

    def __init__(self, redactor: LocalRedactor, texts: Sequence[JudgedText]) -> None:
        self._redactor = redactor
        self.texts = texts
        self.detected = [self._detect(text) for text in texts]
        self.outcomes: list[Outcome] = []
        self.outcomes = [self._finish(n, detected) for n, detected in enumerate(self.detected)]

    def without(self, component: Component) -> Iterator[tuple[JudgedText, Outcome, Outcome]]:
        """The texts whose outcome is another one without a component: before and after."""
        with ExitStack() as stack:
            component.remove(stack)
            for number, text in enumerate(self.texts):
                draft = self._redetected(number) if component.in_recognizers else self.detected[number]
                kept = [d for d in draft.detections if component.keeps(d)]
                if component.recognizer and len(kept) == len(draft.detections):
                    continue
                after = self._finish(number, draft, kept, component.stage)
                if _differ(after, self.outcomes[number]):
                    yield text, self.outcomes[number], after

    def _job(self, context: RedactionContext) -> Job:
        return self._redactor._job(context, NEVER)

    def _detect(self, text: JudgedText) -> Draft:
        drafts = normalize([RawText(text.text)])
        detect(drafts, self._job(text.context))
        return drafts[0]

    def _redetected(self, number: int) -> Draft:
        """The draft with the recognizers run again; what the classifier found stays."""
        text, before = self.texts[number], self.detected[number]
        job = self._job(text.context)
        draft = _copy(before)
        found = pattern_matches(draft.text_view, text.context, job.compiled)
        draft.detections = [*(d for d in before.detections if d.recognizer is None), *found]
        return draft

    def _finish(
        self, number: int, detected: Draft, detections: Sequence[Detection] | None = None, skipped: str = ""
    ) -> Outcome:
        draft, text = _copy(detected), self.texts[number]
        if detections is not None:
            draft.detections = list(detections)
        draft.candidates = [detection.original for detection in draft.detections]
        job = self._job(text.context)
        for stage in STAGES:
            if stage is not detect and stage.__name__ != skipped:
                stage([draft], job)
        same = number < len(self.outcomes) and _spans(self.outcomes[number].entities) == _spans(draft.entities)
        verdict = self.outcomes[number].verdict if same else text.verdict(draft.entities)
        return Outcome(tuple(draft.entities), draft.safe_for_llm, verdict)


def _differ(one: Outcome, other: Outcome) -> bool:
    """Whether two outcomes differ in what is hidden; the replacement of an entity does not count."""
    return one.safe != other.safe or _spans(one.entities) != _spans(other.entities)


def _spans(entities: Sequence[Entity]) -> list[tuple[int, int]]:
    return [(entity.start, entity.end) for entity in entities]


def _copy(draft: Draft) -> Draft:
    fresh = copy.copy(draft)
    fresh.detections, fresh.suspects, fresh.slots = list(draft.detections), list(draft.suspects), list(draft.slots)
    fresh.allowed, fresh.spoken = [], None
    return fresh


def report(bench: Bench, component: Component) -> str:
    """The line of a component; empty if it changes nothing."""
    changed: Counter[str] = Counter()
    sets: Counter[str] = Counter()
    texts = 0
    for text, before, after in bench.without(component):
        texts += 1
        leaked = after.verdict.leaked - before.verdict.leaked
        changed["leaked"] += leaked
        changed[text.half] += leaked
        changed["lost"] += after.verdict.lost - before.verdict.lost
        changed["unsafe"] += before.safe - after.safe
        if leaked:
            sets[text.group] += leaked
    if not texts:
        return ""
    where = ", ".join(f"{name} {count:+d}" for name, count in sets.items() if count)
    figures = (changed[key] for key in ("leaked", "a", "b", "lost", "unsafe"))
    return " ".join([f"{component.name:34s} {texts:6d}", *(f"{figure:+7d}" for figure in figures), f" {where}"])


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--scorers", type=Path)
    parser.add_argument("--rows", type=Path, nargs="*", default=[])
    parser.add_argument("--only", nargs="*", help="beginnings of the names of components")
    args = parser.parse_args()
    texts = list(judged_texts(args.data, args.scorers, args.rows))
    bench = Bench(build_redactor(Settings().weights_dir), texts)
    counts = Counter(text.group for text in texts)
    print(", ".join(f"{name} {count}" for name, count in counts.items()))
    print(f"{'without':34s} {'texts':>6s} {'leaked':>7s} {'a':>7s} {'b':>7s} {'lost':>7s} {'unsafe':>7s}")
    nothing = []
    for component in components(ALL):
        if args.only and not component.name.startswith(tuple(args.only)):
            continue
        if line := report(bench, component):
            print(line, flush=True)
        else:
            nothing.append(component.name)
    print("change nothing:", ", ".join(nothing))


if __name__ == "__main__":
    main()
