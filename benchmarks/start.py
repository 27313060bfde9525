"""What a start of the server costs: time, processor time and memory, by process.

    python -m benchmarks.start [--starts 5]

Each start is one of a new installation, without Ray's dashboard, until health says SERVING. Printed, median of the
starts: seconds on the clock; seconds of processor time of all its processes, and of those that take most; and memory
of all of them, with shared pages counted once. The peer is an earlier commit: run the same file there.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import psutil

from benchmarks._running import Running, running

SHOWN_S = 1.0
"""Processes that take less processor time are not shown one by one."""
MIB = 1024 * 1024


def processes(server: Running) -> list[psutil.Process]:
    """The server and everything that it started."""
    return [psutil.Process(server.pid), *server.child.descendants()]


def name_of(process: psutil.Process) -> str:
    """What the process is, in a few words."""
    command = process.cmdline()
    if command and command[0].startswith("ray::"):
        return command[0].rpartition(":")[2].strip()
    if "-m" in command:
        return command[command.index("-m") + 1]
    return Path(next((part for part in command if part.endswith(".py")), process.name())).name


def start(folder: Path) -> tuple[float, dict[str, float], float]:
    """Start a server once: seconds, processor time by process in seconds, memory in MiB."""
    began = time.monotonic()
    with running(folder, "ray.dashboard=false", ready_s=600.0) as server:
        took_s = time.monotonic() - began
        spent: dict[str, float] = defaultdict(float)
        memory = 0
        for process in processes(server):
            try:
                times = process.cpu_times()
                spent[name_of(process)] += times.user + times.system
                memory += process.memory_full_info().pss
            except psutil.NoSuchProcess:
                continue
    return took_s, dict(spent), memory / MIB


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--starts", type=int, default=5)
    args = parser.parse_args()
    taken = []
    for _ in range(args.starts):
        with tempfile.TemporaryDirectory() as folder:
            taken.append(start(Path(folder)))
    print(f"{'until SERVING':42s} {statistics.median(s for s, _, _ in taken):7.1f} s")
    print(f"{'processor time of all':42s} {statistics.median(sum(by.values()) for _, by, _ in taken):7.1f} s")
    print(f"{'memory of all':42s} {statistics.median(m for _, _, m in taken):7.0f} MiB")
    names = {name for _, by, _ in taken for name in by}
    each = {name: statistics.median(by.get(name, 0.0) for _, by, _ in taken) for name in names}
    for name, seconds in sorted(each.items(), key=lambda found: -found[1]):
        if seconds >= SHOWN_S:
            print(f"  {name:40s} {seconds:7.1f} s")


if __name__ == "__main__":
    main()
