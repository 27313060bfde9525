"""Learns from clips that were heard which words, digits, letters and signs recognition turns into what.

Writes the counts that ``confusions.ConfusionModel`` reads. Only rows of the split ``train`` are used.
"""

from __future__ import annotations

import argparse
import gzip
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from models.training.spoken.align import HeardWord, aligned, bare, heard_form
from models.training.spoken.confusions import DEFAULT, DROPPED, PAUSES, RIGHT, WRONG, seen_kind
from models.training.spoken.verbalize import PAUSE, SIGN, WORD, Token

HEARD: Final = Path(__file__).resolve().parent / "heard.jsonl.gz"
"""Heard rows of the splits ``train`` and ``dev``, so that training can be repeated without voices."""

LEVELS: Final = (0.93, 0.75, 0.0)
"""Least likeness of what was heard to what was said, for each level."""

_QUANTILES: Final = 11
_LONGEST_SWAP: Final = 24
_MOST_OF_A_KIND: Final = 12

Tables = dict[str, dict[str, Counter[str]]]


@dataclass(frozen=True)
class Core:
    """What was heard for one token.

    Attributes:
        number: Of the token.
        start: Offset in the heard text.
        end: Likewise.
        right: Whether it is what was said.
    """

    number: int
    start: int
    end: int
    right: bool


def level_of(likeness: float) -> int:
    """The level of a clip."""
    return next(level for level, least in enumerate(LEVELS) if likeness >= least)


def cores(tokens: Sequence[Token], text: str, language: str, words: Sequence[HeardWord]) -> list[Core]:
    """The heard stretch of each token that was heard, in order."""
    own: dict[int, list[HeardWord]] = defaultdict(list)
    for word in words:
        is_sign = not any(c.isalnum() for c in text[word.start : word.end])
        if word.token >= 0 and is_sign <= (tokens[word.token].kind == SIGN):
            own[word.token].append(word)
    found = []
    for number, pieces in sorted(own.items()):
        start, end = pieces[0].start, max(piece.end for piece in pieces)
        forms = "".join(heard_form(text[piece.start : piece.end], language) for piece in pieces)
        token = tokens[number]
        right = forms in (bare(token.written), bare(token.said))
        found.append(Core(number, start, end, right))
    return found


@dataclass
class Statistics:
    """Counts of everything that the model draws from."""

    levels: Counter[int] = field(default_factory=Counter)
    tables: dict[str, Tables] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(lambda: defaultdict(Counter)))
    )
    confidences: dict[tuple[str, int], list[float]] = field(default_factory=lambda: defaultdict(list))

    def add(self, row: Mapping[str, Any]) -> None:
        """Count one heard row."""
        tokens = [Token(**token) for token in row["tokens"]]
        text, language, level = row["text"], row["lang"], level_of(row["likeness"])
        words = aligned(tokens, text, language, single=True)
        found = cores(tokens, text, language, words)
        self.levels[level] += 1
        self._outcomes(tokens, text, language, level, found)
        self._separators(tokens, text, language, level, found)
        for start, end, confidence in row["words"]:
            inside = [core for core in found if core.start < end and start < core.end]
            right = bool(inside) and all(core.right for core in inside)
            self.confidences[RIGHT if right else WRONG, level].append(confidence)

    def _count(self, part: str, language: str, key: str, what: str) -> None:
        self.tables[part][language][key][what] += 1

    def _outcomes(self, tokens: Sequence[Token], text: str, language: str, level: int, found: Sequence[Core]) -> None:
        heard = {core.number: core for core in found}
        before: dict[str, str] = {}
        for number, token in enumerate(tokens):
            if token.kind == PAUSE:
                continue
            core = heard.get(number)
            outcome = DROPPED if core is None else RIGHT if core.right else WRONG
            self._count("outcomes", language, f"{token.kind}{level}", outcome)
            if core is None:
                continue
            shown = text[core.start : core.end]
            if outcome == WRONG and len(shown) <= _LONGEST_SWAP:
                self._count("swaps", language, f"{token.kind}:{token.written.lower()}", shown)
            if outcome == RIGHT and token.said != token.written:
                form = "written" if bare(shown) == bare(token.written) else "said"
                self._count("forms", language, f"{token.kind}{before.get(token.kind, '')}", form)
                self._count("forms", language, token.kind, form)
                before[token.kind] = form

    def _separators(self, tokens: Sequence[Token], text: str, language: str, level: int, found: Sequence[Core]) -> None:
        sign, kind_before = "", ""
        for left, right in pairwise(found):
            between = text[left.end : right.start]
            inserted = any(c.isalnum() for c in between)
            token = tokens[left.number]
            self._count("insertions", language, f"{token.kind}{level}", "yes" if inserted else "no")
            if inserted:
                if len(between) <= _LONGEST_SWAP:
                    self._count("inserted", language, token.kind, between.strip(" ,.-?!"))
                sign = ""
                continue
            kinds = [seen_kind(text[core.start : core.end], tokens[core.number].kind) for core in (left, right)]
            if not between and WORD in kinds:
                continue  # two tokens in one word: an accident of the alignment
            context = "".join(kinds) + pause_between(tokens[left.number + 1 : right.number])
            sign = sign if kind_before == kinds[0] else ""
            self._count("separators", language, context, between)
            self._count("separators", language, f"{context}|{sign}", between)
            sign, kind_before = between, kinds[1]
        if found:
            pause = pause_between(tokens[found[-1].number + 1 :])
            rest = text[found[-1].end :].strip()
            if not any(c.isalnum() for c in rest):
                self._count("ends", language, pause, rest)

    def model(self) -> Mapping[str, Any]:
        """The counts as the model reads them."""
        parts = {
            part: {
                language: {key: dict(counts.most_common(_MOST_OF_A_KIND)) for key, counts in sorted(keys.items())}
                for language, keys in sorted(languages.items())
            }
            for part, languages in self.tables.items()
        }
        confidence = {
            outcome: [quantiles(self.confidences[outcome, level]) for level in range(len(LEVELS))]
            for outcome in (RIGHT, WRONG)
        }
        return {"levels": [self.levels[level] for level in range(len(LEVELS))], **parts, "confidence": confidence}


def pause_between(tokens: Iterable[Token]) -> str:
    """The code of the last pause among tokens."""
    return next((PAUSES[token.said] for token in reversed(list(tokens)) if token.kind == PAUSE), "0")


def quantiles(values: Sequence[float]) -> list[float]:
    """Values at equal steps from the lowest to the highest; 0 to 1 if there are none."""
    ordered = sorted(values) or [0.0, 1.0]
    return [ordered[round(step * (len(ordered) - 1) / (_QUANTILES - 1))] for step in range(_QUANTILES)]


def main() -> None:
    """Fit the model to the rows of ``transcribe_clips``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--heard", type=Path, default=HEARD, help="rows of transcribe_clips, may be compressed by gzip")
    parser.add_argument("--write", type=Path, default=DEFAULT)
    given = parser.parse_args()
    statistics = Statistics()
    with gzip.open(given.heard, "rt") if given.heard.suffix == ".gz" else given.heard.open() as lines:
        for line in lines:
            row = json.loads(line)
            if row["split"] == "train":
                statistics.add(row)
    given.write.write_text(
        json.dumps(statistics.model(), ensure_ascii=False, separators=(",", ":")) + "\n", encoding="utf-8"
    )
    print(f"{statistics.levels.total()} clips, {given.write.stat().st_size} bytes")


if __name__ == "__main__":
    main()
