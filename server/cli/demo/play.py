"""Plays the demo: starts everything, lets the app and the analyst do their part, proves the result, stops all."""

from __future__ import annotations

import asyncio
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

import click

from server.cli.demo.planted import data_folder, planted_media
from server.cli.demo.processes import Child, free_ports, serving, wait_until
from server.cli.demo.stage import Stage, Sweep, exports
from server.cli.demo.story import Story
from server.cli.output import Failure

if TYPE_CHECKING:
    from server.cli.demo.run_proof import Received
    from server.settings import Settings

UPSTREAM_TIMEOUT_S = 20.0
SERVER_TIMEOUT_S = 120.0
ANALYST_TIMEOUT_S = 60.0
_ADDRESS = re.compile(r"http://[\w.:]+")


def play(settings: Settings, *, keep: bool, output: Path) -> int:
    """Play the whole demo and return the exit code."""
    from server.cli.demo.run_proof import prove_run

    story = Story()
    data = data_folder()
    story.say("Vestibule, the main job on real models. Everything runs on this machine, in a folder of its own.")
    with _signals_as_exit(), ExitStack() as cleanup:
        stage = _prepare(settings)
        cleanup.push(Sweep(stage, keep))
        with story.step("Starting the stand-in for the remote LLM, and the server with its Ray workers"):
            _start(stage, settings, story)
        received = _visit(stage, story, data, output)
        with story.step("An analyst, in another process, reads the live database"):
            _analyse(stage, story)
        with story.step("Proof: every personal value is replaced where it was said, and is nowhere else"):
            clean = prove_run(stage, story, planted_media(data), received)
        stage.failed = not clean
        if keep and clean:
            cleanup.pop_all()
            _say_how_to_stop(stage, story)
            return 0
        with story.step("Stopping everything"):
            stopped = _stop(stage, story)
        stage.failed = not (clean and stopped)
        story.say(f"\n{'Done' if clean and stopped else 'FAILED'} after {story.elapsed_s:.0f} s.")
        return 0 if clean and stopped else 1


def _prepare(settings: Settings) -> Stage:
    home = Path(tempfile.mkdtemp(prefix="vestibule-demo-"))
    grpc_port, quack_port, dashboard_port, metrics_port = free_ports(4)
    ours = not settings.upstream.base_url
    return Stage(home, grpc_port, quack_port, dashboard_port, metrics_port, ours, [])


def _start(stage: Stage, settings: Settings, story: Story) -> None:
    upstream_url = settings.upstream.base_url
    if stage.ours:
        upstream_url = _start_upstream(stage, story)
    else:
        story.say(f"Using your LLM at {upstream_url}")
    arguments = ["-m", "server.cli", "serve", "--address", stage.address]
    arguments += ["--data-dir", str(stage.home / "data"), "--state-dir", str(stage.state)]
    for assignment in (
        f"llm_base_url={upstream_url}",
        f"quack.port={stage.quack_port}",
        f"ray.dashboard_port={stage.dashboard_port}",
        f"metrics_port={stage.metrics_port}",
    ):
        arguments += ["--set", assignment]
    server = Child.start("server", arguments, stage.home / "server.log")
    stage.children.append(server)
    story.say(f"Server: process {server.process.pid}, gRPC on {stage.address}, log in {server.log}")
    wait_until(lambda: serving(stage.address), server, SERVER_TIMEOUT_S, "The server was not ready")
    story.say("Server: SERVING")


def _start_upstream(stage: Stage, story: Story) -> str:
    arguments = ["-m", "server.cli.demo.upstream", "--port", "0", "--record", str(stage.received)]
    upstream = Child.start("scripted upstream", arguments, stage.home / "upstream.log")
    stage.children.append(upstream)

    def printed() -> str:
        found = _ADDRESS.search(upstream.log.read_text(encoding="utf-8", errors="replace"))
        return found.group() if found else ""

    wait_until(lambda: bool(printed()), upstream, UPSTREAM_TIMEOUT_S, "The scripted upstream printed no address")
    url = printed().rstrip("/") + "/v1"
    story.say(
        f"Stand-in LLM: process {upstream.process.pid}, OpenAI chat API on {url} (set VESTIBULE_LLM_BASE_URL for yours)"
    )
    return url


def _visit(stage: Stage, story: Story, data: Path, output: Path) -> Received:
    import grpc.aio

    from server.cli.demo.app import App
    from server.cli.demo.run_proof import Received
    from server.cli.remote import translated

    # Timeouts and retries as they ship beside the protos, so that a client need not invent its own.
    service_config = (data.parents[1] / "protos/vestibule/v1/service_config.json").read_text(encoding="utf-8")
    options = (("grpc.service_config", service_config),)

    async def run() -> Received:
        async with grpc.aio.insecure_channel(stage.address, options) as channel:
            app = App(channel, story, data, output)
            await app.visit()
            if app.first_reply_s is not None:
                story.say(f"\nThe first answer came {app.first_reply_s:.1f} s after the start of the demo.")
            return Received(app.transcripts, app.shown, app.pictures)

    with translated(stage.address):
        return asyncio.run(run())


def _analyse(stage: Stage, story: Story) -> None:
    from server.cli.analyst import attach_statements

    token_file = stage.state / "quack.token"
    arguments = ["-m", "server.cli.demo.analyst", "--port", str(stage.quack_port), "--token-file", str(token_file)]
    done = subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, timeout=ANALYST_TIMEOUT_S, check=False
    )
    if done.returncode:
        raise Failure("The analyst could not read the ledger.", details=done.stderr.splitlines()[-5:])
    story.say(done.stdout.rstrip())
    story.say("To look yourself while it runs, in any DuckDB 1.5 client:")
    story.say(attach_statements(stage.quack_port, token_file.read_text(encoding="utf-8").strip()))
    story.say(
        f"Ray dashboard: http://127.0.0.1:{stage.dashboard_port}, with the token that `ray get-auth-token` prints"
    )


def _stop(stage: Stage, story: Story) -> bool:
    """Stop all; True when nothing is left."""
    clean = True
    for child in reversed(stage.children):
        child.stop()
        left = child.left_over()
        code = child.process.returncode
        expected = code in (0, -signal.SIGTERM)
        story.say(f"{child.name}: ended with {code}, {len(left)} of its {len(child.family)} processes left")
        for process in left:
            story.say(f"  LEFT: {process.pid} {process.name()}")
        if not expected:
            story.say("\n".join(["  It should have ended with 0. The last it said:", *child.last_lines()]))
        clean = clean and expected and not left
    return clean


def _say_how_to_stop(stage: Stage, story: Story) -> None:
    pids = " ".join(str(child.process.pid) for child in reversed(stage.children))
    story.say("\nEverything goes on running, as you asked:")
    story.say(f"  gRPC server     {stage.address}")
    story.say(f"  live ledger     quack:localhost:{stage.quack_port}")
    story.say(f"  Ray dashboard   http://127.0.0.1:{stage.dashboard_port}/#/serve")
    story.say("                  asks for the token that `ray get-auth-token` prints")
    story.say(f"  metrics         http://127.0.0.1:{stage.metrics_port}/metrics")
    story.say(f"  folder          {stage.home}")
    story.say("So that `vestibule status`, `sessions list`, `funnel`, `sql`, `dlq list` and `breakers` ask it:")
    if shutil.which("vestibule") is None:  # `make demo` runs it out of a virtual environment that is not active
        click.echo(f'export PATH={shlex.quote(str(Path(sys.executable).parent))}:"$PATH"')
    click.echo(exports(stage))  # as one line, whatever the width, to be copied
    story.say("Stop it with:")
    click.echo(f"kill {pids} && rm -r {shlex.quote(str(stage.home))}")


@contextmanager
def _signals_as_exit() -> Iterator[None]:
    """SIGTERM ends the demo as Ctrl-C does, with everything stopped."""

    def leave(number: int, _frame: FrameType | None) -> NoReturn:
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
