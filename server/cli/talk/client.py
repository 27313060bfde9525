"""A conversation that survives broken connections, as a mobile app implements it.

The client keeps audio until it is acknowledged. When the connection breaks, it waits, opens the stream again with the
resume token and the number of the next final, and sends from the offset that the server names. So no audio is lost and
each final comes once.
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
    # Detects a dead connection within half a minute; the server allows pings this often.
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    # No keepalive is sent while a bandwidth probe is pending, which by default may take a minute.
    ("grpc.http2.ping_timeout_ms", 10_000),
    ("grpc.http2.max_pings_without_data", 0),
    # gRPC reconnects soon enough for the client's own attempts.
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 5_000),
)
FIRST_WAIT_S, LONGEST_WAIT_S = 0.25, 8.0
MOST_TAKEN_OVER = 3
"""Most takeovers in a row. With more, another client holds the same token, and neither makes progress."""

_GONE = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.UNKNOWN,
    }
)
_WAIT_FOR = frozenset({Reason.STREAM_IN_USE, Reason.STREAM_TAKEN_OVER})
"""Temporary conflicts: the server still holds the old connection, or took a late message of it for the new one."""


@dataclass(frozen=True, slots=True)
class TalkOptions:
    """Options of the stream.

    Attributes:
        end_silence_s: Silence that ends an utterance; None takes the server's default.
        max_utterance_s: Longest utterance; None takes the server's default.
        give_up_s: Seconds without progress after which the client stops trying.
        word_times: Whether finals come with their words.
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
    """16-bit mono PCM at 16 kHz that came from the source and is not acknowledged yet.

    Attributes:
        start: Offset in the stream of the first byte that is held.
        ended: Whether the source has ended.
    """

    held: bytearray = field(default_factory=bytearray)
    start: int = 0
    ended: bool = False
    _more: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def end(self) -> int:
        """Offset after the last byte."""
        return self.start + len(self.held)

    def add(self, data: bytes) -> None:
        """Append audio from the source."""
        self.held += data
        self._more.set()

    def finish(self) -> None:
        """The source has ended."""
        self.ended = True
        self._more.set()

    def acknowledge(self, offset: int) -> None:
        """Drop the audio before the offset, which the server has."""
        if offset > self.start:
            del self.held[: offset - self.start]
            self.start = offset

    async def after(self, offset: int) -> bytes:
        """The next bytes from an offset on, one chunk at most; empty at the end of the source."""
        while self.end <= offset and not self.ended:
            self._more.clear()
            await self._more.wait()
        at = max(offset, self.start) - self.start
        return bytes(self.held[at : at + CHUNK_BYTES])


class Talker:
    """One conversation from the first audio to the last event, over as many connections as needed.

    Args:
        channel: To the server.
        options: Options of the stream.
        audio: Filled from its source at the same time.
        on_event: Called with every event except acknowledgements, with each final once.
        on_break: Called with the reason or status code, and the seconds until the next attempt.
        clock: Monotonic seconds.
        said: A typed text with an id, or a request for a record, that is sent before the audio.
    """

    def __init__(
        self,
        channel: grpc.aio.Channel,
        options: TalkOptions,
        audio: Audio,
        on_event: Callable[[pb.ConverseResponse], None],
        on_break: Callable[[str, float], None],
        clock: Callable[[], float] = time.monotonic,
        *,
        said: pb.ConverseRequest | None = None,
    ) -> None:
        self._stub = ConversationServiceStub(channel)
        self._options = options
        self._audio = audio
        self._on_event = on_event
        self._on_break = on_break
        self._clock = clock
        self._said = said
        self._token = ""
        self._next_utterance = 0
        self._progress_at = clock()
        self.connections = 0

    async def run(self) -> None:
        """Run until the server has answered everything.

        Raises:
            grpc.aio.AioRpcError: The error is permanent, or there was no progress for ``give_up_s``.
        """
        wait_s, taken_over = FIRST_WAIT_S, 0
        while True:
            before = (self._audio.start, self._next_utterance)
            try:
                await self._connection()
                # A stream that ended on an earlier connection acknowledges nothing more.
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
                # Half of the wait is random, so that the clients of a restarted server do not reconnect all at once.
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
        at = max(await begin_at, self._audio.start)  # acknowledged audio was dropped
        if self._said is not None and not self._next_utterance:  # else its final has come
            yield self._said
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
            guided=True,  # the screen shows the questions
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
    """Whether another attempt may succeed.

    RESOURCE_EXHAUSTED with a reason is a limit of the server, and passes; without one, a message is too large for gRPC.
    INTERNAL with a reason is a defect of the server. Without one it is the network: a connection was reset, or grpc.aio
    found the call ended while it sent, and lost the server's status.

    Args:
        code: Status code of the error.
        reason: The server's reason; empty when it gave none.
    """
    if code is grpc.StatusCode.RESOURCE_EXHAUSTED:
        return bool(reason)
    if code is grpc.StatusCode.INTERNAL:
        return not reason
    return code in _GONE or reason in _WAIT_FOR


def _details(error: grpc.aio.AioRpcError) -> tuple[str, float]:
    """The stable reason, empty for an error of gRPC itself, and the seconds that the server asks to wait."""
    reason, asked_s = "", 0.0
    status = rpc_status.from_call(error)  # type: ignore[arg-type]  # reads trailers, code and message
    for detail in status.details if status else ():
        info, retry = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
        if detail.Unpack(info):
            reason = info.reason
        elif detail.Unpack(retry):
            asked_s = retry.retry_delay.ToTimedelta().total_seconds()
    return reason, asked_s
