"""From speech and a photograph to an approved record, without personal data in any response."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import grpc.aio
import pytest
from vestibule.v1 import common_pb2, conversation_pb2, media_pb2, recommendation_pb2, session_pb2

from tests.e2e.harness import DATA, App, Server, audio, config, planted, propose, reason, visit_pcm

pytestmark = pytest.mark.e2e


def digits(text: str) -> str:
    return "".join(c for c in text if c.isdigit())


async def test_a_spoken_visit_and_two_photographs_become_an_approved_record(app: App, server: Server) -> None:
    session_id = await app.open_session()
    uploads = await photograph(app, session_id)
    seen, received = await speak(app, session_id)
    check_what_was_heard(seen)
    received += await take_what_was_read(app, uploads)
    proposed = seen["proposal"][-1].recommendation
    check_record(proposed)

    watched = app.sessions.WatchSession(session_pb2.WatchSessionRequest(session_id=session_id))
    first = await anext(aiter(watched))
    assert first.session.state == common_pb2.SESSION_STATE_AWAITING_APPROVAL
    await approve(app, proposed)
    updates = [first]
    async with asyncio.timeout(60):
        async for update in watched:
            updates.append(update)
    assert updates[-1].session.state == common_pb2.SESSION_STATE_COMPLETED

    for value in planted("visit", "register"):
        assert value.encode() not in received
        assert value not in server.log


async def photograph(app: App, session_id: str) -> list[media_pb2.Upload]:
    """Upload the visitor register and the meter."""
    uploads = [
        await app.upload(session_id, (DATA / name).read_bytes(), kind)
        for name, kind in (
            ("register.jpg", media_pb2.MEDIA_KIND_VISITOR_REGISTER),
            ("meter.jpg", media_pb2.MEDIA_KIND_METER),
        )
    ]
    assert {u.state for u in uploads} <= {media_pb2.UPLOAD_STATE_ACCEPTED, media_pb2.UPLOAD_STATE_PROCESSING}
    return uploads


async def speak(app: App, session_id: str) -> tuple[dict[str, list[Any]], bytes]:
    """Say the visit and ask for a record; returns the payloads by their kind, and every byte of them."""

    async def talk() -> AsyncIterator[conversation_pb2.ConverseRequest]:
        yield config(session_id)
        async for chunk in audio(visit_pcm(), pace=1.0):  # faster, and finals may leave no time for partials
            yield chunk
        yield propose()

    seen: dict[str, list[Any]] = {}
    received = b""
    async for message in app.conversations.Converse(talk()):
        kind = message.WhichOneof("payload")
        seen.setdefault(str(kind), []).append(getattr(message, str(kind)))
        received += message.SerializeToString()
    return seen, received


def check_what_was_heard(seen: dict[str, list[Any]]) -> None:
    """All audio was taken, text came on the way, and nothing personal is in it."""
    assert seen["acknowledged"][-1].offset == len(visit_pcm())
    assert any(partial.text.value for partial in seen["partial"]), "text comes while the person speaks"
    assert len(seen["final"]) >= 2
    spoken = " ".join(final.text.value for final in seen["final"])
    assert "[REDACTED_NAME]" in spoken
    assert "[REDACTED_EMAIL]" in spoken
    assert seen["reply_ended"][-1].origin == common_pb2.ORIGIN_FALLBACK


async def take_what_was_read(app: App, uploads: list[media_pb2.Upload]) -> bytes:
    """Wait for both pictures; returns every byte of what was read in them, and of the redacted pictures."""
    received = b""
    for upload in uploads:
        done = await app.finished(upload.id)
        assert done.state == media_pb2.UPLOAD_STATE_DONE, done.failure_reason
        assert done.text.safe_for_llm
        received += done.SerializeToString() + await app.picture(upload.id)
    assert "04821" in digits((await app.finished(uploads[1].id)).text.value)
    return received


def check_record(proposed: recommendation_pb2.Recommendation) -> None:
    """It waits for approval, with what was said and what was read."""
    assert proposed.state == recommendation_pb2.RECOMMENDATION_STATE_PENDING
    record = {field.name: field.value for field in proposed.record.fields}
    assert record["meter_reading"] == "04821"
    assert "Riverside" in record["site_name"]


async def approve(app: App, proposed: recommendation_pb2.Recommendation) -> None:
    """Approve a record: not another one than was seen, and safe to repeat."""

    async def decide(content_hash: bytes) -> recommendation_pb2.Recommendation:
        request = recommendation_pb2.ApproveRecommendationRequest(
            recommendation_id=proposed.id, content_hash=content_hash, decided_by="clerk-7"
        )
        return (await app.recommendations.ApproveRecommendation(request)).recommendation

    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await decide(bytes(32))
    assert reason(caught.value) == "CONTENT_CHANGED"
    for _ in range(2):
        assert (await decide(proposed.content_hash)).state == recommendation_pb2.RECOMMENDATION_STATE_APPROVED


async def test_typed_text_is_redacted_and_answered(app: App) -> None:
    session_id = await app.open_session()

    async def typed() -> AsyncIterator[conversation_pb2.ConverseRequest]:
        yield config(session_id)
        text = "I am Maria Lopez, write to maria.lopez@example.org. The meter reads 04821."
        yield conversation_pb2.ConverseRequest(text=conversation_pb2.TypedText(text=text))

    messages = [m async for m in app.conversations.Converse(typed())]
    [final] = [m.final for m in messages if m.HasField("final")]
    assert "Lopez" not in final.text.value
    assert "[REDACTED_EMAIL]" in final.text.value
    assert "04821" in final.text.value
    assert [m for m in messages if m.HasField("reply_ended")]


async def test_silence_gives_no_final(app: App) -> None:
    session_id = await app.open_session()

    async def silent() -> AsyncIterator[conversation_pb2.ConverseRequest]:
        yield config(session_id)
        async for chunk in audio(bytes(4 * 32000), pace=20.0):
            yield chunk

    messages = [m async for m in app.conversations.Converse(silent())]
    assert not [m for m in messages if m.HasField("final")]


async def test_every_phone_format_can_be_streamed(app: App) -> None:
    names = ("visit.webm", "visit.ogg", "visit.mp3", "visit.flac", "visit.aac", "visit.m4a")
    two = asyncio.Semaphore(2)  # as many streams as a busy server takes

    async def finals_of(name: str) -> list[conversation_pb2.FinalTranscript]:
        async with two:
            return await stream_container(app, name)

    for finals in await asyncio.gather(*map(finals_of, names)):
        assert "[REDACTED_NAME]" in " ".join(final.text.value for final in finals)
        for final in finals:
            assert " ".join(word.value for word in final.words) == final.text.value
            times = [time.ToTimedelta() for word in final.words for time in (word.start, word.end)]
            assert times == sorted(times)
            assert final.start.ToTimedelta() <= times[0]
            assert times[-1] <= final.end.ToTimedelta()


async def stream_container(app: App, name: str) -> list[conversation_pb2.FinalTranscript]:
    """The finals of a short clip that is sent as the file that it is."""
    session_id = await app.open_session()
    content = (DATA / name).read_bytes()

    async def stream() -> AsyncIterator[conversation_pb2.ConverseRequest]:
        yield conversation_pb2.ConverseRequest(
            config=conversation_pb2.ConverseConfig(
                session_id=session_id, encoding=conversation_pb2.AUDIO_ENCODING_CONTAINER, word_times=True
            )
        )
        for at in range(0, len(content), 4000):
            chunk = conversation_pb2.AudioChunk(offset=at, data=content[at : at + 4000])
            yield conversation_pb2.ConverseRequest(audio=chunk)

    return [m.final async for m in app.conversations.Converse(stream()) if m.HasField("final")]


async def test_a_recording_can_be_uploaded(app: App) -> None:
    session_id = await app.open_session()
    content = (DATA / "visit.webm").read_bytes()
    upload = await app.upload(session_id, content, media_pb2.MEDIA_KIND_RECORDING, "audio/webm")
    done = await app.finished(upload.id)
    assert done.state == media_pb2.UPLOAD_STATE_DONE
    assert "[REDACTED_NAME]" in done.text.value
    assert not done.has_redacted_image


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"%!PS-Adobe-3.0 and then some", "UNSUPPORTED_MEDIA"),
        (b"\xff\xd8\xff\xe0" + b"no picture at all" * 100, "BROKEN_MEDIA"),
    ],
)
async def test_a_file_that_is_not_a_picture_is_refused_with_a_reason(app: App, content: bytes, expected: str) -> None:
    session_id = await app.open_session()
    try:
        upload = await app.upload(session_id, content, media_pb2.MEDIA_KIND_METER)
    except grpc.aio.AioRpcError as error:
        assert reason(error) == expected
    else:
        done = await app.finished(upload.id)
        assert (done.state, done.failure_reason) == (media_pb2.UPLOAD_STATE_FAILED, expected)
