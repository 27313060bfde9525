"""The command `vestibule`. Heavy modules are imported by the commands that need them, so that --help is fast."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import Any

import click

from models.errors import VestibuleError
from server.cli import (
    audit,
    backup,
    breakers,
    console,
    demo_command,
    dlq,
    doctor,
    erase,
    events,
    experiments,
    export,
    flows,
    funnel,
    health,
    keys,
    ledger,
    mirror,
    offline,
    redact_command,
    report,
    restore_command,
    reviews,
    risk,
    sealed,
    serve,
    sessions,
    sql,
    status,
    weights,
)
from server.cli.output import Failure
from server.cli.talk.command import talk

EPILOG = (
    "Exit codes: 0 done, 1 failed, 2 wrong usage. Settings are environment variables, VESTIBULE_...; "
    "docs/reference/settings.md lists them."
)


class Commands(click.Group):
    """A group that shows known errors as one sentence, with reason and hint."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except VestibuleError as error:
            raise Failure.of(error) from error


def _version() -> str:
    try:
        return version("vestibule")
    except PackageNotFoundError:  # run from a checkout that is not installed
        return "unknown"


@click.group(cls=Commands, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(_version(), message="vestibule %(version)s")
def cli() -> None:
    """Speech and pictures in, redacted text and approved records out.

    \b
    Try it:            vestibule demo
    Run it:            vestibule doctor, serve, mirror, health
    Talk to it:        vestibule talk --type
    Look at it:        vestibule console
    Ask it:            vestibule status, sessions, reviews, funnel, risk, experiments, sql, dlq, breakers, audit, erase
    Set it up:         vestibule flows, events, report
    Let others in:     vestibule keys, sealed
    Keep it:           vestibule backup, restore, ledger, export
    Without a server:  vestibule redact, transcribe, read
    """
    from server.observability.log import configure_for_command

    configure_for_command()


for command in (
    *(serve.serve, mirror.mirror, doctor.doctor, demo_command.demo, weights.models),
    *(
        status.status,
        health.health,
        console.console,
        sessions.sessions,
        reviews.reviews,
        funnel.funnel,
        risk.risk,
        experiments.experiments,
    ),
    *(sql.sql, dlq.dlq, breakers.breakers),
    *(flows.flows, events.events, report.report, audit.audit, erase.erase, keys.keys, sealed.sealed),
    *(backup.backup, restore_command.restore_backup, ledger.ledger, export.export),
    talk,
    *(redact_command.redact, offline.transcribe, offline.read),
):
    cli.add_command(command)


def main() -> None:
    """Entry point of the console script."""
    cli()


if __name__ == "__main__":
    main()
