"""``vestibule redact --ledger``: redacts the texts of the ledger again, with today's rules and policies."""

from __future__ import annotations

import asyncio
import hashlib
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from models.errors import NotFound
from models.reasons import Reason
from server.cli.export import remembered_exports
from server.cli.output import show_json, show_table
from server.cli.weights import REDACTION_WEIGHTS

if TYPE_CHECKING:
    from models.redaction.redactor import LocalRedactor
    from server.records.stored_text_redactor import Tally
    from server.settings import Settings

KINDS = ("turn", "reply", "upload", "name", "label", "record", "comment", "event")


def redact_stored_texts(
    data_dir: Path | None, state_dir: Path | None, threads: int, *, dry_run: bool, as_json: bool
) -> None:
    """Redact the ledger again, and print how many texts change; never a text.

    Raises:
        NotFound: LEDGER_NOT_FOUND; STATE_KEY_NOT_FOUND, because with another key hashes and numbers would not go on.
        Unavailable: LEDGER_LOCKED while a server holds the ledger.
        InternalError: LEDGER_OLDER on a dry run, which migrates nothing.
        RedactionFailed: A text could not be redacted.
    """
    from server.analytics.endpoint import SNAPSHOT_FOLDER
    from server.analytics.snapshot import delete_snapshots
    from server.cli.analyst import ledger_settings
    from server.cli.weights import ensure_weights
    from server.ledger.embedded import EmbeddedLedger
    from server.ledger.opened import refuse_postgres
    from server.ledger.rewrite import rewrite
    from server.ledger.types import utc_now
    from server.records.redact_again import LedgerRedaction
    from server.settings import prepare_process

    prepare_process()
    settings = ledger_settings(None, state_dir, data_dir)
    refuse_postgres(bool(settings.ledger.database), "The command")
    if not settings.ledger_path.exists():
        raise NotFound(
            f"There is no ledger in {settings.data_dir}.",
            reason=Reason.LEDGER_NOT_FOUND,
            hint="Name the server's folders with --data-dir and --state-dir.",
        )
    if not settings.state_key_path.exists():
        raise NotFound(
            f"There is no key of the workers in {settings.state_dir}.",
            reason=Reason.STATE_KEY_NOT_FOUND,
            hint="Name the server's folder with --state-dir. With another key, hashes and numbers would begin anew.",
        )
    ledger = EmbeddedLedger.open(settings.ledger_path, utc_now, migrates=not dry_run)
    try:
        if not dry_run:
            # A server that was killed leaves copies for analysts; they have the old texts.
            delete_snapshots(settings.state_dir / SNAPSHOT_FOLDER)
        ensure_weights([*REDACTION_WEIGHTS], settings.weights_dir)
        redactor = _redactor(settings, threads)
        with _progress() as progress:
            run = LedgerRedaction(ledger, redactor, _rules(settings), utc_now, dry_run=dry_run, progress=progress)
            tally = asyncio.run(run.run())
    finally:
        ledger.close()
    if not dry_run:
        rewrite(settings.ledger_path)
    exports = [] if dry_run else remembered_exports(settings.state_dir)
    _show(tally, dry_run=dry_run, as_json=as_json, exports=exports)


def _redactor(settings: Settings, threads: int) -> LocalRedactor:
    """A redactor as the workers have it: the same policies and the same key, so that hashes and numbers go on."""
    from models.redaction.policy.loader import load_policies
    from models.redaction.redactor import build_redactor
    from models.redaction.streaming.sealed_state import load_or_create_key

    wanted = settings.redaction
    key = load_or_create_key(settings.state_key_path)
    policies = load_policies(wanted.policy_file)
    return build_redactor(
        settings.weights_dir, threads, policies, key, wanted.engine, wanted.device, wanted.ner_weights
    )


def _rules(settings: Settings) -> str:
    """Hash of what decides about a text: the code with its data, the engine, the policies and an added model."""
    import models
    from models.redaction.policy.loader import read_policy_text
    from models.weights.added import added_model
    from ray_tasks.engine_info import code_hash

    file = settings.redaction.policy_file
    decides = (
        code_hash(Path(models.__file__).parent),
        settings.redaction.engine,
        read_policy_text(file) if file else "",
        *(own.files if (own := added_model(settings.redaction.ner_weights, settings.weights_dir)) else ()),
    )
    return hashlib.sha256(repr(decides).encode()).hexdigest()


@contextmanager
def _progress() -> Iterator[Callable[[int, int], None]]:
    """A bar on a terminal, nothing elsewhere."""
    if not sys.stderr.isatty():
        yield lambda _done, _total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("  sessions and events"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bars:
        task = bars.add_task("", total=None)
        yield lambda done, total: bars.update(task, completed=done, total=total)


def _show(tally: Tally, *, dry_run: bool, as_json: bool, exports: Sequence[str]) -> None:
    if as_json:
        show_json(
            {
                "dry_run": dry_run,
                "texts": {kind: tally.texts[kind] for kind in KINDS},
                "changed": {kind: tally.changed[kind] for kind in KINDS},
                "new_tags": dict(sorted(tally.added.items())),
                "renamed": tally.renamed,
                "withheld": tally.withheld,
                "skipped_sessions": tally.skipped,
                "exports": list(exports),
            }
        )
        return
    heading = "would change" if dry_run else "changed"
    rows: list[tuple[Any, ...]] = [(kind, tally.texts[kind], tally.changed[kind]) for kind in KINDS]
    show_table(("text", "number", heading), rows)
    if tally.added:
        show_table(("new tags", "number"), sorted(tally.added.items()))
    if tally.skipped:
        click.echo(f"Sessions that were done with the same rules before: {tally.skipped}.")
    if tally.renamed:
        click.echo(f"Names of events, properties and fields that became neutral: {tally.renamed}.")
    if tally.withheld:
        click.echo(f"Kept from the LLM from now on: {tally.withheld}.")
    for folder in exports:
        click.echo(
            f"An export has texts as they were. Run: vestibule export --out {folder}\n"
            "It keeps rows that retention has deleted in the ledger, with their texts as they were.",
            err=True,
        )
