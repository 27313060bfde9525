"""The process that owns Ray. Run as a module; its argument is the descriptor of a socket to the server.

Ray's native code ends the process it runs in when the node process dies, so it must not run in the server. This
process may end in any way: the server starts a new one. It ends all of Ray when the server is gone.
"""

from __future__ import annotations

import asyncio
import logging
import os
import pickle
import signal
import socket
import sys
from collections.abc import AsyncIterator
from functools import partial
from typing import Any, Final

from models.errors import InternalError, VestibuleError
from models.retry_budget import RetryBudget
from models.tracing.spans import RemoteSpan
from ray_tasks.cluster import WORKERS_S, Cluster
from ray_tasks.gateway import RayGateway, running_replicas
from ray_tasks.process_messages import (
    Answer,
    Beat,
    Begin,
    Call,
    Cancel,
    Logged,
    Lost,
    NextPiece,
    Piece,
    SourceSize,
    Started,
    StepDone,
    WorkerEnded,
    receive,
    send,
)
from ray_tasks.processes import end
from ray_tasks.types import RecordingSource, SpeechModels, Step

log = logging.getLogger("ray_tasks.ray_process")

WATCH_S: Final = 0.2
"""How often Ray's processes on this machine are looked at."""
BEAT_S: Final = 3.0
"""How often Ray is asked whether it answers, and a local one also which workers ended."""
JOINED_ENDS_S: Final = 30.0
"""How often a joined Ray is asked which workers ended. It answers with all dead actors of all its users."""
BUFFER_BYTES: Final = 4 * 1024 * 1024
GATEWAY_CALLS: Final = frozenset(
    {"speech_step", "read_recording", "read_picture", "redact", "engines", "use_speech_models", "candidate_step"}
)


class RayProcess:
    """Runs a cluster and its gateway for the server at the other end.

    Args:
        source: Messages of the server.
        sink: Messages to the server.
    """

    def __init__(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        self._source = source
        self._sink = sink
        self._loop = asyncio.get_running_loop()
        self._calls: dict[int, asyncio.Task[Any]] = {}
        self._pieces: dict[int, asyncio.Queue[Piece]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._watching: list[asyncio.Task[None]] = []
        self._cluster: Cluster | None = None
        self._begin: Begin | None = None
        self._gateway: RayGateway | None = None

    async def serve(self) -> None:
        """Answer until the server is gone, then end what is left of the Ray that it started at once."""
        ours = logging.getLogger("ray_tasks")
        ours.addHandler(_ToServer(self._log))
        ours.propagate = False
        while (message := await receive(self._source)) is not None:
            match message:
                case Begin():
                    self._begin = message
                case Call():
                    self._calls[message.id] = asyncio.create_task(self._run(message))
                    self._spawn(self._answer(message.id))
                case Cancel() if message.id in self._calls:
                    self._calls[message.id].cancel()
                case Piece() if message.id in self._pieces:
                    self._pieces[message.id].put_nowait(message)
        if self._cluster is not None:
            end(self._cluster.processes(), 0.0)

    def _spawn(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, call: Call) -> Any:
        if call.method in GATEWAY_CALLS:
            arguments = [
                RecordingSource(one.size_bytes, partial(self._load, call.id)) if isinstance(one, SourceSize) else one
                for one in call.arguments
            ]
            with RemoteSpan(call.traceparent):
                return await getattr(self._gateway, call.method)(*arguments, **call.options)
        return await {"start": self._start, "stop": self._stop}[call.method]()

    async def _load(self, number: int) -> AsyncIterator[bytes]:
        """The pieces of the recording of a call, from the server; one at a time is on its way."""
        arrived = self._pieces[number] = asyncio.Queue[Piece]()
        try:
            while True:
                await self._send(NextPiece(number))
                piece = await arrived.get()
                if piece.error is not None:
                    raise piece.error
                if piece.data is None:
                    return
                yield piece.data
        finally:
            del self._pieces[number]

    async def _answer(self, number: int) -> None:
        """Wait for a call and send how it ended. A defect in it must not end this process."""
        task = self._calls[number]
        await asyncio.wait({task})
        del self._calls[number]
        raised = InternalError("The call was cancelled.") if task.cancelled() else task.exception()
        if raised is None:
            answer = Answer(number, task.result())
        elif isinstance(raised, VestibuleError):
            answer = Answer(number, error=raised)
        else:
            log.error("gateway_call_failed", extra={"values": {"error_type": type(raised).__qualname__}})
            answer = Answer(number, error=InternalError("A defect in the server ended the call."))
        try:
            await self._send(answer)
        except (pickle.PicklingError, TypeError, AttributeError):  # what pickle raises; nothing was written
            log.error("gateway_result_not_sent")
            await self._send(Answer(number, error=InternalError("A defect in the server ended the call.")))

    async def _start(self) -> Started:
        assert self._begin is not None
        config, models = self._begin.config, self._begin.models
        cluster = self._cluster = Cluster(config, models.weights)
        self._gateway = RayGateway(cluster, budget=partial(RetryBudget, config.retry_share, config.retry_least))
        await cluster.start(self._step_done)
        self._watching = [
            asyncio.create_task(self._watch_processes(cluster)),
            asyncio.create_task(self._watch_answers(cluster)),
            asyncio.create_task(self._watch_workers(cluster)),
        ]
        if models.candidate:
            self._spawn(self._bring_up_candidate(cluster, models))
        return Started(cluster.dashboard_url, cluster.folder)

    async def _bring_up_candidate(self, cluster: Cluster, models: SpeechModels) -> None:
        """Nobody waits for the candidate: without it the server works, too."""
        try:
            await cluster.use_speech_models(models, WORKERS_S)
        except VestibuleError as error:
            log.warning("candidate_not_up", extra={"values": {"reason": error.reason, "candidate": models.candidate}})
        except Exception as error:  # noqa: BLE001 - a defect, which nobody would be told of: nobody waits for this task
            told = {"error_type": type(error).__qualname__, "candidate": models.candidate}
            log.error("candidate_not_up", extra={"values": told})

    async def _stop(self) -> None:
        for task in self._watching:
            task.cancel()
        if self._cluster is not None:  # there is none if its weights could not be read
            await self._cluster.stop()

    def _step_done(self, step: Step) -> None:
        # Ray's core installs a handler of its own, which aborts the process 3 s after SIGTERM.
        outlive_signals(self._loop)
        self._spawn(self._send(StepDone(step)))

    async def _watch_processes(self, cluster: Cluster) -> None:
        while not (lost := cluster.lost()):  # noqa: ASYNC110 - there is no event to wait for
            await asyncio.sleep(WATCH_S)
        await self._send(Lost(tuple(sorted(lost))))

    async def _watch_answers(self, cluster: Cluster) -> None:
        while True:
            try:
                statuses = await cluster.statuses()
                await self._send(Beat({kind: running_replicas(kind, app) for kind, app in statuses.items()}))
            except VestibuleError as error:
                log.warning("ray_does_not_answer", extra={"values": {"reason": error.reason}})
            await asyncio.sleep(BEAT_S)

    async def _watch_workers(self, cluster: Cluster) -> None:
        pause_s = JOINED_ENDS_S if cluster.config.address else BEAT_S
        while True:
            try:
                for end in await cluster.worker_ends():
                    await self._send(WorkerEnded(end))
            except VestibuleError as error:
                log.info("workers_not_looked_at", extra={"values": {"reason": error.reason}})
            await asyncio.sleep(pause_s)

    async def _send(self, message: object) -> None:
        try:
            await send(self._sink, message)
        except OSError:
            return  # ``serve`` notices that the server is gone

    def _log(self, line: Logged) -> None:
        self._loop.call_soon_threadsafe(lambda: self._spawn(self._send(line)))


class _ToServer(logging.Handler):
    """Hands log records over."""

    def __init__(self, take: Any) -> None:
        super().__init__(logging.INFO)
        self._take = take

    def emit(self, record: logging.LogRecord) -> None:
        """See ``logging.Handler``."""
        self._take(Logged(record.levelno, record.msg, getattr(record, "values", {})))


def outlive_signals(loop: asyncio.AbstractEventLoop) -> None:
    """Ignore what a terminal or a service manager sends to all processes: the server says when to stop.

    A handler, since children would inherit that a signal is ignored.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, lambda: None)


async def main(descriptor: int) -> None:
    """Serve the server at the other end of a socket."""
    outlive_signals(asyncio.get_running_loop())
    source, sink = await asyncio.open_connection(sock=socket.socket(fileno=descriptor), limit=BUFFER_BYTES)
    await RayProcess(source, sink).serve()


if __name__ == "__main__":
    number = int(sys.argv[1])
    os.set_inheritable(number, False)
    asyncio.run(main(number))
    os._exit(0)  # without what Ray's native code does at an exit
