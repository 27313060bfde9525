"""What the demo runs, where, and what is left of it at the end."""

from __future__ import annotations

import shlex
import shutil
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import click

from server.cli.demo.processes import Child


@dataclass(slots=True)
class Stage:
    """What runs, and where.

    Attributes:
        home: Folder of the demo: ledger, state, logs.
        ours: Whether the upstream is our scripted one.
        failed: Whether something was found, or did not stop.
    """

    home: Path
    grpc_port: int
    quack_port: int
    dashboard_port: int
    metrics_port: int
    ours: bool
    children: list[Child]
    failed: bool = False

    @property
    def state(self) -> Path:
        """The server's state folder."""
        return self.home / "state"

    @property
    def ledger(self) -> Path:
        """The server's DuckDB file."""
        return self.home / "data" / "ledger.duckdb"

    @property
    def received(self) -> Path:
        """What the scripted upstream received, byte for byte."""
        return self.home / "upstream-received.bin"

    @property
    def address(self) -> str:
        """Of the gRPC server."""
        return f"127.0.0.1:{self.grpc_port}"


@dataclass(frozen=True, slots=True)
class Sweep:
    """Whatever happened: no process and no data stays behind. After a failure the logs do; with --keep, all does."""

    stage: Stage
    keep: bool

    def __call__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """As ``contextlib.ExitStack.push`` wants it; raises nothing anew."""
        for child in reversed(self.stage.children):
            child.stop()
            child.kill_family()
        home = self.stage.home
        # Only Exception: who presses Ctrl-C does not ask why it ended.
        failed = self.stage.failed or (kind is not None and issubclass(kind, Exception))
        if self.keep:
            click.echo(f"Everything of this run is kept, logs too: {home}", err=True)
        elif failed and self.stage.children:
            for path in home.iterdir():
                if path.suffix == ".log":
                    click.echo(f"Log kept: {path}", err=True)
                elif path.is_dir():
                    shutil.rmtree(path, ignore_errors=True)
                else:
                    path.unlink(missing_ok=True)
        else:
            shutil.rmtree(home, ignore_errors=True)


def exports(stage: Stage) -> str:
    """What to type so that every command of ours finds this run."""
    variables = {
        "VESTIBULE_ADDRESS": stage.address,
        "VESTIBULE_STATE_DIR": str(stage.state),
        "VESTIBULE_DATA_DIR": str(stage.ledger.parent),
        "VESTIBULE_QUACK__PORT": str(stage.quack_port),
    }
    return "export " + " ".join(f"{name}={shlex.quote(value)}" for name, value in variables.items())
