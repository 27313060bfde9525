"""Pictures of a conversation: sent, and read by the server."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Final

from vestibule.v1 import media_pb2
from vestibule.v1.media_pb2_grpc import MediaServiceStub

from server.cli.output import Failure

if TYPE_CHECKING:
    import grpc.aio

KINDS: Final = {
    "meter": media_pb2.MEDIA_KIND_METER,
    "visitor_register": media_pb2.MEDIA_KIND_VISITOR_REGISTER,
    "document": media_pb2.MEDIA_KIND_DOCUMENT,
    "site": media_pb2.MEDIA_KIND_SITE,
}
PIECE_BYTES = 128 * 1024
UPLOAD_TIMEOUT_S = 120.0


async def pieces(description: media_pb2.UploadDescription, content: bytes) -> AsyncIterator[media_pb2.UploadRequest]:
    """The messages of one upload."""
    yield media_pb2.UploadRequest(description=description)
    for start in range(0, len(content), PIECE_BYTES):
        yield media_pb2.UploadRequest(data=content[start : start + PIECE_BYTES])


async def read_picture(
    channel: grpc.aio.Channel, session_id: str, kind: media_pb2.MediaKind.ValueType, content: bytes
) -> str:
    """Send a picture and wait until it is read; returns its redacted text.

    Raises:
        Failure: The server could not read it.
        grpc.aio.AioRpcError: The server refused it.
    """
    stub = MediaServiceStub(channel)
    upload = media_pb2.Upload(id=str(uuid.uuid4()))
    description = media_pb2.UploadDescription(
        upload_id=upload.id,
        session_id=session_id,
        kind=kind,
        size_bytes=len(content),
        sha256=hashlib.sha256(content).digest(),
    )
    await stub.Upload(pieces(description, content), timeout=UPLOAD_TIMEOUT_S)
    request = media_pb2.WatchUploadRequest(upload_id=upload.id)
    async for update in stub.WatchUpload(request, timeout=UPLOAD_TIMEOUT_S):
        upload = update.upload
    if upload.state != media_pb2.UPLOAD_STATE_DONE:
        raise Failure("The server could not read the picture.", reason=upload.failure_reason)
    return upload.text.value
