"""Clients as apps are: they send again what was not acknowledged, under the same id, and note what was."""

from __future__ import annotations

import asyncio
import hashlib
import io
import itertools
import json
import random
import time
import uuid
from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Final, TypeVar

import grpc
import grpc.aio
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from PIL import Image, ImageDraw, ImageFont
from vestibule.v1 import conversation_pb2, media_pb2, recommendation_pb2, session_pb2

from server.cli.channel import Options, open_aio_channel
from server.cli.talk.client import KEEPALIVE, Audio, Talker, TalkOptions
from tests.chaos.seen import Seen, Trying
from tests.chaos.typed import GIVE_UP_S, Typed
from tests.e2e.harness import DATA, App

CALL_S: Final = 30.0
LONGEST_PAUSE_S: Final = 4.0
TEXTS: Final = 6
MOST_UNREAD: Final = 4
UPLOADS_OF_A_SESSION: Final = 25
RECORDING_EVERY: Final = 12
PERSON, PHONE, EMAIL = "Maria Lopez", "(907) 555-0142", "maria.lopez@example.com"
SPOKEN: Final = tuple(each["value"] for each in json.loads((DATA / "visit.json").read_text())["personal"])
PERSONAL: Final = (PERSON, PHONE, EMAIL, "Lopez", "555-0142", *SPOKEN, "Carter")
"""What is typed, is in the pictures, or is spoken."""
DECIDED: Final = frozenset({"WRONG_STATE", "RECOMMENDATION_EXPIRED"})
"""The record was superseded meanwhile."""
PERMANENT: Final = frozenset(
    {grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND, grpc.StatusCode.PERMISSION_DENIED}
)
T = TypeVar("T")


class GaveUp(Exception):
    """A client could not go on."""


class Clients:
    """What all clients share.

    Args:
        address: Of the server, also after it was started again.
        over: Set when no new work may be begun.
        options: Of the connections.
    """

    def __init__(
        self, address: str, credential: str, seen: Seen, over: asyncio.Event, options: Options = KEEPALIVE
    ) -> None:
        self._address = address
        self._options = options
        self._credential = credential
        self._seen = seen
        self._over = over

    @asynccontextmanager
    async def app(self) -> AsyncIterator[tuple[App, grpc.aio.Channel]]:
        """An app with a connection of its own."""
        options = (*self._options, ("grpc.use_local_subchannel_pool", 1))
        async with open_aio_channel(self._address, options, credential=self._credential) as channel:
            yield App(channel), channel

    async def work(self, one: Callable[[int], Awaitable[None]]) -> None:
        """Repeat until it is over; a client that gives up is noted."""
        for number in itertools.count():
            if self._over.is_set():
                return
            try:
                await one(number)
            except GaveUp as why:
                self._seen.gave_up.append(str(why))

    async def patiently(self, call: Callable[[], Awaitable[T]], what: str, seconds: float = CALL_S) -> T:
        """Call until it succeeds.

        Args:
            seconds: Bound of one call.

        Raises:
            GaveUp: It cannot succeed, or did not for ``GIVE_UP_S``.
        """
        with self._trying(what) as errors:
            return await self._until_done(call, what, seconds, errors)

    @contextmanager
    def _trying(self, what: str) -> Iterator[Counter[str]]:
        """Note what the current task tries meanwhile; gives the place for its errors."""
        task = asyncio.current_task()
        assert task is not None
        trying = self._seen.trying[task.get_name()] = Trying(what, time.monotonic())
        try:
            yield trying.errors
        finally:
            del self._seen.trying[task.get_name()]

    async def _until_done(self, call: Callable[[], Awaitable[T]], what: str, seconds: float, errors: Counter[str]) -> T:
        end, pause_s = time.monotonic() + GIVE_UP_S, 0.2
        while True:
            try:
                async with asyncio.timeout(seconds):
                    return await call()
            except TimeoutError:
                reason, asked_s = "no answer", 0.0
            except grpc.aio.AioRpcError as error:
                reason, asked_s = details(error)
                if error.code() in PERMANENT:
                    raise GaveUp(f"{what}: {reason}") from None
            self._seen.errors[reason] += 1
            errors[reason] += 1
            if time.monotonic() > end:
                raise GaveUp(f"{what}: {reason} for {GIVE_UP_S:.0f} s")
            await asyncio.sleep(max(asked_s, pause_s * random.uniform(0.5, 1.0)))
            pause_s = min(LONGEST_PAUSE_S, 2 * pause_s)

    async def session(self, app: App, client: str) -> str:
        """Open a session."""
        request = session_pb2.StartSessionRequest(client_id=client, request_id=str(uuid.uuid4()), language="en")

        async def start() -> str:
            return (await app.sessions.StartSession(request)).session.id

        return await self.patiently(start, "open a session")

    async def photograph(self, earlier: int) -> None:
        """Send pictures, and a recording now and then, in one session."""
        async with self.app() as (app, _):
            session = await self.session(app, "photographer")
            unread: deque[str] = deque()
            for number in range(UPLOADS_OF_A_SESSION):
                if self._over.is_set():
                    return
                unread.append(await self.upload(app, session, earlier * UPLOADS_OF_A_SESSION + number))
                if len(unread) > MOST_UNREAD:
                    await self.read(app, unread.popleft())

    async def send_one(self, number: int) -> None:
        """Send one file in a session of its own, and wait until it was read."""
        async with self.app() as (app, _):
            await self.read(app, await self.upload(app, await self.session(app, "photographer"), number))

    async def upload(self, app: App, session: str, number: int) -> str:
        """Send one file until it is accepted; returns its id."""
        upload = str(uuid.uuid4())
        if number % RECORDING_EVERY == RECORDING_EVERY - 1:
            content, kind, media_type = (DATA / "visit.ogg").read_bytes(), media_pb2.MEDIA_KIND_RECORDING, "audio/ogg"
        else:
            content, kind, media_type = picture(number), media_pb2.MEDIA_KIND_DOCUMENT, "image/png"

        async def send() -> media_pb2.Upload:
            return await send_upload(app, upload, session, content, kind, media_type)

        await self.patiently(send, "upload")
        self._seen.uploads.add(upload)
        return upload

    async def read(self, app: App, upload: str) -> None:
        """Wait until an upload was read, or has failed."""
        await self.patiently(lambda: app.finished(upload), "watch an upload")

    async def type(self, _number: int) -> None:
        """Type texts on one stream, then ask for a record and approve it."""
        async with self.app() as (app, _):
            session = await self.session(app, "typist")
            texts = {str(uuid.uuid4()): text(f"{session[:8]} dot {n}") for n in range(TEXTS)}
            typed = Typed(app, session, texts, self._seen)
            await typed.run(self)
            self._seen.proposals.add(typed.proposal.id)
            await self._approve(app, typed.proposal)

    async def _approve(self, app: App, proposal: recommendation_pb2.Recommendation) -> None:
        request = recommendation_pb2.ApproveRecommendationRequest(
            recommendation_id=proposal.id, content_hash=proposal.content_hash
        )

        async def approve() -> bool:
            try:
                await app.recommendations.ApproveRecommendation(request)
            except grpc.aio.AioRpcError as error:
                if details(error)[0] in DECIDED:
                    return False
                raise
            return True

        if await self.patiently(approve, "approve"):
            self._seen.approved.add(proposal.id)

    async def speak(self, pcm: bytes) -> None:
        """Speak a clip on one stream, as fast as the server takes it, and note its finals."""
        async with self.app() as (app, channel):
            session = await self.session(app, "speaker")
            await self.say(channel, session, pcm, self._seen.spoken.setdefault(session, []))

    async def probe_speech(self, pcm: bytes) -> None:
        """Speak a short clip until it is recognised. Nobody compares its finals.

        Raises:
            GaveUp: Nothing was heard.
        """
        finals: list[tuple[str, int, str]] = []
        async with self.app() as (app, channel):
            await self.say(channel, await self.session(app, "prober"), pcm, finals)
        if not finals:
            raise GaveUp("probe speech: nothing was heard")

    async def say(
        self, channel: grpc.aio.Channel, session: str, pcm: bytes, finals: list[tuple[str, int, str]]
    ) -> None:
        """Speak a clip on a stream of the session.

        Args:
            finals: Gets the id of the turn, the number and the text of each final.
        """

        def take(response: conversation_pb2.ConverseResponse) -> None:
            if response.HasField("final"):
                final = response.final
                finals.append((final.turn_id, final.utterance, final.text.value))

        audio = Audio()
        audio.add(pcm)
        audio.finish()
        with self._trying("speak") as errors:

            def broke(reason: str, pause_s: float) -> None:
                self._seen.errors[reason] += 1
                errors[reason] += 1

            try:
                await Talker(channel, TalkOptions(session, "en", give_up_s=GIVE_UP_S), audio, take, broke).run()
            except grpc.aio.AioRpcError as error:
                raise GaveUp(f"speak: {details(error)[0]}") from None


def details(error: grpc.aio.AioRpcError) -> tuple[str, float]:
    """The reason of a failed call, or its status code, and how long it asks to wait."""
    reason, wait_s = error.code().name, 0.0
    status = rpc_status.from_call(error)  # type: ignore[arg-type]
    for packed in status.details if status else ():
        info, retry = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
        if packed.Unpack(info):
            reason = info.reason
        elif packed.Unpack(retry):
            wait_s = retry.retry_delay.ToMilliseconds() / 1000
    return reason, wait_s


def text(number: str) -> str:
    """What is typed; each text is another one."""
    return f"Entry {number}: my name is {PERSON}, call {PHONE} or write to {EMAIL}, the reading is 04821."


def picture(number: int) -> bytes:
    """A small printed note; each is another one."""
    image = Image.new("RGB", (420, 120), "white")
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(26)
    draw.text((16, 16), f"Note {number}: {PERSON}", fill="black", font=font)
    draw.text((16, 64), f"Phone {PHONE}", fill="black", font=font)
    with io.BytesIO() as file:
        image.save(file, "PNG")
        return file.getvalue()


async def send_upload(
    app: App, upload: str, session: str, content: bytes, kind: media_pb2.MediaKind.ValueType, media_type: str
) -> media_pb2.Upload:
    """One attempt to upload."""
    description = media_pb2.UploadDescription(
        upload_id=upload,
        session_id=session,
        kind=kind,
        size_bytes=len(content),
        sha256=hashlib.sha256(content).digest(),
        media_type=media_type,
    )

    async def parts() -> AsyncIterator[media_pb2.UploadRequest]:
        yield media_pb2.UploadRequest(description=description)
        for at in range(0, len(content), 65536):
            yield media_pb2.UploadRequest(data=content[at : at + 65536])

    return (await app.media.Upload(parts())).upload
