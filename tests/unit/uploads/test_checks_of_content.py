"""Checks of the whole content: what they see, what they may put in its place, and what a refusal leaves behind."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import replace

import pytest

from models.errors import BrokenMedia
from server.uploads.spool import SpoolWriter
from server.uploads.types import CheckStage, CheckStep, CleanContent, ReceivedBytes, UploadCheck
from tests.unit.ledger.stored import jobs_of_session
from tests.unit.uploads.upload_harness import JPEG, WAV, UploadHarness, reason_of

CLEAN = b"\x89PNG\r\n\x1a\n" + bytes(500)


def with_checks(harness: UploadHarness, *checks: UploadCheck) -> UploadHarness:
    return replace(harness, more_checks=tuple(CheckStep(CheckStage.ARRIVED, check, (), "") for check in checks))


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
    later: list[bytes] = []

    async def clean(_received: ReceivedBytes) -> CleanContent:
        return CleanContent(CLEAN)

    async def look(received: ReceivedBytes) -> None:
        later.append(received.content)

    row = await with_checks(harness, clean, look).accept(media_type="image/jpeg")
    (job,) = await harness.ledger.read(lambda cursor: jobs_of_session(cursor, harness.session.id))
    assert harness.spool.read(job.payload["spool_id"]) == CLEAN
    assert later == [CLEAN]
    assert (row.size_bytes, row.sha256) == (len(JPEG), hashlib.sha256(JPEG).hexdigest()), "of what the client sent"
    assert row.media_type == "image/jpeg"


async def test_an_upload_is_repeated_by_what_the_client_sent(harness: UploadHarness) -> None:
    async def clean(_received: ReceivedBytes) -> CleanContent:
        return CleanContent(CLEAN)

    cleaning = with_checks(harness, clean)
    first = await cleaning.accept(upload_id=(upload_id := harness.describe().upload_id))
    assert (await cleaning.accept(upload_id=upload_id)).id == first.id
    assert await reason_of(lambda: cleaning.accept(WAV, upload_id=upload_id)) == "UPLOAD_ID_REUSED"
