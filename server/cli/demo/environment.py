"""The processes, folder and ports of one run of the demo, and its cleanup."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import click

from server.cli.demo.processes import Child


@dataclass(slots=True)
class Environment:
    """The processes, folder and ports of one run.

    Attributes:
        home: Folder of the run, with the ledger, the state and the logs.
        own_llm: Whether the remote LLM is the scripted stand-in.
        own_vision: Whether the vision upstream is the scripted stand-in.
        record_id: UUID of the record that was approved.
        failed: Whether the proof failed, or a process did not stop as it should.
    """

    home: Path
    grpc_port: int
    quack_port: int
    dashboard_port: int
    metrics_port: int
    console_port: int
    own_llm: bool
    children: list[Child]
    own_vision: bool = True
    record_id: str = ""
    failed: bool = False

    @property
    def state(self) -> Path:
        """The server's state folder."""
        return self.home / "state"

    @property
    def llm(self) -> str:
        """What writes replies and records."""
        return "the stand-in for an LLM, a script" if self.own_llm else "the LLM"

    @property
    def vision(self) -> str:
        """What labels pictures."""
        return "the stand-in for a vision upstream, a script" if self.own_vision else "the vision upstream"

    @property
    def quack_token(self) -> Path:
        """File with the token of the endpoint for analysts."""
        return self.state / "quack.token"

    @property
    def ledger(self) -> Path:
        """The server's DuckDB file."""
        return self.home / "data" / "ledger.duckdb"

    @property
    def received(self) -> Path:
        """Every byte that the stand-in LLM received."""
        return self.home / "upstream-received.bin"

    @property
    def seen(self) -> Path:
        """Every byte that the stand-in for a vision upstream received."""
        return self.home / "vision-received.bin"

    @property
    def console(self) -> str:
        """Address of the web console."""
        return f"http://127.0.0.1:{self.console_port}"

    @property
    def address(self) -> str:
        """Host and port of the gRPC server."""
        return f"127.0.0.1:{self.grpc_port}"


@dataclass(frozen=True, slots=True)
class Cleanup:
    """Ends all processes and deletes the folder. Keeps the logs after a failure, and everything with --keep."""

    environment: Environment
    keep: bool

    def __call__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Called by ``contextlib.ExitStack``; the exception, if any, is raised on."""
        for child in reversed(self.environment.children):
            child.stop()
            child.kill_with_descendants()
        home = self.environment.home
        # Ctrl-C is no Exception, and needs no log to explain it.
        failed = self.environment.failed or (kind is not None and issubclass(kind, Exception))
        if self.keep:
            click.echo(f"This run is kept in {home}", err=True)
        elif failed and self.environment.children:
            for path in home.iterdir():
                if path.suffix == ".log":
                    click.echo(f"Log kept: {path}", err=True)
                elif path.is_dir():
                    shutil.rmtree(path, ignore_errors=True)
                else:
                    path.unlink(missing_ok=True)
        else:
            shutil.rmtree(home, ignore_errors=True)


def stop_command(pids: Sequence[int], home: Path, patience_s: int = 60) -> str:
    """The shell command that ends processes, waits for their ends and deletes the folder.

    The server goes on writing while it ends. A process that has not ended in time is killed. One that has ended and
    that nobody buries (Z) is not waited for, where ``ps`` can tell.
    """
    told = " ".join(map(str, pids))
    lives = "kill -0 $p 2>/dev/null && ! ps -o stat= -p $p 2>/dev/null | grep -q '^Z'"
    kills = f"[ $n -lt {patience_s} ] || {{ kill -9 $p; sleep 1; break; }}"
    waits = f"(n=0; for p in {told}; do while {lives}; do {kills}; sleep 1; n=$((n + 1)); done; done)"
    return f"kill {told}; {waits}; rm -r {shlex.quote(str(home))}"


def exports(environment: Environment) -> str:
    """The shell command after which every command of the CLI uses this run."""
    variables = {
        "VESTIBULE_ADDRESS": environment.address,
        "VESTIBULE_STATE_DIR": str(environment.state),
        "VESTIBULE_DATA_DIR": str(environment.ledger.parent),
        "VESTIBULE_QUACK__PORT": str(environment.quack_port),
        "VESTIBULE_CONSOLE__PORT": str(environment.console_port),
    }
    return "export " + " ".join(f"{name}={shlex.quote(value)}" for name, value in variables.items())
