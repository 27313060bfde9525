"""``vestibule events``, against a real port with the real service over a real ledger; and the files that it reads."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from models.errors import InvalidInput
from models.reasons import Reason
from server.cli.events_file import MAX_FILE_BYTES, events_text, parse_events, read_events_file, shortened
from server.cli.main import cli
from tests.unit.cli.events_server import events_server

FILE = """\
events:
  form_opened:
  form_sent:
    amount: number
    channel: [app, web, 'no', '7']
    returning: boolean
    begun: time
    note: text"""


@pytest.fixture
def address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with events_server(tmp_path) as served:
        monkeypatch.setenv("VESTIBULE_ADDRESS", served.address)
        yield served.address


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["events", *arguments])


def written(folder: Path, text: str) -> str:
    file = folder / "events.yaml"
    file.write_text(text, encoding="utf-8")
    return str(file)


@pytest.mark.usefixtures("address")
def test_events_are_declared_shown_and_listed(tmp_path: Path) -> None:
    file = written(tmp_path, FILE)
    tried = run("declare", file, "--client", "shop", "--dry-run")
    assert (tried.exit_code, "Nothing was stored" in tried.stderr) == (0, True)
    assert run("list").stdout == "No events are declared.\n"
    first = run("declare", file, "--client", "shop")
    assert first.exit_code == 0, first.stderr
    assert "| form_sent   | channel   |        | [app, web, no, 7] |" in first.stdout
    assert run("declare", file, "--client", "shop").stdout == "Nothing changes.\n"
    assert run("show", "--client", "shop").stdout == FILE + "\n", "what it prints can be declared"
    assert "| shop   | form_sent   | channel   | [app, web, 'no', '7'] |" in run("list").stdout
    assert "| shop   | form_opened |           |" in run("list").stdout
    listed = json.loads(run("list", "--client", "shop", "--json").stdout)
    assert [(row["client"], row["event"]) for row in listed] == [("shop", "form_opened"), ("shop", "form_sent")]
    changed = run("declare", written(tmp_path, "events: {form_sent: {amount: text}}"), "--client", "shop", "--json")
    assert {"event": "form_sent", "property": "amount", "before": "number", "after": "text"} in json.loads(
        changed.stdout
    )


@pytest.mark.usefixtures("address")
def test_words_that_may_name_a_person_are_told_as_the_file_has_them(tmp_path: Path) -> None:
    file = written(tmp_path, "events: {opened: {by: [web, maria], maria: text}, maria_came: }")
    refused = run("declare", file, "--client", "shop")
    assert refused.exit_code == 1
    assert "[EVENT_WORD_PERSONAL]" in refused.stderr
    places = {line.strip() for line in refused.stderr.splitlines()}
    assert {
        f"events.{place}: may name a person" for place in ("opened.by.maria", "opened.maria", "maria_came")
    } <= places
    assert run("declare", file, "--client", "shop", "--words-checked").exit_code == 0


@pytest.mark.usefixtures("address")
def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    file = "events: {Maria-Opened: , sent: {network: [yes, 3g, '?'], Model: string, Size: number, day: [2026-11-28]}}"
    refused = run("declare", written(tmp_path, file), "--client", "shop")
    assert (refused.exit_code, "[EVENTS_FILE_INVALID]" in refused.stderr) == (1, True)
    told = [line.strip() for line in refused.stderr.splitlines()]
    word = "it must be a word; put it into quotation marks"
    expected = {
        "events.Maria-Opened: must be 1 to 64 small letters",
        f"events.sent.network: value 1 is read as true: {word}",
        "events.sent.network.?: must",
        "events.sent.Model: must be number, boolean",
        "events.sent.Size: must be 1 to 64 small letters",
        f"events.sent.day: value 1 is read as 2026-11-28: {word}",
    }
    assert {each for each in expected if not any(line.startswith(each) for line in told)} == set(), told


@pytest.mark.usefixtures("address")
def test_a_client_without_declarations_has_nothing_to_show() -> None:
    refused = run("show", "--client", "shop")
    assert (refused.exit_code, "declared no events" in refused.stderr) == (1, True)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "one key `events`"),
        ("events:", "Write `events: {}` to declare no events"),
        ("events: {}\nevent: {}", "one key `events`"),
        ("events: [opened]", "one key `events`"),
        ("events: {opened: number}", "events.opened: must be empty, or have its properties"),
        ("events: {opened: {amount: numbre}}", "events.opened.amount: must be number, boolean, time, code"),
        ("events: {opened: {amount: }}", "events.opened.amount: must be number"),
        ("events: {opened: {channel: []}}", "events.opened.channel: must have values"),
        (
            "events: {opened: {agreed: [yes, no]}}",
            "events.opened.agreed: value 2 is read as false: it must be a word; put it into quotation marks",
        ),
        ("events: {on: {}}", "events.True: must be a word; put it into quotation marks"),
        ("events: {opened: {1: number}}", "events.opened.1: must be a word"),
        ("events:\n  opened:\n  opened:\n", "in line 2: a key is there twice"),
        ("events: {opened: {a: number, a: text}}", "a key is there twice"),
        ("events: {", "no YAML in line 1"),
        ("events:\n  sent:\n    day: [2026-13-01]", "no YAML in line 3: there is no such date"),
        ("events: !!python/object:os.system {}", "no YAML in line 1"),
        ("a: \u0000", "no YAML"),
    ],
)
def test_a_file_that_is_no_declaration_is_refused_with_the_place(text: str, told: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_events(text)
    assert caught.value.reason is Reason.EVENTS_FILE_INVALID
    lines = [caught.value.message, *(f"{found.field}: {found.description}" for found in caught.value.violations)]
    assert told in "\n".join(lines)


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "latin").write_bytes(b"events: {\xff: }")
    (tmp_path / "large").write_bytes(b" " * (MAX_FILE_BYTES + 1))
    for name, told in (("missing", "No such file"), ("latin", "not UTF-8"), ("large", "more than")):
        with pytest.raises(InvalidInput) as caught:
            read_events_file(tmp_path / name)
        assert told in caught.value.message


@pytest.mark.parametrize("value", ["no", "7", "1e3", "2026-11-27", "null", "a: b", "dark blue", "x", "12:30", "a/b+c"])
def test_a_value_that_yaml_would_read_as_something_else_is_quoted(value: str) -> None:
    [event] = parse_events(f"events: {{e: {{k: ['{value}']}}}}")
    assert parse_events(events_text([event])) == [event]


def test_a_long_enumeration_is_shortened_in_a_table() -> None:
    kind = f"[{', '.join(f'value{number}' for number in range(2000))}]"
    assert shortened(kind) == f"{kind[:56]}...]"
    assert shortened("[app, web]") == "[app, web]"
