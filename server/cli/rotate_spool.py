"""`vestibule keys rotate-spool`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import click

from server.cli.output import show_json
from server.cli.remote import address_option, connected
from server.cli.stopped_server import StoppedServer, files_options, stopped_server

CALL_TIMEOUT_S = 120.0
"""Timeout of one call. The server works for some seconds, and finishes the file that it is at."""


@dataclass(frozen=True, slots=True)
class Progress:
    """What one call did; see ``server.uploads.key_rotation.RotationProgress``."""

    key_id: str
    done: int
    remaining: int = 0
    in_use: int = 0
    damaged: int = 0
    no_room: int = 0
    refused: int = 0
    more: bool = False
    finished: bool = False
    given: bool = False


@click.command("rotate-spool", short_help="Make a new key for the spool, and encrypt what waits there with it.")
@address_option
@files_options
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
def rotate_spool(address: str | None, state_dir: Path | None, data_dir: Path | None, as_json: bool) -> None:
    """Change the key of the spool, without downtime.

    From now on everything new is encrypted with a new key. Media that wait, audio of broken streams and the
    vocabularies of sessions are encrypted with it, too. Then the earlier key is deleted. Streams that are open keep
    it until they end; the server does the rest by itself. Safe to interrupt and to repeat.

    A file that the disk refuses to read or to copy is told, and the exit code is 1. The others are done. The server
    tries it again every ten minutes, and this command at once.

    A key that VESTIBULE_SPOOL_KEY gives cannot be changed here: put a new one before it, with a comma between them,
    start the server again, and run this command until it says that nothing needs an earlier key. Until then it exits
    with 1. Then take the old one away.

    \b
    Examples:
      vestibule keys rotate-spool
      vestibule keys rotate-spool --data-dir ./data --state-dir ./state
    """
    stopped = stopped_server(address, state_dir, data_dir)
    total = _rotate_by_calls(address, state_dir) if stopped is None else _rotate_files(stopped)
    if as_json:
        show_json(asdict(total))
    else:
        for line in _told(total):
            click.echo(line)
    if total.refused or (total.given and not total.finished):
        raise SystemExit(1)


def _told(total: Progress) -> Iterator[str]:
    """The lines for a person."""
    yield f"The key of the spool is {total.key_id}. Encrypted anew: {total.done}."
    if total.finished:
        yield "Nothing needs an earlier key."
        return
    yield f"Files that still need an earlier key: {total.remaining}."
    for count, why in (
        (total.in_use, "Being written, by an open stream or an upload"),
        (total.damaged, "Damaged, so that they cannot be encrypted anew"),
        (total.no_room, "Too large for the room that is left on the disk"),
        (total.refused, "Refused by the disk; the log names them (spool_file_refused)"),
    ):
        if count:
            yield f"  {why}: {count}."
    if total.given:
        yield "Run this command again before you take the earlier key out of VESTIBULE_SPOOL_KEY."
    else:
        yield "It is kept for them. A running server goes on by itself, and deletes it when nothing needs it."


def until_still(step: Callable[[str], Progress]) -> Progress:
    """Call again and again until it is finished, or nothing more can be done now; returns the sum."""
    key_id, done = "", 0
    while True:
        now = step(key_id)
        key_id, done = now.key_id, done + now.done
        if not now.more:
            return replace(now, done=done)
        click.echo(
            f"{done} encrypted anew, {now.remaining} {'file' if now.remaining == 1 else 'files'} left.", err=True
        )


def _rotate_by_calls(address: str | None, state_dir: Path | None) -> Progress:
    from vestibule.v1.admin_pb2 import RotateSpoolKeyRequest
    from vestibule.v1.admin_pb2_grpc import AdminServiceStub

    with connected(address, state_dir) as channel:
        stub = AdminServiceStub(channel)

        def step(key_id: str) -> Progress:
            reply = stub.RotateSpoolKey(RotateSpoolKeyRequest(key_id=key_id), timeout=CALL_TIMEOUT_S)
            return Progress(
                key_id=reply.key_id,
                done=reply.done_count,
                remaining=reply.remaining_count,
                in_use=reply.in_use_count,
                damaged=reply.damaged_count,
                no_room=reply.no_room_count,
                refused=reply.refused_count,
                more=reply.more,
                finished=reply.finished,
                given=reply.given,
            )

        return until_still(step)


def _rotate_files(stopped: StoppedServer) -> Progress:
    from server.access.audit import AuditTrail, load_or_create_key, load_or_create_subjects_key
    from server.access.audit_head import head_kept
    from server.access.caller import OFFLINE, acting_as
    from server.ledger.types import utc_now
    from server.records.vocabulary import VocabularySealer
    from server.uploads.key_rotation import SpoolKeyRotation
    from server.uploads.keys import KEY_FILE, load_or_create_spool_keys
    from server.uploads.spool import Spool

    settings = stopped.settings
    stopped.require_ledger()

    with stopped.opened() as ledger, acting_as(OFFLINE), asyncio.Runner() as runner:
        audit_key = load_or_create_key(settings.keys_dir)
        subjects_key = load_or_create_subjects_key(settings.keys_dir)
        audit = AuditTrail(audit_key, subjects_key, utc_now, keep_peers=settings.audit.peers)
        keys = load_or_create_spool_keys(settings.spool_key.get_secret_value(), settings.keys_dir / KEY_FILE)
        rotation = SpoolKeyRotation(
            Spool(settings.spool_dir, keys),
            ledger,
            VocabularySealer(keys),
            audit,
            asyncio.Lock(),
            least_free_bytes=settings.limits.least_free_bytes,
        )

        async def run(key_id: str) -> Progress:
            async with head_kept(ledger, audit_key, settings.keys_dir):
                return Progress(**asdict(await rotation.rotate(key_id)))

        return until_still(lambda key_id: runner.run(run(key_id)))
