"""The peer of some benchmarks: a grpc.aio server without options, which discards what it gets. Prints its address."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from typing import Any

import grpc.aio
from vestibule.v1 import media_pb2, media_pb2_grpc, session_pb2, session_pb2_grpc


class CountingMedia(media_pb2_grpc.MediaServiceServicer):
    """Counts the bytes of uploads; the rest answers at once."""

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


class Sessions(session_pb2_grpc.SessionServiceServicer):
    """Only GetSession is ever called."""

    async def GetSession(self, request: Any, context: Any) -> session_pb2.GetSessionResponse:  # noqa: N802
        return session_pb2.GetSessionResponse()


async def serve() -> None:
    """Serve until killed."""
    server = grpc.aio.server()
    media_pb2_grpc.add_MediaServiceServicer_to_server(CountingMedia(), server)
    session_pb2_grpc.add_SessionServiceServicer_to_server(Sessions(), server)  # type: ignore[abstract]  # see above
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    sys.stdout.write(f"127.0.0.1:{port}\n")
    sys.stdout.flush()
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(serve())
