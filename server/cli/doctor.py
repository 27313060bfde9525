"""`vestibule doctor`."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from server.cli.output import FAILED, show_json
from server.cli.server_settings import server_options, server_overrides

if TYPE_CHECKING:
    from server.doctor.results import Finding

COLOURS = {"ok": "green", "warning": "yellow", "problem": "red"}


@click.command(short_help="Look at what a server needs, before it is started or beside it.")
@server_options
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
def doctor(as_json: bool, **options: Any) -> None:
    """Look at what a server needs: settings, ports, folders, disks, weights, keys, certificates, ledger, clock, Ray,
    malware scanner, remote LLM, mail. Each line has what was found and what to do.

    Exits with 0 when there is no problem, and with 1 when there is one. Warnings do not count. Give it the options
    and variables of `vestibule serve`, and run it as the same user. It starts and changes nothing. Of other servers
    it asks nothing, but it logs in to the mail server.

    \b
    Examples:
      vestibule doctor
      vestibule doctor --data-dir ./data --state-dir ./state
      vestibule doctor --json | jq '.findings[] | select(.level != "ok")'
    """
    findings = _findings(server_overrides(**options))
    counts = Counter(str(finding.level) for finding in findings)
    if as_json:
        show_json({"problems": counts["problem"], "warnings": counts["warning"], "findings": [*map(asdict, findings)]})
    else:
        _show(findings, counts)
    if counts["problem"]:
        raise click.exceptions.Exit(FAILED)


def _findings(overrides: dict[str, Any]) -> list[Finding]:
    from server.cli.config import load_settings
    from server.cli.weights import needed_weights
    from server.settings import prepare_process

    prepare_process()  # before the checks import gRPC and NumPy
    from server.doctor.ledger_user import find_ledger_user
    from server.doctor.results import Situation, problem
    from server.doctor.run import run_checks
    from server.ledger.types import utc_now

    try:
        settings = load_settings(overrides)
    except click.UsageError as error:
        return [problem("settings", " ".join(error.message.split()), "docs/reference/settings.md has all settings.")]
    user, weights = find_ledger_user(settings.ledger_path), tuple(needed_weights(settings))
    return asyncio.run(run_checks(Situation(settings, user, weights, utc_now())))


def _show(findings: list[Finding], counts: Counter[str]) -> None:
    width = max(len(finding.subject) for finding in findings)
    for each in findings:
        level = click.style(f"{each.level:<8}", fg=COLOURS[each.level])
        reason = f" [{each.reason}]" if each.reason else ""
        click.echo(f"{level} {each.subject:<{width}}  {each.found}{reason} {each.hint}".rstrip())
    click.echo(f"\nProblems: {counts['problem']}. Warnings: {counts['warning']}.")
