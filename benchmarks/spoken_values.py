"""What can be read of spoken values by language, sound, voice and kind, over several sets at once, beside a peer.

    python -m benchmarks.spoken_values --judge leaks.py --data DIR [DIR ...] [--peer 'COMMAND'] [--least 10]

The judge is the program that scores one set; its rules of what is a leak are used as they are. Each DIR holds the files
that it reads. ``--peer`` is another command that redacts, such as one for Presidio. Printed for each group of at least
``--least`` values, ours and the peer's:

said, readable  shares of the values, as the judge defines them
touched         share of the harmless sentences in which anything was hidden
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

OURS = f"{sys.executable} -m server.cli redact --jsonl"
GROUPS = {
    "all": (),
    "variant": ("variant",),
    "language": ("lang",),
    "sound": ("degrade",),
    "voice": ("voice",),
    "kind": ("type",),
}
"""Name of each group and the field of a row that tells it."""


@dataclass(frozen=True)
class Seen:
    """What one command left readable of one clip. A harmless clip has only ``touched``, a value only the others."""

    said: bool | None = None
    readable: bool | None = None
    touched: bool | None = None


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--judge", type=Path, required=True, help="the program that scores one set")
    parser.add_argument("--data", type=Path, required=True, nargs="+")
    parser.add_argument("--peer", help="another command that redacts")
    parser.add_argument("--least", type=int, default=10, help="values of a group that is printed")
    args = parser.parse_args()
    judge = _loaded(args.judge)
    commands = {"ours": OURS} | ({"peer": args.peer} if args.peer else {})
    seen = {name: list(_seen(judge, args.data, command)) for name, command in commands.items()}
    print(f"{'':26} values " + "".join(f"{name:>8}: said readable touched" for name in seen))
    for group, fields in GROUPS.items():
        _print_group(group, fields, seen, args.least)


def _loaded(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("judge", path)
    if spec is None or spec.loader is None:
        raise SystemExit(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules["judge"] = module
    spec.loader.exec_module(module)
    return module


def _seen(judge: ModuleType, folders: list[Path], command: str) -> Iterator[tuple[Mapping[str, Any], Seen]]:
    """Each row of the sets, with what the command left of it."""
    for folder in folders:
        for file, is_harmless in (("manifest.jsonl", False), ("harmless.jsonl", True)):
            rows = list(judge.rows(folder / file))
            replies = judge.redact(command, rows, {row["id"]: row["heard"] for row in rows}, "speech")
            for row in rows:
                spans = judge.spans(replies[row["id"]])
                if is_harmless:
                    yield row, Seen(touched=bool(spans))
                else:
                    verdict = judge.judge(row, row["heard"], spans)
                    yield row, Seen(verdict["said"], verdict["readable"])


def _print_group(
    group: str, fields: tuple[str, ...], seen: Mapping[str, list[tuple[Mapping[str, Any], Seen]]], least: int
) -> None:
    tables: dict[str, dict[str, list[Seen]]] = {name: defaultdict(list) for name in seen}
    for name, rows in seen.items():
        for row, result in rows:
            tables[name]["/".join(str(row.get(field, "-")) for field in fields)].append(result)
    first = next(iter(tables.values()))
    for key in sorted(first, key=lambda key: -len(first[key])):
        values = sum(result.said is not None for result in first[key])
        if values >= least:
            shares = "".join(f"{'':8}  {_shares(table[key])}" for table in tables.values())
            print(f"{group + ' ' + key:26} {values:6} {shares}")


def _shares(results: list[Seen]) -> str:
    columns = ([getattr(result, field) for result in results] for field in ("said", "readable", "touched"))
    known = ([value for value in column if value is not None] for column in columns)
    return " ".join(f"{100 * sum(column) / len(column):6.1f} " if column else "     - " for column in known)


if __name__ == "__main__":
    main()
