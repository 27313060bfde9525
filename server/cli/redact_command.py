"""`vestibule redact`: runs the redactor in this process, without server or Ray, or over the texts of the ledger."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
from click.core import ParameterSource

from models.errors import InvalidInput
from server.cli.offline_input import redaction_language
from server.cli.offline_run import (
    LINES_COME_FROM_STDIN,
    OFFLINE_SESSION,
    Lines,
    as_json_line,
    json_option,
    jsonl_option,
    local_redactor,
    run,
    settings_with,
    text_given,
    warn_without_policy,
)
from server.cli.redact_ledger import redact_stored_texts
from server.cli.weights import REDACTION_WEIGHTS
from server.validators import MOST_THREADS

if TYPE_CHECKING:
    from models.redaction.redactor import LocalRedactor

FOLDER = click.Path(file_okay=False, path_type=Path)

HELP: Final = """\
Replace names, numbers, addresses and other personal data in TEXT by tags; `-` reads it from standard input.

With --jsonl, in: {"id", "text", "source"?: "typed"|"speech"|"ocr", "lang"?}; out: {"id", "text", "entities":
[{"type", "start", "end", "score"}], "safe_for_llm"}, with offsets in code points of the input. A text that was
recognised may come with "words": [{"start", "end", "confidence"}], "alternatives": [text] and "confidence", all from
0 to 1, as `transcribe --jsonl --unredacted` writes them; what recognition doubts beside something personal is redacted
too. "safe_for_llm" is false where something personal may be left; true is no promise. A line that fails gets {"id",
"error"}; the others are answered, and the exit code is 1.

With --ledger, what was stored before a rule or a policy changed is redacted again with today's. This only adds
tags. The server must not run. It may be interrupted and repeated. --dry-run says how many texts would change.

Numbers in words are understood in en, es, fr, de, hi, pt and it. An unknown --lang is refused with a list of the
languages that are known. For a text in any other language say en: names and numbers in digits are found, numbers in
words are not.

\b
Examples:
  vestibule redact "I am Maria Lopez, call me on 415-555-0132"
  vestibule redact --source speech "my number is four one five five five five oh one three two"
  vestibule redact --why "SSN 536-22-1234, reading 04821.7 m3"
  echo "I am Maria Lopez" | vestibule redact -
  vestibule redact --jsonl < texts.jsonl
  vestibule redact --ledger --dry-run
"""


def _language_of(context: click.Context, option: click.Parameter, code: str) -> str:
    """The code of a language that the redactor knows.

    Raises:
        click.BadParameter: It knows no such language.
    """
    try:
        return redaction_language(code)
    except InvalidInput as error:
        raise click.BadParameter(error.message, context, option) from error


@click.command(short_help="Replace personal data in a text by tags.", help=HELP)
@click.argument("text", required=False)
@jsonl_option
@json_option
@click.option(
    "--source",
    default="typed",
    show_default=True,
    type=click.Choice(["typed", "speech", "ocr", "assistant"]),
    help="Where TEXT comes from; speech and print have rules of their own.",
)
@click.option(
    "--lang",
    default="en",
    show_default=True,
    callback=_language_of,
    help="ISO 639-1 code of the language of TEXT; see above.",
)
@click.option("--why", is_flag=True, help="Also show why each entity was replaced, and which ones were found and kept.")
@click.option("--client", default="", help="Use the policy of this client in VESTIBULE_REDACTION__POLICY_FILE.")
@click.option(
    "--threads",
    default=1,
    show_default=True,
    type=click.IntRange(1, MOST_THREADS),
    help="Threads of the name classifier.",
)
@click.option("--ledger", is_flag=True, help="Redact the texts that are stored in the ledger again; see above.")
@click.option("--dry-run", is_flag=True, help="With --ledger: only count what would change.")
@click.option("--data-dir", type=FOLDER, help="With --ledger: the folder of the ledger. Default: the setting.")
@click.option("--state-dir", type=FOLDER, help="With --ledger: the folder of the workers' key. Default: the setting.")
def redact(
    text: str | None,
    jsonl: bool,
    as_json: bool,
    source: str,
    lang: str,
    why: bool,
    client: str,
    threads: int,
    ledger: bool,
    dry_run: bool,
    data_dir: Path | None,
    state_dir: Path | None,
) -> None:
    """The command; HELP says what it does."""
    _check_combination(text, jsonl=jsonl, ledger=ledger, why=why, client=client)
    if ledger:
        redact_stored_texts(data_dir, state_dir, threads, dry_run=dry_run, as_json=as_json)
        return
    given = [] if jsonl else [{"id": "text", "text": text_given(text), "source": source, "lang": lang}]
    settings = settings_with([*REDACTION_WEIGHTS])
    if client:
        warn_without_policy(client, settings.redaction.policy_file)
    run(
        _answers(local_redactor(settings, threads), client, why=why),
        given,
        jsonl=jsonl,
        show=as_json_line if as_json else _shown(why=why),
    )


def _check_combination(text: str | None, *, jsonl: bool, ledger: bool, why: bool, client: str) -> None:
    """Refuse options that do not go together.

    Raises:
        click.UsageError: They do not, or there is nothing to redact.
    """
    if ledger:
        if text is not None or jsonl or why or client or _given("source") or _given("lang"):
            raise click.UsageError("With --ledger leave out TEXT, --jsonl, --why, --client, --source and --lang.")
        return
    if _given("dry_run") or _given("data_dir") or _given("state_dir"):
        raise click.UsageError("--dry-run, --data-dir and --state-dir go with --ledger.")
    if jsonl and text is not None:
        raise click.UsageError(f"With --jsonl {LINES_COME_FROM_STDIN}; leave TEXT out.")
    if not jsonl and text is None:
        raise click.UsageError("Give TEXT, - for standard input, or --jsonl.")


def _answers(redactor: LocalRedactor, client: str, *, why: bool) -> Lines:
    """Redacts each line, and says why if asked."""
    from models.redaction.explain import explain
    from models.redaction.types import RedactionScope
    from server.cli.offline_redact import redact_lines

    reasons = partial(explain, redactor) if why else None
    scope = RedactionScope(client, OFFLINE_SESSION)
    return lambda lines, out: redact_lines(lines, out, redactor, reasons, scope)


def _shown(*, why: bool) -> Callable[[dict[str, Any]], str]:
    """How an answer is shown to a person."""
    from server.cli.offline_redact import explanation_for_a_person

    return explanation_for_a_person if why else lambda row: str(row["text"])


def _given(option: str) -> bool:
    """Whether an option of the command was given, and is not its default."""
    return click.get_current_context().get_parameter_source(option) is not ParameterSource.DEFAULT
