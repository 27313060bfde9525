"""``python -m tests.new_machine``: from nothing to an approved record over TLS, as on a new machine.

It clones this repository into an empty folder, with an empty home, and does what a new user would do with the commands
of README.md: install, make a certificate, start the server, hold a visit with a photograph, approve its record. Then it
makes a backup, kills the server, deletes its data and its state, restores the backup, makes a new certificate, and
approves a second record. It needs git, make and Python, and nothing else of this checkout.

Prints how long each step took. Exits with 1 if a step fails, if the way from nothing to an approved record takes longer
than ten minutes, if the telephone number is shown or lies in a file of the server or the backup, if the record lacks a
value, or if the approved record is not the same after the restore. The folder is kept then.
"""

from __future__ import annotations

import argparse
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from tests.new_machine.machine import PHONE, SPELLINGS, Machine, StepFailed, say, say_time

ROOT: Final = Path(__file__).parents[2]
VISIT: Final = f"""\
I am at the Riverside site.
/photo meter tests/data/meter.jpg
/skip
You can reach me on {PHONE}.
/propose
"""
VALUES: Final = {"site_name": "Riverside", "meter_reading": "04821", "contact_given": "yes"}
"""What the record must have: what was typed, and what the photograph shows."""
APPROVED: Final = "RECOMMENDATION_STATE_APPROVED"
TO_A_RECORD_S: Final = 600.0
"""Longest time from nothing to an approved record."""
READY_S: Final = 300.0
ENDED_S: Final = 90.0


def install(machine: Machine) -> None:
    """Clone, packages, weights."""
    (machine.folder / "home").mkdir()
    with machine.step("clone"):
        subprocess.run(["git", "clone", "--quiet", ROOT, machine.checkout], check=True)
    with machine.step("make setup: environment and packages"):
        machine.run("make", "setup")
    with machine.step("make weights: fetch and verify the models"):
        machine.run("make", "weights")


@contextmanager
def serving(machine: Machine, title: str) -> Iterator[subprocess.Popen[bytes]]:
    """Make a certificate and run a server with it, until it answers over TLS, and not without."""
    with machine.step(f"{title}: certificate"):
        machine.vestibule("keys", "dev-certificate", "--host", "localhost")
    with machine.log.open("ab") as log:
        command = [str(machine.checkout / ".venv" / "bin" / "vestibule"), "serve"]
        server = subprocess.Popen(
            command, cwd=machine.checkout, env=machine.environment(), stdout=log, stderr=log, start_new_session=True
        )
    try:
        with machine.step(f"{title}: server ready"):
            _until_serving(machine, server)
        yield server
        killed = server.poll() is not None
        server.terminate()
        if server.wait(ENDED_S) and not killed:
            raise StepFailed(f"The server ended with {server.returncode} when it was asked to end.")
    finally:
        _kill(server)


def _until_serving(machine: Machine, server: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + READY_S
    while "SERVING" not in machine.vestibule("health", fine=(0, 1)).split():
        if server.poll() is not None:
            raise StepFailed(f"The server ended with {server.returncode}; see {machine.log}.")
        if time.monotonic() > end:
            raise StepFailed(f"The server was not ready after {READY_S:.0f} s.")
        time.sleep(0.5)  # of another process
    plain = machine.vestibule("health", "--plaintext", fine=(0, 1))
    if "SERVING" in plain.split():
        raise StepFailed("The server answers without TLS.")


def _kill(server: subprocess.Popen[bytes]) -> None:
    """End whatever of the server and its workers is left."""
    try:
        os.killpg(server.pid, 9)
    except ProcessLookupError:
        return
    server.wait()


def approve_a_visit(machine: Machine, title: str) -> dict[str, Any]:
    """Hold a visit, look at its record and approve it; returns the record."""
    with machine.step(f"{title}: a visit with a photograph, its record"):
        machine.vestibule("talk", "--type", "--flow", "site_visit", stdin=VISIT)
        [review] = machine.read("reviews", "list")["reviews"]
    with machine.step(f"{title}: shown and approved"):
        record = shown(machine, review["recommendation_id"])
        machine.vestibule("reviews", "approve", record["id"], "--hash", record["content_hash"])
    values = {one["name"]: one["value"] for one in record["record"]["fields"]}
    if wrong := {name: values.get(name) for name, value in VALUES.items() if values.get(name) != value}:
        raise StepFailed(f"The record has {wrong}.")
    return record


def shown(machine: Machine, record_id: str) -> dict[str, Any]:
    """A record, as ``vestibule reviews show`` has it."""
    record: dict[str, Any] = machine.read("reviews", "show", record_id)["recommendation"]
    return record


def look_for_the_number(machine: Machine) -> None:
    """Search what the server and the backup have written. `make demo` searches deeper, in every column."""
    folders = (machine.data, machine.state, machine.folder / "backup")
    files = [machine.log, *(file for folder in folders for file in folder.rglob("*") if file.is_file())]
    contents = {file: file.read_bytes() for file in files}
    found = [file for file, content in contents.items() if any(spelling in content for spelling in SPELLINGS)]
    if found:
        raise StepFailed(f"The telephone number is in {', '.join(map(str, found))}.")
    if not any(VALUES["site_name"].encode() in content for content in contents.values()):
        raise StepFailed("The search does not find the name of the site either, which the record holds.")


def play(machine: Machine) -> None:
    """All of it."""
    began = time.monotonic()
    install(machine)
    backup, keys = machine.folder / "backup", machine.folder / "keys.json"
    with serving(machine, "first start") as server:
        first = approve_a_visit(machine, "first")
        in_time(time.monotonic() - began)
        with machine.step("backup of the running server"):
            machine.vestibule("backup", backup, "--keys", keys)
        certificate = (machine.tls / "certificate.pem").read_bytes()
        first = shown(machine, first["id"])
        if first["state"] != APPROVED:
            raise StepFailed(f"The record is {first['state']}.")
        _kill(server)
    look_for_the_number(machine)
    for folder in (machine.data, machine.state):
        shutil.rmtree(folder)
    with machine.step("restore"):
        machine.vestibule("restore", backup, "--keys", keys)
    with serving(machine, "second start"):
        if shown(machine, first["id"]) != first:
            raise StepFailed("The approved record is not the same after the restore.")
        if (machine.tls / "certificate.pem").read_bytes() == certificate:
            raise StepFailed("The certificate is the old one.")
        approve_a_visit(machine, "second")
        machine.vestibule("audit", "verify")
    look_for_the_number(machine)
    say_time("all", time.monotonic() - began)


def in_time(took_s: float) -> None:
    """Say how long it took from nothing to an approved record, and fail if that is too long."""
    say_time("from nothing to an approved record over TLS", took_s)
    if took_s > TO_A_RECORD_S:
        raise StepFailed(f"It took {took_s:.0f} s to an approved record, and {TO_A_RECORD_S:.0f} s are allowed.")


def unused_port() -> int:
    """A port on loopback that is free now."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.new_machine", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--keep", action="store_true", help="keep the folder; it is named then")
    given = parser.parse_args()
    machine = Machine(Path(tempfile.mkdtemp(prefix="vst-new-", dir="/tmp")), unused_port())
    done = False
    try:
        play(machine)
        done = True
    except StepFailed as why:
        say(f"FAILED: {why}")
        sys.exit(1)
    finally:
        if given.keep or not done:
            say(f"Its folder is {machine.folder}")
        else:
            shutil.rmtree(machine.folder)


if __name__ == "__main__":
    main()
