"""`vestibule keys rotate-spool`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from server.cli.output import show_json
from server.cli.remote import address_option, connected
from server.cli.stopped_server import StoppedServer, files_options, stopped_server

if TYPE_CHECKING:
    from server.ledger.writer import Ledger

CALL_TIMEOUT_S = 120.0
"""Timeout of one call. The server works for some seconds, and finishes the file that it is at."""


@dataclass(frozen=True, slots=True)
class Progress:
    """What one call did; see ``server.uploads.key_rotation.RotationProgress``."""

    key_id: str
    done: int
    remaining: int
    finished: bool


@click.command("rotate-spool", short_help="Make a new key for the spool, and encrypt what waits there with it.")
@address_option
@files_options
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
def rotate_spool(address: str | None, state_dir: Path | None, data_dir: Path | None, as_json: bool) -> None:
    """Change the key of the spool, without downtime.

    From now on everything new is encrypted with a new key. Media that wait, audio of broken streams and the
    vocabularies of sessions are encrypted with it, too. Then the earlier key is deleted. Streams that are open keep
    it until they end; the server does the rest by itself. Safe to interrupt and to repeat.

    A key that VESTIBULE_SPOOL_KEY gives cannot be changed here: put a new one before it, with a comma between them,
    start the server again, run this command, and take the old one away.

    \b
    Examples:
      vestibule keys rotate-spool
      vestibule keys rotate-spool --data-dir ./data --state-dir ./state
    """
    stopped = stopped_server(address, state_dir, data_dir)
    total = _rotate_by_calls(address, state_dir) if stopped is None else _rotate_files(stopped)
    if as_json:
        show_json(
            {
                "key_id": total.key_id,
                "done": total.done,
                "remaining": total.remaining,
                "finished": total.finished,
            }
        )
        return
    click.echo(f"The key of the spool is {total.key_id}. Encrypted anew: {total.done}.")
    if total.finished:
        click.echo("Nothing needs an earlier key.")
    else:
        click.echo(
            f"{total.remaining} files still need an earlier key: they are being written, or are damaged. It is kept "
            "for them; a running server goes on by itself, and deletes it when nothing needs it."
        )


def until_still(step: Callable[[str], Progress]) -> Progress:
    """Call again and again until it is finished, or nothing more can be done now; returns the sum."""
    key_id, done = "", 0
    while True:
        now = step(key_id)
        key_id, done = now.key_id, done + now.done
        if now.finished or not now.done:
            return Progress(key_id, done, now.remaining, now.finished)
        click.echo(f"{done} encrypted anew, {now.remaining} left.", err=True)


def _rotate_by_calls(address: str | None, state_dir: Path | None) -> Progress:
    from vestibule.v1.admin_pb2 import RotateSpoolKeyRequest
    from vestibule.v1.admin_pb2_grpc import AdminServiceStub

    with connected(address, state_dir) as channel:
        stub = AdminServiceStub(channel)

        def step(key_id: str) -> Progress:
            reply = stub.RotateSpoolKey(RotateSpoolKeyRequest(key_id=key_id), timeout=CALL_TIMEOUT_S)
            return Progress(reply.key_id, reply.done_count, reply.remaining_count, reply.finished)

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

    async def run(ledger: Ledger, key_id: str) -> Progress:
        audit_key = load_or_create_key(settings.state_dir)
        subjects_key = load_or_create_subjects_key(settings.state_dir)
        audit = AuditTrail(audit_key, subjects_key, utc_now, keep_peers=settings.audit.peers)
        keys = load_or_create_spool_keys(settings.spool_key.get_secret_value(), settings.state_dir / KEY_FILE)
        spool = Spool(settings.spool_dir, keys)
        rotation = SpoolKeyRotation(spool, ledger, VocabularySealer(keys), audit, asyncio.Lock())
        async with head_kept(ledger, audit_key, settings.state_dir):
            now = await rotation.rotate(key_id)
        return Progress(now.key_id, now.done, now.remaining, now.finished)

    with stopped.opened() as ledger, acting_as(OFFLINE):
        return until_still(lambda key_id: asyncio.run(run(ledger, key_id)))
