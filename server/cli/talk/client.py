"""A conversation that survives its connections: what a mobile app does, in a page.

Audio that was not acknowledged is kept. When the connection breaks, the client waits, opens the stream again with its
token, tells which finals it has, and sends from the offset that the server names. Nothing is lost, nothing comes twice.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import grpc
import grpc.aio
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from vestibule.v1 import conversation_pb2 as pb
from vestibule.v1.conversation_pb2_grpc import ConversationServiceStub

from models.reasons import Reason

RATE_HZ = 16_000
BYTES_A_SECOND = RATE_HZ * 2
CHUNK_BYTES = BYTES_A_SECOND // 10

KEEPALIVE = (
    # A connection that died without a word is noticed within half a minute; the server takes pings this often.
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    # A ping with which gRPC measures the bandwidth keeps the others from being sent; by default it may take a minute.
    ("grpc.http2.ping_timeout_ms", 10_000),
    ("grpc.http2.max_pings_without_data", 0),
    # gRPC's own reconnecting begins at once and is never far behind ours.
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 5_000),
)
FIRST_WAIT_S, LONGEST_WAIT_S = 0.25, 8.0
MOST_TAKEN_OVER = 3
"""Times in a row that the stream may be taken over; more, and somebody else has its token, and neither gets on."""

_GONE = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.UNKNOWN,
    }
)
_WAIT_FOR = frozenset({Reason.STREAM_IN_USE, Reason.STREAM_TAKEN_OVER})
"""The server is not done with our old connection yet, or took a late message of it for the newer one."""


@dataclass(frozen=True, slots=True)
class TalkOptions:
    """What the stream is set up with.

    Attributes:
        end_silence_s: Silence that ends an utterance; None takes the server's default.
        max_utterance_s: Longest utterance; None likewise.
        give_up_s: Seconds without any progress after which the client stops trying.
        word_times: Whether finals are to come with their words.
    """

    session_id: str
    language: str = ""
    reply: bool = False
    end_silence_s: float | None = None
    max_utterance_s: float | None = None
    give_up_s: float = 60.0
    word_times: bool = False


@dataclass(slots=True)
class Audio:
    """16-bit mono PCM at 16 kHz on its way: what came out of the source and is not acknowledged yet.

    Attributes:
        start: Offset in the stream of the first byte that is still held.
        ended: Whether the source has no more.
    """

    held: bytearray = field(default_factory=bytearray)
    start: int = 0
    ended: bool = False
    _more: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def end(self) -> int:
        """Offset behind the last byte."""
        return self.start + len(self.held)

    def add(self, data: bytes) -> None:
        """More from the source."""
        self.held += data
        self._more.set()

    def finish(self) -> None:
        """The source has ended."""
        self.ended = True
        self._more.set()

    def acknowledge(self, offset: int) -> None:
        """Forget what the server has."""
        if offset > self.start:
            del self.held[: offset - self.start]
            self.start = offset

    async def after(self, offset: int) -> bytes:
        """The next bytes from an offset on, at most a chunk; empty at the end of the source."""
        while self.end <= offset and not self.ended:
            self._more.clear()
            await self._more.wait()
        at = max(offset, self.start) - self.start
        return bytes(self.held[at : at + CHUNK_BYTES])


class Talker:
    """One conversation from a source of audio to its last event, over as many connections as it takes.

    Args:
        channel: To the server.
        options: What the stream is set up with.
        audio: Filled by somebody else while this runs.
        on_event: Called with every event but acknowledgements, each final once.
        on_break: Called with the reason, or the name of the code, and the seconds until the next attempt.
        clock: Seconds, monotonic.
    """

    def __init__(
        self,
        channel: grpc.aio.Channel,
        options: TalkOptions,
        audio: Audio,
        on_event: Callable[[pb.ConverseResponse], None],
        on_break: Callable[[str, float], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stub = ConversationServiceStub(channel)
        self._options = options
        self._audio = audio
        self._on_event = on_event
        self._on_break = on_break
        self._clock = clock
        self._token = ""
        self._next_utterance = 0
        self._progress_at = clock()
        self.connections = 0

    async def run(self) -> None:
        """Talk until the server has answered everything.

        Raises:
            grpc.aio.AioRpcError: It refused for a reason that trying again does not mend, or nothing got on for
                ``give_up_s``.
        """
        wait_s, taken_over = FIRST_WAIT_S, 0
        while True:
            before = (self._audio.start, self._next_utterance)
            try:
                await self._connection()
                # A stream that was finished over an earlier connection has nothing left to acknowledge.
                self._audio.acknowledge(self._audio.end)
                return
            except grpc.aio.AioRpcError as error:
                if (self._audio.start, self._next_utterance) != before:
                    self._progress_at, wait_s = self._clock(), FIRST_WAIT_S
                reason, asked_s = _details(error)
                taken_over = taken_over + 1 if reason == Reason.STREAM_TAKEN_OVER else 0
                if taken_over > MOST_TAKEN_OVER or not passing(error.code(), reason):
                    raise
                if self._clock() - self._progress_at > self._options.give_up_s:
                    raise
                # Half of the wait is chance, so that the clients of a restarted server do not come all at once.
                pause_s = max(asked_s, wait_s * random.uniform(0.5, 1.0))  # noqa: S311 - no secret
                self._on_break(reason or error.code().name, pause_s)
                await asyncio.sleep(pause_s)
                wait_s = min(LONGEST_WAIT_S, 2 * wait_s)

    async def _connection(self) -> None:
        self.connections += 1
        begin_at: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        call = self._stub.Converse(self._requests(begin_at))
        try:
            async for response in call:
                match response.WhichOneof("payload"):
                    case "configured":
                        self._token = response.configured.resume_token
                        begin_at.set_result(response.configured.next_offset)
                    case "acknowledged":
                        self._audio.acknowledge(response.acknowledged.offset)
                    case _:
                        self._take(response)
        finally:
            begin_at.cancel()
            call.cancel()

    async def _requests(self, begin_at: asyncio.Future[int]) -> AsyncIterator[pb.ConverseRequest]:
        yield pb.ConverseRequest(config=self._config())
        at = max(await begin_at, self._audio.start)  # what was acknowledged is not there any more
        while data := await self._audio.after(at):
            yield pb.ConverseRequest(audio=pb.AudioChunk(offset=at, data=data))
            at += len(data)

    def _take(self, response: pb.ConverseResponse) -> None:
        if response.HasField("final"):
            self._next_utterance = response.final.utterance + 1
        elif response.HasField("notice") and response.notice.reason == Reason.NO_SPEECH:
            self._next_utterance = response.notice.utterance + 1
        self._on_event(response)

    def _config(self) -> pb.ConverseConfig:
        options = self._options
        config = pb.ConverseConfig(
            session_id=options.session_id,
            encoding=pb.AUDIO_ENCODING_PCM_S16LE,
            sample_rate_hz=RATE_HZ,
            channels=1,
            language=options.language,
            reply=options.reply,
            word_times=options.word_times,
        )
        if options.end_silence_s is not None:
            config.end_silence.CopyFrom(_duration(options.end_silence_s))
        if options.max_utterance_s is not None:
            config.max_utterance.CopyFrom(_duration(options.max_utterance_s))
        if self._token:
            config.resume_token = self._token
            config.next_utterance = self._next_utterance
        return config


def _duration(seconds: float) -> Duration:
    duration = Duration()
    duration.FromMilliseconds(round(seconds * 1000))
    return duration


def passing(code: grpc.StatusCode, reason: str) -> bool:
    """Whether another attempt may do better, by the code and the server's reason, which is empty where it gave none.

    A limit of the server has its reason and passes; RESOURCE_EXHAUSTED without one is gRPC's own, of a message that is
    too large and would be again. INTERNAL is a defect of the server where it has a reason. Without one it is the
    network: a connection that was reset, or a call that grpc.aio found over while it sent, losing the server's status.
    """
    if code is grpc.StatusCode.RESOURCE_EXHAUSTED:
        return bool(reason)
    if code is grpc.StatusCode.INTERNAL:
        return not reason
    return code in _GONE or reason in _WAIT_FOR


def _details(error: grpc.aio.AioRpcError) -> tuple[str, float]:
    """The stable reason, empty where the error is gRPC's own, and how long the server asks to wait, in seconds."""
    reason, asked_s = "", 0.0
    status = rpc_status.from_call(error)  # type: ignore[arg-type]  # reads trailers, code and message
    for detail in status.details if status else ():
        info, retry = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
        if detail.Unpack(info):
            reason = info.reason
        elif detail.Unpack(retry):
            asked_s = retry.retry_delay.ToTimedelta().total_seconds()
    return reason, asked_s
