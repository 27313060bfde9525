"""Writes docs/reference/ and the list of constants from the code, so that they cannot say anything else.

    python -m docs.generate            write the pages anew; `make docs` does this
    python -m docs.generate --check    exit with 1 and show a diff where a page is not what the code says

Each page is one function that returns Markdown.
"""

from __future__ import annotations

import argparse
import difflib
import inspect
import json
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import cast

import click
from prometheus_client.metrics import MetricWrapperBase
from pydantic import BaseModel, SecretStr

from docs.flow_file import INTRO, flow_file_parts
from models.reasons import Reason
from models.redaction.entities import ENTITY_TYPES
from models.redaction.lexicons.loader import languages
from models.redaction.lexicons.schema import SUBJECTS
from ray_tasks.serve_metrics import SERVE_METRICS
from ray_tasks.worker_metrics import WORKER_METRICS
from server.access.caller import Scope
from server.access.scopes import SCOPES
from server.cli.main import cli
from server.ledger.all_macros import ALL_MACROS
from server.ledger.all_views import ALL_VIEWS
from server.ledger.embedded import EmbeddedLedger
from server.ledger.table_schema import SqlMacro, SqlView
from server.ledger.types import utc_now
from server.observability.metrics import Metrics
from server.records.event_catalogue import EVENTS
from server.setting_groups import ClamavSettings, LimitSettings
from server.settings import Settings
from server.uploads.build import build_malware_scan
from server.uploads.checks import default_checks
from server.uploads.encode_anew import MediaCleaner
from server.uploads.quota import UploadQuota

DOCS = Path(__file__).resolve().parent
NOTICE = "<!-- Written by docs/generate.py from {source}. Change it there, then run `make docs`. -->"

LINUX_FOLDERS = {
    "cache_dir": "~/.cache/vestibule",
    "data_dir": "~/.local/share/vestibule",
    "state_dir": "~/.local/state/vestibule",
}
"""Defaults that depend on the user and the system, as a user of Linux has them."""


def page(title: str, source: str, *parts: str) -> str:
    """A whole page: heading, the notice of where it comes from, an introduction (rewrapped), and all other parts."""
    intro, *others = parts
    return "\n\n".join([f"# {title}", NOTICE.format(source=source), " ".join(intro.split()), *others]) + "\n"


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; a bar inside a cell is escaped."""
    lines = [" | ".join(columns), " | ".join("---" for _ in columns)]
    lines += [" | ".join(cell.replace("|", "\\|") for cell in row) for row in rows]
    return "\n".join(f"| {line} |".replace("|  |", "| |") for line in lines)


def cli_page() -> str:
    """Every command with its options, as `--help` shows them."""
    intro = """
    `. .venv/bin/activate` puts `vestibule` on the path of your shell. Exit codes: 0 done, 1 failed, 2 wrong usage.
    Commands that show something take `--json`.
    """
    contexts = list(_commands(cli, click.Context(cli, info_name="vestibule")))
    index = table(
        ("command", "what"),
        [
            (f"[`{c.command_path}`](#{c.command_path.replace(' ', '-')})", c.command.get_short_help_str(200))
            for c in contexts
        ],
    )
    return page("Command line", "the commands in server/cli", intro, index, *map(_command, contexts))


def _commands(command: click.Command, context: click.Context) -> Iterator[click.Context]:
    if context.parent is not None:
        yield context
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.commands[name]
            yield from _commands(inner, click.Context(inner, info_name=name, parent=context))


def _command(context: click.Context) -> str:
    command = context.command
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    parts = [f"## {context.command_path}", f"```\n{usage}\n```", *_prose(command.help or "")]
    records = [p.get_help_record(context) for p in command.params]
    options = [(f"`{names}`", text.replace("  [", " [")) for names, text in filter(None, records)]
    return "\n\n".join([*parts, *([table(("option", "what"), options)] if options else [])])


def _prose(text: str) -> Iterator[str]:
    """Paragraphs of a docstring; one that click is told not to wrap becomes a block of code."""
    for paragraph in re.split(r"\n\s*\n", inspect.cleandoc(text)):
        lines = paragraph.splitlines()
        if lines[0].strip() != "\b":
            yield " ".join(line.strip() for line in lines)
            continue
        if lines[1].endswith(":"):
            yield lines.pop(1)
        indent = min(len(line) - len(line.lstrip()) for line in lines[1:])
        yield "\n".join(["```sh", *(line[indent:] for line in lines[1:]), "```"])


def settings_page() -> str:
    """Every setting with its default."""
    intro = """
    Settings are environment variables with the prefix `VESTIBULE_`. They are read once, at the start. `vestibule serve
    --set speech.engine=openai-whisper` does the same as `VESTIBULE_SPEECH__ENGINE=openai-whisper`, and wins over it.
    A variable with this prefix that is no setting is named in a warning at the start. A *secret* is empty by default;
    it can also be [a file](../operating/security.md#secrets), and `--set` does not take it.
    """
    defaults = {name: field.default for name, field in Settings.model_fields.items()}
    groups = {name: value for name, value in defaults.items() if isinstance(value, BaseModel)}
    rows = {"": [_setting(name, value, Settings) for name, value in defaults.items() if name not in groups]}
    for group, values in groups.items():
        rows[group] = list(_settings(values, f"{group}__"))
    parts = [intro, table(("variable", "default", "what"), rows.pop(""))]
    for group, found in rows.items():
        parts += [f"## {group}", type(groups[group]).__doc__ or "", table(("variable", "default", "what"), found)]
    return page("Settings", "server/settings.py and server/setting_groups/", *parts)


def _settings(values: BaseModel, prefix: str) -> Iterator[tuple[str, str, str]]:
    kind = type(values)
    for name, field in kind.model_fields.items():
        value = getattr(values, name)
        if isinstance(value, BaseModel):
            for variable, default, description in _settings(value, f"{prefix}{name}__"):
                yield variable, default, f"{(field.description or '').rstrip('.')}: {description}"
        else:
            yield _setting(name, value, kind, prefix)


def _setting(name: str, default: object, model: type[BaseModel], prefix: str = "") -> tuple[str, str, str]:
    variable = f"`VESTIBULE_{prefix.upper()}{name.upper()}`"
    description = model.model_fields[name].description or ""
    if isinstance(default, SecretStr):
        return variable, "*secret*", description
    value = LINUX_FOLDERS.get(name, default)
    if isinstance(value, bool | list | dict):
        value = json.dumps(value)  # as the variable takes it
    shown = "" if value is None else str(value)
    return variable, f"`{shown}`" if shown else "", description


def errors_page() -> str:
    """Every reason with its status and its meaning."""
    intro = """
    Every error has a stable reason. A gRPC client finds it in `google.rpc.ErrorInfo` (domain `vestibule`); the metadata
    there has a hint and the correlation id of the call. `RetryInfo` says how long to wait, `BadRequest` names fields,
    `QuotaFailure` names a bound. Failed uploads, notices on a conversation and dead letters carry the same reasons.
    No error carries what a person said, wrote or photographed.
    """
    rows = [(f"`{reason}`", reason.status, reason.meaning) for reason in Reason]
    return page("Errors", "models/reasons.py", intro, table(("reason", "gRPC status", "meaning"), rows))


def scopes_page() -> str:
    """Every method with the scopes that open it."""
    intro = """
    A credential with one of the scopes may call the method. The health service needs no credential, and reflection
    needs any. [Access](../operating/access.md) says what a scope is for.
    """
    rows = [
        (f"`{method}`", *("yes" if scope in SCOPES[method] else "" for scope in Scope)) for method in sorted(SCOPES)
    ]
    return page("Scopes", "server/access/scopes.py", intro, table(("method", *Scope), rows))


def metrics_page() -> str:
    """Every Prometheus metric of the server and of the workers, and those of Ray Serve that help."""
    intro = """
    Prometheus scrapes `http://127.0.0.1:9464/metrics` [with a token](../operating/metrics.md);
    `VESTIBULE_METRICS_PORT` sets the port. A histogram has
    `_bucket`, `_sum` and `_count`. Label values come from fixed vocabularies, never from input.
    """
    rows: list[tuple[str, str, str, str]] = []
    for metric in vars(Metrics()).values():
        if isinstance(metric, MetricWrapperBase):
            name = metric._name + "_total" * (metric._type == "counter")
            labels = ", ".join(f"`{label}`" for label in metric._labelnames)
            rows.append((f"`{name}`", str(metric._type), labels, str(metric._documentation)))
    columns = ("metric", "kind", "labels", "what")
    source = "server/observability/metrics.py, ray_tasks/worker_metrics.py and ray_tasks/serve_metrics.py"
    return page("Metrics", source, intro, table(columns, rows), *_metrics_of_ray(columns))


def _metrics_of_ray(columns: Sequence[str]) -> Iterator[str]:
    workers = [(m.exported_name, m.kind, m.tags, m.what) for m in WORKER_METRICS]
    serve = [(m.name, m.kind, m.tags, m.what) for m in SERVE_METRICS]
    yield "## Of the workers"
    yield (
        "Ray exports these at `http://127.0.0.1:PORT/metrics` when `VESTIBULE_RAY__METRICS_PORT` is set to a port, "
        "[without a token](../operating/metrics.md#the-models). It adds labels, such as `WorkerId`. The `_sum` of its "
        "histograms is an estimate from the buckets, so use quantiles."
    )
    yield _ray_table(columns, workers)
    yield "## Of Ray"
    yield "A few of those that Ray and Ray Serve export at the same port. The dashboards show them."
    yield _ray_table(columns, serve)


def _ray_table(columns: Sequence[str], metrics: Sequence[tuple[str, str, tuple[str, ...], str]]) -> str:
    rows = [(f"`{name}`", kind, ", ".join(f"`{tag}`" for tag in tags), what) for name, kind, tags, what in metrics]
    return table(columns, rows)


def views_page() -> str:
    """Every view of the ledger with its columns, and every macro with its parameters too."""
    intro = "What analysts may read: views, and below them macros, as in `FROM funnel(['opened', 'sent'])`."
    parts = [intro]
    every: list[SqlView | SqlMacro] = [*ALL_VIEWS, *ALL_MACROS]
    for shown in every:
        parts += [f"## {shown.name}", shown.comment]
        if isinstance(shown, SqlMacro):
            given = [(f"`{name}`", f"`{default}`" if default else "", text) for name, default, text in shown.parameters]
            parts.append(table(("parameter", "default", "what"), given))
        columns = [(f"`{name}`", text) for name, text in shown.columns.items()]
        parts.append(table(("column", "what"), columns))
    return page("Views", "server/ledger/views.py", *parts)


def upload_checks_page() -> str:
    """The checks of an upload, in their order."""
    intro = """
    What an upload must pass before it is accepted, in this order: cheap checks before dear ones. The server writes
    nothing of an upload to the disk before all of them have passed, and keeps nothing of a refused one. A refusal is an
    event `upload_refused` of the session, with the reason, and counts in `vestibule_refused_uploads_total`.
    [Limits](../operating/limits.md#uploads) has the figures.
    """
    # The steps are only described, so none of them needs its ledger, nor the scanner a daemon.
    ledger, limits, scanner = cast("EmbeddedLedger", None), LimitSettings(), ClamavSettings(mode="required")
    scan = build_malware_scan(scanner, limits, ledger, Metrics(), utc_now)
    steps = default_checks(limits, UploadQuota(ledger, limits, utc_now), cast("MediaCleaner", None), scan)
    rows = [
        (
            str(number),
            step.stage.value,
            (inspect.getdoc(step.check) or "").partition("\n")[0],
            ", ".join(f"`{reason}`" for reason in step.reasons),
            step.why_here,
        )
        for number, step in enumerate(steps, start=1)
    ]
    columns = ("", "when", "what must hold", "refused with", "why here")
    return page("Checks of an upload", "server/uploads/checks.py", intro, table(columns, rows))


def entities_page() -> str:
    """Every tag of the redactor, by name."""
    intro = """
    What the redactor finds, and the tag of each. [Redaction](../concepts/redaction.md) says how. A mask may leave the
    last characters of some types; of the others it hides all. A policy file may add types of its own.
    """
    rows = [
        (f"`{e.label}`", e.description, e.evidence, "yes" if e.end_may_show else "")
        for e in sorted(ENTITY_TYPES, key=lambda e: e.label)
    ]
    columns = ("tag", "what", "how it is known", "a mask may leave the end")
    return page("Entities", "models/redaction/entities.py", intro, table(columns, rows))


def lexicons_page() -> str:
    """What the word lists of a language may hold, and which languages have them."""
    intro = """
    The words of a language are YAML files in `models/redaction/lexicons/<language>/`, checked when they are read. A key
    holds a list, or a text of words between spaces. In tables each key has a mapping from a value to its words.
    """
    parts = []
    for name, subject in sorted(SUBJECTS.items()):
        about = f"{subject.about} It holds {subject.form.value}. Languages: {', '.join(languages(name))}."
        rows = [(f"`{key}`", "yes" if key in subject.required else "", what) for key, what in subject.keys.items()]
        parts += [f"## `{name}.yaml`", about, *([table(("key", "required", "what"), rows)] if rows else [])]
    return page("Lexicons", "models/redaction/lexicons/schema.py", intro, *parts)


def events_page() -> str:
    """Every event that the server records in a session, with its properties."""
    intro = """
    What the server itself records in a session, as rows of `events` with the clock `server`. Numbers and booleans are
    stored as such; events of earlier releases have them as text. Apps record events of their own with `RecordEvents`.
    What happens to the server and its upstreams, such as a breaker that opens or a worker that ends, is
    in the view [`v_server_events`](views.md).
    """
    names = [(f"[`{name}`](#{name.rstrip('*')})", event.meaning) for name, event in sorted(EVENTS.items())]
    parts = [table(("event", "when"), names)]
    for name, event in sorted(EVENTS.items()):
        rows = [("column `took_s`", "number", f"Seconds. {event.took}")] if event.took else []
        rows += [(f"`{key}`", kind, what) for key, (kind, what) in event.properties.items()]
        parts += [f"## {name}", event.meaning, *([table(("property", "kind", "what"), rows)] if rows else [])]
    return page("Events", "server/records/event_catalogue.py", intro, *parts)


def flow_file_page() -> str:
    """Every key of a flow file."""
    return page("Flow file", "the models in server/flows", INTRO, *flow_file_parts())


def constants_page() -> str:
    """The list of the files in which it says how constants were found."""
    intro = """
    How the constants in the code were found. A docstring says what a constant means and names its entry here; the entry
    says what was tried. Each file is one part of the code, each heading in it one entry.
    """
    form = """```
## name of the constant or the rule
What it does. What was tried, with figures. The peer, if there is one. Date, commit, machine; "not recorded" where
nobody wrote it down.
```"""
    files = sorted(file for file in (DOCS / CONSTANTS).parent.glob("*.md") if file.name != "README.md")
    rows = [(f"[{file.stem}]({file.name})", _title(file)) for file in files]
    return page("Constants", "the files beside it", intro, table(("file", "part"), rows), "An entry looks so:", form)


def _title(file: Path) -> str:
    return file.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ")


CONSTANTS = "evaluation/constants/README.md"

PAGES: dict[str, Callable[[], str]] = {
    CONSTANTS: constants_page,
    "reference/cli.md": cli_page,
    "reference/entities.md": entities_page,
    "reference/errors.md": errors_page,
    "reference/events.md": events_page,
    "reference/flow-file.md": flow_file_page,
    "reference/lexicons.md": lexicons_page,
    "reference/metrics.md": metrics_page,
    "reference/scopes.md": scopes_page,
    "reference/settings.md": settings_page,
    "reference/upload-checks.md": upload_checks_page,
    "reference/views.md": views_page,
}


def stale(folder: Path) -> str:
    """What differs between the generated pages in a folder and the code, as one diff; empty where nothing does."""
    found: list[str] = []
    for name, make in PAGES.items():
        file = folder / name
        written = file.read_text(encoding="utf-8") if file.exists() else ""
        lines = written.splitlines(keepends=True), make().splitlines(keepends=True)
        found += difflib.unified_diff(*lines, f"docs/{name}", "what the code says")
    return "".join(found)


def main(arguments: Sequence[str] | None = None, folder: Path = DOCS) -> int:
    """Write the pages into a folder, or compare them."""
    parser = argparse.ArgumentParser(description="Write docs/reference/ from the code.")
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    if parser.parse_args(arguments).check:
        difference = stale(folder)
        sys.stdout.write(difference + ("Run `make docs`.\n" if difference else ""))
        return 1 if difference else 0
    for name, make in PAGES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(make(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
