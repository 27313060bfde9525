"""The server's side of the process that owns Ray; in its place a process runs that waits, and no Ray is started."""

from __future__ import annotations

import asyncio
import logging
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterable
from dataclasses import replace

import psutil
import pytest
import pytest_asyncio

from models.child_python import import_path
from models.errors import Unavailable
from ray_tasks import processes as processes_module
from ray_tasks import ray_child
from ray_tasks.error_output import ErrorOutput, start_failure
from ray_tasks.process_messages import Answer, Begin, Logged, Started, receive, send
from ray_tasks.processes import lives
from ray_tasks.ray_child import RayChildProcess
from ray_tasks.types import ClusterConfig, SpeechModels, WorkerConfig

CONFIG = ClusterConfig(WorkerConfig(), WorkerConfig(), WorkerConfig(), "weights", "carry.key", "0123456789ab", "state")
MODELS = SpeechModels("whisper-base", "whisper-tiny.en")
PARENT_OF_ONE = """
import subprocess, sys
sleep = [sys.executable, "-c", "import time; time.sleep(60)"]
child = subprocess.Popen(sleep, stdout=subprocess.DEVNULL)  # asyncio waits for the end of the pipe, too
print(child.pid, flush=True)
child.wait()
"""


class Waiting:
    """A ``RayChildProcess`` for a process with one descendant."""

    async def launch(self) -> None:
        self.process = await asyncio.create_subprocess_exec(sys.executable, "-c", PARENT_OF_ONE, stdout=subprocess.PIPE)
        assert self.process.stdout is not None
        self.descendant = psutil.Process(int(await self.process.stdout.readline()))
        ours, self.theirs = socket.socketpair()
        source, sink = await asyncio.open_connection(sock=ours)
        errors, self.error_output = socket.socketpair()
        self.child = RayChildProcess(
            self.process, source, sink, ErrorOutput(*await asyncio.open_connection(sock=errors))
        )


@pytest_asyncio.fixture
async def waiting() -> AsyncIterator[Waiting]:
    made = Waiting()
    await made.launch()
    yield made
    await made.child.kill()
    made.theirs.close()
    made.error_output.close()


async def test_the_process_and_its_descendants_are_ended_and_asyncio_alone_waits_for_it(
    waiting: Waiting, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended: list[int] = []
    really_end = processes_module.end

    def end(processes: Iterable[psutil.Process], timeout_s: float) -> int:
        processes = list(processes)
        ended.extend(process.pid for process in processes)
        return really_end(processes, timeout_s)

    monkeypatch.setattr(processes_module, "end", end)
    await waiting.child.kill()
    assert waiting.process.returncode == -9
    assert ended == [waiting.descendant.pid]
    assert not lives(waiting.descendant)


async def test_a_process_that_has_ended_by_itself_is_no_error(
    waiting: Waiting, caplog: pytest.LogCaptureFixture
) -> None:
    waiting.process.kill()
    await waiting.process.wait()
    waiting.descendant.kill()
    await waiting.child.kill()
    assert caplog.records == []


@pytest.mark.parametrize(
    ("address", "outlasts", "warned"),
    [("", False, []), ("", True, [{"processes": 1}]), ("ray.example:6379", False, [{"processes": 0}])],
)
async def test_a_stop_during_the_start_warns_only_if_something_of_ray_may_be_left(
    waiting: Waiting,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    address: str,
    outlasts: bool,
    warned: list[dict[str, int]],
) -> None:
    """The process begins a start and answers nothing more. Nobody waits for it in this test."""
    monkeypatch.setattr(ray_child, "STOP_S", 0.0)
    if outlasts:
        monkeypatch.setattr(processes_module, "end", lambda _processes, _timeout_s: 0)
    config = replace(CONFIG, address=address)
    starting = asyncio.create_task(waiting.child.start(config, MODELS, lambda _step: None, lambda _end: None))
    await asyncio.sleep(0)
    await waiting.child.stop()
    with pytest.raises(Unavailable):
        await starting
    assert lives(waiting.descendant) == outlasts
    assert [(line.msg, vars(line)["values"]) for line in caplog.records] == [
        ("ray_did_not_stop", values) for values in warned
    ]
    if outlasts:
        waiting.descendant.kill()


def test_a_line_of_the_process_is_logged_with_its_values(caplog: pytest.LogCaptureFixture) -> None:
    RayChildProcess._handle(None, Logged(logging.WARNING, "unused_applications", {"applications": ["one"]}))  # type: ignore[arg-type]
    [line] = caplog.records
    assert (line.name, line.msg, vars(line)["values"]) == (
        "ray_tasks.ray_child",
        "unused_applications",
        {"applications": ["one"]},
    )


async def test_a_process_that_ends_at_its_start_says_why(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(ray_child, "MODULE", "tests.unit.ray_tasks.fails_at_start")
    for name, value in import_path().items():
        monkeypatch.setenv(name, value)
    child = await RayChildProcess.launch()
    with pytest.raises(Unavailable) as failed:
        await child.start(CONFIG, MODELS, lambda _step: None, lambda _end: None)
    await child.kill()
    assert failed.value.reason == "CLUSTER_LOST", "it is started again"
    assert failed.value.message == (
        "The process that owns Ray ended at its start: ImportError: cannot import name 'nothing'."
    )
    [line] = caplog.records
    assert line.msg == "ray_process_ended_at_start"
    values = vars(line)["values"]
    assert (values["error_type"], values["exit_code"]) == ("ImportError", 1)
    assert values["frames"] == ["ray_tasks/fails_at_start.py:3"]


async def test_what_it_writes_once_it_serves_is_not_kept() -> None:
    ours, theirs = socket.socketpair()
    output = ErrorOutput(*await asyncio.open_connection(sock=ours))
    reading = asyncio.create_task(output.read())
    output.forget()
    with theirs:
        theirs.sendall(b"ValueError: what a person said\n")
    await reading
    output.close()
    assert output._kept == b""


async def test_what_the_process_writes_after_its_start_is_not_kept(waiting: Waiting) -> None:
    source, sink = await asyncio.open_connection(sock=waiting.theirs)
    starting = asyncio.create_task(waiting.child.start(CONFIG, MODELS, lambda _step: None, lambda _end: None))
    assert await receive(source) == Begin(CONFIG, MODELS)
    start = await receive(source)
    waiting.error_output.sendall(b"a warning of the start\n")
    await send(sink, Answer(start.id, Started("", "")))
    await starting
    waiting.error_output.sendall(b"ValueError: what a person said\n")
    waiting.error_output.close()
    output = waiting.child._errors
    await output._ended.wait()
    sink.close()
    assert output._kept == b""


@pytest.mark.parametrize(
    ("output", "error_type", "last_line"),
    [
        ("", "", ""),
        ("Killed\n\n", "", "Killed"),
        ("no room: " + "x" * 300, "", "no room: " + "x" * 191),
        ('  File "/a/b/c.py", line 3, in f\nray.RayError: it\x1b[0m\n', "ray.RayError", "ray.RayError: it [0m"),
    ],
)
def test_the_end_of_an_output_is_bounded_and_printable(output: str, error_type: str, last_line: str) -> None:
    found = start_failure(output)
    assert (found.error_type, found.last_line) == (error_type, last_line)
