"""What more speakers need, as ``benchmarks.scale`` prints it: the cost of a speaker, and that of several servers."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

SERVER: Final = "server"
POSTGRES: Final = "PostgreSQL"
SPEAKERS: Final = (10, 100, 1000, 2000)
OF_A_SERVER: Final = (SERVER, "analysts", "media decoders")
"""Parts that each server has for itself."""
BUSY: Final = 0.7
"""Share of a core up to which one process answers in time."""

Measured = dict[str, float]


@dataclass(frozen=True, slots=True)
class Shared:
    """CPU of what each server has for the others, as ``benchmarks.mirrors`` prints it, in seconds.

    Attributes:
        event_s: Of the server's process, for a row that is written or a notice that is told anywhere.
        second_s: Of the same in each second, whatever is written.
        postgres_event_s: Of PostgreSQL.
        postgres_second_s: Of PostgreSQL in each second.
    """

    event_s: float
    second_s: float
    postgres_event_s: float
    postgres_second_s: float


MIRROR: Final = Shared(event_s=14e-6, second_s=23e-3, postgres_event_s=2.8e-6, postgres_second_s=4.1e-3)
LISTENER: Final = Shared(event_s=135e-6, second_s=0.0, postgres_event_s=26e-6, postgres_second_s=0.0)
SENT_S: Final = 4e-6
"""Of PostgreSQL: what each listener adds to the CPU of a notice at the connection that tells it. This and the two above
were measured: docs/evaluation/server.md, What servers cost each other.
"""


def sizes(idle: Measured, speech: Measured, memory: Measured) -> Iterator[str]:
    """What more speakers need, with a mirror in each server and with one mirror for all of them.

    Each worker is counted with a core, and each server with its helpers.

    Args:
        idle: A second of one server without a mirror, while nobody speaks.
        speech: What one person adds in a second.
        memory: Of each part, in MiB.
    """
    for speakers, in_each in itertools.product(SPEAKERS, (True, False)):
        more = {part: speakers * used for part, used in speech.items()}
        heard = more["notices"] * LISTENER.event_s
        mirror = MIRROR.second_s + more["rows"] * MIRROR.event_s if in_each else 0.0
        left = BUSY - idle[SERVER] - mirror - heard
        if left <= 0:
            yield f"{speakers} speakers: what a server does for the others fills it"
            continue
        servers = math.ceil(more[SERVER] / left)
        mirrors = servers if in_each else 1
        copied = mirrors * (MIRROR.postgres_second_s + more["rows"] * MIRROR.postgres_event_s)
        told = servers * more["notices"] * (LISTENER.postgres_event_s + SENT_S)
        cores_of_workers = {part: math.ceil(more[part]) for part in more if part.endswith("workers")}
        gib_of_workers = sum(cores * memory[part] for part, cores in cores_of_workers.items()) / 1024
        gib_of_servers = servers * sum(memory[part] for part in OF_A_SERVER) / 1024
        own = servers * idle[POSTGRES] + more[POSTGRES]
        yield (
            f"{speakers} speakers, {mirrors} mirrors: {sum(cores_of_workers.values())} cores and"
            f" {gib_of_workers:.0f} GiB for workers; {servers} servers ({gib_of_servers:.0f} GiB), {mirror:.3f} of a"
            f" core of each for its mirror and {heard:.3f} for notices; Ray {more['Ray']:.1f} cores; PostgreSQL"
            f" {own + copied + told:.2f} cores: {own:.2f} for servers, {copied:.2f} for mirrors, {told:.2f} for"
            f" notices; {more['writes']:.0f} transactions that write, {more['wal_bytes'] / 1e6:.2f} MB of log a second"
        )
