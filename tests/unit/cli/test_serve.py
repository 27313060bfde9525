"""How `vestibule serve` says that it cannot start, and what an operator is told about breakers."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, closing
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from click.testing import CliRunner
from vestibule.v1.admin_pb2 import ResetBreakerRequest

import server.app
import server.cli.weights
import server.settings
import server.wiring
from models.errors import InternalError, InvalidInput, NotFound, Unavailable, VestibuleError
from models.reasons import Reason
from server.breakers.registry import Breakers
from server.breakers.types import BreakerBounds
from server.cli.demo.processes import free_ports
from server.cli.main import cli
from server.ledger.embedded import EmbeddedLedger
from server.ledger.types import utc_now
from server.observability.metrics import Metrics
from server.preflight import check_ports, check_settings
from server.runtime.end_reason import EndReason
from server.services.admin import AdminService
from server.setting_groups import ExperimentSettings, RedactionSettings, TlsSettings
from server.settings import Settings
from tests.certificates import issue
from tests.unit.ledger.migrated import migrated_file, open_ledger


def settings_in(folder: Path, **changes: Any) -> Settings:
    """Settings under which a server starts, with folders and ports of its own."""
    return Settings(
        **{
            "data_dir": folder / "data",
            "state_dir": folder / "state",
            "address": "127.0.0.1:0",
            "metrics_port": 0,
            "quack": {"port": 0},
            "console": {"port": 0},
            "ray": {"dashboard_port": 0},
            **changes,
        }
    )


def with_ledger(settings: Settings) -> Settings:
    """The same, with a ledger that needs no migration."""
    migrated_file(settings.data_dir / "ledger.duckdb")
    for folder in (settings.data_dir, settings.state_dir):
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
    return settings


@pytest.fixture(autouse=True)
def same_process() -> Iterator[None]:
    """A start narrows what its process may do; the tests run on in the same one."""
    environment, umask = os.environ.copy(), os.umask(0o022)
    yield
    os.environ.update(environment)
    os.umask(umask)


@pytest.fixture(scope="module")
def taken_port() -> Iterator[int]:
    """A port of loopback on which somebody else listens."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield other.getsockname()[1]


SHARED_SECRET = {"issuer": "i", "audience": "a", "hs256_key": "a secret of development, 32 bytes long"}


def refused_with(settings: Settings, capsys: pytest.CaptureFixture[str]) -> str:
    """What is on standard error after a start that ends before the weights are fetched and Ray starts."""
    reached: list[str] = []
    assert server.app.run(settings, lambda: reached.append("weights")) == 1
    out, err = capsys.readouterr()
    assert (out, reached) == ("", [])
    assert err.count("\n") == 1
    return str(err)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"address": "192.0.2.1:1"}, "PLAINTEXT_REFUSED"),
        ({"address": "192.0.2.1:0", "allow_plaintext": True}, "ADDRESS_INVALID"),
        ({"address": "no-such-host.invalid:0", "allow_plaintext": True}, "ADDRESS_INVALID"),
        ({"address": "192.0.2.1:0", "allow_plaintext": True, "auth": SHARED_SECRET}, "AUTH_SETTINGS_INVALID"),
        ({"speech": {"replicas": 100_000}}, "WORKERS_DO_NOT_FIT"),
        ({"vision": {"gpus": 100_000}}, "WORKERS_DO_NOT_FIT"),
        ({"ray": {"num_cpus": 0.5, "dashboard_port": 0}}, "WORKERS_DO_NOT_FIT"),
    ],
)
def test_unusable_settings_are_reported_in_one_line(
    changes: dict[str, Any], reason: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert f"[{reason}]" in refused_with(with_ledger(settings_in(tmp_path, **changes)), capsys)


def test_tls_files_that_are_not_usable_are_reported_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    expired = issue("server", issue("CA"), begins=timedelta(days=-3), ends=timedelta(days=-1))
    certificate, key = expired.write(tmp_path)
    tls = TlsSettings(certificate=certificate, key=key)
    err = refused_with(settings_in(tmp_path, address="0.0.0.0:0", tls=tls), capsys)
    assert "[TLS_CERTIFICATE_EXPIRED]" in err
    assert str(tmp_path) not in err


def test_with_tls_any_address_is_taken(tmp_path: Path) -> None:
    certificate, key = issue("server", issue("CA")).write(tmp_path)
    tls = TlsSettings(certificate=certificate, key=key)
    check_settings(settings_in(tmp_path, address="0.0.0.0:0", tls=tls))
    with pytest.raises(InvalidInput, match="loopback"):
        check_settings(settings_in(tmp_path, address="0.0.0.0:0"))


def test_an_invalid_policy_ends_the_start_before_anything_is_created(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    policies = tmp_path / "policies.yaml"
    policies.write_text("clients: {acme: {operators: {NAME: burn}}}", encoding="utf-8")
    settings = settings_in(tmp_path, redaction=RedactionSettings(policy_file=policies))
    err = refused_with(settings, capsys)
    assert "clients.acme.operators.NAME" in err
    assert "burn" not in err
    assert "[POLICY_INVALID]" in err
    assert not (tmp_path / "data").exists()


def test_wrong_experiments_end_the_start_before_anything_is_created(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "experiments.yaml"
    file.write_text("experiments: {flow: {start: 2026-12-01, variants: {old: {}}}}", encoding="utf-8")
    err = refused_with(settings_in(tmp_path, experiments=ExperimentSettings(file=file)), capsys)
    assert "experiments.flow.variants" in err
    assert "[EXPERIMENTS_INVALID]" in err
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("setting", ["data_dir", "state_dir"])
@pytest.mark.parametrize("name", ["file", "file/below"])
def test_a_folder_that_cannot_be_made_is_reported_in_one_line(
    setting: str, name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    err = refused_with(settings_in(tmp_path, **{setting: tmp_path / name}), capsys)
    assert "[FOLDER_UNUSABLE]" in err
    assert f"VESTIBULE_{setting.upper()}" in err


@pytest.mark.parametrize(
    ("changes", "named", "variable"),
    [
        ({"address": "127.0.0.1:{}"}, "The address 127.0.0.1:{}", "VESTIBULE_ADDRESS"),
        ({"address": "localhost:{}"}, "The address localhost:{}", "VESTIBULE_ADDRESS"),
        ({"metrics_port": "{}"}, "The port {} of the metrics", "VESTIBULE_METRICS_PORT"),
        (
            {"ray": {"dashboard_port": "{}"}},
            "The port {} of the Ray dashboard",
            "VESTIBULE_RAY__DASHBOARD_PORT",
        ),
        ({"ray": {"metrics_port": "{}"}}, "The port {} of Ray's metrics", "VESTIBULE_RAY__METRICS_PORT"),
        ({"quack": {"port": "{}"}}, "The port {} for analysts", "VESTIBULE_QUACK__PORT"),
        ({"console": {"port": "{}"}}, "The port {} of the console", "VESTIBULE_CONSOLE__PORT"),
    ],
)
def test_a_taken_port_is_reported_in_one_line(
    changes: dict[str, Any],
    named: str,
    variable: str,
    taken_port: int,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    filled = json.loads(json.dumps(changes).replace("{}", str(taken_port)))
    err = refused_with(with_ledger(settings_in(tmp_path, **filled)), capsys)
    assert err.startswith(f"{named.format(taken_port)} is in use. [ADDRESS_IN_USE] ")
    assert variable in err


def test_two_parts_of_the_server_cannot_share_a_port(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    [port] = free_ports(1)
    settings = with_ledger(settings_in(tmp_path, metrics_port=port, ray={"dashboard_port": port}))
    assert "[ADDRESS_IN_USE]" in refused_with(settings, capsys)


@pytest.mark.parametrize(
    "changes",
    [
        {"ray": {"dashboard_port": "{}", "dashboard": False}},
        {"ray": {"dashboard_port": "{}", "address": "192.0.2.1:6379"}},
        {"ray": {"metrics_port": "{}", "address": "192.0.2.1:6379"}},
        {"quack": {"port": "{}", "enabled": False}},
        {"console": {"port": "{}", "enabled": False}},
    ],
)
def test_the_port_of_a_part_that_is_off_or_remote_may_be_taken(
    changes: dict[str, Any], taken_port: int, tmp_path: Path
) -> None:
    check_ports(settings_in(tmp_path, **json.loads(json.dumps(changes).replace("{}", str(taken_port)))))


@pytest.mark.parametrize(
    ("ray", "hint"),
    [
        ({}, "Unset RAY_AUTH_MODE."),
        ({"allow_no_token": True}, "Unset RAY_AUTH_MODE."),
        ({"address": "127.0.0.1:1"}, "VESTIBULE_RAY__ALLOW_NO_TOKEN=true"),
    ],
)
def test_a_start_without_the_token_of_ray_is_refused(
    ray: dict[str, Any],
    hint: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    said = refused_with(settings_in(tmp_path, ray=ray), capsys)
    assert "[RAY_WITHOUT_TOKEN]" in said
    assert hint in said


def test_a_joined_cluster_without_a_token_can_be_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    check_settings(settings_in(tmp_path, ray={"address": "127.0.0.1:1", "allow_no_token": True}))


def test_a_folder_that_others_use_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state").chmod(0o755)
    (tmp_path / "state" / "of-others").touch()
    assert "[FOLDER_SHARED] Set VESTIBULE_STATE_DIR" in refused_with(settings_in(tmp_path), capsys)


def test_a_ledger_that_another_server_holds_fails_before_ray_is_imported(tmp_path: Path) -> None:
    policies = tmp_path / "policies.yaml"
    policies.write_text("clients: {acme: {operators: {NAME: hash}}}", encoding="utf-8")
    program = (
        "import pathlib, sys; import server.app; from server.settings import Settings\n"
        "folder = pathlib.Path(sys.argv[1])\n"
        "code = server.app.run(Settings(data_dir=folder / 'data', state_dir=folder / 'state',"
        " redaction={'policy_file': folder / 'policies.yaml'}))\n"
        "print(code, *{'ray', 'ctranslate2', 'cv2', 'onnxruntime', 'grpc', 'torch'} & set(sys.modules))"
    )
    with closing(open_ledger(tmp_path / "data" / "ledger.duckdb")):
        child = subprocess.run(
            [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True, timeout=60
        )
    assert child.stdout == "1\n"
    assert child.stderr.count("\n") == 1
    assert "[LEDGER_LOCKED]" in child.stderr


@pytest.mark.parametrize(
    ("error", "logged"),
    [
        (InternalError("Broken."), True),
        (OSError(28, "No space left on device", "/a/path"), True),
        (RuntimeError("can't start new thread"), True),
        (MemoryError(), True),
        (asyncio.CancelledError(), True),
        (Unavailable("No Ray.", reason=Reason.CLUSTER_UNAVAILABLE), True),
        (Unavailable("The address is in use.", reason=Reason.ADDRESS_IN_USE), False),
    ],
)
def test_an_internal_failure_of_the_start_is_logged(
    error: BaseException,
    logged: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    async def fails(settings: Settings, ledger: EmbeddedLedger, end_reason: EndReason) -> None:
        raise error

    monkeypatch.setattr(server.app, "_serve", fails)
    assert server.app.run(with_ledger(settings_in(tmp_path))) == 1
    out, err = capsys.readouterr()
    assert ("server_failed" in out + err) is logged
    last = err.splitlines()[-1]
    if isinstance(error, VestibuleError):
        assert last == f"{error.message} [{error.reason}] {error.hint}"
    else:
        assert "[INTERNAL] The line server_failed of the log has the place." in last
        assert type(error).__name__ in last
        assert "/a/path" not in err


class BadEnd:
    """Components whose cluster does not start, and parts that fail when they stop."""

    def __init__(self, stops: Callable[[], Awaitable[None]]) -> None:
        self._stops = stops

    async def build(self, _settings: Settings, _ledger: EmbeddedLedger, stack: AsyncExitStack) -> Any:
        stack.push_async_callback(self._stops)
        raise Unavailable("Ray was not up.", reason=Reason.CLUSTER_UNAVAILABLE, hint="Do this.")


async def _fails_to_stop() -> None:
    raise RuntimeError("a part that stops badly")


async def _never_stops() -> None:
    await asyncio.Event().wait()


def test_the_reason_of_a_failed_start_is_the_last_line_if_a_part_fails_to_stop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(server.wiring, "build_components", BadEnd(_fails_to_stop).build)
    assert server.app.run(with_ledger(settings_in(tmp_path))) == 1
    lines = capsys.readouterr().err.splitlines()
    assert lines[-1] == "Ray was not up. [CLUSTER_UNAVAILABLE] Do this."
    [failed] = [json.loads(line) for line in lines if "server_failed" in line]
    assert failed["reason"] == "CLUSTER_UNAVAILABLE"


def test_the_reason_is_told_when_the_system_refuses_threads(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    end_reason = EndReason()
    end_reason.note(RuntimeError("can't start new thread"))
    assert end_reason.tell() == 1
    assert "(RuntimeError). [INTERNAL]" in capsys.readouterr().err.splitlines()[-1]


def test_the_reason_of_a_failed_start_is_the_last_line_if_a_part_never_stops(tmp_path: Path) -> None:
    program = (
        "import asyncio, pathlib, sys; import server.app, server.wiring; from server.runtime import end_reason\n"
        "from tests.unit.cli import test_serve as t\n"
        "end_reason.EndReason.__init__.__defaults__ = (0.5, *end_reason.EndReason.__init__.__defaults__[1:])\n"
        "server.wiring.build_components = t.BadEnd(t._never_stops).build\n"
        "server.app.run(t.settings_in(pathlib.Path(sys.argv[1])))\n"
    )
    with_ledger(settings_in(tmp_path))
    child = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=False, timeout=60
    )
    assert child.returncode == 1
    assert child.stderr.splitlines()[-1] == "Ray was not up. [CLUSTER_UNAVAILABLE] Do this."


def test_a_running_server_makes_private_files_and_has_no_secrets_in_its_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[object] = []

    async def serves(settings: Settings, ledger: EmbeddedLedger, end_reason: EndReason) -> None:
        (tmp_path / "file").touch()
        seen.extend([stat.S_IMODE((tmp_path / "file").stat().st_mode), "VESTIBULE_LLM_API_KEY" in os.environ])

    monkeypatch.setenv("VESTIBULE_LLM_API_KEY", "sesame-open")
    monkeypatch.setattr(server.app, "_serve", serves)
    assert server.app.run(with_ledger(settings_in(tmp_path))) == 0
    assert seen == [0o600, False]


def test_a_start_says_at_once_that_it_takes_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said: list[str] = []

    async def serves(settings: Settings, ledger: EmbeddedLedger, end_reason: EndReason) -> None:
        """Nothing."""

    monkeypatch.setattr(server.app, "_serve", serves)
    assert server.app.run(with_ledger(settings_in(tmp_path)), lambda: said.append(capsys.readouterr().err)) == 0
    [line] = [json.loads(line) for line in said[0].splitlines()]
    assert (line["event"], line["ready_in_about_s"]) == ("starting", 60)


@pytest.mark.parametrize(("style", "said"), [("json", ""), ("console", "Vestibule is ready on 127.0.0.1:1. ")])
def test_a_log_for_programs_has_no_sentence_beside_it(
    style: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    async def starts(settings: Settings, ledgers: object, stack: object) -> tuple[str, str, str]:
        return "127.0.0.1:1", "", ""

    def ends_at_once() -> asyncio.Event:
        requested = asyncio.Event()
        requested.set()
        return requested

    monkeypatch.setattr(server.app, "_start", starts)
    monkeypatch.setattr(server.app, "requested_by_signal", ends_at_once)
    assert server.app.run(with_ledger(settings_in(tmp_path, log_format=style))) == 0
    out = capfd.readouterr().out
    assert out.startswith(said)
    assert bool(out) is bool(said)


def test_an_unknown_breaker_is_refused_with_the_known_names() -> None:
    nothing = cast(Any, None)
    breakers = Breakers(nothing, Metrics(), utc_now)
    breakers.build("llm_api", BreakerBounds())
    service = AdminService(
        nothing, nothing, nothing, breakers, nothing, nothing, nothing, nothing, nothing, nothing, nothing
    )
    with pytest.raises(NotFound) as caught:
        asyncio.run(service.ResetBreaker(ResetBreakerRequest(name="foo"), None))
    assert caught.value.hint == "Known breakers: llm_api."


def test_a_misspelt_setting_gives_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VESTIBULE_DRAIN", "5")
    monkeypatch.setattr(server.settings, "prepare_process", lambda: None)
    monkeypatch.setattr(server.cli.weights, "ensure_weights", lambda *_: None)
    monkeypatch.setattr(server.app, "run", lambda *_: 0)
    result = CliRunner().invoke(cli, ["serve"])
    assert result.exit_code == 0
    assert result.stderr == "Warning: VESTIBULE_DRAIN is no setting and is ignored. There is VESTIBULE_DRAIN_S.\n"
