"""Checks of the whole content: what they see, what is stored in its place, and what a refusal leaves behind."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from models.errors import BrokenMedia, Overloaded, Unavailable
from models.reasons import Reason
from server.uploads.encode_anew import MediaCleaner
from server.uploads.spool_writer import SpoolWriter
from server.uploads.types import CheckStage, CheckStep, ReceivedBytes, UploadCheck
from tests.fakes.cleaner import OtherBytes
from tests.unit.ledger.stored import jobs_of_session
from tests.unit.uploads.upload_harness import JPEG, WAV, UploadHarness, reason_of

CLEAN = b"\x89PNG\r\n\x1a\n" + bytes(500_000)


def with_checks(harness: UploadHarness, *checks: UploadCheck, cleaner: MediaCleaner | None = None) -> UploadHarness:
    """The same with more checks before the last, and another cleaner."""
    more = tuple(CheckStep(CheckStage.ARRIVED, check, (), "") for check in checks)
    return replace(harness, more_checks=more, cleaner=cleaner or harness.cleaner)


async def test_a_check_sees_every_byte_before_the_disk_has_one(harness: UploadHarness) -> None:
    seen: list[tuple[ReceivedBytes, list[str]]] = []

    async def look(received: ReceivedBytes) -> None:
        seen.append((received, harness.files()))

    await with_checks(harness, look).accept()
    [(received, files)] = seen
    assert (received.content, received.sha256, files) == (JPEG, hashlib.sha256(JPEG).digest(), [])


@pytest.mark.parametrize(("refused", "files_made"), [(True, 0), (False, 1)])
async def test_a_refused_content_is_never_written(
    harness: UploadHarness, monkeypatch: pytest.MonkeyPatch, refused: bool, files_made: int
) -> None:
    made: list[object] = []

    async def judge(_received: ReceivedBytes) -> None:
        if refused:
            raise BrokenMedia("It does not decode.")

    checked = with_checks(harness, judge)
    writer = checked.spool.writer

    def observed(spool_id: str) -> SpoolWriter:
        made.append(spool_id)
        return writer(spool_id)

    monkeypatch.setattr(checked.spool, "writer", observed)
    with suppress(BrokenMedia):
        await checked.accept()
    assert (len(made), len(harness.files())) == (files_made, files_made)


async def test_a_clean_form_is_stored_in_place_of_the_content(harness: UploadHarness) -> None:
    row = await with_checks(harness, cleaner=OtherBytes(CLEAN)).accept(media_type="image/jpeg")
    (job,) = await harness.ledger.read(lambda cursor: jobs_of_session(cursor, harness.session.id))
    assert harness.spool.read(job.payload["spool_id"]) == CLEAN
    assert (row.size_bytes, row.sha256) == (len(JPEG), hashlib.sha256(JPEG).hexdigest()), "of what the client sent"
    assert row.media_type == "image/jpeg"


async def test_a_clean_form_that_is_not_finished_leaves_nothing(harness: UploadHarness) -> None:
    parts: list[list[str]] = []

    async def dies() -> None:
        parts.append(harness.files())
        raise BrokenMedia("The content cannot be decoded within the limits.", reason=Reason.MEDIA_NOT_DECODABLE)

    before = harness.spool.usage.used_bytes
    checked = with_checks(harness, cleaner=OtherBytes(CLEAN, dies))
    assert await reason_of(checked.accept) == "MEDIA_NOT_DECODABLE"
    assert [Path(name).suffix for name in parts[0]] == [".part"]
    assert (harness.files(), checked.spool.usage.used_bytes) == ([], before)


async def test_a_caller_that_leaves_during_the_decoding_leaves_nothing(harness: UploadHarness) -> None:
    decoding = asyncio.Event()
    given: list[Callable[[memoryview], None]] = []

    class Endless(OtherBytes):
        async def clean(self, data: bytes, write: Callable[[memoryview], None], client_id: str) -> None:
            given.append(write)
            await super().clean(data, write, client_id)

    async def goes_on() -> None:
        decoding.set()
        await asyncio.Event().wait()

    checked = with_checks(harness, cleaner=Endless(CLEAN, goes_on))
    call = asyncio.create_task(checked.accept())
    await decoding.wait()
    assert await checked.intake.sweep() == 0, "it is being written"
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    with pytest.raises(Unavailable):
        given[0](memoryview(b"late"))
    assert harness.files() == []


async def test_a_decoder_without_a_free_place_does_not_count_in_the_quota(harness: UploadHarness) -> None:
    async def busy() -> None:
        raise Overloaded("The decoders are busy with other files.", reason=Reason.DECODERS_BUSY, retry_after_s=10.0)

    checked = with_checks(harness.with_limits(client_uploads=1), cleaner=OtherBytes(b"", busy))
    for _ in range(3):
        assert await reason_of(checked.accept) == "DECODERS_BUSY"


async def test_an_upload_is_repeated_by_what_the_client_sent(harness: UploadHarness) -> None:
    cleaning = with_checks(harness, cleaner=OtherBytes(CLEAN))
    first = await cleaning.accept(upload_id=(upload_id := harness.describe().upload_id))
    assert (await cleaning.accept(upload_id=upload_id)).id == first.id
    assert await reason_of(lambda: cleaning.accept(WAV, upload_id=upload_id)) == "UPLOAD_ID_REUSED"
