"""The messages between the server and the process that owns Ray, over a socket that only the two have.

Both are of one user and one release, so the messages are pickled: the process starts from the server's own code.
"""

from __future__ import annotations

import asyncio
import pickle
import struct
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from models.errors import VestibuleError
from ray_tasks.types import ClusterConfig, SpeechModels, Step, WorkerEnd

_LENGTH: Final = struct.Struct("!Q")


@dataclass(frozen=True, slots=True)
class Begin:
    """The first message to the process."""

    config: ClusterConfig
    models: SpeechModels


@dataclass(frozen=True, slots=True)
class Call:
    """Asks for a call of ``RayProcess`` or of the gateway; ``traceparent`` is the span that it is made for."""

    id: int
    method: str
    arguments: tuple[Any, ...] = ()
    options: dict[str, Any] = field(default_factory=dict)
    traceparent: str = ""


@dataclass(frozen=True, slots=True)
class Cancel:
    """Nobody waits for the answer of a call any more."""

    id: int


@dataclass(frozen=True, slots=True)
class SourceSize:
    """Stands for the ``RecordingSource`` of a call, whose pieces the process asks for one after the other."""

    size_bytes: int


@dataclass(frozen=True, slots=True)
class NextPiece:
    """Asks for the next piece of the recording of a call."""

    id: int


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of a recording; None after the last one, or the error that loading it raised."""

    id: int
    data: bytes | None = None
    error: VestibuleError | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """The end of a call: its result, or the error that it raised."""

    id: int
    result: Any = None
    error: VestibuleError | None = None


@dataclass(frozen=True, slots=True)
class Started:
    """The result of ``start``; see ``Cluster`` for the fields."""

    dashboard_url: str
    folder: str


@dataclass(frozen=True, slots=True)
class StepDone:
    """A step of the start is done."""

    step: Step


@dataclass(frozen=True, slots=True)
class Beat:
    """Ray answered a moment ago; ``running`` is how many replicas of each kind take calls."""

    running: dict[str, int]


@dataclass(frozen=True, slots=True)
class WorkerEnded:
    """A worker ended; Serve starts another one."""

    end: WorkerEnd


@dataclass(frozen=True, slots=True)
class Lost:
    """Processes without which Ray cannot work have ended; ``names`` are their programs."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Logged:
    """A line for the server's log: a word for the event, and values by name."""

    level: int
    event: str
    values: dict[str, object]


class Sink(Protocol):
    """The part of ``asyncio.StreamWriter`` that is used."""

    def write(self, data: bytes, /) -> None: ...  # noqa: D102
    async def drain(self) -> None: ...  # noqa: D102


async def send(sink: Sink, message: object) -> None:
    """Send a message.

    Raises:
        OSError: The other end is gone.
    """
    data = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
    sink.write(_LENGTH.pack(len(data)))
    sink.write(data)
    await sink.drain()


async def receive(source: asyncio.StreamReader) -> Any:
    """Wait for a message; None when the other end is gone."""
    try:
        (size,) = _LENGTH.unpack(await source.readexactly(_LENGTH.size))
        data = await source.readexactly(size)
    except (asyncio.IncompleteReadError, OSError):
        return None
    return pickle.loads(data)  # noqa: S301 - see above
