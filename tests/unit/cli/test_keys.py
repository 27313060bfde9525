"""``vestibule keys``, against a real port with the real services over a real ledger, and against the ledger file."""

from __future__ import annotations

import asyncio
import json
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any, NoReturn

import grpc.aio
import pytest
from click.testing import CliRunner, Result
from structlog.testing import capture_logs
from vestibule.v1 import access_pb2_grpc

from models.errors import Unavailable
from models.reasons import Reason
from server.access.api_keys import ApiKeys
from server.access.audit import AuditTrail
from server.access.authenticator import Authenticator
from server.access.operator_key import load_or_create_operator_key
from server.cli.demo.processes import free_ports
from server.cli.main import cli
from server.ledger import audit
from server.ledger.audit import AuditFilter
from server.ledger.embedded import EmbeddedLedger
from server.ledger.types import utc_now
from server.observability.metrics import Metrics
from server.records.machine_words import MachineWords
from server.rpc.interceptors import interceptors
from server.rpc.interceptors.authenticate import Authenticate
from server.rpc.interceptors.refusal_limits import RefusalLimits
from server.runtime.lifecycle import Lifecycle
from server.services.access import AccessService
from server.setting_groups import LimitSettings
from tests.fakes.gateway import FakeGateway
from tests.unit.cli.loaded import classifier_loaded_once
from tests.unit.ledger.migrated import migrated_file, open_ledger


class Installation:
    """The folders of a server, and the commands of its operator."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.data_dir, self.state_dir = folder / "data", folder / "state"
        [self.port] = free_ports(1)
        for name, value in {
            "DATA_DIR": self.data_dir,
            "STATE_DIR": self.state_dir,
            "ADDRESS": f"127.0.0.1:{self.port}",
            "CACHE_DIR": folder / "cache",
        }.items():
            monkeypatch.setenv(f"VESTIBULE_{name}", str(value))

    def run(self, *arguments: str) -> Result:
        return CliRunner().invoke(cli, ["keys", *arguments])

    def made(self, *arguments: str) -> str:
        done = self.run("create", *arguments)
        assert done.exit_code == 0, done.stderr
        return done.stdout.strip()

    def listed(self, *arguments: str) -> list[dict[str, Any]]:
        done = self.run("list", "--json", *arguments)
        assert done.exit_code == 0, done.stderr
        found: list[dict[str, Any]] = json.loads(done.stdout)
        return found

    @contextmanager
    def serving(self) -> Iterator[None]:
        """Run the service on the configured port, in a thread of its own, because the commands block."""
        ready, ended, loops = Event(), asyncio.Event(), list[asyncio.AbstractEventLoop]()

        async def serve() -> None:
            ledger = open_ledger(self.data_dir / "ledger.duckdb")
            keys = ApiKeys(ledger, utc_now, AuditTrail(bytes(32), bytes(32), utc_now))
            await keys.load()
            keys.accept_operator_key(load_or_create_operator_key(self.state_dir))
            authenticate = Authenticate(Authenticator(keys), lambda _decision: None, RefusalLimits(LimitSettings()))
            server = grpc.aio.server(
                interceptors=interceptors(Lifecycle(), Metrics(), authenticate, LimitSettings()),
                options=(("grpc.so_reuseport", 0),),
            )
            service = AccessService(keys, MachineWords(FakeGateway()), utc_now)
            access_pb2_grpc.add_AccessServiceServicer_to_server(service, server)
            server.add_insecure_port(f"127.0.0.1:{self.port}")
            await server.start()
            loops.append(asyncio.get_running_loop())
            ready.set()
            await ended.wait()
            await server.stop(0)
            await keys.drain()
            ledger.close()

        thread = Thread(target=asyncio.run, args=(serve(),))
        thread.start()
        assert ready.wait(60)
        try:
            with capture_logs():  # or they would be on the standard output of the commands, in this process
                yield
        finally:
            loops[0].call_soon_threadsafe(ended.set)
            thread.join(60)


@pytest.fixture
def installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Installation:
    return Installation(tmp_path, monkeypatch)


@pytest.fixture
def with_ledger(installation: Installation) -> Installation:
    """One whose ledger is there already. To make it takes half a second."""
    migrated_file(installation.data_dir / "ledger.duckdb")
    return installation


@pytest.fixture(scope="module", autouse=True)
def _once() -> Iterator[None]:
    with classifier_loaded_once():
        yield


@pytest.fixture(params=["server", "file"])
def either(
    request: pytest.FixtureRequest, installation: Installation, weights_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Installation]:
    """The commands through a running server, and on its ledger file, with weights for the check of names."""
    if request.param == "file":
        monkeypatch.setenv("VESTIBULE_CACHE_DIR", str(weights_cache.parent))
        migrated_file(installation.data_dir / "ledger.duckdb")
        yield installation
        return
    with installation.serving():
        yield installation


def test_a_key_is_made_listed_rotated_and_revoked(either: Installation) -> None:
    key = either.made("--scope", "app", "--scope", "reviewer", "--client", "site-1", "--label", "kiosk-7")
    key_id = key.split("_")[1]
    [row] = either.listed()
    assert (row["id"], row["client_id"], row["label"]) == (key_id, "site-1", "kiosk-7")
    assert row["scopes"] == ["SCOPE_APP", "SCOPE_REVIEWER"]
    assert "expire_time" not in row
    rotated = either.run("rotate", key_id, "--grace", "1h")
    assert rotated.exit_code == 0, rotated.stderr
    new_id = rotated.stdout.strip().split("_")[1]
    assert {row["id"]: "expire_time" in row for row in either.listed()} == {key_id: True, new_id: False}
    for _ in range(2):
        assert either.run("revoke", new_id).stdout == f"{new_id}: revoked\n"
    assert [row["id"] for row in either.listed()] == [key_id]
    assert len(either.listed("--all")) == 2
    assert key.split("_")[2] not in json.dumps(either.listed("--all"))


def test_the_key_alone_is_on_standard_output(either: Installation) -> None:
    done = either.run("create", "--scope", "operator")
    assert done.exit_code == 0
    assert len(done.stdout.splitlines()) == 1
    assert done.stdout.startswith("vst_")
    assert "vst_" not in done.stderr
    assert "shown only now" in done.stderr


def test_wrong_requests_are_explained(either: Installation) -> None:
    either.made("--scope", "analyst")
    for arguments, told in (
        (("create", "--scope", "app"), "client"),
        (("create", "--scope", "app", "--client", "a/b"), "letters"),
        (("create", "--scope", "root"), "root"),
        (("create", "--scope", "analyst", "--expires", "soon"), "24h"),
        (("revoke", "0" * 16), "API_KEY_NOT_FOUND"),
        (("rotate", "nonsense"), "id of a key"),
    ):
        done = either.run(*arguments)
        assert done.exit_code != 0
        assert told in done.stderr, arguments
        assert "Traceback" not in done.stderr
    assert len(either.listed("--all")) == 1


def test_a_client_id_that_may_name_a_person_is_refused_until_it_was_checked(
    with_ledger: Installation, weights_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VESTIBULE_CACHE_DIR", str(weights_cache.parent))
    named = ("create", "--scope", "app", "--client", "maria_lopez", "--label", "john_carter")
    refused = with_ledger.run(*named)
    assert (refused.exit_code, "[CLIENT_ID_PERSONAL]" in refused.stderr) == (1, True)
    assert "--client-checked" in refused.stderr
    assert "maria" not in refused.stderr
    assert with_ledger.listed() == []
    assert with_ledger.run(*named, "--client-checked").exit_code == 0
    with_ledger.made("--scope", "app", "--client", "kiosk-7")
    assert {(row["client_id"], row["label"]) for row in with_ledger.listed()} == {
        ("maria_lopez", "redacted"),
        ("kiosk-7", ""),
    }


def test_without_weights_no_unchecked_word_is_stored(installation: Installation) -> None:
    named = ("create", "--scope", "app", "--client", "site-1")
    for arguments in (named, (*named, "--client-checked", "--label", "kiosk")):
        refused = installation.run(*arguments)
        assert (refused.exit_code, "[WEIGHTS_UNAVAILABLE]" in refused.stderr) == (1, True)
        assert "vestibule models fetch" in refused.stderr
        assert "--client-checked" in refused.stderr
        assert refused.stdout == ""
        assert not installation.data_dir.exists()
    installation.made(*named[1:], "--client-checked")
    installation.made("--scope", "operator")
    assert [(row["client_id"], row["label"]) for row in installation.listed()] == [("", ""), ("site-1", "")]


def test_the_table_for_people(either: Installation) -> None:
    either.made("--scope", "app", "--client", "site-1", "--expires", "90d")
    shown = either.run("list").stdout
    assert "site-1" in shown
    assert "| never" in shown
    assert "vst_" not in shown


def test_a_key_made_before_the_first_start_works(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    done = installation.run("create", "--scope", "operator")
    assert "Trying its ledger file" in done.stderr
    monkeypatch.setenv("VESTIBULE_API_KEY", done.stdout.strip())
    with installation.serving():
        assert len(installation.listed("--address", f"127.0.0.1:{installation.port}")) == 1
        [row] = installation.listed()
    assert row["last_use_time"]


def test_what_is_done_to_the_file_is_in_the_audit(with_ledger: Installation) -> None:
    key = with_ledger.made("--scope", "operator")
    ledger = open_ledger(with_ledger.data_dir / "ledger.duckdb")
    read = ledger.read(lambda cursor: audit.list_rows(cursor, AuditFilter(), page_size=9, page_token=""))
    rows, _ = asyncio.run(_awaited(read))
    ledger.close()
    verified = CliRunner().invoke(cli, ["audit", "verify"])
    assert verified.exit_code == 0, verified.output
    assert [(row.subject, row.action, row.object_id) for row in rows] == [("offline", "key_created", key.split("_")[1])]


def test_a_chain_that_does_not_fit_its_head_is_not_mended(with_ledger: Installation) -> None:
    for _ in range(2):
        with_ledger.made("--scope", "operator")
    (with_ledger.state_dir / "audit.head").unlink()
    with_ledger.made("--scope", "operator")
    verified = CliRunner().invoke(cli, ["audit", "verify"])
    assert verified.exit_code == 1
    assert "AUDIT_BROKEN" in verified.output


async def _awaited(coroutine: Any) -> Any:
    return await coroutine


def test_a_server_without_the_key_refuses(installation: Installation) -> None:
    with installation.serving():
        (installation.state_dir / "operator.key").unlink()
        done = installation.run("list")
    assert done.exit_code == 1
    assert "[CREDENTIALS_MISSING]" in done.stderr
    assert "Hint:" in done.stderr


def test_a_ledger_that_a_server_holds_at_another_address(
    with_ledger: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DuckDB locks its file for one process, and lets it be opened again in the same one."""

    def locked(*_arguments: object, **_options: object) -> NoReturn:
        raise Unavailable("Another process holds the ledger.", reason=Reason.LEDGER_LOCKED)

    with_ledger.made("--scope", "operator")
    monkeypatch.setattr(EmbeddedLedger, "open", locked)
    done = with_ledger.run("list")
    assert "[LEDGER_LOCKED]" in done.stderr
    assert "--address" in done.stderr
    assert "about a minute: try again" in done.stderr


def test_without_a_ledger_there_is_nothing_to_list(installation: Installation) -> None:
    done = installation.run("list")
    assert "[LEDGER_NOT_FOUND]" in done.stderr
    assert not installation.data_dir.exists()


def test_a_whole_key_is_taken_for_its_id_and_never_repeated(with_ledger: Installation) -> None:
    key = with_ledger.made("--scope", "operator")
    assert with_ledger.run("revoke", key).stdout == f"{key.split('_')[1]}: revoked\n"
    wrong = with_ledger.run("revoke", f"{key}0")
    assert wrong.exit_code == 2
    assert key.split("_")[2] not in wrong.stderr


def test_the_files_are_their_owners(installation: Installation) -> None:
    installation.made("--scope", "operator")
    for file in (*installation.data_dir.iterdir(), *installation.state_dir.iterdir()):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--scope", "app"), "needs --client NAME"),
        (("--scope", "operator", "--client", "kiosk"), "leave --client out"),
    ],
)
def test_a_client_that_is_missing_or_too_much_is_told_before_anything_is_made(
    installation: Installation, arguments: tuple[str, ...], told: str
) -> None:
    refused = installation.run("create", *arguments)
    assert (refused.exit_code, told in refused.stderr) == (2, True)
    assert not installation.data_dir.exists()


@pytest.mark.models
def test_a_label_that_names_a_person_is_told_to_be_replaced(
    with_ledger: Installation, weights_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VESTIBULE_CACHE_DIR", str(weights_cache.parent))
    made = with_ledger.run("create", "--scope", "operator", "--label", "maria-lopez")
    assert "The label may name a person, so it is stored as `redacted`. Note outside of Vestibule whose" in made.stderr
    assert "label" not in with_ledger.run("create", "--scope", "operator", "--label", "kiosk").stderr
