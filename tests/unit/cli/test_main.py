"""The command as a whole: help, version, exit codes, and how errors look."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from models.errors import FieldViolation, InvalidInput, WeightsError
from server.cli.main import Commands, cli

HEAVY = ("grpc", "ray", "duckdb", "numpy", "torch", "pydantic", "rich", "google.protobuf", "structlog")


def commands(group: click.Group = cli, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    for name, command in group.commands.items():
        yield (*path, name), command
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))


ALL = dict(commands())


def test_every_command_exists() -> None:
    wanted = {
        *("serve", "mirror", "demo", "status", "sql", "funnel", "redact", "transcribe", "read"),
        *("models list", "models fetch", "models verify", "sessions list", "sessions show"),
        *("dlq list", "dlq show", "dlq retry", "dlq discard", "breakers list", "breakers reset"),
    }
    assert wanted <= {" ".join(path) for path in ALL}


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_help_says_what_it_does(path: tuple[str, ...]) -> None:
    result = CliRunner().invoke(cli, [*path, "--help"])
    assert result.exit_code == 0
    assert ALL[path].help
    for option in ALL[path].params:
        if isinstance(option, click.Option):
            assert option.help, f"{' '.join(path)} {option.opts} has no help"


@pytest.mark.parametrize("path", [p for p in ALL if len(p) == 1 and p != ("demo",)], ids=" ".join)
def test_top_level_help_has_examples(path: tuple[str, ...]) -> None:
    result = CliRunner().invoke(cli, [*path, "--help"])
    assert "Examples:\n" in result.output
    assert f"vestibule {path[0]}" in result.output


def test_version() -> None:
    result = CliRunner().invoke(cli, ["--version"])
    assert result.output.startswith("vestibule ")
    assert result.exit_code == 0


def test_wrong_usage_exits_with_2() -> None:
    assert CliRunner().invoke(cli, ["nonsense"]).exit_code == 2
    assert CliRunner().invoke(cli, ["redact"]).exit_code == 2
    assert CliRunner().invoke(cli, ["dlq", "retry"]).exit_code == 2
    assert CliRunner().invoke(cli, ["sql", "SELECT 1", "--json", "--csv"]).exit_code == 2


def test_a_vestibule_error_is_shown_with_reason_and_hint_and_exits_with_1() -> None:
    @click.group(cls=Commands)
    def group() -> None:
        pass

    @group.command()
    def broken() -> None:
        raise WeightsError("They are not there.")

    @group.command()
    def wrong() -> None:
        raise InvalidInput("A rule is broken.", violations=(FieldViolation("config.channels", "1 or 2"),))

    result = CliRunner().invoke(group, ["broken"])
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr == (
        "Error: They are not there. [WEIGHTS_UNAVAILABLE]\n"
        "Hint: Run `vestibule models fetch`, then `vestibule models verify`.\n"
    )
    result = CliRunner().invoke(group, ["wrong"])
    assert "  config.channels: 1 or 2\n" in result.stderr


def test_help_imports_nothing_heavy() -> None:
    program = (
        "import sys; from server.cli.main import cli; cli(['--help'], standalone_mode=False); "
        f"sys.stderr.write(' '.join(n for n in {HEAVY!r} if n in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stderr == ""
