"""The commands of docs/operating/upgrade.md exist with their options, and its table has the schema of this release."""

from __future__ import annotations

import re
import shlex

import click
import pytest

from server.cli.main import cli
from server.ledger.migration_marks import MARKED_FROM
from server.ledger.migrations import ALL
from tests.unit.docs.pages import page

PAGE = page("docs/operating/upgrade.md")
BLOCKS = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
COMMANDS = [line for block in BLOCKS for line in block.splitlines()]


def options_of(line: str) -> tuple[click.Command, set[str]]:
    """The command that a line calls, and the options that it gives."""
    name, *words = shlex.split(line)
    assert name == "vestibule"
    command: click.Command = cli
    while isinstance(command, click.Group):
        command = command.commands[words.pop(0)]
    return command, {word for word in words if word.startswith("--")}


@pytest.mark.parametrize("line", COMMANDS)
def test_a_command_of_the_page_exists_with_its_options(line: str) -> None:
    command, given = options_of(line)
    assert given <= {option for parameter in command.params for option in parameter.opts}


def test_the_page_has_commands_of_each_step() -> None:
    assert len(COMMANDS) >= 8


def test_the_page_names_the_schemas_of_today() -> None:
    assert f"| {len(ALL)} |" in PAGE
    assert f"schema below {MARKED_FROM}" in PAGE
