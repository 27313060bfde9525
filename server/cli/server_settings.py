"""The options that name the settings of a server: those of `vestibule serve`, for every command that needs the same."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])


def server_options(command: Command) -> Command:
    """Add the options; their values go to ``server_overrides``."""
    levels = click.Choice(["debug", "info", "warning", "error"])
    for option in (
        click.option(
            "--set", "assignments", multiple=True, metavar="NAME=VALUE", help="Any other setting; can be repeated."
        ),
        click.option("--log-level", type=levels, help="Least level that is logged."),
        click.option("--ray-address", metavar="ADDRESS", help="Join this Ray cluster instead of starting a local one."),
        click.option("--state-dir", type=click.Path(path_type=Path), help="Spool, keys, tokens and logs."),
        click.option("--data-dir", type=click.Path(path_type=Path), help="The ledger and redacted pictures."),
        click.option("--address", metavar="HOST:PORT", help="Where to listen; port 0 picks one."),
    ):
        command = option(command)
    return command


def server_overrides(assignments: tuple[str, ...], ray_address: str | None, **options: Any) -> dict[str, Any]:
    """What the options say, for ``load_settings``.

    Raises:
        click.UsageError: ``--set`` names no setting.
    """
    from server.cli.config import nest

    overrides = nest(assignments)
    overrides |= {name: value for name, value in options.items() if value is not None}
    if ray_address is not None:
        overrides.setdefault("ray", {})["address"] = ray_address
    return overrides
