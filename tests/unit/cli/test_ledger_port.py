"""Where `vestibule sql` and `sessions list` find the live ledger: the option, the setting, or the server's own word."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent import futures
from pathlib import Path
from typing import Any

import grpc
import pytest
from click.testing import CliRunner, Result
from pydantic import SecretStr
from vestibule.v1 import admin_pb2

from server.analytics.endpoint import AnalystEndpoint
from server.cli import analyst
from server.cli.analyst import analyst_settings
from server.cli.demo.processes import free_ports
from server.cli.main import cli
from server.cli.output import Failure
from server.ledger import sessions
from server.setting_groups import QuackSettings
from tests.unit.ledger.makers import NOW, session
from tests.unit.ledger.migrated import open_ledger

DEFAULT = QuackSettings().port


class Admin:
    """Tells where analysts attach.

    Attributes:
        asked: How often.
        refuses: With which status.
    """

    def __init__(self) -> None:
        self.detail = "Analysts attach on port 6001 of loopback."
        self.asked = 0
        self.refuses: grpc.StatusCode | None = None

    def status(self, request: Any, context: Any) -> admin_pb2.GetStatusResponse:
        self.asked += 1
        if self.refuses:
            context.abort(self.refuses, "no")
        part = admin_pb2.Component(name="quack", healthy=True, detail=self.detail)
        return admin_pb2.GetStatusResponse(components=[part])


@pytest.fixture
def admin(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Admin]:
    """A server at VESTIBULE_ADDRESS."""
    made = Admin()
    server = grpc.server(futures.ThreadPoolExecutor(2))
    handler = grpc.unary_unary_rpc_method_handler(
        made.status,
        request_deserializer=admin_pb2.GetStatusRequest.FromString,
        response_serializer=admin_pb2.GetStatusResponse.SerializeToString,
    )
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("vestibule.v1.AdminService", {"GetStatus": handler}),)
    )
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    monkeypatch.setenv("VESTIBULE_ADDRESS", f"127.0.0.1:{port}")
    monkeypatch.setenv("VESTIBULE_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("VESTIBULE_STATE_DIR", str(tmp_path))
    yield made
    server.stop(None).wait()


def port_for(port: int | None = None, address: str | None = None) -> int:
    return analyst_settings(port, None, None, address).quack.port


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, [*arguments])


def test_the_server_at_the_address_of_the_settings_is_asked(admin: Admin) -> None:
    assert (port_for(), admin.asked) == (6001, 1)


def test_a_port_that_is_given_is_taken_and_nobody_is_asked(admin: Admin, monkeypatch: pytest.MonkeyPatch) -> None:
    assert port_for(6002) == 6002
    monkeypatch.setenv("VESTIBULE_QUACK__PORT", "6003")
    assert port_for() == 6003
    assert admin.asked == 0


def test_without_either_it_is_the_default_and_nobody_is_asked(admin: Admin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VESTIBULE_ADDRESS")
    assert (port_for(), admin.asked) == (DEFAULT, 0)


def test_a_port_that_the_server_picked_is_asked_for(admin: Admin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VESTIBULE_QUACK__PORT", "0")
    assert (port_for(), admin.asked) == (6001, 1)


def test_the_server_of_the_option_wins_over_every_setting(admin: Admin, monkeypatch: pytest.MonkeyPatch) -> None:
    address = analyst_settings(None, None, None).address
    monkeypatch.setenv("VESTIBULE_QUACK__PORT", "6003")
    monkeypatch.setenv("VESTIBULE_ADDRESS", f"127.0.0.1:{free_ports(1)[0]}")
    assert port_for(address=address) == 6001


def test_a_server_without_an_endpoint_is_told(admin: Admin, monkeypatch: pytest.MonkeyPatch) -> None:
    admin.detail = "Turned off."
    with pytest.raises(Failure, match="has no endpoint for analysts"):
        port_for()


def test_an_analyst_who_may_not_ask_gets_the_default(admin: Admin) -> None:
    admin.refuses = grpc.StatusCode.PERMISSION_DENIED
    assert (port_for(), admin.asked) == (DEFAULT, 1)


def test_a_certificate_that_cannot_be_read_does_not_keep_an_analyst_from_the_ledger(
    admin: Admin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The settings may be those of the server, whose files this user may not read."""
    monkeypatch.setenv("VESTIBULE_CLIENT__CA", str(tmp_path / "none.pem"))
    assert (port_for(), admin.asked) == (DEFAULT, 0)


@pytest.mark.parametrize("address", ["server.example:50051", "198.51.100.7:50051", "127.0.0.1:0"])
def test_only_a_server_of_this_machine_is_asked(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its endpoint listens on loopback: the port of another machine is not one of this machine."""
    monkeypatch.setattr(analyst, "connected", lambda *_: pytest.fail("it is called"))
    monkeypatch.setenv("VESTIBULE_ADDRESS", address)
    assert port_for() == DEFAULT


def test_no_server_and_no_port_is_told_with_the_address(admin: Admin, monkeypatch: pytest.MonkeyPatch) -> None:
    address = f"127.0.0.1:{free_ports(1)[0]}"
    monkeypatch.setenv("VESTIBULE_ADDRESS", address)
    monkeypatch.setenv("VESTIBULE_QUACK__PORT", "0")
    monkeypatch.setenv("VESTIBULE_QUACK__TOKEN", "a-token-for-tests-0123")
    (analyst_settings(None, None, None).ledger_path).write_bytes(b"no ledger" * 1000)
    told = run("sql", "FROM v_sessions")
    assert told.exit_code == 1
    assert f"No server answers at {address}, and the ledger file cannot be opened either." in told.stderr


def test_statements_for_a_port_that_nobody_knows_are_not_printed(admin: Admin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VESTIBULE_QUACK__PORT", "0")
    monkeypatch.setenv("VESTIBULE_QUACK__TOKEN", "a-token-for-tests-0123")
    for address in (f"127.0.0.1:{free_ports(1)[0]}", "server.example:50051", "127.0.0.1:0"):
        monkeypatch.setenv("VESTIBULE_ADDRESS", address)
        told = run("sql", "--attach")
        assert (told.exit_code, told.stdout) == (1, ""), address
        assert address in told.stderr
    assert "ATTACH 'quack:localhost:6004'" in run("sql", "--attach", "--port", "6004").stdout
    monkeypatch.delenv("VESTIBULE_QUACK__PORT")
    assert f"ATTACH 'quack:localhost:{DEFAULT}'" in run("sql", "--attach").stdout


@pytest.mark.slow
@pytest.mark.parametrize("setting", ["0", ""])
def test_a_real_ledger_on_a_port_that_it_picked_is_found_by_the_address(
    admin: Admin, setting: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = open_ledger(tmp_path / "ledger.duckdb", lambda: NOW)
    ledger.write_now(lambda cursor: sessions.insert_or_get(cursor, session()))
    endpoint = AnalystEndpoint(ledger, QuackSettings(port=0, token=SecretStr("")), tmp_path)
    endpoint.start()
    try:
        assert endpoint.component.healthy
        admin.detail = endpoint.component.detail
        if setting:
            monkeypatch.setenv("VESTIBULE_QUACK__PORT", setting)
        queried = run("sql", "FROM v_sessions", "--json")
        listed = run("sessions", "list", "--json")
        attach = run("sql", "--attach")
    finally:
        endpoint.stop()
        ledger.close()
    assert (len(json.loads(queried.stdout)), len(json.loads(listed.stdout))) == (1, 1)
    assert queried.stderr == listed.stderr == "", "the file was not read instead"
    assert f"ATTACH 'quack:localhost:{admin.detail.split()[4]}'" in attach.stdout


@pytest.mark.slow
def test_without_a_server_the_file_is_read(admin: Admin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VESTIBULE_ADDRESS", f"127.0.0.1:{free_ports(1)[0]}")
    monkeypatch.setenv("VESTIBULE_QUACK__PORT", "0")
    ledger = open_ledger(tmp_path / "ledger.duckdb", lambda: NOW)
    ledger.write_now(lambda cursor: sessions.insert_or_get(cursor, session()))
    ledger.close()
    queried = run("sql", "FROM v_sessions", "--json")
    assert len(json.loads(queried.stdout)) == 1
    assert "No server answers, so the file ledger.duckdb is read." in queried.stderr
