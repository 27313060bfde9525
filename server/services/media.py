"""MediaService: takes files in, and returns their redacted forms."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from vestibule.v1 import media_pb2, media_pb2_grpc

from models.errors import Conflict, InvalidInput, NotFound
from models.reasons import Reason
from server.access import ownership
from server.access.caller import current_caller
from server.ledger.transactional import Ledger
from server.ledger.types import UploadRow, UploadState
from server.records.pubsub import PubSub
from server.rpc import convert
from server.runtime.lifecycle import Lifecycle
from server.uploads.service import UploadService
from server.uploads.types import DeclaredUpload

DOWNLOAD_CHUNK_BYTES = 64 * 1024
_FINAL_STATES = (UploadState.DONE, UploadState.FAILED)


class MediaService(media_pb2_grpc.MediaServiceServicer):
    """See protos/vestibule/v1/media.proto."""

    def __init__(
        self, upload_service: UploadService, ledger: Ledger, pubsub: PubSub, lifecycle: Lifecycle, pictures: Path
    ) -> None:
        self._upload_service = upload_service
        self._ledger = ledger
        self._pubsub = pubsub
        self._lifecycle = lifecycle
        self._pictures = pictures

    async def Upload(  # noqa: N802, D102
        self, request_iterator: AsyncIterator[media_pb2.UploadRequest], context: Any
    ) -> media_pb2.UploadResponse:
        first = await anext(aiter(request_iterator), None)
        if first is None or first.WhichOneof("payload") != "description":
            raise InvalidInput("The first message must be the description.", reason=Reason.DESCRIPTION_MISSING)
        row = await self._upload_service.accept(_description(first.description), _chunks(request_iterator))
        return media_pb2.UploadResponse(upload=convert.upload(row))

    async def GetUpload(  # noqa: N802, D102
        self, request: media_pb2.GetUploadRequest, context: Any
    ) -> media_pb2.GetUploadResponse:
        return media_pb2.GetUploadResponse(upload=convert.upload(await self._get(request.upload_id)))

    async def WatchUpload(  # noqa: N802, D102
        self, request: media_pb2.WatchUploadRequest, context: Any
    ) -> AsyncIterator[media_pb2.WatchUploadResponse]:
        upload_id = (await self._get(request.upload_id)).id
        with self._pubsub.subscribe(upload_id, reads_again=True) as updates:
            row = await self._get(request.upload_id)
            yield media_pb2.WatchUploadResponse(upload=convert.upload(row))
            while row.state not in _FINAL_STATES:
                update = await self._lifecycle.or_drain(anext(updates))
                if isinstance(update, UploadRow):
                    row = update
                    yield media_pb2.WatchUploadResponse(upload=convert.upload(row))

    async def DownloadRedacted(  # noqa: N802, D102
        self, request: media_pb2.DownloadRedactedRequest, context: Any
    ) -> AsyncIterator[media_pb2.DownloadRedactedResponse]:
        row = await self._get(request.upload_id)
        if row.artifact is None:
            raise _no_artifact(row)
        try:
            content = await asyncio.to_thread((self._pictures / row.artifact.path).read_bytes)
        except FileNotFoundError as exc:
            raise NotFound("The redacted file no longer exists.", reason=Reason.PICTURE_GONE) from exc
        yield convert.redacted_file(row.artifact, len(content))
        for start in range(0, len(content), DOWNLOAD_CHUNK_BYTES):
            yield media_pb2.DownloadRedactedResponse(data=content[start : start + DOWNLOAD_CHUNK_BYTES])

    async def _get(self, upload_id: str) -> UploadRow:
        caller = current_caller()
        return await self._ledger.read(lambda cursor: ownership.upload(cursor, upload_id, caller))


def _no_artifact(row: UploadRow) -> Conflict:
    """Why an upload has no redacted picture or recording."""
    if row.state not in _FINAL_STATES:
        return Conflict("The upload is not read yet.", reason=Reason.UPLOAD_NOT_READ, hint="Wait with WatchUpload.")
    recording = row.kind == "recording" or row.media_type.startswith(("audio/", "video/"))
    what, reason = ("recording", Reason.NO_RECORDING) if recording else ("picture", Reason.NO_PICTURE)
    if row.state is UploadState.FAILED:
        hint = "The upload has the reason as failure_reason. Send the file again once that is mended."
        return Conflict(f"The upload failed, so there is no redacted {what}.", reason=reason, hint=hint)
    if recording and row.text is not None:
        return Conflict("The server has no redacted form of this recording.", reason=reason)
    hint = "VESTIBULE_RETENTION__ARTIFACTS_DAYS says how long pictures and recordings are kept."
    return Conflict(f"The redacted {what} was deleted by age.", reason=reason, hint=hint)


def _description(message: media_pb2.UploadDescription) -> DeclaredUpload:
    return DeclaredUpload(
        upload_id=message.upload_id,
        session_id=message.session_id,
        kind=convert.media_kind(message.kind),
        size_bytes=message.size_bytes,
        sha256=message.sha256,
        media_type=message.media_type,
        display_name=message.display_name,
    )


async def _chunks(messages: AsyncIterator[media_pb2.UploadRequest]) -> AsyncIterator[bytes]:
    async for message in messages:
        if message.WhichOneof("payload") != "data":
            raise InvalidInput("The description must come first, and only once.", reason=Reason.DESCRIPTION_REPEATED)
        yield message.data
