"""One conversation of the demo's app: sends a clip as speech, shows and keeps the responses."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import grpc.aio
from vestibule.v1 import conversation_pb2 as pb
from vestibule.v1.common_pb2 import Origin
from vestibule.v1.conversation_pb2_grpc import ConversationServiceStub

from server.cli.demo.partials import Utterance
from server.cli.demo.reporter import Reporter
from server.cli.talk.client import BYTES_A_SECOND, CHUNK_BYTES, RATE_HZ
from server.cli.talk.sources import decoded

TALK_EXTRA_S = 60.0
"""What a conversation may take beyond the length of its audio."""


@dataclass(slots=True)
class Conversation:
    """The results of one clip.

    Attributes:
        speaker: Label of the speaker's lines.
        utterances: By their numbers.
        shown: Every text that the app received: partials, finals, replies and notices.
        replaced: How many entities of each type were replaced in the finals.
        pace: How many times as fast as it is spoken the clip is sent.
        first_audio_s: On the reporter's clock, when the first audio was sent.
        spoken_s: By the id of a turn, until when it was spoken, in seconds of the clip.
        first_reply_s: Seconds from the end of what was said to the first piece of the first reply to it.
    """

    reporter: Reporter
    speaker: str
    utterances: defaultdict[int, Utterance] = field(default_factory=lambda: defaultdict(Utterance))
    shown: list[str] = field(default_factory=list)
    replaced: Counter[str] = field(default_factory=Counter)
    replies: dict[str, str] = field(default_factory=dict)
    pace: float = 1.0
    first_audio_s: float = 0.0
    spoken_s: dict[str, float] = field(default_factory=dict)
    first_reply_s: float | None = None

    @property
    def finals(self) -> list[str]:
        """The redacted text of each utterance."""
        return [utterance.final for _, utterance in sorted(self.utterances.items()) if utterance.final]

    async def run(self, channel: grpc.aio.Channel, session_id: str, clip: Path, pace: float, *, verbose: bool) -> None:
        """Send the clip and show what comes back.

        Args:
            channel: To the server.
            session_id: The session to speak in.
            clip: A recording.
            pace: How many times as fast as it is spoken.
            verbose: Whether to show partial texts and the assistant's replies too.

        Raises:
            grpc.aio.AioRpcError: The server refused.
        """
        self.pace = pace
        pcm = await asyncio.to_thread(decoded, str(clip))
        stub = ConversationServiceStub(channel)
        timeout_s = len(pcm) / BYTES_A_SECOND + TALK_EXTRA_S
        async for response in stub.Converse(self._speech(session_id, pcm, pace), timeout=timeout_s):
            self._take(response, verbose=verbose)

    def _take(self, response: pb.ConverseResponse, *, verbose: bool) -> None:
        match response.WhichOneof("payload"):
            case "partial":
                self.shown.append(response.partial.text.value)
                self.utterances[response.partial.utterance].partials.append(response.partial.text.value)
                if verbose:
                    self.reporter.update(self.speaker, response.partial.text.value)
            case "final":
                self._take_final(response.final)
            case "reply_piece":
                self._take_reply(response.reply_piece, verbose=verbose)
            case "reply_ended" if verbose:
                self.reporter.finish("assistant")
                if not response.reply_ended.complete:
                    self.reporter.line(f"(The reply stopped: {response.reply_ended.reason}.)")
                if response.reply_ended.origin == Origin.ORIGIN_FALLBACK:
                    self.reporter.line("(The local fallback wrote this reply.)")
            case "notice":
                self.shown.append(response.notice.message)
                self.reporter.line(f"notice: {response.notice.message} [{response.notice.reason}]")

    def _take_final(self, final: pb.FinalTranscript) -> None:
        self.reporter.update(self.speaker, final.text.value)
        self.reporter.finish(self.speaker)
        if final.text.value:
            self.utterances[final.utterance].final = final.text.value
            self.shown.append(final.text.value)
        self.replaced.update(final.text.entity_counts)
        self.spoken_s[final.turn_id] = final.end.ToTimedelta().total_seconds()

    def _take_reply(self, piece: pb.ReplyPiece, *, verbose: bool) -> None:
        if self.first_reply_s is None:
            spoken_s = self.spoken_s.get(piece.turn_id, 0.0) / self.pace
            self.first_reply_s = self.reporter.elapsed_s - self.first_audio_s - spoken_s
        self.replies[piece.turn_id] = self.replies.get(piece.turn_id, "") + piece.text
        self.shown.append(self.replies[piece.turn_id])
        if verbose:
            self.reporter.update("assistant", self.replies[piece.turn_id])

    async def _speech(self, session_id: str, pcm: bytes, pace: float) -> AsyncIterator[pb.ConverseRequest]:
        """The audio in pieces of 100 ms, timed by the clock and not by adding up sleeps."""
        yield pb.ConverseRequest(
            config=pb.ConverseConfig(
                session_id=session_id,
                encoding=pb.AUDIO_ENCODING_PCM_S16LE,
                sample_rate_hz=RATE_HZ,
                channels=1,
                reply=True,
            )
        )
        loop = asyncio.get_running_loop()
        began, self.first_audio_s = loop.time(), self.reporter.elapsed_s
        for at in range(0, len(pcm), CHUNK_BYTES):
            yield pb.ConverseRequest(audio=pb.AudioChunk(offset=at, data=pcm[at : at + CHUNK_BYTES]))
            sent_s = (at + CHUNK_BYTES) / BYTES_A_SECOND
            await asyncio.sleep(max(0.0, began + sent_s / pace - loop.time()))
        yield pb.ConverseRequest(end_of_utterance=pb.EndOfUtterance())
