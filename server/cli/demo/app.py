"""The demo's mobile app: a gRPC client that streams speech, uploads photographs and shows the results."""

from __future__ import annotations

import asyncio
import hashlib
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import grpc.aio
from google.protobuf.duration_pb2 import Duration
from vestibule.v1 import conversation_pb2 as conversation
from vestibule.v1 import media_pb2 as media
from vestibule.v1.common_pb2 import Origin, RedactedText, SessionState
from vestibule.v1.conversation_pb2_grpc import ConversationServiceStub
from vestibule.v1.media_pb2_grpc import MediaServiceStub
from vestibule.v1.recommendation_pb2 import ApproveRecommendationRequest, Recommendation
from vestibule.v1.recommendation_pb2_grpc import RecommendationServiceStub
from vestibule.v1.session_pb2 import GetSessionRequest, StartSessionRequest
from vestibule.v1.session_pb2_grpc import SessionServiceStub

from server.cli.demo.conversation import TALK_EXTRA_S, Conversation
from server.cli.demo.partials import Utterance
from server.cli.demo.planted import METER, REGISTER
from server.cli.demo.reporter import Reporter
from server.cli.messages import contradiction
from server.cli.output import Failure, table_text
from server.cli.talk.pictures import UPLOAD_TIMEOUT_S, pieces

REAL_TIME, FASTER = 1.0, 4.0
"""How many times as fast as it is spoken a clip is sent."""
CALL_TIMEOUT_S = 15.0
WAIT_FOR_UPLOADS_S = 60
LABELS_TIMEOUT_S, LABELS_POLL_S = 20.0, 0.2

DIFFERENT_READINGS = (
    "The meter shows 04821,7. The speaker read out every digit without the comma, which was heard as 48217. The record "
    "takes the whole cubic metres, 04821. In your app a person compares both before approving."
)
KINDS = {REGISTER: media.MEDIA_KIND_VISITOR_REGISTER, METER: media.MEDIA_KIND_METER}


@dataclass(slots=True)
class App:
    """One visit, step by step.

    Attributes:
        data: Folder with the clips and the pictures.
        output: Folder for the redacted pictures.
        clips: Of each speaker one; the first speaks in the session that becomes a record.
        llm: What writes replies and records.
        vision: What labels pictures.
        pictures: Redacted pictures that were saved.
        conversations: The results of each clip.
        read: The redacted text of each picture.
    """

    channel: grpc.aio.Channel
    reporter: Reporter
    data: Path
    output: Path
    clips: Sequence[str]
    llm: str
    vision: str
    session_id: str = ""
    pictures: list[Path] = field(default_factory=list)
    conversations: dict[str, Conversation] = field(default_factory=dict)
    read: dict[str, str] = field(default_factory=dict)
    labels: list[str] = field(default_factory=list)
    proposal: list[str] = field(default_factory=list)
    record_id: str = ""

    @property
    def transcripts(self) -> dict[str, str]:
        """The redacted text of each clip and picture."""
        return {clip: " ".join(c.finals) for clip, c in self.conversations.items()} | self.read

    @property
    def utterances(self) -> dict[str, list[Utterance]]:
        """The utterances of each clip."""
        return {clip: list(c.utterances.values()) for clip, c in self.conversations.items()}

    @property
    def shown(self) -> list[str]:
        """Every text that the app received."""
        return [text for c in self.conversations.values() for text in c.shown] + [
            *self.read.values(),
            *self.labels,
            *self.proposal,
        ]

    async def visit(self) -> None:
        """Do the whole job.

        Raises:
            Failure: A result is missing or wrong.
            grpc.aio.AioRpcError: A call failed.
        """
        recommendation = await self.visit_until_proposal()
        with self.reporter.step("A person approves the proposed record"):
            await self._approve(recommendation)

    async def visit_until_proposal(self) -> Recommendation:
        """Do everything but approve; returns the record that waits.

        Raises:
            Failure: A result is missing or wrong.
            grpc.aio.AioRpcError: A call failed.
        """
        with self.reporter.step("The app opens a session"):
            await self._open_session()
        with self.reporter.step(
            "A person speaks; redacted text comes back at the same time, and the assistant answers"
        ):
            await self._talk()
        with self.reporter.step(
            f"{len(self.clips) - 1} more people speak at the same time, sent {FASTER:.0f} times as fast"
        ):
            await self._talk_at_once()
        with self.reporter.step("The app uploads photographs of a visitor register and of a water meter"):
            uploads = await asyncio.gather(*(self._upload(name) for name in KINDS))
            for name, upload_id in zip(KINDS, uploads, strict=True):
                await self._follow(name, upload_id)
            for name, upload_id in zip(KINDS, uploads, strict=True):
                await self._show_labels(name, upload_id)
        with self.reporter.step("The assistant proposes a record"):
            return await self._propose()

    async def _open_session(self) -> None:
        self.session_id = await self._new_session()
        self.reporter.line(f"Session {self.session_id}")

    async def _new_session(self) -> str:
        request = StartSessionRequest(client_id="demo-app", request_id=str(uuid.uuid4()), language="en")
        reply = await SessionServiceStub(self.channel).StartSession(request, timeout=CALL_TIMEOUT_S)
        return reply.session.id

    async def _talk(self) -> None:
        await self._speak("person", self.clips[0], self.session_id, REAL_TIME)
        first = self.conversations[self.clips[0]]
        self.reporter.line(f"Replaced {_counted(first.replaced)}.")
        if first.first_reply_s is not None:
            after = f"{first.first_reply_s:.1f} s after the end of the first sentence"
            self.reporter.line(f"The first answer began {after}.")

    async def _talk_at_once(self) -> None:
        """The other clips, each in a session of its own."""
        sessions = [await self._new_session() for _ in self.clips[1:]]
        speaking = [
            self._speak(Path(clip).stem, clip, session_id, FASTER)
            for clip, session_id in zip(self.clips[1:], sessions, strict=True)
        ]
        await asyncio.gather(*speaking)
        replaced = sum((self.conversations[clip].replaced for clip in self.clips[1:]), Counter[str]())
        self.reporter.line(f"Replaced {_counted(replaced)}.")

    async def _speak(self, speaker: str, clip: str, session_id: str, pace: float) -> None:
        """Send one clip; the assistant's replies are shown with the first one only."""
        conversation = Conversation(self.reporter, speaker)
        self.conversations[clip] = conversation
        first = clip == self.clips[0]
        await conversation.run(self.channel, session_id, self.data / clip, pace, verbose=first)
        if not conversation.finals or not any(conversation.replies.values()):
            raise Failure(f"The conversation with {clip} ended without a text or without a reply.")

    async def _upload(self, name: str) -> str:
        content = (self.data / name).read_bytes()
        upload_id = str(uuid.uuid4())
        description = media.UploadDescription(
            upload_id=upload_id,
            session_id=self.session_id,
            kind=KINDS[name],
            size_bytes=len(content),
            sha256=hashlib.sha256(content).digest(),
            media_type="image/jpeg",
        )
        await MediaServiceStub(self.channel).Upload(pieces(description, content), timeout=UPLOAD_TIMEOUT_S)
        self.reporter.line(f"{name}: {len(content) / 1000:.0f} kB, accepted")
        return upload_id

    async def _follow(self, name: str, upload_id: str) -> None:
        """Watch one upload until it is done, then show its text and fetch its picture."""
        line = ""
        upload = media.Upload()
        request = media.WatchUploadRequest(upload_id=upload_id)
        async for update in MediaServiceStub(self.channel).WatchUpload(request, timeout=UPLOAD_TIMEOUT_S):
            upload = update.upload
            state = media.UploadState.Name(upload.state).removeprefix("UPLOAD_STATE_").lower()
            part = f"{state} {upload.progress:.0%}"
            if not line.endswith(part):
                line += f"{' -> ' if line else ''}{part}"
                self.reporter.update(name, line)
        self.reporter.finish(name)
        if upload.state != media.UPLOAD_STATE_DONE:
            raise Failure(f"The server could not read {name}.", reason=upload.failure_reason)
        self.read[name] = upload.text.value
        self._show_text(upload.text)
        if upload.has_redacted_image:
            await self._download(name, upload_id)

    async def _show_labels(self, name: str, upload_id: str) -> None:
        """Wait for what the vision upstream says about the redacted picture. It may be away, so this does not fail."""
        stub, request = MediaServiceStub(self.channel), media.GetUploadRequest(upload_id=upload_id)
        until = time.monotonic() + LABELS_TIMEOUT_S
        while not (labels := (await stub.GetUpload(request, timeout=CALL_TIMEOUT_S)).upload.labels):
            if time.monotonic() > until:
                self.reporter.line(f"{name}: no labels within {LABELS_TIMEOUT_S:.0f} s")
                return
            await asyncio.sleep(LABELS_POLL_S)
        self.labels += [label.text.value for label in labels]
        told = ", ".join(f"{label.text.value} ({label.confidence:.0%})" for label in labels)
        self.reporter.line(f"{name}: labels from {self.vision}, which saw the redacted picture only: {told}")

    def _show_text(self, text: RedactedText) -> None:
        for line in text.value.splitlines():
            self.reporter.line(f"  | {line}")
        self.reporter.line(f"  replaced {_counted(Counter(text.entity_counts))}")

    async def _download(self, name: str, upload_id: str) -> None:
        image, content = media.RedactedImage(), b""
        request = media.DownloadRedactedRequest(upload_id=upload_id)
        async for part in MediaServiceStub(self.channel).DownloadRedacted(request, timeout=UPLOAD_TIMEOUT_S):
            if part.WhichOneof("payload") == "image":
                image = part.image
            else:
                content += part.data
        if len(content) != image.size_bytes:
            raise Failure(f"The redacted picture of {name} came incomplete.")
        suffix = {"image/png": ".png"}.get(image.media_type, ".jpg")
        await asyncio.to_thread(self.output.mkdir, parents=True, exist_ok=True)
        path = self.output / f"{Path(name).stem}-redacted{suffix}"
        await asyncio.to_thread(path.write_bytes, content)
        self.pictures.append(path)
        size = f"{image.width} x {image.height}, {image.painted_count} areas covered"
        self.reporter.line(f"  redacted picture: {path.resolve()} ({size})")

    async def _propose(self) -> Recommendation:
        async def requests() -> AsyncIterator[conversation.ConverseRequest]:
            yield conversation.ConverseRequest(config=conversation.ConverseConfig(session_id=self.session_id))
            wait = Duration(seconds=WAIT_FOR_UPLOADS_S)
            yield conversation.ConverseRequest(propose=conversation.Propose(wait_for_uploads=wait))

        stream = ConversationServiceStub(self.channel).Converse(requests(), timeout=WAIT_FOR_UPLOADS_S + TALK_EXTRA_S)
        proposed: Recommendation | None = None
        async for response in stream:
            if response.WhichOneof("payload") == "proposal":
                proposed = response.proposal.recommendation
            elif response.WhichOneof("payload") == "notice":
                self.reporter.line(f"notice: {response.notice.message} [{response.notice.reason}]")
        if proposed is None:
            raise Failure("No record was proposed.")
        writer = self.llm if proposed.origin == Origin.ORIGIN_MODEL else "the local fallback"
        self.reporter.line(f"{proposed.record.summary}  (written by {writer})")
        fields = [(f.name, f.value) for f in proposed.record.fields]
        self.record_id = proposed.id
        self.proposal = [proposed.record.summary, *(value for _, value in fields)]
        self.reporter.line(table_text(("field", "value"), fields) or "It has no fields.")
        if proposed.record.missing:
            self.reporter.line(f"still missing: {', '.join(proposed.record.missing)}")
        if warning := contradiction(proposed.record):
            self.reporter.line(warning)
            self.reporter.line(DIFFERENT_READINGS)
        return proposed

    async def _approve(self, recommendation: Recommendation) -> None:
        request = ApproveRecommendationRequest(
            recommendation_id=recommendation.id, content_hash=recommendation.content_hash, decided_by="demo-reviewer"
        )
        await RecommendationServiceStub(self.channel).ApproveRecommendation(request, timeout=CALL_TIMEOUT_S)
        reply = await SessionServiceStub(self.channel).GetSession(
            GetSessionRequest(session_id=self.session_id), timeout=CALL_TIMEOUT_S
        )
        state = SessionState.Name(reply.session.state).removeprefix("SESSION_STATE_")
        self.reporter.line(
            f"Approved the record with hash {recommendation.content_hash.hex()[:16]}...; session {state}"
        )
        if reply.session.state != SessionState.SESSION_STATE_COMPLETED:
            raise Failure(f"The session should be COMPLETED and is {state}.")


def _counted(counts: Counter[str]) -> str:
    listed = ", ".join(f"{n} {kind}" for kind, n in sorted(counts.items()))
    return listed or "nothing"
