"""The peer of the upload benchmark: a grpc.aio server that counts bytes and discards them. Prints its address."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from typing import Any

import grpc.aio
from vestibule.v1 import media_pb2, media_pb2_grpc


class CountingMedia(media_pb2_grpc.MediaServiceServicer):
    """Only Upload is ever called."""

    async def Upload(self, request_iterator: Any, context: Any) -> media_pb2.UploadResponse:  # noqa: N802
        count = 0
        async for message in request_iterator:
            count += len(message.data)
        return media_pb2.UploadResponse(upload=media_pb2.Upload(size_bytes=count))

    async def GetUpload(self, request: Any, context: Any) -> media_pb2.GetUploadResponse:  # noqa: N802
        return media_pb2.GetUploadResponse()

    async def WatchUpload(  # noqa: N802
        self, request: Any, context: Any
    ) -> AsyncIterator[media_pb2.WatchUploadResponse]:
        yield media_pb2.WatchUploadResponse()

    async def DownloadRedacted(  # noqa: N802
        self, request: Any, context: Any
    ) -> AsyncIterator[media_pb2.DownloadRedactedResponse]:
        yield media_pb2.DownloadRedactedResponse()


async def serve() -> None:
    """Serve until killed."""
    server = grpc.aio.server()
    media_pb2_grpc.add_MediaServiceServicer_to_server(CountingMedia(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    sys.stdout.write(f"127.0.0.1:{port}\n")
    sys.stdout.flush()
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(serve())
