"""A running server is closed to other machines, to other users and to web pages, and shows its secrets nowhere."""

from __future__ import annotations

import base64
import http.client
import json
import os
import re
import socket
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import grpc
import psutil
import pytest

from models.errors import InvalidInput
from server.analytics.client import connect
from server.cli.demo.processes import free_ports, serving, wait_until
from tests.e2e.harness import READY_TIMEOUT_S, Server, start_server, stop_server

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

SECRETS = {
    "VESTIBULE_LLM_API_KEY": "sk-doors-0123456789abcdef",
    "VESTIBULE_SPOOL_KEY": base64.b64encode(b"doors" * 6 + b"..").decode(),
    "OPENAI_API_KEY": "sk-of-another-program-0123456789",
}
QUACK_TOKEN = "quack-token-of-the-doors"
AGENT_PORT = 52365
"""Ray's agent; Ray gives it no other port, and goes on without it while another Ray has the port."""

RAY_METHODS = (
    "/ray.rpc.CoreWorkerService/PushTask",
    "/ray.rpc.NodeInfoGcsService/CheckAlive",
    "/ray.rpc.NodeManagerService/GetNodeStats",
    "/ray.rpc.ObjectManagerService/Pull",
    "/ray.rpc.ReporterService/GetTraceback",
    "/ray.serve.ASGIService/HandleRequest",
)
"""One method of each gRPC service that a process of Ray has."""


@dataclass(slots=True)
class Doors:
    """A server, and the addresses on which its processes ever listened.

    Attributes:
        home: With a path that is short enough for sockets in the state folder.
        metrics_port: Of the metrics.
        dashboard_port: Of Ray's dashboard.
        console_port: Of the web console.
        seen: Addresses, from the first moment of the start on.
    """

    server: Server
    home: Path
    metrics_port: int
    dashboard_port: int
    console_port: int
    seen: set[str] = field(default_factory=set)

    def processes(self) -> list[psutil.Process]:
        """The server and its descendants."""
        root = psutil.Process(self.server.child.process.pid)
        return [root, *root.children(recursive=True)]

    @property
    def own_ports(self) -> set[int]:
        """The ports of the server itself."""
        grpc_port = int(self.server.address.rpartition(":")[2])
        return {grpc_port, self.server.quack_port, self.metrics_port, self.console_port}

    def ports(self) -> dict[int, str]:
        """The ports on which they listen, and the names of the processes."""
        return {c.laddr.port: p.name() for p in self.processes() for c in listening(p)}


def listening(process: psutil.Process) -> Iterator[Any]:
    """The sockets of a process that take what others send."""
    with suppress(psutil.Error):
        for connection in process.net_connections("inet"):
            if connection.status == psutil.CONN_LISTEN or connection.type == socket.SOCK_DGRAM:
                yield connection


@pytest.fixture(scope="module")
def doors() -> Iterator[Doors]:
    """A server with secrets from the environment and from a file, started by a shell that makes files for everybody."""
    metrics_port, dashboard_port, console_port = free_ports(3)
    assignments = [f"metrics_port={metrics_port}", f"ray.dashboard_port={dashboard_port}"]
    assignments += ["console.enabled=true", f"console.port={console_port}"]
    with tempfile.TemporaryDirectory(prefix="v", dir="/tmp") as folder, pytest.MonkeyPatch.context() as patch:
        home = Path(folder)
        (home / "secrets").mkdir()
        (home / "secrets" / "vestibule_quack__token").write_text(f"{QUACK_TOKEN}\n", encoding="utf-8")
        for name, value in {**SECRETS, "VESTIBULE_SECRETS_DIR": str(home / "secrets")}.items():
            patch.setenv(name, value)
        patch.setenv("VESTIBULE_LLM_BASE_URL", "http://127.0.0.1:9/v1")
        patch.delenv("RAY_AUTH_TOKEN_PATH", raising=False)
        umask = os.umask(0)
        server = start_server(home, *assignments, wait=False, dashboard=True)
        os.umask(umask)
        found = Doors(server, home, metrics_port, dashboard_port, console_port)
        done = threading.Event()
        watching = threading.Thread(target=_watch, args=(found, done))
        watching.start()
        try:
            wait_until(lambda: serving(server.address), server.child, READY_TIMEOUT_S, "The server was not ready")
            yield found
        finally:
            done.set()
            watching.join()
            stop_server(server)


def _watch(doors: Doors, done: threading.Event) -> None:
    while not done.wait(0.1):
        with suppress(psutil.Error):
            doors.seen |= {c.laddr.ip.removeprefix("::ffff:") for p in doors.processes() for c in listening(p)}


@dataclass(frozen=True, slots=True)
class Answer:
    """What came over HTTP."""

    status: int
    headers: http.client.HTTPMessage
    text: str


def get(port: int, path: str, method: str = "GET", body: str = "", **headers: str) -> Answer:
    """Ask over HTTP; an underscore in the name of a header is a hyphen."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request(method, path, body or None, {name.replace("_", "-"): v for name, v in headers.items()})
        answer = connection.getresponse()
        return Answer(answer.status, answer.headers, answer.read().decode())
    finally:
        connection.close()


def status(port: int, path: str, method: str = "GET", body: str = "", **headers: str) -> int:
    return get(port, path, method, body, **headers).status


def test_every_socket_is_on_loopback_at_every_moment_and_the_ports_are_those_of_the_manual(doors: Doors) -> None:
    ports = doors.ports()
    own = doors.own_ports
    assert own | {doors.dashboard_port} <= set(ports)
    assert doors.seen == {"127.0.0.1"}
    manual = (Path(__file__).parents[2] / "docs/operating/security.md").read_text(encoding="utf-8")
    for port in (50051, 9464, 8090, 9494, 8265, AGENT_PORT):
        assert f"| {port} |" in manual


def test_every_other_port_is_one_of_ray_that_refuses_calls_without_its_token(doors: Doors) -> None:
    own = doors.own_ports
    others = {port: name for port, name in doors.ports().items() if port not in own}
    refused = {port for port in others if _refuses(port)}
    # A process may end meanwhile, and a busy one answers late. So those that are still open are asked again.
    left = (others.keys() - refused) & doors.ports().keys()
    assert {port: others[port] for port in left if not _refuses(port)} == {}
    assert len(refused) > len(RAY_METHODS)


def _refuses(port: int) -> bool:
    return _grpc_answer(port) == "UNAUTHENTICATED" or _http_statuses(port) == {401}


def _grpc_answer(port: int) -> str:
    """What a process of Ray answers to the methods that it has, when they are called without the token."""
    answers = set()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        for method in RAY_METHODS:
            try:
                channel.unary_unary(method, None, None)(b"", timeout=20)
                answers.add("OK")
            except grpc.RpcError as error:
                answers.add(error.code().name)
    return "+".join(answers - {"UNIMPLEMENTED"})


def _http_statuses(port: int) -> set[int]:
    try:
        return {status(port, path) for path in ("/metrics", "/logs", "/api/jobs/", "/nodes?view=summary")}
    except (http.client.HTTPException, OSError):
        return set()


def test_everything_in_the_folders_is_for_its_owner_alone(doors: Doors) -> None:
    ray = doors.server.state_dir / "ray"
    assert list(ray.glob("session_*/sockets/*"))
    assert list(ray.glob("session_*/logs/*"))
    for folder in (doors.home / "data", doors.server.state_dir):
        modes = dict(modes_below(folder))
        links = [path for path, mode in modes.items() if stat.S_ISLNK(mode)]
        assert {str(path): oct(mode) for path, mode in modes.items() if path not in links and mode & 0o077} == {}
        assert {stat.S_IMODE(mode) for mode in modes.values() if stat.S_ISREG(mode)} == {0o600}
    assert (doors.server.state_dir / "ray.token").is_file()


def modes_below(folder: Path) -> Iterator[tuple[Path, int]]:
    """A folder and everything in it, with its type and mode. The server works meanwhile, and may delete some."""
    yield folder, folder.lstat().st_mode
    for at, folders, files in os.walk(folder):
        for path in (Path(at, name) for name in (*folders, *files)):
            with suppress(FileNotFoundError):
                yield path, path.lstat().st_mode


def test_no_secret_is_in_a_command_line_a_child_a_log_a_file_or_an_answer(doors: Doors) -> None:
    kept = ("ray.token", "metrics.token", "operator.key")
    tokens = [(doors.server.state_dir / name).read_text().strip() for name in kept]
    secrets = [*SECRETS.values(), QUACK_TOKEN, *tokens]
    shown = {f"command line of {p.pid}": str(p.info["cmdline"]) for p in psutil.process_iter(["cmdline"])}
    shown |= environments(doors.processes()[1:])
    command = [sys.executable, "-m", "server.cli", "status", "--json", "--address", doors.server.address]
    status_of = subprocess.run(command, capture_output=True, text=True, check=True, env=doors.server.environment)
    shown["status"] = status_of.stdout + status_of.stderr
    bearer = f"Bearer {tokens[0]}"
    for path in ("/api/jobs/", "/api/v0/runtime_envs?detail=1", "/api/v0/actors?detail=1", "/api/serve/applications/"):
        answer = get(doors.dashboard_port, path, Authorization=bearer)
        assert answer.status == 200
        shown[path] = answer.text
    for file, content in doors.server.contents():
        if "secrets" not in file.parts and file.name not in kept:
            shown[str(file)] = content.decode("latin-1")
    assert {where for where, text in shown.items() if any(secret in text for secret in secrets)} == set()
    assert any("python-core-worker" in where for where in shown), "Ray's logs were searched"


def environments(processes: Iterable[psutil.Process]) -> dict[str, str]:
    """The environment of each process that still runs."""
    found = {}
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            found[f"environment of {process.pid} {process.name()}"] = str(process.environ())
    return found


def test_the_metrics_ask_for_their_token_and_for_a_host_of_this_machine(doors: Doors) -> None:
    token = (doors.server.state_dir / "metrics.token").read_text().strip()
    port, bearer = doors.metrics_port, f"Bearer {token}"
    assert status(port, "/metrics") == 401
    assert status(port, "/metrics", Authorization="Bearer wrong") == 401
    assert status(port, "/metrics", Authorization=bearer, Host="evil.example") == 403
    answer = get(port, "/metrics", Authorization=bearer)
    assert "vestibule_rpcs_total" in answer.text


def test_the_console_asks_for_a_key_and_for_a_host_of_this_machine(doors: Doors) -> None:
    port = doors.console_port
    assert get(port, "/letters").headers["Location"] == "/login?next=%2Fletters"
    assert status(port, "/login", Host="evil.example") == 403
    assert status(port, "/login", "POST", "key=wrong", Origin="http://evil.example") == 403
    assert status(port, "/login", "POST", "key=wrong") == 401
    assert status(port, "/tickets", "POST", Authorization=f"Bearer {doors.server.operator_key}") == 200


def test_the_dashboard_is_closed_to_web_pages(doors: Doors) -> None:
    """What a page could send: its host name for our address, and the cookie of a person who has signed in."""
    port = doors.dashboard_port
    token = (doors.server.state_dir / "ray.token").read_text().strip()
    assert status(port, "/api/jobs/") == 401
    assert status(port, "/api/jobs/", Host="evil.example") == 401
    assert status(port, "/api/jobs/", Authorization="Bearer wrong") == 403
    signed_in = get(port, "/api/authenticate", "POST", Authorization=f"Bearer {token}", Origin="http://evil.example")
    cookie = signed_in.headers["Set-Cookie"]
    assert {"HttpOnly", "SameSite=Strict"} <= set(re.split(r";\s*", cookie)), "no script and no other site has it"
    page = {"Cookie": cookie.partition(";")[0], "Origin": "http://evil.example", "Content_Type": "application/json"}
    assert status(port, "/api/jobs/", "POST", json.dumps({"entrypoint": "true"}), **page) == 405
    for path in ("/api/jobs/", "/"):
        read = get(port, path, **page)
        assert read.status == 200
        assert [name for name in read.headers if name.lower().startswith("access-control")] == []


def test_what_a_door_refuses_is_in_the_audit(doors: Doors) -> None:
    assert status(doors.metrics_port, "/metrics") == 401
    with pytest.raises(duckdb.Error, match="Authentication failed"):
        connect(doors.server.quack_port, "a-token-of-somebody-else")
    with connect(doors.server.quack_port, QUACK_TOKEN) as analyst, pytest.raises(InvalidInput):
        analyst.execute("SELECT getenv('HOME')")
    command = [sys.executable, "-m", "server.cli", "audit", "list", "--action", "access", "--limit", "1000", "--json"]
    command += ["--address", doors.server.address]
    environment = doors.server.environment
    listed = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env=environment)
    assert listed.returncode == 0, listed.stderr
    rows = json.loads(listed.stdout)
    denied = {(row["object_id"], row["reason"]) for row in rows if row["object_type"] == "door" and row.get("reason")}
    assert {
        ("metrics", "CREDENTIALS_MISSING"),
        ("quack", "CREDENTIALS_INVALID"),
        ("sql", "sql_function"),
    } <= denied


def test_the_folder_of_ray_goes_when_the_server_ends(doors: Doors) -> None:
    """The last one: it ends the server of all tests here."""
    assert (doors.server.state_dir / "ray").is_dir()
    doors.server.terminate()
    assert not (doors.server.state_dir / "ray").exists()
    assert doors.server.survivors() == []
