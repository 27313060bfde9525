"""Figures of a slot head on labelled texts: what stays readable, and which other words go."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from models.redaction.entities import LABELS
from models.redaction.ner.encoder import Floats
from models.training.slot_table import SlotRow

BARS = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7)
_Spans = list[tuple[int, int]]


def report(name: str, rows: Sequence[SlotRow], spans: Sequence[_Spans], personal: Floats, bar: float = 0.5) -> None:
    """Print the figures of all rows at several bars, and by label at one."""
    for one in BARS:
        print(f"{name} bar {one:.1f}  {_line(_counts(rows, spans, personal, one)[''])}")
    for label, counts in sorted(_counts(rows, spans, personal, bar).items()):
        print(f"{name} {label or 'all':12s} {_line(counts)}")


def _line(counts: Counter[str]) -> str:
    def share(part: str, whole: str) -> str:
        return f"{counts[part] / counts[whole]:.3f}" if counts[whole] else "    -"

    return (
        f"values {counts['values']:6d} leaked {share('leaked', 'values')} words {share('shown', 'inside')}   "
        f"harmless {counts['harmless']:6d} touched {share('touched', 'harmless')}   lost {share('lost', 'outside')}"
    )


def _counts(rows: Sequence[SlotRow], spans: Sequence[_Spans], personal: Floats, bar: float) -> dict[str, Counter[str]]:
    """Counts by label, by language, by group, and of all (the empty string).

    A value counts as leaked if a third of its words or more stay readable, and as touched if any word of it goes.
    """
    found: dict[str, Counter[str]] = {}
    at = 0
    for row, words in zip(rows, spans, strict=True):
        hidden = (personal[at : at + len(words)] >= bar).tolist()
        at += len(words)
        general = ("", f"lang/{row.context.language}", f"group/{row.group}")
        for key, counts in _of_row(row, words, hidden):
            for place in (*general, key) if key else general:
                found.setdefault(place, Counter()).update(counts)
    return found


def _of_row(row: SlotRow, words: _Spans, hidden: list[bool]) -> Iterator[tuple[str, dict[str, int]]]:
    of_values = np.zeros(len(words), dtype=bool)
    for start, end, label in row.spans:
        inside = [n for n, (a, b) in enumerate(words) if a < end and start < b]
        of_values[inside] = True
        gone = sum(hidden[n] for n in inside)
        if label in LABELS:
            shown = len(inside) - gone
            yield (
                label,
                {"values": 1, "leaked": int(3 * shown >= max(1, len(inside))), "inside": len(inside), "shown": shown},
            )
        else:
            yield label, {"harmless": 1, "touched": int(gone > 0)}
    outside = [n for n in range(len(words)) if not of_values[n]]
    yield "", {"outside": len(outside), "lost": sum(hidden[n] for n in outside)}
