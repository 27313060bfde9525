"""The options that name the settings of a server: those of `vestibule serve`, for every command that needs the same."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from server.settings import Settings

Command = TypeVar("Command", bound=Callable[..., Any])


def process_options(
    command: Command,
    data_dir: str = "The ledger and redacted pictures.",
    state_dir: str = "Spool, keys, tokens and logs.",
) -> Command:
    """Add the options that a mirror has, too; their values go to ``server_overrides``.

    Args:
        command: Gets them.
        data_dir: What is in the folder of the data.
        state_dir: What is in the folder of the state.
    """
    levels = click.Choice(["debug", "info", "warning", "error"])
    for option in (
        click.option(
            "--set", "assignments", multiple=True, metavar="NAME=VALUE", help="Any other setting; can be repeated."
        ),
        click.option("--log-level", type=levels, help="Least level that is logged."),
        click.option("--state-dir", type=click.Path(path_type=Path), help=state_dir),
        click.option("--data-dir", type=click.Path(path_type=Path), help=data_dir),
    ):
        command = option(command)
    return command


def server_options(command: Command) -> Command:
    """Add all options; their values go to ``server_overrides``."""
    ray = click.option(
        "--ray-address", metavar="ADDRESS", help="Join this Ray cluster instead of starting a local one."
    )
    address = click.option("--address", metavar="HOST:PORT", help="Where to listen; port 0 picks one.")
    return address(process_options(ray(command)))


def server_overrides(assignments: tuple[str, ...], ray_address: str | None = None, **options: Any) -> dict[str, Any]:
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


def settings_of_process(overrides: dict[str, Any]) -> Settings:
    """The settings of a process that goes on until a signal; warns of variables that are none, and prepares it.

    Raises:
        click.UsageError: A setting is wrong.
    """
    from server.cli.config import load_settings
    from server.observability.log import report_lost_lines
    from server.observability.standard_error import queue_standard_error
    from server.settings import prepare_process, unknown_variables

    settings = load_settings(overrides)
    for name, similar in unknown_variables(settings.secrets_dir).items():
        click.echo(f"Warning: {name} is no setting and is ignored.{similar and f' There is {similar}.'}", err=True)
    queue_standard_error(report_lost_lines)
    prepare_process()
    return settings
