"""Analysts who send hostile statements without pause, with the lowest priority: in earnest they are other programs.

    python -m benchmarks._hostile_analysts PORT FILE_WITH_THE_TOKEN NUMBER

Prints "ready" when all are attached. Ends when standard input is closed, and prints how many statements were refused,
were answered, or failed because the endpoint was gone.
"""

from __future__ import annotations

import collections
import os
import sys
import threading
from pathlib import Path

import duckdb

from models.errors import InvalidInput
from server.analytics.client import connect
from tests.unit.analytics.hostile import HOSTILE

LOWEST = 19
STEP = 7
"""Each analyst takes every seventh statement, so that no two send the same at the same time."""


class Analyst:
    """Sends statements until told to end."""

    def __init__(self, port: int, token: str, first: int, over: threading.Event) -> None:
        self._port, self._token, self._next, self._over = port, token, first, over
        self._connection = connect(port, token)
        self.did: collections.Counter[str] = collections.Counter()

    def run(self) -> None:
        """Send them."""
        while not self._over.is_set():
            self.did[self._send(HOSTILE[self._next % len(HOSTILE)])] += 1
            self._next += STEP

    def _send(self, statement: str) -> str:
        try:
            self._connection.execute(statement).fetchall()
        except InvalidInput:
            return "refused"
        except duckdb.Error:
            return self._attached_again()
        return "answered"

    def _attached_again(self) -> str:
        try:
            self._connection = connect(self._port, self._token)
        except duckdb.Error:
            self._over.wait(0.1)
        return "failed"


def main() -> None:
    """Attack until standard input is closed."""
    os.nice(LOWEST)
    port, token, number = int(sys.argv[1]), Path(sys.argv[2]).read_text(encoding="utf-8").strip(), int(sys.argv[3])
    over = threading.Event()
    analysts = [Analyst(port, token, first, over) for first in range(number)]
    for analyst in analysts:
        threading.Thread(target=analyst.run, daemon=True).start()
    print("ready", flush=True)
    sys.stdin.read()
    over.set()
    did = sum((analyst.did for analyst in analysts), collections.Counter[str]())
    print(", ".join(f"{count} {what}" for what, count in sorted(did.items())), flush=True)
    os._exit(0)


if __name__ == "__main__":
    main()
