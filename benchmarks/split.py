"""Splits evaluation sets in two: one half for tuning, one half for the final figures only.

    python -m benchmarks.split DATA OUT

Writes OUT/tune and OUT/held, each laid out like DATA: every ``.jsonl`` file with half of its lines, everything else
linked. A line goes by the first bit of the SHA-256 of its own bytes, so the split depends on the line only: it
is the same everywhere, and adding a line moves no other. Run the scoring programs with ``--data OUT/tune`` while
working and with ``--data OUT/held`` once at the end.
"""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path

HALVES = ("tune", "held")


def half_of(line: bytes) -> str:
    """The half that a line belongs to."""
    return HALVES[hashlib.sha256(line.strip()).digest()[0] >> 7]


def split(data: Path, out: Path) -> None:
    """Write both halves of all sets; existing files are overwritten."""
    for half in HALVES:
        (out / half).mkdir(parents=True, exist_ok=True)
    for source in sorted(data.rglob("*")):
        place = source.relative_to(data)
        if source.is_dir():
            for half in HALVES:
                (out / half / place).mkdir(parents=True, exist_ok=True)
        elif source.suffix == ".jsonl":
            lines = source.read_bytes().splitlines(keepends=True)
            for half in HALVES:
                (out / half / place).write_bytes(b"".join(line for line in lines if half_of(line) == half))
        else:
            for half in HALVES:
                link = out / half / place
                link.unlink(missing_ok=True)
                link.symlink_to(source.resolve())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args()
    split(arguments.data, arguments.out)


if __name__ == "__main__":
    main()
