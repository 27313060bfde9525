"""Runs the demo: starts the processes, runs the app and the analyst, proves that nothing leaked, stops all."""

from __future__ import annotations

import asyncio
import re
import shlex
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

import click

from models.amounts import count_text
from server.cli.channel import open_aio_channel
from server.cli.demo.environment import Cleanup, Environment, exports, stop_command
from server.cli.demo.planted import METER, REGISTER, VISITS, data_folder, planted_media
from server.cli.demo.processes import Child, free_ports, output_of, serving, wait_until
from server.cli.demo.reporter import Reporter
from server.cli.demo.transcripts import transcripts_of

if TYPE_CHECKING:
    from server.cli.demo.run_proof import Received
    from server.settings import Settings

UPSTREAM_TIMEOUT_S = 20.0
SERVER_TIMEOUT_S = 600.0
"""Longest start on a slow machine. A server that cannot start ends by itself before."""
ANALYST_TIMEOUT_S = 240.0
"""Longest wait on a busy machine; it takes some seconds on an idle one."""
_STEP = re.compile(r"""\bstep["']?[:=] ?["']?(\w+)""")
"""In a line of the log about a step of the start, as JSON or as text."""
_ADDRESS = re.compile(r"http://[\w.:]+")


def run_demo(settings: Settings, *, keep: bool, output: Path, visit: str) -> int:
    """Run the whole demo; returns the exit code."""
    from server.cli.demo.run_proof import prove_run

    reporter = Reporter()
    clips = VISITS[visit]
    data = data_folder(clips)
    reporter.line("Vestibule runs its main job with real models, all on this machine and in a temporary folder.")
    with _signals_as_exit(), ExitStack() as cleanup:
        environment = _prepare(settings)
        cleanup.push(Cleanup(environment, keep))
        with reporter.step(
            "Starting stand-ins for the remote LLM and the vision upstream, and the server with its Ray workers"
        ):
            _start(environment, settings, reporter)
        received = _visit(environment, reporter, data, output, clips)
        with reporter.step("An analyst in another process reads the live database"):
            _analyse(environment, reporter)
            if not keep:
                reporter.line("To query it yourself, run `make demo KEEP=1`.")
        with reporter.step("Proof: every personal value is replaced where it was said, and is nowhere else"):
            media = planted_media(data, (*clips, REGISTER, METER))
            heard = transcripts_of(data, clips)
            clean = prove_run(environment, reporter, media, received, heard)
        environment.failed = not clean
        if keep and clean:
            cleanup.pop_all()
            _say_how_to_use_it(environment, reporter)
            return 0
        with reporter.step("Stopping everything"):
            stopped = _stop(environment, reporter)
        environment.failed = not (clean and stopped)
        reporter.line(f"\n{'Done' if clean and stopped else 'FAILED'} after {reporter.elapsed_s:.0f} s.")
        return 0 if clean and stopped else 1


def _prepare(settings: Settings) -> Environment:
    home = Path(tempfile.mkdtemp(prefix="vestibule-demo-"))
    grpc_port, quack_port, dashboard_port, metrics_port, console_port = free_ports(5)
    own_llm, own_vision = not settings.upstream.base_url, not settings.vision_upstream.base_url
    return Environment(home, grpc_port, quack_port, dashboard_port, metrics_port, console_port, own_llm, [], own_vision)


def _start(environment: Environment, settings: Settings, reporter: Reporter) -> None:
    upstream_url, vision_url = settings.upstream.base_url, settings.vision_upstream.base_url
    if environment.own_llm:
        upstream_url = _start_stand_in(environment, reporter, "LLM", environment.received, "VESTIBULE_LLM_BASE_URL")
    else:
        reporter.line(f"Using your LLM at {upstream_url}")
    if environment.own_vision:
        vision_url = _start_stand_in(
            environment, reporter, "vision upstream", environment.seen, "VESTIBULE_LABELS_BASE_URL"
        )
    else:
        reporter.line(f"Using your vision upstream at {vision_url}")
    arguments = ["-m", "server.cli", "serve", "--address", environment.address]
    arguments += ["--data-dir", str(environment.home / "data"), "--state-dir", str(environment.state)]
    for assignment in (
        f"llm_base_url={upstream_url}",
        f"labels_base_url={vision_url}",
        f"quack.port={environment.quack_port}",
        f"ray.dashboard_port={environment.dashboard_port}",
        f"metrics_port={environment.metrics_port}",
        f"console.port={environment.console_port}",
        *("tls.certificate=", "tls.key=", "tls.client_ca="),  # it listens on loopback, and this process calls it there
    ):
        arguments += ["--set", assignment]
    server = Child.start("server", arguments, environment.home / "server.log")
    environment.children.append(server)
    reporter.line(f"Server: process {server.process.pid}, gRPC on {environment.address}, log in {server.log}")

    def tell(waited_s: float) -> None:
        up = steps_up(server.log.read_text(encoding="utf-8", errors="replace"))
        reporter.line(f"Waiting for the server, {waited_s:.0f} of at most {SERVER_TIMEOUT_S:.0f} s. Up so far: {up}.")

    wait_until(
        lambda: serving(environment.address),
        server,
        SERVER_TIMEOUT_S,
        "The server was not ready",
        tell=tell,
    )
    reporter.line("Server: SERVING")
    scanner = settings.clamav.mode
    reporter.line(f"Malware scanner: {scanner}{' (VESTIBULE_CLAMAV__MODE turns it on)' if scanner == 'off' else ''}")


def steps_up(log: str) -> str:
    """The steps of a start that are done, as its log has them."""
    return ", ".join(_STEP.findall(log)) or "nothing"


def _start_stand_in(environment: Environment, reporter: Reporter, what: str, record: Path, setting: str) -> str:
    """Start a stand-in for a remote model; returns its URL."""
    arguments = ["-m", "server.cli.demo.llm_server", "--port", "0", "--record", str(record)]
    upstream = Child.start(f"stand-in {what}", arguments, record.with_suffix(".log"))
    environment.children.append(upstream)

    def printed() -> str:
        found = _ADDRESS.search(upstream.log.read_text(encoding="utf-8", errors="replace"))
        return found.group() if found else ""

    wait_until(lambda: bool(printed()), upstream, UPSTREAM_TIMEOUT_S, f"The stand-in {what} printed no address")
    url = printed().rstrip("/") + "/v1"
    reporter.line(
        f"Stand-in {what}: process {upstream.process.pid}, OpenAI chat API on {url} (set {setting} for yours)"
    )
    return url


def _visit(environment: Environment, reporter: Reporter, data: Path, output: Path, clips: tuple[str, ...]) -> Received:
    from server.cli.credentials import operator_key
    from server.cli.demo.app import App
    from server.cli.demo.run_proof import Received
    from server.cli.remote import translated

    # Timeouts and retries as they ship beside the protos, so that a client need not invent its own.
    service_config = (data.parents[1] / "protos/vestibule/v1/service_config.json").read_text(encoding="utf-8")
    options = (("grpc.service_config", service_config),)

    async def run() -> Received:
        async with open_aio_channel(
            environment.address, options, credential=operator_key(environment.state)
        ) as channel:
            app = App(channel, reporter, data, output, clips, environment.llm, environment.vision)
            await app.visit()
            environment.record_id = app.record_id
            return Received(app.transcripts, app.utterances, app.shown, app.pictures)

    with translated(environment.address):
        return asyncio.run(run())


def _analyse(environment: Environment, reporter: Reporter) -> None:
    arguments = [
        "-m",
        "server.cli.demo.analyst",
        "--port",
        str(environment.quack_port),
        "--token-file",
        str(environment.quack_token),
    ]
    reporter.line(output_of(arguments, ANALYST_TIMEOUT_S, "The analyst could not read the ledger").rstrip())


def _stop(environment: Environment, reporter: Reporter) -> bool:
    """Stop all processes; returns whether all ended as they should."""
    clean = True
    for child in reversed(environment.children):
        child.stop()
        left = child.survivors()
        code = child.process.returncode
        expected = code in (0, -signal.SIGTERM)
        how = "stopped" if expected else f"ended with {code}"
        processes = count_text(len(child.seen) + 1, "process", "processes")
        reporter.line(f"{child.name}: {how}; of {processes} {len(left)} left")
        for process in left:
            reporter.line(f"  LEFT: {process.pid} {process.name()}")
        if not expected:
            reporter.line("\n".join(["  It should have ended with 0. Its last lines:", *child.last_lines()]))
        clean = clean and expected and not left
    return clean


def _say_how_to_use_it(environment: Environment, reporter: Reporter) -> None:
    """Addresses and commands for the server that keeps running."""
    from server.cli.analyst import attach_statements

    reporter.line("\nThe server keeps running (--keep):")
    reporter.line(f"  gRPC server     {environment.address}")
    reporter.line(f"  web console     {environment.console}")
    reporter.line("                  `vestibule console` prints a link that logs you in")
    reporter.line(f"  its record      {environment.console}/reviews/{environment.record_id}")
    reporter.line("                  each field with the sentence, or the place in the picture, that it comes from")
    reporter.line(f"  live ledger     quack:localhost:{environment.quack_port}")
    reporter.line(f"  Ray dashboard   http://127.0.0.1:{environment.dashboard_port}/#/serve")
    reporter.line(f"                  asks for the token in {environment.state / 'ray.token'}")
    reporter.line(f"  metrics         http://127.0.0.1:{environment.metrics_port}/metrics")
    reporter.line(f"                  asks for the bearer token in {environment.state / 'metrics.token'}")
    reporter.line(f"  folder          {environment.home}")
    reporter.line(
        "Run this first, and `vestibule status`, `console`, `sessions list`, `funnel`, `sql`, `dlq list`, `breakers` "
        "use it:"
    )
    if shutil.which("vestibule") is None:  # `make demo` runs in a virtual environment that is not active
        click.echo(f'export PATH={shlex.quote(str(Path(sys.executable).parent))}:"$PATH"')
    click.echo(exports(environment))  # one line at any width, so that it can be copied
    reporter.line("To query the ledger in any DuckDB 1.5 client, type:")
    token = environment.quack_token.read_text(encoding="utf-8").strip()
    click.echo(attach_statements(environment.quack_port, token))
    reporter.line("Stop it with:")
    click.echo(stop_command([child.process.pid for child in reversed(environment.children)], environment.home))


@contextmanager
def _signals_as_exit() -> Iterator[None]:
    """Turn SIGTERM into SystemExit, so that the cleanup runs as after Ctrl-C."""

    def leave(number: int, _frame: FrameType | None) -> NoReturn:
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
