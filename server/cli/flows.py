"""`vestibule flows`."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from server.cli.output import Failure, check_can_write, show_json, show_table

if TYPE_CHECKING:
    from server.flows.definition import FlowDefinition

FILE = click.Path(dir_okay=False, path_type=Path)
COLUMNS = ("flow", "version", "title", "steps", "fields", "languages", "approval", "from")

_json_option = click.option("--json", "as_json", is_flag=True, help="One JSON document.")
_folder_option = click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of flow files. Default: the setting VESTIBULE_FLOWS__FOLDER.",
)


@dataclass(frozen=True, slots=True)
class _Answer:
    """What ``check`` says of a file."""

    file: str
    flow: str
    problems: list[str]
    warnings: list[str]


@click.group(short_help="Define what an onboarding asks, checks and approves.")
def flows() -> None:
    """Flows: what an onboarding asks, checks and approves, one YAML file each.

    Start with `new`, write the file, `check` it, and put it into the folder of VESTIBULE_FLOWS__FOLDER. A server reads
    the folder when it starts. See docs/concepts/flows.md.

    \b
    Examples:
      vestibule flows new car_return --out flows/car_return.yaml
      vestibule flows check flows/car_return.yaml
      VESTIBULE_FLOWS__FOLDER=flows vestibule serve
      vestibule talk --type --flow car_return
    """


@flows.command("list")
@_folder_option
@_json_option
def list_flows(folder: Path | None, as_json: bool) -> None:
    """List the flows that come with the server, and those of the folder."""
    from server.cli.flow_outline import approval_words
    from server.languages.texts import LANGUAGES

    found = _all(folder)
    rows = [
        (
            flow.name,
            flow.version,
            _title(flow, LANGUAGES[0]),
            len(flow.steps),
            len(flow.fields),
            ", ".join(flow.languages),
            approval_words(flow),
            where,
        )
        for flow, where in found
    ]
    if as_json:
        show_json([dict(zip(COLUMNS, row, strict=True)) for row in rows])
        return
    show_table(COLUMNS, rows, empty="There is no flow.")


@flows.command()
@click.argument("files", nargs=-1, required=True, type=FILE)
@click.option(
    "--examples/--no-examples",
    default=True,
    show_default=True,
    help="Redact the examples of all fields, to find values that would never arrive.",
)
@_json_option
def check(files: tuple[Path, ...], examples: bool, as_json: bool) -> None:
    """Check flow files, and say everything that is wrong with each.

    The redactor reads the examples of the fields, too. If it hides one, real values would be hidden as well, and the
    field would stay empty: make such a field personal. In the example of a personal field it must find the value. These
    are warnings, as is a stage of the funnel that is no known event: the file is a flow nevertheless, and the exit code
    is 0.
    """
    answers: list[_Answer] = []
    for file in files:
        answer, failure = _checked(file, examples=examples)
        answers.append(answer)
        if failure is not None and not as_json:
            failure.show()
        elif not as_json:
            _show_answer(answer)
    if as_json:
        show_json([asdict(answer) for answer in answers])
    if any(answer.problems for answer in answers):
        raise click.exceptions.Exit(1)


def _checked(file: Path, *, examples: bool) -> tuple[_Answer, Failure | None]:
    """What is said of one file, and the failure if it is no flow."""
    from models.errors import VestibuleError
    from server.cli.flow_examples import personal_words, unknown_stages, useless_examples
    from server.flows.loader import CHECK_HINT, load_flow

    try:
        flow = load_flow(file)
    except VestibuleError as error:
        failure = Failure.of(error)
        failure.hint = "" if failure.hint == CHECK_HINT else failure.hint
        return _Answer(str(file), "", [failure.message, *failure.details], []), failure
    warnings = [*useless_examples(flow), *personal_words(flow)] if examples else []
    warnings += unknown_stages(flow)
    return _Answer(str(file), flow.label, [], warnings), None


@flows.command()
@click.argument("flow")
@click.option("--language", default="", help="ISO 639-1 code of the texts. Default: en, or the first of the flow.")
@_folder_option
@_json_option
def show(flow: str, language: str, folder: Path | None, as_json: bool) -> None:
    """Show a flow as an outline: its steps, fields, checks and who approves.

    FLOW is a name, a name with a version such as site_visit@1, or a file.
    """
    from server.cli.flow_outline import outline
    from server.flows.loader import load_flow
    from server.flows.texts import base_language

    found = load_flow(Path(flow)) if Path(flow).is_file() else _named(flow, folder)
    if language and base_language(language) not in found.languages:
        raise click.UsageError(f"--language: {found.label} has texts in {', '.join(found.languages)} only.")
    if as_json:
        show_json(json.loads(found.content))
        return
    click.echo(outline(found, language or "en"))


@flows.command()
@click.argument("name")
@click.option("--out", type=FILE, help="The file to write. Default: standard output.")
def new(name: str, out: Path | None) -> None:
    """Write a flow file to start from: it is whole, it passes `check`, and its comments say what can be changed."""
    from server.cli.flow_starter import starter
    from server.flows.loader import parse_flow

    text = starter(name)
    parse_flow(text, "of this name")
    if out is None:
        click.echo(text, nl=False)
        return
    if out.exists():
        raise click.UsageError(f"--out: {out} is there already.")
    out.parent.mkdir(parents=True, exist_ok=True)
    check_can_write(out, "--out")
    out.write_text(text, encoding="utf-8")
    click.echo(f"Wrote {out}. Check it with `vestibule flows check {out}`.", err=True)


@flows.command()
def schema() -> None:
    """Print the JSON Schema of flow files, for an editor.

    \b
    Example, for editors that speak the language server for YAML:
      vestibule flows schema > flows/flow-file.schema.json
      and as the first line of a flow: # yaml-language-server: $schema=flow-file.schema.json
    """
    from server.flows.json_schema import flow_schema_text

    click.echo(flow_schema_text(), nl=False)


def _all(folder: Path | None) -> list[tuple[FlowDefinition, str]]:
    """Each flow and where it is from."""
    from server.flows.loader import load_folder, shipped_flows

    own = folder or _folder_of_settings()
    shipped = [(flow, "the server") for flow in shipped_flows()]
    return [*shipped, *((flow, str(own)) for flow in load_folder(own))]


def _named(flow: str, folder: Path | None) -> FlowDefinition:
    from server.flows.catalogue import Flows

    name, _, version = flow.partition("@")
    if not (version.isdecimal() or "@" not in flow):
        raise click.UsageError("FLOW is a name, a name with a version such as site_visit@1, or a file.")
    found = [each for each, _ in _all(folder)]
    return Flows(found, found[0].name).choose(name, int(version or 0))


def _folder_of_settings() -> Path | None:
    from server.cli.config import load_settings

    return load_settings().flows.folder


def _title(flow: FlowDefinition, language: str) -> str:
    from server.flows.texts import text_in

    return text_in(flow.title, language)


def _show_answer(answer: _Answer) -> None:
    for warning in answer.warnings:
        click.echo(f"Warning: {answer.file}: {warning}", err=True)
    count = len(answer.warnings)
    told = f", with {count} warning{'s' if count > 1 else ''}" if count else ""
    click.echo(f"{answer.file}: {answer.flow} is a flow{told}.")
