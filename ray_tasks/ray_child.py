"""The server's side of the process that owns Ray."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from typing import Any, Final, Protocol

import psutil

from models.child_python import child_python
from models.errors import InternalError, Unavailable, VestibuleError
from models.reasons import Reason
from models.tracing.spans import current_span
from ray_tasks.error_output import ErrorOutput
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
from ray_tasks.processes import end_family
from ray_tasks.types import ClusterConfig, RecordingSource, SpeechModels, Step, WorkerEnd

log = logging.getLogger(__name__)

MODULE: Final = "ray_tasks.ray_process"
BUFFER_BYTES: Final = 4 * 1024 * 1024
BEAT_EVERY_S: Final = 5.0
MISSED_BEATS: Final = 9
"""After so many looks without an answer of Ray, which is 45 s, the cluster counts as lost. Serve's controller needs
up to 20 s to come back after it was killed."""
STOP_S: Final = 6.0


@dataclass(frozen=True, slots=True)
class Loss:
    """Why Ray is lost.

    Attributes:
        cause: A word for the log: the programs that ended, or one of our own words.
        sentence: The same for a person.
    """

    cause: str
    sentence: str


PROCESS_ENDED: Final = Loss("owner", "The process that owns Ray ended.")
SILENT: Final = Loss("silence", "Ray does not answer.")
ENDED_BY_US: Final = Loss("server", "The server ended the process that owns Ray.")


class RayChild(Protocol):
    """One run of Ray; ``RayChildProcess`` is the real one."""

    @property
    def running(self) -> Mapping[str, int]:
        """Replicas that take calls, by kind of worker, as of the last answer of Ray."""
        ...

    async def start(
        self,
        config: ClusterConfig,
        models: SpeechModels,
        on_step: Callable[[Step], None],
        on_worker_end: Callable[[WorkerEnd], None],
    ) -> Started:
        """Start or join Ray, deploy the workers, then the candidate. Raises as ``Cluster.start``, or CLUSTER_LOST."""
        ...

    async def call(self, method: str, *arguments: Any, **options: Any) -> Any:
        """Call the gateway. Raises what the gateway raises, or CLUSTER_LOST."""
        ...

    async def lost(self) -> Loss:
        """Wait until Ray is lost; returns why."""
        ...

    async def stop(self) -> None:
        """Stop or leave Ray, and end the process."""
        ...

    async def kill(self) -> None:
        """End the process and all of Ray that it started, at once."""
        ...


class RayChildProcess:
    """Implements ``RayChild`` by a process. Use ``launch``."""

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        source: asyncio.StreamReader,
        sink: asyncio.StreamWriter,
        errors: ErrorOutput,
    ) -> None:
        self._process = process
        self._errors = errors
        self._root = _running(process.pid)
        self._source = source
        self._sink = sink
        self._numbers = count()
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._pieces: dict[int, AsyncIterator[bytes]] = {}
        self._lost: asyncio.Future[Loss] = asyncio.get_running_loop().create_future()
        self._on_step: Callable[[Step], None] = lambda _step: None
        self._on_worker_end: Callable[[WorkerEnd], None] = lambda _end: None
        self._folder = ""
        self._joined = False
        self._beats = 0
        self._running: Mapping[str, int] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._spawn(self._receive())
        self._spawn(self._errors.read())

    @classmethod
    async def launch(cls) -> RayChildProcess:
        """Start the process; it imports Ray and waits."""
        ours, theirs = socket.socketpair()
        # No pipe of asyncio: it would wait for its end, and Ray's processes may have it open, too.
        errors, error_output = socket.socketpair()
        with theirs, error_output:
            process = await asyncio.create_subprocess_exec(
                *child_python("-m", MODULE, str(theirs.fileno())),
                pass_fds=[theirs.fileno()],
                stdin=asyncio.subprocess.DEVNULL,
                # Ray's messages may hold tracebacks. It has logs of its own; what we log comes over the socket. Its
                # standard error only tells how a start failed.
                stdout=asyncio.subprocess.DEVNULL,
                stderr=error_output.fileno(),
            )
        source, sink = await asyncio.open_connection(sock=ours, limit=BUFFER_BYTES)
        return cls(process, source, sink, ErrorOutput(*await asyncio.open_connection(sock=errors)))

    async def start(
        self,
        config: ClusterConfig,
        models: SpeechModels,
        on_step: Callable[[Step], None],
        on_worker_end: Callable[[WorkerEnd], None],
    ) -> Started:
        """See ``RayChild``."""
        self._on_step, self._on_worker_end, self._joined = on_step, on_worker_end, bool(config.address)
        await self._send(Begin(config, models))
        try:
            started: Started = await self.call("start")
        except Unavailable:
            if self._lost.done() and self._lost.result() is PROCESS_ENDED:
                raise await self._errors.ended_at_start(self._process) from None
            raise
        self._errors.forget()
        self._folder = started.folder
        self._spawn(self._watch_beats())
        return started

    @property
    def running(self) -> Mapping[str, int]:
        """See ``RayChild``."""
        return self._running

    async def call(self, method: str, *arguments: Any, **options: Any) -> Any:
        """See ``RayChild``. A call that is cancelled is cancelled in the worker, too."""
        if self._lost.done():
            raise cluster_lost()
        number = next(self._numbers)
        arguments = tuple(self._offer(number, one) if isinstance(one, RecordingSource) else one for one in arguments)
        answer = self._waiting[number] = asyncio.get_running_loop().create_future()
        try:
            await self._send(Call(number, method, arguments, options, current_span().traceparent))
            return await answer
        except asyncio.CancelledError:
            await self._send(Cancel(number))
            raise
        finally:
            self._waiting.pop(number, None)
            self._pieces.pop(number, None)

    def _offer(self, number: int, source: RecordingSource) -> SourceSize:
        self._pieces[number] = source.pieces()
        return SourceSize(source.size_bytes)

    async def _hand_over_piece(self, number: int) -> None:
        if (pieces := self._pieces.get(number)) is None:
            return
        try:
            piece = Piece(number, await anext(pieces, None))
        except VestibuleError as error:
            piece = Piece(number, error=error)
        except OSError:
            piece = Piece(number, error=InternalError("A piece of the recording could not be read."))
        await self._send(piece)

    async def lost(self) -> Loss:
        """See ``RayChild``."""
        return await asyncio.shield(self._lost)

    async def stop(self) -> None:
        """See ``RayChild``. It warns where processes outlast it, or workers on the cluster of others may."""
        stopped = True
        try:
            async with asyncio.timeout(STOP_S):
                await self.call("stop")
        except (Unavailable, TimeoutError):  # as during a start, which cannot be broken off
            stopped = False
        left = await self._end_all()
        if left or (self._joined and not stopped):
            log.warning("ray_did_not_stop", extra={"values": {"processes": left}})

    async def kill(self) -> None:
        """See ``RayChild``."""
        await self._end_all()

    async def _end_all(self) -> int:
        """End the process and its descendants; returns how many outlast it."""
        self._note_lost(ENDED_BY_US)
        left = await asyncio.to_thread(self._kill_family)
        with suppress(ProcessLookupError):  # it has ended
            self._process.kill()
        await self._process.wait()
        self._sink.close()
        self._errors.close()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return left

    def _kill_family(self) -> int:
        try:
            return end_family(self._root, self._folder)
        except (OSError, psutil.Error) as error:
            log.warning("processes_not_ended", extra={"values": {"error_type": type(error).__qualname__}})
            return 0

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _send(self, message: object) -> None:
        try:
            await send(self._sink, message)
        except OSError:
            self._note_lost(PROCESS_ENDED)

    async def _receive(self) -> None:
        try:
            while (message := await receive(self._source)) is not None:
                self._handle(message)
        finally:
            self._note_lost(PROCESS_ENDED)

    def _handle(self, message: object) -> None:
        match message:
            case Answer():
                self._take(message)
            case StepDone():
                self._on_step(message.step)
            case Beat():
                self._beats += 1
                self._running = message.running
            case WorkerEnded():
                self._on_worker_end(message.end)
            case Lost():
                ended = f"A process of Ray ended: {', '.join(message.names)}."
                self._note_lost(Loss("-".join(message.names), ended))
            case NextPiece():
                self._spawn(self._hand_over_piece(message.id))
            case Logged():
                log.log(message.level, message.event, extra={"values": message.values})

    def _take(self, answer: Answer) -> None:
        waiting = self._waiting.get(answer.id)
        if waiting is None or waiting.done():
            return
        if answer.error is not None:
            waiting.set_exception(answer.error)
        else:
            waiting.set_result(answer.result)

    async def _watch_beats(self) -> None:
        """Looks are counted, not seconds: a server that was stopped for a while is not to blame Ray for it."""
        missed = 0
        while missed < MISSED_BEATS:
            before = self._beats
            await asyncio.sleep(BEAT_EVERY_S)
            missed = missed + 1 if self._beats == before else 0
        self._note_lost(SILENT)

    def _note_lost(self, why: Loss) -> None:
        if not self._lost.done():
            self._lost.set_result(why)
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(cluster_lost())


def _running(pid: int) -> list[psutil.Process]:
    """The process with this number, which also knows when it began: the number may be another's later."""
    try:
        return [psutil.Process(pid)]
    except psutil.NoSuchProcess:
        return []


def cluster_lost(retry_after_s: float | None = None) -> Unavailable:
    """The error of a call while a cluster that was up is away."""
    return Unavailable(
        "The Ray cluster of this server is away; the server starts or joins it again by itself.",
        reason=Reason.CLUSTER_LOST,
        retry_after_s=retry_after_s,
    )
