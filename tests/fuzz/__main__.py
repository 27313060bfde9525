"""``python -m tests.fuzz --minutes N``: fuzz every target for its share of the time; exits with 1 on a finding."""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Callable

from server.observability.log import configure
from tests.fuzz.media import Media
from tests.fuzz.port import Port, Services
from tests.fuzz.statements import Statements
from tests.fuzz.target import Target, attempt, describe, fuzz
from tests.fuzz.tokens import Tokens

TARGETS: dict[str, tuple[Callable[[], Target], float]] = {
    "port": (Port, 0.3),
    "services": (Services, 0.2),
    "media": (Media, 0.3),
    "tokens": (Tokens, 0.12),
    "statements": (Statements, 0.08),
}
"""Each target with its share of the time."""


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="Time for all targets together.")
    parser.add_argument("--only", nargs="*", choices=list(TARGETS), default=list(TARGETS), help="These targets.")
    parser.add_argument("--first", type=int, help="Number of the first try; by default another one each day.")
    parser.add_argument("--repeat", type=int, help="Run the try with this number alone, of one target.")
    arguments = parser.parse_args()
    configure("critical", "json")  # what a stranger sends makes many lines
    if arguments.repeat is not None:
        asyncio.run(_repeat(TARGETS[arguments.only[0]][0](), arguments.repeat))
        return
    first = int(time.time()) // 86_400 * 1_000_000 if arguments.first is None else arguments.first
    shares = sum(TARGETS[name][1] for name in arguments.only)
    findings = 0
    for name in arguments.only:
        make, share = TARGETS[name]
        began = time.monotonic()
        tries, found = asyncio.run(fuzz(make(), 60 * arguments.minutes * share / shares, first))
        _say(describe(tries, time.monotonic() - began, found, name))
        for finding in found:
            findings += 1
            _say(f"  try {finding.number}: {finding.what}\n  saved as {finding.save().name}")
    sys.exit(1 if findings else 0)


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


async def _repeat(target: Target, number: int) -> None:
    async with target.opened():
        await attempt(target, number)
        await target.check(number)


if __name__ == "__main__":
    main()
