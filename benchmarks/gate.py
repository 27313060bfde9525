"""Attacks a real server, and measures what a normal client notices and what the gate costs.

    python -m benchmarks.gate [--only NAME ...] [--floor]

Attackers have a valid key of another client, come from other addresses of this machine, one for each attack, and have
the lowest priority, since in earnest they have machines of their own ("mp4 streams" come from the address of the normal
client). benchmarks/_attacks.py says what each does. For
each attack this prints:

unary, upload  medians of the normal client during the attack, and their ratio to the mean of before and after it; the
               ratio may be 1.5
CPU            of the server's process during the attack, as a ratio in the same way; it says what the attack costs the
               server where other work keeps the machine busy
longest        its longest call during the attack; the server needs a moment to notice a flood
failed         calls of the normal client that got no answer; none may
descriptors    of the server's process before, during and after; 5 more may remain
memory         of the server's process in MiB, before, during and after; the second round may add 100 MiB
load           average of the machine in the last minute; ratios of latency say little where it is over 2 for each core

The issuer of tokens, whose key ids strangers make up, may be asked every 10 s. All attacks run twice; the second round
counts, when everything is loaded. Then the same once at a gRPC server without options, for comparison. Then the CPU of

a call         with and without authentication and limits, the same call at the same server; 0.3 ms more is allowed
a picture      of 5 MB through all checks without ClamAV; 120 ms are allowed

Exits with 1 unless all hold. With --floor the attacks go to a port that drops all of them, and nothing else is
measured. What the normal client notices then is not the server's doing: attacker and server share the processor.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks import _cost_of_a_call, _cost_of_a_picture
from benchmarks._attacks import ATTACKS
from benchmarks._issuer import Issuer, issuer
from benchmarks._running import Bare, Running, bare_server, running
from benchmarks._under_attack import Held, NormalClient, Outcome, client_of_bare, key_of, normal_client, outcome
from server.observability.log import configure

MOST_RATIO = 1.5
MORE_DESCRIPTORS = 5
MORE_MIB = 100.0
MOST_CALL_US = 300.0
MOST_PICTURE_MS = 120.0
TITLES = (
    f"{'attack':20} {'unary':>16} {'upload':>16} {'CPU':>6} {'longest':>10} {'failed':>6}"
    f" {'descriptors':>16} {'memory MiB':>18} {'load':>5}  did"
)
NO_QUOTA = (
    "limits.client_uploads=1000000",
    "limits.client_upload_bytes=1000000000000",
    "limits.session_jobs=100000",
)
"""The normal client uploads more pictures than one would."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", choices=list(ATTACKS), default=list(ATTACKS), help="These attacks alone.")
    parser.add_argument("--bare", action="store_true", help="Only the server without options.")
    parser.add_argument("--floor", action="store_true", help="Only attacks on a port that drops them.")
    parsed = parser.parse_args()
    configure("warning", "json")
    good = True
    if not parsed.bare:
        with (
            tempfile.TemporaryDirectory() as home,
            issuer() as asked,
            running(Path(home), *NO_QUOTA, *asked.settings) as server,
        ):
            good = asyncio.run(_attack(server, parsed.only, parsed.floor))
            good &= _report_issuer(asked)
    if parsed.floor:
        sys.exit(0 if good else 1)
    with bare_server() as bare:
        asyncio.run(_attack_bare(bare, parsed.only))
    if not parsed.bare:
        good &= _report_cost()
    sys.exit(0 if good else 1)


async def _attack(server: Running, names: Sequence[str], floor: bool) -> bool:
    """Run all attacks twice and print each; returns whether the second round holds."""
    key = await key_of(server, "attacker")
    memory: list[float] = []
    async with normal_client(server) as client:
        await client.measured()  # loads what is loaded once
        for number in (1, 2):
            print(f"round {number}\n{TITLES}", flush=True)
            good = await _round(number, names, server, client, key, floor=floor)
            memory.append(Held.by(server).memory_mib)
    grown = memory[1] - memory[0]
    print(f"memory grew by {grown:.0f} MiB in the second round{'' if grown <= MORE_MIB else '  MISSED'}", flush=True)
    return good and grown <= MORE_MIB


async def _attack_bare(server: Bare, names: Sequence[str]) -> None:
    async with client_of_bare(server) as client:
        await client.measured()
        print(f"a gRPC server without options\n{TITLES}", flush=True)
        await _round(3, names, server, client, "")


async def _round(
    number: int,
    names: Sequence[str],
    server: Running | Bare,
    client: NormalClient,
    key: str,
    *,
    floor: bool = False,
) -> bool:
    """Run each attack once and print it; returns whether all hold."""
    quiet, good = await client.measured(), True
    for place, name in enumerate(names, 1):
        one = await outcome(name, server, client, f"127.{number}.{place}.1", key, quiet, floor=floor)
        quiet = one.after
        good &= _printed(one)
    return good


def _report_issuer(asked: Issuer) -> bool:
    pause = f", {asked.least_pause_s:.1f} s between two" if len(asked.reads) > 1 else ""
    print(f"the issuer was asked {len(asked.reads)} times{pause}{'' if asked.spared else '  MISSED'}", flush=True)
    return asked.spared


def _printed(one: Outcome) -> bool:
    """Print a row; returns whether it holds."""
    unary, upload = one.during.unary / one.quiet.unary, one.during.upload / one.quiet.upload
    states = (one.held_before, one.held_during, one.held_after)
    descriptors, memory = [h.descriptors for h in states], [h.memory_mib for h in states]
    failed = one.during.failed + one.quiet.failed
    holds = max(unary, upload) <= MOST_RATIO and not failed and descriptors[2] - descriptors[0] <= MORE_DESCRIPTORS
    print(
        f"{one.name:20} {one.during.unary:6.1f} ms x{unary:5.2f} {one.during.upload:6.1f} ms x{upload:5.2f}"
        f" x{one.during.cpu / one.quiet.cpu:5.2f} {one.during.longest:7.0f} ms {failed:6}"
        f" {'/'.join(map(str, descriptors)):>16} {'/'.join(f'{m:.0f}' for m in memory):>18}"
        f" {os.getloadavg()[0]:5.1f}"
        f"  {one.did}{'' if holds else '  MISSED'}",
        flush=True,
    )
    return holds


def _report_cost() -> bool:
    with tempfile.TemporaryDirectory() as folder:
        bare, gated = asyncio.run(_cost_of_a_call.microseconds(Path(folder)))
    with tempfile.TemporaryDirectory() as folder:
        picture_ms, size = asyncio.run(_cost_of_a_picture.milliseconds(Path(folder)))
    call_holds, picture_holds = gated - bare <= MOST_CALL_US, picture_ms <= MOST_PICTURE_MS
    print(
        f"a call: {bare:.0f} us of CPU without and {gated:.0f} us with authentication and limits, client included:"
        f" {gated - bare:+.0f} us{'' if call_holds else '  MISSED'}"
    )
    print(
        f"a picture of {size / 1e6:.1f} MB: {picture_ms:.0f} ms of CPU through all checks"
        f"{'' if picture_holds else '  MISSED'}"
    )
    return call_holds and picture_holds


if __name__ == "__main__":
    main()
