"""With ``--json`` a command prints JSON alone on standard output; whatever else it says is on standard error."""

from __future__ import annotations

import base64
import copy
import json
import shutil
from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path
from uuid import uuid4

import click
import pytest
from click.testing import CliRunner

from models.redaction.streaming.sealed_state import load_or_create_key
from models.sealed_values import Binding, OpenedValue, read_public_key, seal_value
from server.cli.demo.processes import free_ports
from server.cli.main import cli
from server.erasure import eraser
from server.ledger.integrity import catalogue
from server.runtime.installation import load_or_create_installation_id
from tests.unit.backup.conftest import Home, files_in
from tests.unit.cli.loaded import classifier_loaded_once
from tests.unit.ledger.migrated import newest_schema, open_ledger

DATA = Path(__file__).resolve().parents[2] / "data"
SITE_VISIT = Path(str(files("server.flows"))) / "shipped" / "site_visit.yaml"
KEY_ID = "0123456789abcdef"
SOME_ID = str(uuid4())

Arguments = Callable[[Home], list[str]]


def of_files(*arguments: str) -> Arguments:
    """Arguments of a command that works on the files of a stopped server, with the options that name them."""

    def with_folders(home: Home) -> list[str]:
        return [*arguments, "--data-dir", str(home.files.data_dir), "--state-dir", str(home.files.state_dir)]

    return with_folders


def plain(*arguments: str) -> Arguments:
    """Arguments of a command that needs no server's files."""
    return lambda home: [*arguments]


def erased(home: Home) -> list[str]:
    return of_files("--session", home.session, "--yes")(home)


def rotated(home: Home) -> list[str]:
    made = CliRunner().invoke(cli, ["keys", "create", *of_files("--scope", "operator", "--json")(home)])
    return of_files(json.loads(made.stdout)["id"])(home)


def empty(home: Home) -> list[str]:
    """A ledger without a row. The record in that of ``home`` is no JSON, which the check finds."""
    data = home.home / "new" / "data"
    open_ledger(data / "ledger.duckdb").close()
    return ["--data-dir", str(data)]


def copied(home: Home) -> list[str]:
    return of_files(str(home.home / "backup"), "--keys", str(home.home / "keys.json"))(home)


def looked_at(home: Home) -> list[str]:
    """A server that was never started, and has no port that another may have."""
    folders = ["--data-dir", str(home.home / "new" / "data"), "--state-dir", str(home.home / "new" / "state")]
    return [*folders, "--set", "metrics_port=0", "--set", "ray.dashboard=false"]


def exported(home: Home) -> list[str]:
    load_or_create_installation_id(home.files.state_dir)
    return of_files("--out", str(home.home / "export"))(home)


def new(home: Home) -> list[str]:
    """A ledger without a row, and the key of the workers."""
    data, state = home.home / "new" / "data", home.home / "new" / "state"
    open_ledger(data / "ledger.duckdb").close()
    load_or_create_key(state / "workers" / "carry.key")
    return ["--ledger", "--dry-run", "--data-dir", str(data), "--state-dir", str(state)]


def opened(home: Home) -> list[str]:
    """A key, and a value that is sealed to it."""
    key, released = home.home / "key.pem", home.home / "released.json"
    made = CliRunner().invoke(cli, ["sealed", "keygen", str(key)])
    binding = Binding(home.session, "contact_phone", "PHONE", "crm")
    ciphertext = seal_value(OpenedValue("said", "written"), read_public_key(made.stdout.strip()), binding)
    where = {"session_id": home.session, "field": "contact_phone", "type": "PHONE", "key_id": "crm", "source_id": "s"}
    value = where | {"ciphertext": base64.b64encode(ciphertext).decode()}
    released.write_text(json.dumps({"values": [value]}), encoding="utf-8")
    return [str(key), str(released)]


WITHOUT_A_SERVER: dict[str, tuple[Arguments, ...]] = {
    "audit list": (of_files(),),
    "audit verify": (of_files(),),
    "backup": (copied,),
    "doctor": (looked_at,),
    "erase": (erased, of_files("--client", "app", "--dry-run")),
    "export": (exported,),
    "flows check": (plain("--no-examples", str(SITE_VISIT)),),
    "flows list": (plain(),),
    "flows show": (plain("site_visit"),),
    "funnel": (of_files(),),
    "funnel report": (of_files(), lambda home: [*of_files("--html", str(home.home / "page.html"))(home)]),
    "keys create": (of_files("--scope", "operator", "--label", "night"),),
    "keys list": (of_files(),),
    "keys rotate": (rotated,),
    "keys rotate-spool": (of_files(),),
    "ledger check": (empty,),
    "ledger migrate": (of_files(), of_files("--dry-run")),
    "models list": (plain(),),
    "sessions list": (of_files(),),
    "sessions timeline": (lambda home: of_files(home.session)(home),),
    "sealed open": (opened,),
    "sql": (of_files("SELECT state FROM v_sessions"),),
}
"""Commands that work without a server, and what each is called with."""

WITH_MODELS: dict[str, tuple[Arguments, ...]] = {
    "read": (plain(str(DATA / "meter.jpg"), "--unredacted"),),
    "redact": (plain("I am Maria Lopez."), new),
    "transcribe": (plain(str(DATA / "visit.flac"), "--unredacted"),),
}
"""Those that load models, too."""

OF_A_SERVER: dict[str, list[str]] = {
    "breakers": [],
    "breakers list": [],
    "breakers reset": ["llm_api"],
    "breakers trip": ["llm_api"],
    "dlq clear": ["--older-than", "1d", "--reason", "old"],
    "dlq discard": [SOME_ID, "--reason", "old"],
    "dlq list": [],
    "dlq redrive": [SOME_ID, "--reason", "mended"],
    "dlq retry": [SOME_ID, "--reason", "mended"],
    "dlq show": [SOME_ID],
    "dlq stats": [],
    "dlq watch": [],
    "events declare": [str(DATA / "events.yaml"), "--client", "app"],
    "events list": [],
    "experiments list": [],
    "experiments plan": ["--effect", "5"],
    "experiments report": ["pause_length"],
    "models compare": [],
    "report send": ["--test"],
    "reviews accept": [SOME_ID, "site_name"],
    "reviews approve": [SOME_ID, "--hash", "ab" * 32],
    "reviews claim": [SOME_ID],
    "reviews correct": [SOME_ID, "site_name", "Pendlewick", "--reason", "misread"],
    "reviews list": [],
    "reviews reject": [SOME_ID, "--hash", "ab" * 32, "--reason", "incomplete"],
    "reviews reject-field": [SOME_ID, "site_name", "--reason", "misread"],
    "reviews release": [SOME_ID],
    "reviews show": [SOME_ID],
    "risk model": [],
    "risk show": [SOME_ID],
    "sealed list": [SOME_ID],
    "sessions show": [SOME_ID],
    "status": [],
}
"""Those that can only call one."""

OF_POSTGRESQL = ("ledger copy",)
"""Those that need PostgreSQL; see test_postgresql_commands."""


@pytest.fixture(scope="module", autouse=True)
def _once() -> Iterator[None]:
    """The redactor's model is loaded once. A check of a ledger compares it with one that was made before."""
    with classifier_loaded_once(), pytest.MonkeyPatch.context() as patched:
        patched.setattr(catalogue, "made_anew", newest_schema)
        yield


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """What each test gets a copy of."""
    made = Home(tmp_path_factory.mktemp("filled") / "home")
    made.ledger.close()
    return made


@pytest.fixture
def home(filled: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """The files of a server that does not run, nor does any other."""
    made = copy.copy(filled)
    made.home = tmp_path / "home"
    made.files = files_in(made.home)
    shutil.copytree(filled.home, made.home)
    port, quack_port = free_ports(2)
    monkeypatch.setenv("VESTIBULE_ADDRESS", f"127.0.0.1:{port}")
    monkeypatch.setenv("VESTIBULE_QUACK__PORT", str(quack_port))
    monkeypatch.setenv("VESTIBULE_DATA_DIR", str(made.files.data_dir))
    monkeypatch.setenv("VESTIBULE_STATE_DIR", str(made.files.state_dir))
    return made


def commands_with_json(command: click.Command = cli, path: tuple[str, ...] = ()) -> Iterator[str]:
    if isinstance(command, click.Group):
        for name, inner in command.commands.items():
            yield from commands_with_json(inner, (*path, name))
    if any("--json" in parameter.opts for parameter in command.params):
        yield " ".join(path)


def check(home: Home, name: str, arguments: Arguments, capfd: pytest.CaptureFixture[str]) -> None:
    done = CliRunner().invoke(cli, [*name.split(), *arguments(home), "--json"])
    assert done.exit_code == 0, done.output
    json.loads(done.stdout)
    assert capfd.readouterr().out == "", "nor does a library print anything there"


def test_every_command_with_the_option_is_in_a_table() -> None:
    assert set(commands_with_json()) == {*WITHOUT_A_SERVER, *WITH_MODELS, *OF_A_SERVER, *OF_POSTGRESQL}


@pytest.mark.parametrize(("name", "arguments"), [(n, a) for n, each in WITHOUT_A_SERVER.items() for a in each])
def test_standard_output_is_json_alone(
    home: Home, name: str, arguments: Arguments, capfd: pytest.CaptureFixture[str]
) -> None:
    check(home, name, arguments, capfd)


@pytest.mark.models
@pytest.mark.parametrize(("name", "arguments"), [(n, a) for n, each in WITH_MODELS.items() for a in each])
def test_standard_output_is_json_alone_with_models(
    home: Home, name: str, arguments: Arguments, capfd: pytest.CaptureFixture[str]
) -> None:
    check(home, name, arguments, capfd)


@pytest.mark.parametrize("name", [*OF_A_SERVER])
def test_without_the_server_that_it_needs_a_command_prints_nothing_there(
    home: Home, name: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    done = CliRunner().invoke(cli, [*name.split(), *OF_A_SERVER[name], "--json"])
    assert done.exit_code == 1, done.output
    assert done.stdout == capfd.readouterr().out == ""
    assert "No server answers at" in done.stderr


def test_the_log_of_a_command_is_on_standard_error(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Warnings are for whoever runs it; what a server would note of its work is not."""
    noted: list[str] = []

    class Log:
        def info(self, event: str, **values: object) -> None:
            noted.append(event)
            real.info("as_a_server_would", **values)
            real.warning("for_a_person", **values)

    real = eraser.log
    monkeypatch.setattr(eraser, "log", Log())
    done = CliRunner().invoke(cli, ["erase", *erased(home), "--json"])
    assert noted == ["erased"]
    assert json.loads(done.stdout)["sessions"] == 1
    assert ("for_a_person" in done.stderr, "as_a_server_would" in done.stderr) == (True, False)
