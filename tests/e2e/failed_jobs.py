"""Makes jobs of a real server fail for good.

A remote LLM answers garbage until the retry policy ends, and the Vision worker is killed twice while it reads a page.
"""

from __future__ import annotations

import asyncio
import base64
import io
import json
import random
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import psutil
import pytest
from PIL import Image, ImageDraw, ImageFont
from vestibule.v1 import admin_pb2, conversation_pb2, media_pb2

from server.cli.channel import open_aio_channel
from server.cli.demo.processes import free_ports
from tests.e2e.harness import App, Server, config, propose, start_server, stop_server
from tests.e2e.planted_values import Person, lines_of, people
from tests.receivers import MailSink, Receiver
from tests.unit.llm.scripted_upstream import KEY, ScriptedUpstream, run_upstream

VISITORS: Final = 5
ON_THE_PAGE: Final = 12
PER_S: Final = 2.5
"""Letters that are redriven in a second."""
WEBHOOK_KEY: Final = b"0123456789abcdef01234567"
SETTINGS: Final = (
    "llm.failures=1000",  # the breaker stays closed
    "retry.least=1000",
    "retry.llm_api.attempts=2",
    "retry.llm_api.first_delay_s=0.2",
    "retry.network.first_delay_s=0.5",
    f"dead_letters.redrive_per_s={PER_S}",
    "alerts.every_s=1",
    "alerts.mail_to=ops@example.org",
    "alerts.mail_from=vestibule@example.org",
    "alerts.smtp_host=127.0.0.1",
    "alerts.smtp_security=none",
)
VISION: Final = re.compile(r"ray::ServeReplica:vestibule-\w+-vision:")
READING_S: Final = 0.5
"""CPU time of a Vision worker that is up, after which it surely reads the page."""
PATIENCE_S: Final = 180.0
GARBAGE, KILLED = "UPSTREAM_GARBAGE", "WORKER_KILLED"
FAILED: Final = Counter(
    {("propose_record", GARBAGE): VISITORS, ("reply", GARBAGE): VISITORS, ("read_picture", KILLED): 1}
)
"""Letters by kind and reason."""


@dataclass
class Stage:
    """A server whose jobs have failed, what received its alerts, and all that was printed."""

    server: Server
    app: App
    upstream: ScriptedUpstream
    webhook: Receiver
    mail: MailSink
    metrics_port: int
    persons: list[Person] = field(default_factory=lambda: people(VISITORS + ON_THE_PAGE))
    page: str = ""
    """Id of the upload that kills its worker."""
    watched: list[dict[str, Any]] = field(default_factory=list)
    """What `vestibule dlq watch` printed meanwhile."""
    printed: list[str] = field(default_factory=list)

    async def command(self, *arguments: str, code: int = 0, address: bool = True) -> str:
        """Run a command as an operator does; returns its output. It must end with this code."""
        where = ["--address", self.server.address] if address else []
        done = await asyncio.to_thread(self._run, [*arguments, *where])
        assert done.returncode == code, self.printed[-1]
        return done.stdout if code == 0 else done.stderr

    async def json(self, *arguments: str) -> Any:
        """The JSON that a command prints."""
        return json.loads(await self.command(*arguments, "--json"))

    async def sql(self, query: str) -> list[dict[str, Any]]:
        """Ask as an analyst does."""
        done = await asyncio.to_thread(self._run, ["sql", query, "--json", "--port", str(self.server.quack_port)])
        rows: list[dict[str, Any]] = json.loads(done.stdout)
        return rows

    def _run(self, arguments: list[str]) -> subprocess.CompletedProcess[str]:
        whole = [sys.executable, "-m", "server.cli", *arguments]
        environment = self.server.environment
        done = subprocess.run(whole, capture_output=True, text=True, timeout=PATIENCE_S, check=False, env=environment)
        self.printed.append(f"$ {' '.join(arguments)}\n{done.stdout}{done.stderr}")
        return done

    async def redriven(self, reason: str) -> Counter[str]:
        """The rows of the audit about redriving for a reason, by what they are about."""
        rows = await self.json("audit", "list", "--action", "redrive")
        mine = [row for row in rows if row["reason"] == reason]
        assert {(row["subject"], row["outcome"]) for row in mine} == {("key:operator", "done")}
        return Counter(row["object_type"] for row in mine)

    async def metrics(self) -> str:
        """The page of metrics."""
        token = (self.server.state_dir / "metrics.token").read_text().strip()
        url = f"http://127.0.0.1:{self.metrics_port}/metrics"
        request = urllib.request.Request(url, headers={"authorization": f"Bearer {token}"})
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        page: str = await asyncio.to_thread(lambda: opener.open(request, timeout=60).read().decode())
        self.printed.append(page)
        return page

    def log_lines(self, event: str) -> list[dict[str, Any]]:
        """Lines of the log."""
        lines = [json.loads(line) for line in self.server.log.splitlines() if line.startswith("{")]
        return [line for line in lines if line["event"] == event]


async def until(condition: Callable[[], object], what: str) -> None:
    """Wait for something that another process does."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < PATIENCE_S, what
        await asyncio.sleep(0.1)


def page_of(persons: list[Person]) -> bytes:
    """A page of print about these people, which takes the Vision worker some seconds."""
    chance = random.Random(3)
    lines = [line.text for person in persons for line in lines_of(person, chance, "page")]
    font = ImageFont.load_default(34)
    page = Image.new("L", (2400, 60 + 44 * len(lines)), 255)
    canvas = ImageDraw.Draw(page)
    for number, line in enumerate(lines):
        canvas.text((60, 30 + 44 * number), line, fill=0, font=font)
    out = io.BytesIO()
    page.save(out, "PNG")
    return out.getvalue()


async def visit(stage: Stage, person: Person) -> None:
    """A visitor types a text and gets a reply and a record of the local fallback."""
    session_id = await stage.app.open_session()

    async def typed() -> AsyncIterator[conversation_pb2.ConverseRequest]:
        yield config(session_id)
        text = f"I am {person.given} {person.surname}, {person.phone}. The meter reads 04821."
        yield conversation_pb2.ConverseRequest(text=conversation_pb2.TypedText(text=text))
        yield propose()

    answers = [answer async for answer in stage.app.conversations.Converse(typed())]
    assert any(answer.HasField("proposal") for answer in answers)


async def vision_is_up(app: App) -> bool:
    """Whether Serve says that the Vision worker takes calls."""
    status = await app.admin.GetStatus(admin_pb2.GetStatusRequest())
    return next(part.healthy for part in status.components if part.name == "vision")


def vision_worker(server: Server, but: set[psutil.Process]) -> psutil.Process | None:
    """The process of the Vision worker, other than those that were killed."""
    for process in server.child.descendants() - but:
        with suppress(psutil.NoSuchProcess):
            if VISION.match(" ".join(process.cmdline())):
                return process
    return None


async def kill_while_it_reads(stage: Stage, killed: set[psutil.Process]) -> None:
    """Send SIGKILL to the Vision worker once it is up, and has worked for a while since."""
    async with asyncio.timeout(PATIENCE_S):
        while not (worker := vision_worker(stage.server, killed)) or not await vision_is_up(stage.app):  # noqa: ASYNC110
            await asyncio.sleep(0.2)
        before_s = cpu_s(worker)
        while cpu_s(worker) - before_s < READING_S:  # noqa: ASYNC110 - another process sets no event
            await asyncio.sleep(0.1)
    worker.kill()
    killed.add(worker)


def cpu_s(process: psutil.Process) -> float:
    """CPU time that a process has used."""
    used = process.cpu_times()
    return float(used.user + used.system)


async def fail(stage: Stage) -> None:
    """Let visitors get replies and records of the fallback, while a page kills its worker twice."""
    async with asyncio.TaskGroup() as group:
        group.create_task(_visits(stage))
        group.create_task(_killing_page(stage))
    await until(lambda: len(stage.log_lines("dead_letter")) == FAILED.total(), "Not all jobs have failed.")
    await until(lambda: told(stage) == (VISITORS + 1, VISITORS + 1), "Not all alerts came.")


async def _visits(stage: Stage) -> None:
    for person in stage.persons[:VISITORS]:
        await visit(stage, person)


async def _killing_page(stage: Stage) -> None:
    session_id, content = await stage.app.open_session(), page_of(stage.persons[VISITORS:])
    stage.page = (await stage.app.upload(session_id, content, media_pb2.MEDIA_KIND_UNSPECIFIED, "image/png")).id
    killed: set[psutil.Process] = set()
    for _ in range(2):
        await kill_while_it_reads(stage, killed)


def told(stage: Stage) -> tuple[int, int]:
    """How many letters the accepted alerts tell of: those of the webhook, and those by mail."""
    subjects = [re.search(r"Subject: Vestibule: (\d+) jobs? failed permanently", mail) for mail in stage.mail.mails]
    posted = sum(json.loads(body)["data"]["count"] for _, _, body in stage.webhook.came[1:])
    return posted, sum(int(found[1]) for found in subjects if found)


async def watched_fail(stage: Stage) -> None:
    """The same while an operator watches."""
    command = ["dlq", "watch", "--json", "--address", stage.server.address]
    watching = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "server.cli", *command),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=stage.server.environment,
    )
    try:
        assert watching.stdout is not None
        assert watching.stderr is not None
        assert (await watching.stderr.readline()).startswith(b"Waiting for new dead letters.")
        await fail(stage)
        async with asyncio.timeout(PATIENCE_S):
            while len(stage.watched) < FAILED.total():
                line = (await watching.stdout.readline()).decode()
                stage.printed.append(line)
                stage.watched.append(json.loads(line))
    finally:
        watching.send_signal(signal.SIGINT)
        await watching.wait()


@asynccontextmanager
async def failed_jobs(folder: Path) -> AsyncIterator[Stage]:
    """A server whose jobs have failed, while an operator watched."""
    webhook, mail, [metrics_port] = Receiver(500), MailSink(), free_ports(1)
    async with AsyncExitStack() as stack:
        upstream = stack.enter_context(run_upstream(folder / "llm.record"))
        stack.enter_context(webhook.running())
        smtp_port = await stack.enter_async_context(mail.running())
        upstream.script("garbage")
        secrets = stack.enter_context(pytest.MonkeyPatch.context())
        secrets.setenv("VESTIBULE_LLM__API_KEY", KEY)
        secrets.setenv("VESTIBULE_ALERTS__WEBHOOK_SECRET", f"whsec_{base64.b64encode(WEBHOOK_KEY).decode()}")
        places = (
            f"metrics_port={metrics_port}",
            "console.enabled=true",
            "console.port=0",
            f"llm.base_url={upstream.url}/v1",
            f"alerts.webhook_url={webhook.url}",
            f"alerts.smtp_port={smtp_port}",
        )
        server = await asyncio.to_thread(start_server, folder / "home", *SETTINGS, *places)
        stack.push_async_callback(asyncio.to_thread, stop_server, server)
        channel = await stack.enter_async_context(open_aio_channel(server.address, credential=server.operator_key))
        made = Stage(server, App(channel), upstream, webhook, mail, metrics_port)
        await watched_fail(made)
        yield made
