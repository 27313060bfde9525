"""Runs the tasks of one stream and ends them together."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass

from models.errors import Conflict, DeadlineExceeded, InternalError, ShuttingDown, TooLarge, VestibuleError
from models.reasons import Reason
from server.runtime.lifecycle import Lifecycle
from server.streaming.audio_ingest import AudioIngest
from server.streaming.events import Acknowledged, AudioIn, EndMark, Input, Output, ProposeIn, TextIn
from server.streaming.rate_limit import AudioQuota
from server.streaming.responder import Answer, ReplyRequest, Responder
from server.streaming.transcriber import Transcriber, TypedUtterance
from server.streaming.utterance import Utterance
from server.uploads.audio_log import AudioLogContent

# Between two syncs of the audio log; an acknowledgement is at most this late.
ACKNOWLEDGE_EVERY_S = 0.25
# Events that may wait for a slow client before the stream stops listening.
WAITING_OUTPUTS = 256
# Utterances that may wait for the recognition before the stream stops listening.
WAITING_UTTERANCES = 8
# Turns that may wait for an answer before the recognition waits too: more than a slow upstream lets gather in a talk.
WAITING_ANSWERS = 64
NOTHING_KEPT = AudioLogContent()


@dataclass(frozen=True, slots=True)
class ConversationLimits:
    """Limits of one stream, in seconds of audio and of silence on the wire."""

    stream_s: float
    idle_s: float


class Conversation:
    """One stream, from the first input to the last event.

    Args:
        reply: Whether finished turns are answered.
        replay: On a resumed stream, what the audio log holds.
        watch: Told of audio that comes, never of what is replayed; None where nobody wants to know.
        leave: Set when the client has come back on another connection.
    """

    def __init__(
        self,
        ears: AudioIngest,
        recogniser: Transcriber,
        voice: Responder,
        lifecycle: Lifecycle,
        outputs: asyncio.Queue[Output],
        bounds: ConversationLimits,
        *,
        reply: bool,
        replay: AudioLogContent = NOTHING_KEPT,
        watch: AudioQuota | None = None,
        leave: asyncio.Event | None = None,
    ) -> None:
        self._ears = ears
        self._recogniser = recogniser
        self._voice = voice
        self._lifecycle = lifecycle
        self._outputs = outputs
        self._bounds = bounds
        self._reply = reply
        self._replay = replay
        self._watch = watch
        self._leave = leave or asyncio.Event()
        self._heard: asyncio.Queue[Utterance | TypedUtterance | ReplyRequest | None] = asyncio.Queue(WAITING_UTTERANCES)
        self._said: asyncio.Queue[Answer | ReplyRequest | None] = asyncio.Queue(WAITING_ANSWERS)
        self._taken_in = asyncio.Event()
        self._listened = asyncio.Event()
        self._spoken = asyncio.Event()
        self._all_acknowledged = asyncio.Event()
        # What is replayed may have come just before the break, neither synced nor acknowledged.
        self._acknowledged = 0 if replay.data else ears.next_offset
        self.finished = False
        """True once the client half-closed and everything was answered; the audio log is then of no more use."""

    async def run(self, inputs: AsyncIterator[Input]) -> AsyncGenerator[Output, None]:
        """Yield events until the client is done.

        Raises:
            VestibuleError: What ended the stream early. Everything acknowledged is kept.
        """
        work = asyncio.create_task(self._work(inputs))
        try:
            async for output in self._until(work):
                yield output
            await work
            self.finished = True
        finally:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)
            await self.close()

    @property
    def next_offset(self) -> int:
        """Bytes of audio that were taken in; once ``finished``, all of them are acknowledged."""
        return self._ears.next_offset

    async def close(self) -> None:
        """Free what the stream holds, also when it never ran. Harmless when repeated."""
        await self._ears.close()

    async def _until(self, work: asyncio.Task[None]) -> AsyncGenerator[Output, None]:
        while not work.done():
            waiting = asyncio.ensure_future(self._outputs.get())
            try:
                await asyncio.wait({waiting, work}, return_when=asyncio.FIRST_COMPLETED)
                if waiting.done():
                    yield waiting.result()
            finally:
                waiting.cancel()
        while not self._outputs.empty():
            yield self._outputs.get_nowait()

    async def _work(self, inputs: AsyncIterator[Input]) -> None:
        try:
            async with asyncio.TaskGroup() as around:
                leaving = around.create_task(self._leave_when_told())
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._listen(inputs))
                    group.create_task(self._recognise())
                    group.create_task(self._speak())
                    group.create_task(self._acknowledge())
                leaving.cancel()
        except* VestibuleError as found:
            raise _first(found) from None

    async def _leave_when_told(self) -> None:
        await self._leave.wait()
        raise Conflict(
            "The stream goes on over another connection.",
            reason=Reason.STREAM_TAKEN_OVER,
            hint="Nothing is to be done on this one. If nobody else has the token, resume.",
        )

    async def _listen(self, inputs: AsyncIterator[Input]) -> None:
        if self._replay.data:
            self._taken_in.set()
            async for part in self._ears.replay(self._replay.data, self._replay.marks):
                await self._hand_on(*part)
        ended_by: ShuttingDown | None = None
        try:
            while (item := await self._next(inputs)) is not None:
                await self._take(item)
            async for part in self._ears.finish():
                await self._hand_on(*part)
        except ShuttingDown as error:
            ended_by = error
            self._ears.leave()
        self._listened.set()
        self._taken_in.set()
        await self._heard.put(None)
        if ended_by is not None:
            # What was heard completely is still worked off; the drain time of the server bounds that.
            await self._spoken.wait()
            await self._all_acknowledged.wait()
            raise ended_by

    async def _next(self, inputs: AsyncIterator[Input]) -> Input | None:
        try:
            async with asyncio.timeout(self._bounds.idle_s):
                return await self._lifecycle.or_drain(_step(inputs))
        except TimeoutError as exc:
            raise DeadlineExceeded(
                f"Nothing came for {self._bounds.idle_s:g} s.",
                reason=Reason.STREAM_IDLE,
                hint="Send audio, also silence, or half-close; resume with the token.",
            ) from exc

    async def _take(self, item: Input) -> None:
        match item:
            case AudioIn():
                await self._hear(item)
            case TextIn():
                await self._heard.put(TypedUtterance(self._ears.take_number(), item.text, item.id))
            case EndMark():
                await self._hand_on(*await self._ears.end_mark())
            case ProposeIn():
                await self._hand_on(*await self._ears.end_mark())
                await self._heard.put(ReplyRequest(item.wait_s, self._ears.last_number))

    async def _hear(self, chunk: AudioIn) -> None:
        before_s = self._ears.heard_s
        if self._watch is not None:
            self._watch.begin(before_s)
        try:
            async for part in self._ears.hear(chunk):
                self._taken_in.set()
                await self._hand_on(*part)
        except TooLarge:  # the decoder has the same bound; what it refuses stays out of the log
            raise self._too_long() from None
        if self._ears.heard_s > self._bounds.stream_s:
            raise self._too_long()
        if self._watch is not None:
            self._watch.heard(self._ears.heard_s - before_s, self._ears.heard_s)

    def _too_long(self) -> TooLarge:
        return TooLarge(
            f"The stream is longer than {self._bounds.stream_s:g} s.",
            reason=Reason.STREAM_TOO_LONG,
            hint="Resume with the token and half-close for what is left, then open another stream.",
        )

    async def _hand_on(self, outputs: list[Output], begun: list[Utterance]) -> None:
        for output in outputs:
            await self._outputs.put(output)
        for utterance in begun:
            await self._heard.put(utterance)

    async def _recognise(self) -> None:
        while (item := await self._heard.get()) is not None:
            if isinstance(item, ReplyRequest):
                await self._said.put(item)
                continue
            turn = await self._recogniser.recognise(item)
            if turn is not None and self._reply:
                await self._said.put(Answer(turn))
        await self._said.put(None)

    async def _speak(self) -> None:
        item: Answer | ReplyRequest | None = None
        try:
            while (item := await self._said.get()) is not None:
                await self._voice.say(item)
                item = None
        except asyncio.CancelledError:
            # The client is gone, or the stream broke elsewhere. Turns that are stored are answered all the same.
            waiting = [item, *(self._said.get_nowait() for _ in range(self._said.qsize()))]
            await self._voice.put_off(one for one in waiting if one is not None)
            raise
        self._spoken.set()

    async def _acknowledge(self) -> None:
        while True:
            await self._taken_in.wait()
            self._taken_in.clear()
            if (offset := self._ears.next_offset) > self._acknowledged:
                await self._ears.sync()
                self._acknowledged = offset
                await self._outputs.put(Acknowledged(offset))
            if self._listened.is_set() and not self._taken_in.is_set():  # more may have come while the disk worked
                self._all_acknowledged.set()
                return
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._listened.wait(), ACKNOWLEDGE_EVERY_S)


async def _step(inputs: AsyncIterator[Input]) -> Input | None:
    return await anext(inputs, None)


def _first(group: BaseExceptionGroup[VestibuleError]) -> VestibuleError:
    for error in group.exceptions:
        if isinstance(error, VestibuleError):
            return error
        if isinstance(error, BaseExceptionGroup):
            return _first(error)
    return InternalError("The stream ended for an unknown reason.")
