"""What the offline commands share: checks of their arguments, the models they load, and how answers are shown."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from models.amounts import count_text
from models.errors import InvalidInput, VestibuleError
from models.reasons import Reason
from server.cli.output import FAILED, Failure

if TYPE_CHECKING:
    from models.redaction.redactor import LocalRedactor
    from models.redaction.types import Redactor
    from server.cli.offline_input import LineCounts
    from server.settings import Settings

Lines = Callable[[Iterable[str], TextIO], "LineCounts"]
"""Answers each line of the input on the output, in order, and counts them."""

jsonl_option = click.option(
    "--jsonl",
    is_flag=True,
    help="One JSON object a line on stdin, one on stdout, in order. Exits with 1 if any line failed.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="One JSON object a line on stdout.")

OFFLINE_SESSION = "offline"
"""Name of the session of one run of a command. Hashed tags are equal within a run only, because its key is not kept."""

UTF8_HINT = "Convert it first: iconv -f ISO-8859-1 -t UTF-8 reads what Latin-1 programs write."

LINES_COME_FROM_STDIN = "one JSON object a line comes from standard input"


def check_files(files: tuple[Path, ...], jsonl: bool) -> None:
    """Require files or --jsonl, not both.

    Raises:
        click.UsageError: Both or neither were given.
    """
    if jsonl and files:
        raise click.UsageError(f"With --jsonl {LINES_COME_FROM_STDIN}; leave FILES out.")
    if not jsonl and not files:
        raise click.UsageError("Name FILES, or say --jsonl.")


def readable(files: tuple[Path, ...]) -> list[Path]:
    """Those of the files that can be opened. The others are told at once, before any model is loaded.

    Raises:
        click.exceptions.Exit: No file is left.
    """
    from server.cli.offline_input import check_readable

    found = []
    for file in files:
        try:
            check_readable(file)
        except VestibuleError as error:
            Failure.of(error, str(file)).show()
        else:
            found.append(file)
    if files and not found:
        raise click.exceptions.Exit(FAILED)
    return found


def text_given(text: str | None) -> str:
    """The argument TEXT, or standard input where it is "-".

    Raises:
        InvalidInput: BAD_INPUT_STREAM or INVALID_INPUT: the bytes are not UTF-8.
    """
    if text == "-":
        try:
            return sys.stdin.buffer.read().decode("utf-8")
        except UnicodeDecodeError as broken:
            raise _not_utf8() from broken
    try:
        (text or "").encode("utf-8")  # Python turns other bytes of an argument into lone surrogates
    except UnicodeEncodeError as broken:
        raise InvalidInput("TEXT must be UTF-8.", hint=UTF8_HINT) from broken
    return text or ""


def _not_utf8() -> InvalidInput:
    return InvalidInput("Standard input must be UTF-8 text.", reason=Reason.BAD_INPUT_STREAM, hint=UTF8_HINT)


def warn_without_policy(client: str, file: Path | None) -> None:
    """Warn on standard error if the client has no policy of its own, for example because its name is misspelled."""
    from models.redaction.policy.loader import load_policies

    if client not in load_policies(file).clients:
        why = f"{file} has no client '{client}'" if file else "VESTIBULE_REDACTION__POLICY_FILE names no file"
        click.echo(f"Note: {why}; the default policy applies.", err=True)


def settings_with(names: list[str] | None) -> Settings:
    """The settings, after these weights were fetched; None means all that the server needs."""
    from server.cli.config import load_settings
    from server.cli.weights import ensure_weights, needed_weights
    from server.settings import prepare_process

    prepare_process()
    settings = load_settings()
    ensure_weights(needed_weights(settings) if names is None else names, settings.weights_dir)
    return settings


def local_redactor(settings: Settings, threads: int) -> LocalRedactor:
    """The redactor with the policies of the settings."""
    from models.redaction.policy.loader import load_policies
    from models.redaction.redactor import build_redactor

    wanted = settings.redaction
    policies = load_policies(wanted.policy_file)
    return build_redactor(
        settings.weights_dir,
        threads,
        policies,
        engine=wanted.engine,
        device=wanted.device,
        ner_weights=wanted.ner_weights,
    )


def scoped_redactor(settings: Settings) -> Redactor:
    """The redactor for all texts of one run, which are texts of one session."""
    from models.redaction.types import RedactionScope
    from server.cli.scoped_redactor import ScopedRedactor

    return ScopedRedactor(local_redactor(settings, settings.redaction.threads), RedactionScope("", OFFLINE_SESSION))


def run(
    answer: Lines,
    given: list[dict[str, Any]],
    *,
    jsonl: bool,
    show: Callable[[dict[str, Any]], str],
    failed: bool = False,
) -> None:
    """Answer standard input line by line, or the given requests.

    With --jsonl, an error is an answer on standard output, and standard error tells how many there are. Otherwise it
    goes to standard error. The exit code is 1 if anything failed.

    Args:
        answer: Does the work.
        given: Requests from the command line; unused with --jsonl.
        jsonl: Whether requests come from standard input.
        show: Turns an answer into text.
        failed: Whether something failed before.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A lone surrogate in an id is written as a JSON escape instead of raising an error.
        sys.stdout.reconfigure(errors="backslashreplace")
    if jsonl:
        try:
            counts = answer(io.TextIOWrapper(sys.stdin.buffer, encoding="utf-8"), sys.stdout)
        except UnicodeDecodeError as broken:
            raise _not_utf8() from broken
        if counts.failed:
            raise Failure(
                f"{counts.failed} of {count_text(counts.answered, 'line')} failed.",
                hint='The answer to each that failed has the reason: {"id", "error": {"reason", "message", "hint"}}.',
            )
        return
    for request in given:
        answered = io.StringIO()
        answer([json.dumps(request)], answered)
        row = json.loads(answered.getvalue())
        if "error" in row:
            failed = True
            error = row["error"]
            Failure(f"{request['id']}: {error['message']}", reason=error["reason"], hint=error["hint"]).show()
        else:
            click.echo(show(row))
    if failed:
        raise click.exceptions.Exit(FAILED)


def as_json_line(row: dict[str, Any]) -> str:
    """One answer as one line of JSON."""
    return json.dumps(row, ensure_ascii=False)


def with_headings(files: tuple[Path, ...], show: Callable[[dict[str, Any]], str]) -> Callable[[dict[str, Any]], str]:
    """Show each of several files under a heading, as `head` does."""
    return show if len(files) == 1 else lambda row: f"==> {row['id']} <==\n{show(row)}"
