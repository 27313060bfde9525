"""Runs the tasks of one stream and ends them together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from dataclasses import replace

from models.errors import DeadlineExceeded, InternalError, Overloaded, ShuttingDown, TooLarge, VestibuleError
from models.media.samples import Samples
from models.reasons import Reason
from models.tracing.names import SpanName
from models.tracing.spans import child_span
from server.runtime.lifecycle import Lifecycle
from server.streaming.acknowledger import Acknowledger
from server.streaming.admission import EndRequest
from server.streaming.audio_ingest import AudioIngest
from server.streaming.events import AudioIn, EndMark, Input, Output, ProposeIn, TextIn
from server.streaming.rate_limit import SMALL_BYTES, AudioQuota
from server.streaming.responder import Answer, NothingSaid, ProposalRequest, Responder, ResponderItem
from server.streaming.segmentation import Backlog, Part, Segmentation
from server.streaming.stream_config import StreamLimits
from server.streaming.transcriber import Transcriber, TypedUtterance
from server.streaming.utterance import Utterance
from server.uploads.audio_log import LogPieces

# Events that may wait for a slow client before the stream stops receiving.
WAITING_OUTPUTS = 256
# Utterances that may wait for recognition before segmentation waits.
WAITING_UTTERANCES = 8
# Turns that may wait for a reply before recognition waits: more than a slow LLM leaves unanswered in a talk.
WAITING_ANSWERS = 64


class Conversation:
    """One stream, from the first input to the last event.

    Args:
        reply: Whether finished turns get a reply.
        replay: On a resumed stream, what the audio log holds; None when that is nothing.
        quota: Checks audio that comes, not audio that is replayed; None for no bounds.
        take_typed: Called for each typed text or request for a record; raises when they come too fast.
        take_small: The same for each end mark, and each chunk with less than ``SMALL_BYTES`` of new audio.
        end_request: Ends the stream from outside.
        beside: Runs beside the stream until its end.
        known: See ``StreamGuidance.known``.

    Attributes:
        finished: Whether the client half-closed and everything was answered; the audio log is then no longer needed.
    """

    def __init__(
        self,
        audio_ingest: AudioIngest,
        segmentation: Segmentation,
        transcriber: Transcriber,
        responder: Responder,
        lifecycle: Lifecycle,
        outputs: asyncio.Queue[Output],
        limits: StreamLimits,
        *,
        reply: bool,
        replay: LogPieces | None = None,
        quota: AudioQuota | None = None,
        take_typed: Callable[[], None] = lambda: None,
        take_small: Callable[[], None] = lambda: None,
        end_request: EndRequest | None = None,
        beside: Callable[[], Awaitable[None]] | None = None,
        known: Callable[[], str | None] = lambda: None,
    ) -> None:
        self._audio_ingest = audio_ingest
        self._segmentation = segmentation
        self._transcriber = transcriber
        self._responder = responder
        self._lifecycle = lifecycle
        self._outputs = outputs
        self._limits = limits
        self._reply = reply
        self._replay = replay
        self._quota = quota
        self._take_typed = take_typed
        self._take_small = take_small
        self._end_request = end_request or EndRequest()
        self._beside = beside
        self._known = known
        self._received = Backlog()
        self._utterances: asyncio.Queue[Utterance | TypedUtterance | ProposalRequest | None] = asyncio.Queue(
            WAITING_UTTERANCES
        )
        self._answers: asyncio.Queue[ResponderItem | None] = asyncio.Queue(WAITING_ANSWERS)
        # The log may hold audio that arrived just before the break and was neither synced nor acknowledged.
        acknowledged = 0 if replay is not None else audio_ingest.next_offset
        self._acknowledger = Acknowledger(audio_ingest, outputs.put, acknowledged)
        self._ended_early: VestibuleError | None = None
        self._responded = asyncio.Event()
        self.finished = False

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
        return self._audio_ingest.next_offset

    async def close(self) -> None:
        """Free what the stream holds, also when it never ran. Harmless when repeated."""
        await self._audio_ingest.close()

    async def _until(self, work: asyncio.Task[None]) -> AsyncGenerator[Output, None]:
        while not work.done():
            waiting = asyncio.ensure_future(self._outputs.get())
            try:
                await asyncio.wait({waiting, work}, return_when=asyncio.FIRST_COMPLETED)
                if waiting.done():
                    yield waiting.result()
                    self._outputs.task_done()  # gRPC took it, else it would have closed this generator
            finally:
                waiting.cancel()
        while not self._outputs.empty():
            yield self._outputs.get_nowait()

    async def _work(self, inputs: AsyncIterator[Input]) -> None:
        try:
            async with asyncio.TaskGroup() as outer:
                helping = [outer.create_task(self._end_on_request()), outer.create_task(self._run_beside())]
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._receive(inputs))
                    group.create_task(self._acknowledger.run())
                    group.create_task(self._segment())
                    group.create_task(self._transcribe())
                    group.create_task(self._respond())
                for helper in helping:
                    helper.cancel()
        except* VestibuleError as found:
            raise _first(found) from None

    async def _end_on_request(self) -> None:
        raise await self._end_request.wait()

    async def _run_beside(self) -> None:
        if self._beside is not None:
            await self._beside()

    async def _receive(self, inputs: AsyncIterator[Input]) -> None:
        """Take inputs in until the client is done, types too fast, or the server stops."""
        if self._replay is not None:
            self._acknowledger.received()
            async for samples in self._audio_ingest.replay(self._replay):
                await self._received.put(EndMark() if samples is None else samples, replayed=True)
        try:
            while (item := await self._next(inputs)) is not None:
                await self._take(item)
            await self._confirm_half_close()
            await self._received.put(await self._audio_ingest.finish())
        except ShuttingDown as error:
            self._ended_early = error
        except Overloaded as error:
            if error.reason != Reason.TEXT_TOO_FAST:
                raise
            self._ended_early = error  # else a client that sends all its texts at once would never get on
        self._acknowledger.complete()
        await self._received.put(None)
        if self._ended_early is not None:
            # What was taken is still answered; the drain time of a stopping server bounds that.
            await self._responded.wait()
            await self._acknowledger.done.wait()
            raise self._ended_early

    async def _confirm_half_close(self) -> None:
        """Return once the client has been sent an acknowledgement after its last input.

        gRPC ends the inputs of a lost connection before it cancels the call, so their end alone does not say that the
        client is done. To a lost connection nothing can be sent.
        """
        self._acknowledger.complete()
        await self._acknowledger.done.wait()
        await self._outputs.join()

    async def _next(self, inputs: AsyncIterator[Input]) -> Input | None:
        try:
            async with asyncio.timeout(self._limits.idle_s):
                return await self._lifecycle.or_drain(_step(inputs))
        except TimeoutError as exc:
            raise DeadlineExceeded(
                f"No message arrived for {self._limits.idle_s:g} s.",
                reason=Reason.STREAM_IDLE,
                hint="Keep sending audio, silence included, or half-close. Resume with the token.",
            ) from exc

    async def _take(self, item: Input) -> None:
        if isinstance(item, AudioIn):
            await self._received.put(await self._take_audio(item))
            return
        (self._take_small if isinstance(item, EndMark) else self._take_typed)()
        if isinstance(item, TextIn):
            item = replace(item, known=self._known())
        else:
            await self._audio_ingest.mark_end()
        await self._received.put(item)

    async def _take_audio(self, chunk: AudioIn) -> Samples:
        before_s, before_bytes = self._audio_ingest.received_s, self._audio_ingest.next_offset
        if chunk.offset + len(chunk.data) < before_bytes + SMALL_BYTES:
            self._take_small()
        if self._quota is not None:
            self._quota.before_chunk(before_s, before_bytes)
        try:
            samples = await self._audio_ingest.feed(chunk)
        except TooLarge:  # the decoder has the same bound; what it refuses stays out of the log
            raise self._too_long() from None
        self._acknowledger.received()
        received_s = self._audio_ingest.received_s
        if received_s > self._limits.stream_s:
            raise self._too_long()
        if self._quota is not None:
            self._quota.after_chunk(received_s - before_s, received_s, self._audio_ingest.next_offset)
        return samples

    def _too_long(self) -> TooLarge:
        return TooLarge(
            f"The stream is longer than {self._limits.stream_s:g} s.",
            reason=Reason.STREAM_TOO_LONG,
            hint="Resume with the token and half-close to get the remaining finals. Then open a new stream.",
        )

    async def _segment(self) -> None:
        """Cut what was received into utterances, and number them and typed texts in their order."""
        while (item := await self._received.get()) is not None:
            match item:
                case TextIn():
                    number = self._segmentation.take_number()
                    await self._utterances.put(TypedUtterance(number, item.text, item.id, item.known))
                case EndMark():
                    await self._hand_on(self._segmentation.end_utterance())
                case ProposeIn():
                    await self._hand_on(self._segmentation.end_utterance())
                    await self._utterances.put(ProposalRequest(item.wait_s, self._segmentation.last_number))
                case _:
                    async for part in self._segmentation.feed(item):
                        await self._hand_on(part)
        if self._ended_early is not None:
            self._segmentation.suspend()
        else:
            await self._hand_on(self._segmentation.end_utterance())
        await self._utterances.put(None)

    async def _hand_on(self, part: Part) -> None:
        outputs, begun = part
        for output in outputs:
            await self._outputs.put(output)
        for utterance in begun:
            utterance.known = self._known()
            await self._utterances.put(utterance)

    async def _transcribe(self) -> None:
        while (item := await self._utterances.get()) is not None:
            if isinstance(item, ProposalRequest):
                await self._answers.put(item)
                continue
            with child_span(SpanName.UTTERANCE) as span:
                turn = await self._transcriber.transcribe(item)
            if self._reply:
                await self._answers.put(NothingSaid(item.number) if turn is None else Answer(turn, span))
        await self._answers.put(None)

    async def _respond(self) -> None:
        try:
            while (item := await self._answers.get()) is not None:
                await self._responder.respond(item)
        except asyncio.CancelledError:
            # The client is gone, or another task failed. Turns that are stored get their replies in the background.
            waiting = [self._answers.get_nowait() for _ in range(self._answers.qsize())]
            await self._responder.defer(one for one in waiting if one is not None)
            raise
        self._responded.set()


async def _step(inputs: AsyncIterator[Input]) -> Input | None:
    return await anext(inputs, None)


def _first(group: BaseExceptionGroup[VestibuleError]) -> VestibuleError:
    for error in group.exceptions:
        if isinstance(error, VestibuleError):
            return error
        if isinstance(error, BaseExceptionGroup):
            return _first(error)
    return InternalError("The stream ended for an unknown reason.")
