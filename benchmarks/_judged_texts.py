"""The texts of the rule ablation with a judge for each: what leaks of it, and what is hidden of it for nothing.

The scoring programs and their sets are not part of the repository. Always there are the sentences of ``_probes``, and
rows of ``models/training/spoken`` that the slot tagger did not learn from, whole and cut off in the middle of a value.
"""

from __future__ import annotations

import gzip
import hashlib
import importlib.util
import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from benchmarks._probes import Probe, probes
from models.redaction.entities import LABELS
from models.redaction.types import RedactionContext
from models.text import Entity, TextSource

HEARD: Final = Path(__file__).parents[1] / "models" / "training" / "spoken" / "heard.jsonl.gz"
UNLEARNED: Final = ("dev", "held")
"""Parts of the spoken rows that the tagger did not learn from."""

Spans = Sequence[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What redaction did to one text.

    Attributes:
        leaked: Values of which something can be read.
        lost: Harmless words or texts that were hidden.
    """

    leaked: int
    lost: int


@dataclass(frozen=True, slots=True)
class JudgedText:
    """A text of a set, and how it is judged."""

    group: str
    text: str
    context: RedactionContext
    judge: Callable[[Spans], Verdict]

    @property
    def half(self) -> str:
        """Which half of its set it is in, by a hash of the text."""
        return ("a", "b")[hashlib.sha256(self.text.encode()).digest()[0] >> 7]

    def verdict(self, entities: Sequence[Entity]) -> Verdict:
        """The verdict on these entities."""
        return self.judge([(entity.start, entity.end) for entity in entities])


def judged_texts(data: Path | None, scorers: Path | None, rows: Sequence[Path] = ()) -> Iterator[JudgedText]:
    """All texts.

    Args:
        data: Folder of the sets; None for the texts of the repository only.
        scorers: Folder of the programs ``redaction.py`` and ``leaks.py``.
        rows: More files of rows as ``models.training.spoken.generate`` writes them.
    """
    if data is not None and scorers is not None:
        yield from _labelled(_program(scorers, "redaction"), data)
        yield from _spoken(_program(scorers, "leaks"), data / "spoken_values")
    yield from _probed()
    with gzip.open(HEARD, "rt", encoding="utf-8") as lines:
        yield from _of_training("heard", list(map(json.loads, lines)))
    for path in rows:
        with path.open(encoding="utf-8") as lines:
            yield from _of_training(path.stem, list(map(json.loads, lines)))


def _program(folder: Path, name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"scorer_{name}", folder / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def _labelled(program: ModuleType, data: Path) -> Iterator[JudgedText]:
    for group, load in program.SETS.items():
        for item in load(data):
            context = RedactionContext(TextSource(item.source), item.lang)

            def judge(found: Spans, item: Any = item) -> Verdict:
                result = program.score([item], [list(found)])
                allowed = program.mask(item.text, item.allowed or item.spans)
                lost = sum(not any(allowed[start:end]) for start, end in found)
                return Verdict(result["leaked"], lost)

            yield JudgedText(group, item.text, context, judge)


def _spoken(program: ModuleType, data: Path) -> Iterator[JudgedText]:
    for name, (file, heard, _measure, source) in program.PARTS.items():
        for row in program.rows(data / file):
            text = row["heard"] if heard else row["text"]

            def judge(found: Spans, row: Any = row, text: str = text, name: str = name) -> Verdict:
                if "harmless" in name:
                    return Verdict(0, int(bool(found)))
                verdict = program.judge(row, text, list(found))
                return Verdict(int(verdict["readable"]), verdict["lost"])

            if text.strip():
                yield JudgedText(f"spoken/{name}", text, RedactionContext(TextSource(source), row["lang"]), judge)


def _of_training(name: str, rows: Sequence[Any]) -> Iterator[JudgedText]:
    for group, row in [*((name, row) for row in rows), *((f"{name}, cut off", row) for row in _cut_off(rows))]:
        if row["split"] in UNLEARNED and row["text"].strip():
            context = RedactionContext(TextSource.SPEECH, row["lang"])

            def judge(found: Spans, row: Any = row) -> Verdict:
                values = [(s["start"], s["end"]) for s in row["spans"] if s["label"] in LABELS]
                leaked = sum(_readable(row["text"], value, found) for value in values)
                lost = sum(not any(a < end and start < b for a, b in values) for start, end in found)
                return Verdict(leaked, lost)

            yield JudgedText(group, row["text"], context, judge)


def _probed() -> Iterator[JudgedText]:
    for source in (TextSource.TYPED, TextSource.SPEECH):
        for probe in probes():

            def judge(found: Spans, probe: Probe = probe) -> Verdict:
                return Verdict(int(_readable(probe.text, (probe.start, probe.end), found)), 0)

            yield JudgedText(f"probes/{source}", probe.text, RedactionContext(source, probe.language), judge)


def _cut_off(rows: Iterable[Any]) -> Iterator[Any]:
    """The rows up to the middle of their first value, as where a pause ends an utterance."""
    for row in rows:
        values = [span for span in row["spans"] if span["label"] in LABELS]
        words = list(re.finditer(r"\S+", row["text"][: values[0]["end"]])) if values else []
        inside = [word.end() for word in words if word.start() >= values[0]["start"]]
        if len(inside) > 1:
            cut = inside[len(inside) // 2 - 1]
            spans = [{**span, "end": min(span["end"], cut)} for span in row["spans"] if span["start"] < cut]
            yield {**row, "text": row["text"][:cut], "spans": spans}


def _readable(text: str, value: tuple[int, int], found: Spans) -> bool:
    """Whether at least a third of the letters and digits of a value are outside of the entities."""
    places = [at for at in range(*value) if text[at].isalnum()]
    shown = sum(not any(start <= at < end for start, end in found) for at in places)
    return 3 * shown >= max(1, len(places))
